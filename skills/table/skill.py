"""The table skill: the user's own questions and answers, read as a brief says."""

from ..given.skill import GivenSkill

SKILL = GivenSkill(
    name="table",
    description="Your own questions and answers from a file: texts to labels, numbers, or short texts.",
    keywords=("my data", "my own data", "my file", "my table", "my examples"),
)
