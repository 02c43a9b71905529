"""What is known of a table's cells."""

# Not there, there, and there but of a level that was not seen in fit.
MISSING, OBSERVED, UNKNOWN = 0, 1, 2
