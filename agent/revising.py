"""What a user's word in the middle of a run changes: the brief, and what of the run's knowledge no longer holds."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..state.brief import Brief, Limits, Targets
from ..state.errors import RequestError
from ..state.numbers import AS_SAID, shown
from ..state.run import Choice, OwnData, RunState
from ..state.talk import Word
from ..tools.base import Settings
from ..tools.own_data import take_own_data

SEARCHED_BY = frozenset({"accelerators", "regions", "clouds"})
"""Limits that the look-up of prices is asked with."""


def hear(run: RunState, word: Word, run_folder: Path, settings: Settings) -> dict[str, Any]:
    """What is recorded of a word: the word, the data it brought, or why it cannot be taken."""
    heard: dict[str, Any] = {"word": word.model_dump(mode="json"), "own_data": None, "problem": ""}
    try:
        revised_brief(run.known_brief, word, settings)
        if word.data is not None:
            brief = run.known_brief
            found = take_own_data(brief.skill, brief.task, Path(word.data).expanduser(), run_folder)
            heard["own_data"] = found.model_dump(mode="json")
    except RequestError as error:
        heard["problem"] = "\n".join(error.problems)
    except OSError as error:
        heard["problem"] = f"{word.data} cannot be kept with the run: {error.strerror}"
    return heard


def after_word(run: RunState, heard: dict[str, Any]) -> RunState:
    """The state once a recorded word is heeded; the same where it could not be taken."""
    word = Word.model_validate(heard["word"])
    if word.usd:
        use = run.planner_use
        run = run.model_copy(update={"planner_use": use.model_copy(update={"usd": use.usd + word.usd})})
    if heard["problem"] or not word.changes:
        return run
    changes: dict[str, Any] = {"pending": (), "last_problem": "", "last_call": "", "corrections": 0}
    if heard["own_data"]:
        changes["own_data"] = OwnData.model_validate(heard["own_data"])
    if word.targets or word.limits:
        changes["brief"] = revised_brief(run.known_brief, word)
        if "max_parameters" in word.limits:
            changes["match"] = None
        if SEARCHED_BY & word.limits.keys():
            changes["offers"] = None
    if (
        not run.attempt_is_made
    ):  # what was trained is measured, and judged by the new brief; what was not is planned anew
        changes["choice"] = None
    return run.model_copy(update=changes)


def back_to_trained(run: RunState) -> RunState:
    """The state with the newest attempt's plan in force again: it is to be measured on, or served."""
    assert run.trained is not None
    choice = Choice(candidates=0, front=(), plan=run.trained, nearest=None, reason=run.trained.reason)
    return run.model_copy(update={"choice": choice})


def revised_brief(brief: Brief, word: Word, settings: Settings | None = None) -> Brief:
    """The brief with a word's changes. Raises RequestError naming every field that cannot be so, or passes what the run was
    started with."""
    if problems := _passed(word, settings or Settings()):
        raise RequestError(problems)
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


def _passed(word: Word, settings: Settings) -> list[str]:
    """Why its limits cannot be so: those that the run was started with stand above every word."""
    problems: list[str] = []
    for name, ceiling, unit in (("usd", settings.max_usd, "$"), ("hours", settings.max_hours, "hours ")):
        if name not in word.limits:
            continue
        wanted = word.limits[name]
        if ceiling is not None and (wanted is None or wanted > ceiling):
            problems.append(
                f"this run was started with at most {unit}{shown(ceiling, AS_SAID)}, and no word raises that: start another"
            )
        elif name == "usd" and wanted is None:
            problems.append("limits.usd: money always has a limit; name a sum")
    return problems
