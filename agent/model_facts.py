"""What a run's rows say of the student it may give away: the attempt, its measurements, its data and its machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..state.brief import Brief
from ..state.canonical import Row
from ..state.errors import JournalError, OutputError
from ..state.evidence import DIVERGED, Attempt, Evaluation, Score, Verdict
from ..state.run import CheckpointFacts, Data, GivenFacts
from ..tools.deploy import stand_in
from ..tools.generate_data import DEVELOPMENT
from .recorded import judged_brief


@dataclass(frozen=True, kw_only=True)
class StudentFacts:
    """One student, and all that the journal holds of it."""

    run_id: str
    version: str
    settings: dict[str, Any]
    brief: Brief
    status: str
    spent_usd: float
    machine: str
    attempt: Attempt
    evaluations: tuple[Evaluation, ...]
    training_seed: int
    verdict: Verdict | None
    """On its newest measurement."""
    data: Data
    given: GivenFacts | None
    given_path: str
    learned: GivenFacts | None
    """The examples as the student was taught them, where a teacher wrote to them too."""
    checkpoint: CheckpointFacts | None
    head_hash: str

    @property
    def judged(self) -> Evaluation:
        """The measurement that counts: of the sealed split, where one was opened."""
        return next((one for one in reversed(self.evaluations) if one.split != DEVELOPMENT), self.evaluations[-1])

    @property
    def stand_in(self) -> str:
        """Name of the control that was served in the student's place, and is given away; empty where the student is."""
        return stand_in(self.attempt, self.verdict, self.checkpoint) if self.status == "met" else ""

    @property
    def score(self) -> Score:
        """What counts of the model that is given away."""
        return next((one for one in self.judged.controls if one.name == self.stand_in), self.judged.student)

    @property
    def recorded_weights(self) -> str:
        """The hash of its weights as they were measured; empty where none was recorded."""
        return self.score.weights_sha256 if self.stand_in else self.judged.weights_sha256

    @property
    def from_scratch(self) -> bool:
        """Whether no model of anybody else's is in it."""
        return self.attempt.candidate.training == "scratch"


def student_facts(rows: Sequence[Row]) -> StudentFacts:
    """Of the newest student of a run that was met, else of the one measured best. Raises OutputError where none was trained and
    measured, JournalError for rows of a version whose records this one does not know."""
    run_id, end = rows[0].run_id, rows[-1]
    status = end.name if end.kind == "outcome" else "unfinished"
    try:
        measured = _measured(rows)
        brief = Brief.model_validate(judged_brief(rows)) if measured else None
        if not measured or brief is None:
            raise OutputError(
                f"run {run_id} ({status}) has no student to give away: none was trained and measured in it"
            )
        attempt, evaluations = measured[-1] if status == "met" else max(measured, key=_lower_end)
        taken = next((row for row in rows if row.name == "take_data"), None)
        based = next((row for row in rows if row.name == "take_checkpoint"), None)
        made = [row for row in rows if row.name == "tool generate_data" and "shards" in row.output]
        given = [row.output["given"] for row in (*([taken] if taken else []), *made) if row.output.get("given")]
        learned = given[-1] if given else None
        return StudentFacts(
            run_id=run_id,
            version=str(rows[0].input["version"]),
            settings=rows[0].input["settings"],
            brief=brief,
            status=status,
            spent_usd=float(end.output["spent_usd"]) if end.kind == "outcome" else 0.0,
            machine=_machine(rows),
            attempt=attempt,
            evaluations=evaluations,
            training_seed=int(rows[0].input["settings"]["seed"]) + _diverged_before(rows, attempt),
            verdict=_verdict(rows, attempt),
            data=Data.model_validate(_without_price(made[-1].output)),
            given=GivenFacts.model_validate(taken.output["given"]) if taken else None,
            given_path=str(taken.input["path"]) if taken else "",
            learned=GivenFacts.model_validate(learned) if learned else None,
            checkpoint=CheckpointFacts.model_validate(based.output["checkpoint"]) if based else None,
            head_hash=end.hash,
        )
    except ValidationError as error:
        raise JournalError(f"run {run_id} was recorded by another version: {error}") from error


def _measured(rows: Sequence[Row]) -> list[tuple[Attempt, tuple[Evaluation, ...]]]:
    """Each attempt that was measured, with its measurements."""
    found: list[tuple[Attempt, tuple[Evaluation, ...]]] = []
    for row in rows:
        if row.name == "tool distill" and "attempt" in row.output:
            found.append((Attempt.model_validate(row.output["attempt"]), ()))
        if row.name == "tool evaluate" and "evaluation" in row.output:
            attempt, before = found[-1]
            found[-1] = attempt, (*before, Evaluation.model_validate(row.output["evaluation"]))
    return [one for one in found if one[1]]


def _diverged_before(rows: Sequence[Row], attempt: Attempt) -> int:
    """Earlier attempts whose loss left the finite numbers: each gives the next one another seed."""
    trained = [row.output["attempt"] for row in rows if row.name == "tool distill" and "attempt" in row.output]
    return sum(one["stopped_by"] == DIVERGED for one in trained[: attempt.number - 1])


def _verdict(rows: Sequence[Row], attempt: Attempt) -> Verdict | None:
    judged = [Verdict.model_validate(row.output) for row in rows if row.name == "judge"]
    return next((one for one in reversed(judged) if one.attempt == attempt.number), None)


def _lower_end(measured: tuple[Attempt, tuple[Evaluation, ...]]) -> float:
    return max(one.student.exact.low for one in measured[1])


def _machine(rows: Sequence[Row]) -> str:
    """The processor behind the offer of this machine."""
    found = next((row.output.get("machine") for row in rows if row.name == "tool look_up_prices"), None)
    return f"{found['cpu_model']}, {found['cores']} cores" if found else "unknown"


def _without_price(output: dict[str, Any]) -> dict[str, Any]:
    """A tool's result without the price that was met beside it."""
    return {name: value for name, value in output.items() if name != "price"}
