"""Tests of the models that many sizes are cut from."""
