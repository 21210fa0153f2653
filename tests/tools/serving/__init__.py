"""Tests of serving, with real server processes on loopback and a tiny random model made on the spot."""
