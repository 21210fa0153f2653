"""Tests of teacher-student pairing."""
