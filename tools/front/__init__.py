"""The front at scale: candidates as arrays, the exact non-dominated set, the score, the choice, and search where too large.

Its modules import NumPy at their top and are themselves imported only inside the functions that need them.
"""
