"""The user's own examples and the model to be taught, as named beside a request on the command line or in Python."""

from ..state.brief import DataSource
from ..state.errors import RequestError


def data_source(path: str | None, test: str | None, skip_bad_rows: bool, has_brief: bool) -> DataSource | None:
    """The data that these options name; None where they name none. Raises RequestError where they contradict each other."""
    if path is None and (test is not None or skip_bad_rows):
        raise RequestError(["--test and --skip-bad-rows go with --data FILE"])
    if path is None:
        return None
    if has_brief:
        raise RequestError(["--data goes with a request in words; in a YAML brief write data: {path: FILE}"])
    return DataSource(path=path, test=test, skip_bad_rows=skip_bad_rows)


def student_folder(path: str | None, has_brief: bool) -> str | None:
    """The checkpoint that is to be taught. Raises RequestError where a brief must say it."""
    if path is not None and has_brief:
        raise RequestError(["--student goes with a request in words; in a YAML brief write student: FOLDER"])
    return path
