"""Serving a student on this machine behind an OpenAI-compatible endpoint."""
