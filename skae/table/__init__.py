"""The table: its columns, and the design matrix that networks see."""
