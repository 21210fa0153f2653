"""Tests of the sources of prices."""
