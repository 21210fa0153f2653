"""Stratos from Python: `run` waits, `run_async` awaits, `stream` gives a run's events as they happen."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..skills.users import use_workspace
from ..state.brief import Brief
from ..state.errors import RequestError
from ..state.evidence import Outcome
from ..state.talk import Answer
from ..state.workspace import Workspace
from ..tools.base import Settings
from ..tools.executor import Executor
from . import session
from .data_option import beside_a_brief
from .events import RunEvent
from .intake import read_brief_file, refuse_unwritable_brief
from .live import LiveRun
from .names import own_names
from .planners import check_planner, planner_for
from .session import Ask

SETTINGS = tuple(sorted(Settings.model_fields.keys() - {"max_usd", "max_hours", "approved", "own_names"}))
"""What `settings` may hold; `max_usd`, `max_minutes` and `approve` stand beside it, and the user's own names are read from their files."""


def run(
    request: str | Path | Brief,
    *,
    workspace: str | Path | None = None,
    approve: bool | Ask = False,
    on_event: Callable[[RunEvent], None] | None = None,
    max_usd: float | None = None,
    max_minutes: float | None = None,
    **settings: Any,
) -> Outcome:
    """Carries out a request and returns its outcome.

    `request` is a sentence, the path of a YAML brief, or a Brief. `approve` is True for the money of every plan within the
    limits, or a function that is asked; without it a plan that costs something raises ApprovalNeeded, and the run can be
    resumed. `settings` are fields of `stratos.tools.base.Settings`: planner, planner_usd_per_million, seed, deploy,
    serve_hours, serve_here, local_usd_per_hour, plan_only, max_attempts, data (the path of your own examples, or a
    DataSource), teacher (a name as for `--teacher`, or a TeacherSource), student (the folder of an open model to be taught), ...
    Raises StratosError; RequestError only for a brief, a limit or a setting that cannot be used (a sentence that cannot is an
    outcome, "refused").
    """
    carried = stream(
        request, workspace=workspace, approve=approve, max_usd=max_usd, max_minutes=max_minutes, **settings
    )
    return _followed(carried, on_event)


async def run_async(
    request: str | Path | Brief, *, on_event: Callable[[RunEvent], None] | None = None, **given: Any
) -> Outcome:
    """As `run`, for an event loop; cancelling the task stops the run, which can be resumed."""
    carried = stream(request, **given)
    async for event in carried:
        if on_event is not None:
            on_event(event)
    return carried.wait()


def stream(
    request: str | Path | Brief,
    *,
    workspace: str | Path | None = None,
    approve: bool | Ask | None = False,
    max_usd: float | None = None,
    max_minutes: float | None = None,
    executor: Executor | None = None,
    **settings: Any,
) -> LiveRun:
    """Begins a run and returns it at once: iterate over it (`for` or `async for`) for typed events, then `wait()`.

    Parameters as for `run`; with `approve=None` a question comes as the event Asked and is answered with `answer()`.
    `executor` runs the jobs in the place of this machine.
    """
    settings["data"] = _named(settings.get("data"), "path")
    settings["teacher"] = _named(settings.get("teacher"), "name")
    if isinstance(settings.get("student"), Path):
        settings["student"] = str(settings["student"])
    given = _settings(settings, max_usd=max_usd, max_minutes=max_minutes, approved=approve is True)
    at = Workspace(Path(workspace)) if workspace else Workspace()
    use_workspace(at.path)
    brief, text = _brief(request, given, at)
    if brief is not None and (problems := beside_a_brief(given.data, given.teacher, given.student)):
        raise RequestError(problems)
    check_planner(given.planner)
    carry = partial(session.start, text, workspace=at, settings=given, brief=brief, executor=executor)
    return LiveRun(carry, planner=planner_for(given), ask=_asking(approve))


def resume(
    run_id: str,
    *,
    workspace: str | Path | None = None,
    approve: bool | Ask = False,
    on_event: Callable[[RunEvent], None] | None = None,
    executor: Executor | None = None,
) -> Outcome:
    """Continues a run that was stopped, killed or waits for approval, and returns its outcome; a finished run's again."""
    at = Workspace(Path(workspace)) if workspace else Workspace()
    carry = partial(session.resume, run_id, workspace=at, executor=executor)
    return _followed(LiveRun(carry, planner=session.planner_of(run_id, at), ask=_asking(approve)), on_event)


def _followed(carried: LiveRun, on_event: Callable[[RunEvent], None] | None) -> Outcome:
    try:
        for event in carried:
            if on_event is not None:
                on_event(event)
        return carried.wait()
    except BaseException:  # Ctrl-C too: nothing is left running
        carried.close()
        raise


def _asking(approve: bool | Ask | None) -> Ask | None:
    if approve is True:
        return lambda question: Answer(approved=True)
    return session.nobody if approve is False else approve


def _settings(
    given: Mapping[str, Any], *, max_usd: float | None, max_minutes: float | None, approved: bool
) -> Settings:
    """The settings of a run; raises RequestError with everything wrong about them."""
    max_hours = None if max_minutes is None else max_minutes / 60
    known = {name: value for name, value in given.items() if name in SETTINGS}
    valid = f"valid: {', '.join(SETTINGS)}, and max_usd, max_minutes, approve"
    problems = [f"{name}: no such setting; {valid}" for name in given if name not in known]
    try:
        found = Settings.model_validate({**known, "max_usd": max_usd, "max_hours": max_hours, "approved": approved})
    except ValidationError as error:
        said = {**known, "max_usd": max_usd, "max_minutes": max_minutes}
        wrong = [(str(one["loc"][0]).replace("max_hours", "max_minutes"), one["msg"]) for one in error.errors()]
        raise RequestError([*problems, *(f"{name}: {why} (given: {said[name]!r})" for name, why in wrong)]) from error
    if problems:
        raise RequestError(problems)
    return found


def _named(given: object, by: str) -> object:
    """Examples or a teacher named by path or name alone, as the source that they are."""
    return {by: str(given)} if isinstance(given, str | Path) else given


def _brief(request: str | Path | Brief, settings: Settings, workspace: Workspace) -> tuple[Brief | None, str]:
    """The brief, where one was given, and the request's words."""
    if isinstance(request, Brief):
        refuse_unwritable_brief(request)
        return request, request.request
    if isinstance(request, Path) or request.endswith((".yaml", ".yml")):
        own = partial(own_names, workspace.path)
        brief = read_brief_file(Path(request), max_usd=settings.max_usd, max_hours=settings.max_hours, own=own)
        return brief, brief.request
    return None, request
