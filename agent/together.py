"""What is wrong with the different things named for one run, told together: a person mends a request once, not stage by stage."""

from contextlib import suppress
from pathlib import Path

from ..state.brief import Brief, DataSource
from ..state.errors import Correctable, RequestError, UnusablePrices
from ..state.workspace import Workspace
from ..tools.base import Settings
from ..tools.given_data import unreadable
from ..tools.tuning.source import check_source
from .intake import read_request
from .names import own_names
from .planners import RULES


def wrong_with_files(data: DataSource | None, student: str | None) -> list[str]:
    """What keeps the user's files of examples and the student's folder from being read; their content is not judged."""
    problems = unreadable(data) if data is not None else []
    if student is not None:
        try:
            check_source(Path(student).expanduser())
        except Correctable as error:
            problems.append(f"student: {error}")
    return problems


def wrong_beside_the_teacher(request: str, brief: Brief | None, settings: Settings, workspace: Workspace) -> list[str]:
    """What else is wrong where a teacher is: with the request's words, as far as rules read them, and with files."""
    if brief is not None:
        return wrong_with_files(brief.data, brief.student)
    problems: list[str] = []
    if settings.planner == RULES and not settings.asks:
        with suppress(UnusablePrices):  # told by itself once the request can be read
            try:
                read_request(request, data=settings.data, own=own_names(workspace.path))
            except RequestError as error:
                problems += error.problems
    return [*problems, *wrong_with_files(settings.data, settings.student)]
