"""Writes a run's student as a folder that any tool can load, with its model card."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..state.brief import Record
from ..state.canonical import Row
from ..state.errors import JournalError, OutputError
from ..state.export import appearing, check_empty
from ..state.workspace import Workspace
from ..tools.deploy import served_model
from ..tools.models.catalogue import known_models
from ..tools.quantising import Quantised
from ..tools.weights import weights_sha256
from .card_example import card_example
from .export_quantised import copy_quantised
from .model_card import model_card
from .model_facts import StudentFacts, student_facts

CARD = "README.md"
FACTS = "stratos.json"


class Exported(Record):
    """What was written, and of which run."""

    folder: str
    run_id: str
    attempt: int
    control: str | None = None
    weights_sha256: str
    files: tuple[str, ...]
    quantised: Quantised | None = None


def export_model(
    workspace: Workspace,
    rows: Sequence[Row],
    folder: Path,
    version: str,
    *,
    force: bool = False,
    smaller: Callable[[StudentFacts, Path, str], Quantised] | None = None,
) -> Exported:
    """Copies model, tokenizer and settings as they were trained, and writes the card, all or nothing; beside them what `smaller` makes
    of the student, whose folder of weights and their hash it is given. Raises OutputError where the run has no student, its files are
    gone or the folder cannot be written, JournalError where the weights are not those measured."""
    facts = student_facts(rows)
    model = served_model(workspace.run_folder(facts.run_id), facts.attempt, facts.checkpoint, facts.stand_in)
    weights = verified_weights(model, facts)
    check_empty(folder, force=force)
    found = smaller(facts, model, weights) if smaller is not None else None
    with appearing(folder, force=force) as temporary:
        for file in sorted(model.iterdir()):
            if file.is_file() and not file.name.startswith("."):
                # Not its mode: safetensors writes 0600, and a server under another user could not read it.
                shutil.copyfile(file, temporary / file.name)
        facts_file: dict[str, Any] = {
            "run_id": facts.run_id,
            "attempt": facts.attempt.number,
            "control": facts.stand_in or None,
            "weights_sha256": weights,
            "version": facts.version,
            "head_hash": facts.head_hash,
            "request": facts.brief.request,
        }
        if found is not None:
            copy_quantised(found, model, temporary)
            facts_file["quantised"] = found.model_dump(mode="json", exclude={"folder"})
        (temporary / FACTS).write_text(json.dumps(facts_file, indent=2) + "\n", encoding="utf-8")
        example = card_example(facts, workspace.run_folder(facts.run_id))
        card = model_card(facts, weights, _licence(workspace, facts), version, example=example, smaller=found)
        # Half a surrogate pair, which a request may hold, has no UTF-8.
        (temporary / CARD).write_bytes(card.encode("utf-8", errors="replace"))
        files = tuple(sorted(str(file.relative_to(temporary)) for file in temporary.rglob("*") if file.is_file()))
    return Exported(
        folder=str(folder.absolute()),
        run_id=facts.run_id,
        attempt=facts.attempt.number,
        control=facts.stand_in or None,
        weights_sha256=weights,
        files=files,
        quantised=found,
    )


def verified_weights(model: Path, facts: StudentFacts) -> str:
    """The hash of the weights, which must be those that were measured."""
    if not (found := weights_sha256(model) if model.is_dir() else ""):
        raise OutputError(f"{model} holds no weights: the student of run {facts.run_id} was moved or deleted")
    recorded = facts.recorded_weights
    if recorded and found != recorded:
        raise JournalError(
            f"{model} is not the student that was measured: its weights have sha256 {found}, recorded is {recorded}"
        )
    return found


def _licence(workspace: Workspace, facts: StudentFacts) -> str:
    """The base model's, by the catalogue; empty for a student built from scratch and for a model that it does not hold."""
    if facts.from_scratch:
        return ""
    known = known_models(workspace.path).get(facts.attempt.candidate.student)
    return known.licence if known else ""
