"""The skill that `stratos skills new` writes: a toy with all the parts of a real one, to be replaced piece by piece."""
