"""Tests of the files that put Stratos into containers: what no linter sees, their agreement with the code."""
