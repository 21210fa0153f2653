"""Whether a teacher and a student fit each other, and which of the pairs that fit to try first."""
