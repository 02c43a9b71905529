"""How codes are distributed: models of them, and how far they are from the prior."""
