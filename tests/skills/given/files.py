"""Files of examples for tests: a tiny classification whose label follows from one word, and whose words are few."""

import json
from pathlib import Path
from typing import Any

COLOURS = {"apple": "red", "leaf": "green", "sea": "blue", "sun": "yellow"}


def rows(count: int = 200) -> list[dict[str, Any]]:
    things = list(COLOURS)
    return [
        {
            "text": f"what colour has the {things[number % 4]} number {' '.join(str(number))}",
            "label": COLOURS[things[number % 4]],
        }
        for number in range(count)
    ]


def write_jsonl(path: Path, examples: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(example) + "\n" for example in examples), encoding="utf-8")
    return str(path)
