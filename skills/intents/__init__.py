"""Texts to one of a fixed set of labels."""
