"""Tests of the skills and of the registry that finds them."""
