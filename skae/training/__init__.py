"""How networks are trained: where they start, the loop, the players of a game."""
