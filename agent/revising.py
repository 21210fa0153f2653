"""What a user's word in the middle of a run changes: the brief, and what of the run's knowledge no longer holds."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..state.brief import Brief, Limits, Targets
from ..state.errors import RequestError
from ..state.run import OwnData, RunState
from ..state.talk import Word
from ..tools.own_data import take_own_data

SEARCHED_BY = frozenset({"accelerators", "regions", "clouds"})
"""Limits that the look-up of prices is asked with."""


def hear(run: RunState, word: Word, run_folder: Path) -> dict[str, Any]:
    """What is recorded of a word: the word, the data it brought, or why it cannot be taken."""
    heard: dict[str, Any] = {"word": word.model_dump(mode="json"), "own_data": None, "problem": ""}
    try:
        revised_brief(run.known_brief, word)
        if word.data is not None:
            brief = run.known_brief
            found = take_own_data(brief.skill, brief.task, Path(word.data).expanduser(), run_folder)
            heard["own_data"] = found.model_dump(mode="json")
    except RequestError as error:
        heard["problem"] = "\n".join(error.problems)
    return heard


def after_word(run: RunState, heard: dict[str, Any]) -> RunState:
    """The state once a recorded word is heeded; the same where it could not be taken."""
    word = Word.model_validate(heard["word"])
    if word.usd:
        use = run.planner_use
        run = run.model_copy(update={"planner_use": use.model_copy(update={"usd": use.usd + word.usd})})
    if heard["problem"] or not (word.targets or word.limits or word.data):
        return run
    changes: dict[str, Any] = {"pending": (), "last_problem": "", "last_call": "", "corrections": 0}
    if heard["own_data"]:
        changes["own_data"] = OwnData.model_validate(heard["own_data"])
        if not attempt_is_made(run):  # its data is made anew, and the money for that asked for
            changes["choice"] = None
    if word.targets or word.limits:
        changes["brief"] = revised_brief(run.known_brief, word)
        if not _to_be_measured(run):  # what was trained is measured first, and judged by the new brief
            changes["choice"] = None
        if "max_parameters" in word.limits:
            changes["match"] = None
        if SEARCHED_BY & word.limits.keys():
            changes["offers"] = None
    return run.model_copy(update=changes)


def attempt_is_made(run: RunState) -> bool:
    """Whether the plan's student is trained already: what is said now is for the next one."""
    return run.has_plan and bool(run.attempts) and run.attempts[-1].candidate.id == run.known_plan.candidate.id


def _to_be_measured(run: RunState) -> bool:
    return bool(run.attempts) and not run.attempts[-1].evaluations


def revised_brief(brief: Brief, word: Word) -> Brief:
    """The brief with a word's changes. Raises RequestError naming every field that cannot be so."""
    try:
        return brief.model_copy(
            update={
                "targets": Targets.model_validate({**brief.targets.model_dump(), **word.targets}),
                "limits": Limits.model_validate({**brief.limits.model_dump(), **word.limits}),
            }
        )
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, one['loc']))}: {one['msg']} (given: {one['input']!r})" for one in error.errors()
        ]
        raise RequestError(problems) from error
