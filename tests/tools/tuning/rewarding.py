"""Rewards that tests name in job files."""

from typing import Any


def vowels(prompt: str, completion: str, line: dict[str, Any]) -> float:
    """Share of an answer's characters that are the letter the line wants."""
    return completion.count(line["letter"]) / max(1, len(completion))


def no_number(prompt: str, completion: str, line: dict[str, Any]) -> float:
    """A broken verifier."""
    return float("nan")
