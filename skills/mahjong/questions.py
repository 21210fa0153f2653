"""A person's question as the canonical prompt: spelled or compact tiles, in a sentence or alone, in any order."""

import re

from ...state.errors import RequestError
from . import judge
from .tiles import COPIES, HAND_SIZE, INDEX, TILES, Counts, count, write_prompt

_WORD = re.compile(r"(?<![^\W_])(?:\d+[^\W\d_])+(?![^\W_])")
_RUN = re.compile(r"(\d+)([^\W\d_])")
VALID = "1m-9m, 1p-9p, 1s-9s and 1z-7z (east, south, west, north, white, green, red)"


def parse_question(task: str, text: str) -> str:
    """The tiles found in a text, as a prompt; raises RequestError with everything that is wrong."""
    names = [
        f"{digit}{suit}"
        for word in _WORD.findall(text.lower())
        for digits, suit in _RUN.findall(word)
        for digit in digits
    ]
    counts = count(INDEX[name] for name in names if name in INDEX)
    unknown = [name for name in dict.fromkeys(names) if name not in INDEX]
    problems = _problems(task, counts, unknown)
    if problems:
        raise RequestError(problems)
    return write_prompt(task, counts)


def read_valid_prompt(task: str, prompt: str) -> Counts:
    """The tiles of a canonical prompt; raises RequestError for any other text."""
    word, *names = prompt.split(" ")
    if word != task or not all(name in INDEX for name in names):
        raise RequestError(
            [f"{prompt!r} is no prompt for {task}: it is the word {task!r}, then tiles of {VALID}, single spaces"]
        )
    counts = count(INDEX[name] for name in names)
    if sum(counts) != HAND_SIZE[task] or max(counts) > COPIES or prompt != write_prompt(task, counts):
        raise RequestError(
            [f"{prompt!r} is no prompt for {task}: it has {HAND_SIZE[task]} sorted tiles, at most {COPIES} of a kind"]
        )
    return counts


def _problems(task: str, counts: Counts, unknown: list[str]) -> list[str]:
    problems: list[str] = []
    if unknown:
        hint = "; write a red five as a plain five" if any(name[0] == "0" for name in unknown) else ""
        problems.append(f"unknown tiles {', '.join(map(repr, unknown))}: the tiles are {VALID}{hint}")
    if any(copies > COPIES for copies in counts):
        many = ", ".join(f"{copies} x {TILES[tile]}" for tile, copies in enumerate(counts) if copies > COPIES)
        problems.append(f"too many copies: {many}; there are {COPIES} of each tile")
    if sum(counts) != HAND_SIZE[task]:
        seen = f"found {sum(counts)}" + (f" and {len(unknown)} unknown" if unknown else "")
        example = "123m456p789s11z222z" if HAND_SIZE[task] == 14 else "123m456p789s11z22z"
        problems.append(f"{task} needs {HAND_SIZE[task]} tiles, {seen}: write them as in {example!r} or '1m 2m 3m ...'")
    if not problems and judge.is_special_only(counts):
        problems.append(
            "this hand is complete, or waits, as seven pairs or thirteen orphans alone; only melds and a pair count"
        )
    return problems
