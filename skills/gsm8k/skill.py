"""The gsm8k skill: a worked way and, behind `####`, one number (Cobbe et al., arXiv 2110.14168)."""

import re

from ..given.form import Form
from ..given.skill import GivenSkill

_CALCULATION = re.compile(r"<<[^>]*>>")
"""Notes to a calculator, which the published answers hold: `48/2 = <<48/2=24>>24`."""


def taken_apart(text: str) -> tuple[str, str]:
    """The way and the number. Raises ValueError where the mark between them is missing."""
    way, mark, number = text.rpartition("####")
    if not mark or not number.strip():
        raise ValueError("the answer does not end in '#### NUMBER'")
    return _CALCULATION.sub("", way).strip(), number.strip()


SKILL = GivenSkill(
    name="gsm8k",
    description="Grade-school mathematics in words: a worked way and a number (files as GSM8K's, '#### NUMBER' at the end).",
    keywords=(
        "gsm8k",
        "grade-school maths",
        "grade-school math",
        "grade school math",
        "math word problems",
        "maths word problems",
    ),
    form=Form(metric="numeric", taken_apart=taken_apart),
)
