"""What holds in every row of a table: sums, formulas, orders, lookups, levels within levels."""
