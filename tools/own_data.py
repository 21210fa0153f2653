"""A user's own questions as training data: read from JSONL, checked line by line, solved by the skill's teacher."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..skills import load as load_skill
from ..skills.protocol import Example, Skill
from ..state.errors import RequestError
from ..state.run import OwnData
from .jobs import write_atomic

PROMPT_FIELDS = ("prompt", "question", "input", "text")
ANSWER_FIELDS = ("answer", "output", "label", "completion")
BOOLEANS = {"true": "yes", "false": "no"}
"""How JSON's own words for an answer are read where the skill says yes and no."""

SUFFIXES = (".jsonl", ".ndjson", ".json", "")
PROBLEMS_SHOWN = 5
MAX_BYTES = 256 * 2**20


def take_own_data(skill_name: str, task: str, path: Path, run_folder: Path) -> OwnData:
    """Copies the questions of a file, solved, into the run's folder, and says how many there are.

    Each line is a JSON object with a question under one of PROMPT_FIELDS and, where it has one, an answer under one of
    ANSWER_FIELDS. Raises RequestError, and keeps nothing, when any line cannot be used; it names the first of them.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise RequestError([f"{path} is no JSONL file, and only JSONL is read", _wanted(skill_name, task)])
    skill = load_skill(skill_name)
    if skill.needs_data:
        raise RequestError(
            [f"{skill_name} learns from the data that its brief names: start another run with more of them"]
        )
    examples: list[Example] = []
    problems: list[str] = []
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            given = _object(line)
            example = skill.solve(task, skill.parse_question(task, _field(given, PROMPT_FIELDS)))
            answer = next((text for name in ANSWER_FIELDS if (text := _text(given.get(name)))), "")
            if answer and not _is_right(skill, task, example.prompt, answer):
                raise RequestError(
                    [f"its answer {answer[:60]!r} is wrong by the verifier; right is {example.answer!r}"]
                )
            examples.append(example)
        except RequestError as error:
            problems.append(f"line {number}: {'; '.join(error.problems)[:300]}")
    if not examples and not problems:
        problems.append("it holds no questions")
    if problems:
        more = f"and {len(problems) - PROBLEMS_SHOWN} more" if len(problems) > PROBLEMS_SHOWN else ""
        shown = [f"{path}: {problem}" for problem in problems[:PROBLEMS_SHOWN]]
        raise RequestError([*shown, *([more] if more else []), _wanted(skill_name, task)])
    text = "".join(json.dumps(asdict(example)) + "\n" for example in examples)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    name = f"own-{sha256[:12]}.jsonl"
    run_folder.mkdir(parents=True, exist_ok=True)
    write_atomic(run_folder / name, text)
    return OwnData(source=str(path), path=name, questions=len(examples), sha256=sha256)


def _is_right(skill: Skill, task: str, prompt: str, answer: str) -> bool:
    said = Example(prompt=prompt, rationale="", answer=_in_the_skills_words(skill, answer))
    completion = skill.completion(said, rationale=False)
    return skill.verify(task, prompt, completion).answer_right


def _in_the_skills_words(skill: Skill, answer: str) -> str:
    """The answer with the skill's own upper and lower case, where that tells no two of its words apart."""
    words = {word.casefold(): word for word in skill.vocabulary}
    if len(words) < len(skill.vocabulary):
        return answer
    meant = {said: words[means] for said, means in BOOLEANS.items() if means in words} | words
    return " ".join(meant.get(word.casefold(), word) for word in answer.split())


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _wanted(skill_name: str, task: str) -> str:
    return (
        f"each line must be a JSON object with a question of {skill_name}'s task {task!r} under "
        f"{', '.join(PROMPT_FIELDS)}; an answer, where there is one, under {', '.join(ANSWER_FIELDS)}"
    )


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RequestError([f"{path} is larger than {MAX_BYTES // 2**20} MiB"])
        return path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise RequestError([f"{path} cannot be opened: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise RequestError([f"{path} is no UTF-8 text: {error.reason} at byte {error.start}"]) from error


def _object(line: str) -> dict[str, Any]:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RequestError([f"it is no JSON ({error})"]) from error
    if not isinstance(given, dict):
        raise RequestError(["it is no JSON object"])
    return given  # pyright: ignore[reportUnknownVariableType]


def _field(given: dict[str, Any], names: tuple[str, ...]) -> str:
    found = next((given[name] for name in names if isinstance(given.get(name), str)), None)
    if found is None:
        raise RequestError([f"it has no text under {', '.join(names)}"])
    return found
