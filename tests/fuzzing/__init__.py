"""Random tables through every estimator and method, and whether each call ends right.

`cases` draws a table and fresh rows from a seed, `driver` fits an estimator and calls its
methods, `endings` judges how a call ended, `laws` what it returned.
"""
