"""The distribution of every column of a table given any others: `Conditionals`."""
