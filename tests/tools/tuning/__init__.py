"""Tests of the tuning of existing checkpoints, on tiny ones made on the spot."""
