"""Tests of the predictions of serving and training."""
