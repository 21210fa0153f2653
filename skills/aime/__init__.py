"""Contest mathematics with integer answers (AIME)."""
