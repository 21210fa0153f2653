"""From a brief's teacher to one that jobs may ask: what lacks is said before a run begins, and its key is only where a job reads it."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ...state.brief import TeacherSource
from ...state.errors import NotAvailable, RequestError
from .opening import OPENAI, TeacherChoice, open_teacher, prices_of, refuse_unfit_folder

CACHE_FOLDER = "teacher-answers"
"""In the workspace: no run pays for an answer that another had."""

KEY_FILE = ".teacher-key"


def check_teacher(source: TeacherSource | None, environ: Mapping[str, str] = os.environ) -> None:
    """Raises RequestError with all that lacks before the teacher can be asked; asks it nothing."""
    if source is None:
        return
    problems: list[str] = []
    if source.name.startswith(OPENAI) and source.name != OPENAI:
        try:
            prices_of(source)
        except RequestError as error:
            problems += error.problems
    try:
        if (folder := Path(source.name).expanduser()).is_dir():
            refuse_unfit_folder(folder)
        else:
            open_teacher(TeacherChoice(**source.model_dump()), None, "", environ)
    except NotAvailable as error:
        problems.append(str(error))
    if problems:
        raise RequestError(problems)


@contextmanager
def teacher_choice(source: TeacherSource, folder: Path) -> Generator[TeacherChoice]:
    """The teacher as a job file names it. Jobs get no secrets in their environment: while it lasts, the key is in a file of the
    job's folder that nobody else may read."""
    choice, key = TeacherChoice(**source.model_dump()), os.environ.get("OPENAI_API_KEY")
    if not source.name.startswith(OPENAI) or not key:
        yield choice
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.resolve() / KEY_FILE
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(key)
    try:
        yield choice.model_copy(update={"api_key_file": path})
    finally:
        path.unlink(missing_ok=True)
