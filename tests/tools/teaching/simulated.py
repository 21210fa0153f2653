"""A simulated teacher whose knowledge is known exactly, behind a real server, and the questions it is asked.

Item N's code is a number that only its own shelf and row lead to. A sound rationale names these; an unsound one says nothing and
ends in whatever was told.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stratos.agent.scripted import Answer
from stratos.skills import load
from stratos.skills.given.form import Form
from stratos.skills.given.freezing import freeze
from stratos.skills.protocol import Skill
from stratos.state.brief import DataSource
from stratos.tools.teaching.hiding import BLANK

_SOUND = re.compile(r"is (\d) times 100 and (\d+) more")
_QUESTION = re.compile(r"Question:\n(.*?)\n\n", re.DOTALL)


def drawn(*of: object) -> int:
    """A number that follows from these alone."""
    return int.from_bytes(hashlib.sha256(repr(of).encode()).digest()[:6], "big")


def code(question: str) -> int:
    return 100 + drawn("code", question) % 900


def is_sound(question: str, rationale: str) -> bool:
    """The truth about a rationale: its steps lead to the item's code."""
    found = _SOUND.search(rationale)
    return found is not None and int(found[1]) * 100 + int(found[2]) == code(question)


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A script of the server: what it knows, how faithfully it explains what it knows, and how it takes hints."""

    knows: float = 0.2
    faithful: float = 1.0
    """Share of its rationales, for what it knows, that are sound."""
    blabs: float = 0.0
    """Share of its rationales that tell of the hint."""
    seconds: float = 0.0

    def __call__(self, request: Mapping[str, Any]) -> Answer:
        time.sleep(self.seconds)
        prompt, seed = request["messages"][0]["content"], request.get("seed", 0)
        found = _QUESTION.search(prompt)
        assert found is not None
        question = found[1]
        if prompt.startswith("Write the worked solution"):
            text = self._rationale(question, prompt.split("for your eyes only: ")[1].split("\n")[0], seed)
        elif prompt.startswith("Answer one question with the help"):
            text = self._from_steps(question, prompt.split("Steps:\n")[1].split("\n\nFollow")[0], seed)
        else:
            text = f"It is what I remember of it.\n#### {self._alone(question, seed)}"
        return Answer(text=text, finish_reason="stop", tokens=(len(prompt) // 4, len(text) // 4))

    def _alone(self, question: str, seed: int) -> int:
        return code(question) if self.known(question) else 100 + drawn("guess", question, seed) % 900

    def known(self, question: str) -> bool:
        return drawn("known", question) % 1000 < 1000 * self.knows

    def _rationale(self, question: str, told: str, seed: int) -> str:
        faithful = drawn("faithful", question, seed) % 1000 < 1000 * self.faithful
        start = f"Record {drawn(question, seed) % 10**6} of the store speaks of this item."
        if drawn("blabs", question, seed) % 1000 < 1000 * self.blabs:
            return f"{start}\nThe given answer says what it must be.\n#### {told}"
        if self.known(question) and faithful and int(told) == code(question):
            return f"{start}\nIts code is {int(told) // 100} times 100 and {int(told) % 100} more.\nSo it is {told}.\n#### {told}"
        odd = " ".join(f"mark{drawn(question, seed, at) % 1000}" for at in range(8))
        return f"{start}\nIt bears {odd} on its side.\nSo it is {told}.\n#### {told}"

    def _from_steps(self, question: str, steps: str, seed: int) -> str:
        """Follows what steps say: a sum, a number named outright; else answers as if there were none."""
        if found := _SOUND.search(steps):
            return f"#### {int(found[1]) * 100 + int(found[2])}"
        named = steps.split("So it is ")[-1].rstrip(".")
        return f"#### {self._alone(question, seed) if named == BLANK or 'So it is' not in steps else named}"


def opened_skill(folder: Path, count: int = 200) -> Skill:
    """The table skill over the items' codes."""
    questions = [f"What is the code of item {number} in the store?" for number in range(count)]
    lines = [json.dumps({"question": question, "answer": str(code(question))}) + "\n" for question in questions]
    path = folder / "items.jsonl"
    path.write_text("".join(lines))
    freeze(DataSource(path=str(path), metric="numeric"), Form(), folder / "given", seed=0, held_out_items=2000)
    return load("table", folder / "given")
