"""Tests of the state folder: models, workspace, journal."""
