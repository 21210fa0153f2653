"""Tests of what the evals print."""
