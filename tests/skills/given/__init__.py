"""Tests of skills over examples that a user gives."""
