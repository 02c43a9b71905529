"""Which cells make a row anomalous."""
