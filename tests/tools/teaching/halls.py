"""Documents that say in which hall things are kept, and a teacher that makes questions of them, some wrongly."""

import json
import re
from pathlib import Path
from typing import Any

from stratos.agent.scripted import Answer

from .simulated import drawn

HALLS = ("north", "south", "east", "west")


def hall(item: int) -> str:
    return HALLS[drawn("hall", item) % 4]


def written(folder: Path, items: int = 120) -> Path:
    """A document whose paragraphs of ten sentences say where things are."""
    path = folder / "store.txt"
    lines = [
        f"Item {item} is kept in the {hall(item)} hall, behind the door with its own number on it."
        for item in range(items)
    ]
    path.write_text("\n\n".join(" ".join(lines[at : at + 10]) for at in range(0, items, 10)))
    return path


def teacher(request: Any) -> Answer:
    """Makes questions of all items of a passage, a quarter of them with a wrong hall, and knows every third item without it."""
    prompt = request["messages"][0]["content"]
    passage = (
        prompt.split("Passage:\n")[1].split("\n\nWrite up")[0].split("\n\nQuestion")[0] if "Passage:" in prompt else ""
    )
    if prompt.startswith("Write questions"):
        found = re.findall(r"(Item (\d+) is kept in the (\w+) hall[^.]*\.)", passage)
        lines = ["```json", *(_fact(quote, int(item), true) for quote, item, true in found), '{"question": "cut o']
        return Answer(text="\n".join(lines), finish_reason="length", tokens=(500, 200))
    item = re.search(r"Where is item (\d+)\?", prompt)
    assert item is not None
    said = re.search(rf"Item {item[1]} is kept in the (\w+) hall", passage)
    known = hall(int(item[1])) if int(item[1]) % 3 == 0 else "not known"
    return Answer(
        text=f"#### {said[1] if said else 'not said' if passage else known}", finish_reason="stop", tokens=(500, 5)
    )


def _fact(quote: str, item: int, true: str) -> str:
    wrong = next(other for other in HALLS if other != true)
    answer = wrong if item % 4 == 0 else true
    return json.dumps({"question": f"Where is item {item}?", "answer": answer, "quote": quote})
