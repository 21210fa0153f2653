"""Which items a model had exact, kept beside an evaluation: a small file by which any two students can be paired later."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..state.evidence import Before, Evaluation, VerdictsFile
from ..state.paired import pair
from ..state.run import RunState
from .generation import file_sha256
from .jobs import write_atomic

VERDICTS_FILE = "verdicts.json"
STUDENT = "student"


def write_verdicts(folder: Path, split_sha256: str, exact: Mapping[str, Sequence[bool]]) -> VerdictsFile:
    """Writes a 1 or a 0 for each item that a model answered, in the split's order, as one text for each model; the path is
    relative to the folder."""
    models = {name: "".join("01"[right] for right in verdicts) for name, verdicts in exact.items()}
    path = folder / VERDICTS_FILE
    write_atomic(path, json.dumps({"split_sha256": split_sha256, "models": models}, indent=1))
    return VerdictsFile(path=VERDICTS_FILE, sha256=file_sha256(path))


def read_verdicts(run_folder: Path, file: VerdictsFile) -> dict[str, list[bool]]:
    """The verdicts of each model by name. Raises ValueError when the file is gone or no longer the one recorded."""
    path = run_folder / file.path
    if not path.is_file() or file_sha256(path) != file.sha256:
        raise ValueError(f"{file.path} is gone or not the file whose hash was recorded when it was made")
    models: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["models"]
    return {name: [bit == "1" for bit in verdicts] for name, verdicts in models.items()}


def against_before(state: RunState, evaluation: Evaluation, run_folder: Path) -> Before | None:
    """The newest attempt's student against that of the last attempt before it that was measured on the same split, or of the one that
    it went on from; None where there is none. Raises ValueError as `read_verdicts` does."""
    source = state.attempts[-1].begun_from
    measured = [
        (attempt.number, item.verdicts)
        for attempt in state.attempts[:-1]
        if source in (None, attempt.number)
        for item in attempt.evaluations
        if item.split_sha256 == evaluation.split_sha256 and item.verdicts is not None
    ]
    if not measured or evaluation.verdicts is None:
        return None
    number, file = measured[-1]
    now, then = (read_verdicts(run_folder, one)[STUDENT] for one in (evaluation.verdicts, file))
    return Before(attempt=number, paired=pair(now, then))
