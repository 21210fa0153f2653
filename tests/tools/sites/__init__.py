"""Tests of what sites learn from each other."""
