"""Stratos: one sentence in, a measured and served small language model out."""

VERSION = "0.1.0"
