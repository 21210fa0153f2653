"""The aime skill: contest problems whose answers are whole numbers from 0 to 999."""

from ..given.form import Form
from ..given.skill import GivenSkill

SKILL = GivenSkill(
    name="aime",
    description="Contest mathematics with whole numbers as answers (files as AIME's: problem, answer).",
    keywords=("aime", "contest mathematics", "contest math", "contest maths", "olympiad problems"),
    form=Form(metric="numeric"),
)
