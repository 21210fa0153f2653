"""The intents skill: a short text to one of a fixed set of labels (files as BANKING77's: text, category)."""

from ..given.form import Form
from ..given.skill import GivenSkill

SKILL = GivenSkill(
    name="intents",
    description="Short texts to one of a fixed set of labels: intents, topics, routes (files as BANKING77's: text, category).",
    keywords=(
        "intent", "intents", "intent classification", "classify intents", "classify customer", "classify tickets", "support tickets",
        "banking77", "text classification", "classify texts", "classify messages", "classify questions", "label texts", "topics",
    ),
    form=Form(metric="choice"),
)  # fmt: skip
