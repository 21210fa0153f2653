"""Tests of jobs on other machines."""
