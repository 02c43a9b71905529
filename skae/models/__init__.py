"""Torch models: network, losses and start together."""
