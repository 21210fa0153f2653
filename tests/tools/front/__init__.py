"""Tests of the front at scale."""
