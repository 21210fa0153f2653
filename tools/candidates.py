"""Every server x student x training length that a brief leaves, with what each is predicted to give and to cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..state.brief import HOURS_PER_MONTH, Brief
from ..state.evidence import NO_BETTER, Attempt
from ..state.plan import LOCAL, Candidate, Offer, Prediction, Strategy, StudentShape
from ..state.run import RunState
from .accuracy import AccuracyModel
from .base import Context
from .costs import FRAMING_TOKENS, overhead_usd, serving_usd_of
from .emphasis import emphasis_of
from .estimating.architecture import student_architecture
from .estimating.bands import BandFit, refit_band
from .estimating.measurements import corrected, engine_of, hardware_name
from .estimating.offers import predict_dollars, predict_latency_p95_ms, predict_throughput_rps, predict_train
from .match_models import hub_facts
from .pricing.accelerators import resolve
from .teaching.budget import wants_lessons
from .training.students import DECAY_SHARE

if TYPE_CHECKING:
    from .front.table import CandidateTable, Floats

TOKEN_GRID = (
    150_000,
    300_000,
    450_000,
    600_000,
    900_000,
    1_200_000,
    1_800_000,
    2_400_000,
    3_600_000,
    4_800_000,
    7_200_000,
    9_600_000,
)
"""Training lengths that are candidates: half an octave apart, from what a look costs to what an hour of two cores allows."""

PILOT_TOKENS = 600_000
"""A shorter look tells nothing of what a longer training would reach: *win* stands at 3 to 5 % after 0.3M, at 30 % after 0.6M."""

PILOT_EPOCHS = 10
"""assumption: on BANKING77 the loss of the training is nearly gone after 4."""


def strategy_of(state: RunState) -> Strategy:
    """How students are taught: rationales, with an answers-only student beside as the control; answers alone where the probe says that
    these suffice, or nothing else is at hand."""
    if state.given is None:
        return "rationale"
    assert state.complexity is not None
    worked = state.given.with_rationales or wants_lessons(state)
    return "rationale" if worked and state.complexity.way != "answers" else "answer_only"


CPU_RECIPE_FACTOR = 1.9
"""Measured over predicted training time on a CPU: Muon at small batches, and student and control side by side on two cores.
Geometric mean of two runs, 1.7 and 2.1 (0.35M, 2.4M tokens: 234 s and 203 s on two machines; evals/LOG.md)."""


THIRD_TRAINING = 1.5
"""assumption: three trainings side by side on two cores take so many times as long as two."""


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One candidate before it becomes a record: most never do."""

    forecast: _Forecast
    shape: StudentShape
    tokens: int
    accuracy: Prediction | None
    hours: Prediction
    attempt: int

    @property
    def id(self) -> str:
        # The attempt's number keeps a plan that is tried again (its clock ran out) apart from the one before.
        return f"{self.forecast.offer.id}|{self.shape.name}|{self.tokens // 1000}k tokens|attempt {self.attempt}"


def build_candidates(context: Context) -> list[Candidate]:
    """Every student that can be taught here, as `candidate_table` has it, each as a record."""
    if context.state.checkpoint is not None:
        from .given_model.candidates import tuned_candidates

        return tuned_candidates(context, context.state.checkpoint)
    return [_candidate(context, row) for row in _rows(context)]


def candidate_table(context: Context) -> CandidateTable:
    """Every candidate that the brief's hard choices (accelerator, region, serving price) leave, cheapest server of a kind only:
    students built from scratch at every training length, and open models of the catalogue, whose accuracy is unknown; where the
    brief names its student, that one alone."""
    from .front.table import CandidateTable

    if context.state.checkpoint is not None:
        return CandidateTable.of(build_candidates(context))
    rows = list(_rows(context))
    tables = [_scratch_table(context, rows)]
    facts = hub_facts(context.state)
    if facts:
        from .hub_candidates import hub_table

        tables += [table for table in (hub_table(context, offers_to_use(context), facts),) if table is not None]
    return CandidateTable.joined(tables)


def offers_to_use(context: Context) -> list[Offer]:
    """The offers that the brief leaves, the cheapest of each kind."""
    return _cheapest_of_each_kind([offer for offer in context.state.offers or () if _may_use(offer, context.brief)])


def _rows(context: Context) -> Iterator[_Row]:
    state = context.state
    assert state.match is not None
    assert state.complexity is not None
    attempts = tuple(attempt for attempt in state.attempts if not attempt.diverged)
    accuracy = AccuracyModel(state.complexity.curve, attempts, strategy_of(state))
    # A hundred servers share these; predicted anew for each, they took a third of the time.
    worth_trying = {
        shape: [
            (tokens, new_tokens(attempts, shape.name, tokens), accuracy.predict(parameters, tokens))
            for tokens in TOKEN_GRID
            if tokens > _longest(attempts, shape.name) and not _got_no_better(attempts, shape.name)
        ]
        for shape, parameters in zip(state.match.students, state.match.parameters, strict=True)
    }
    number, pilot = len(state.attempts) + 1, _pilot_tokens(state)
    for offer in offers_to_use(context):
        forecast = _Forecast(context, offer)
        for shape, lengths in worth_trying.items():
            for tokens, still_to_read, predicted in lengths:
                too_short = predicted is None and tokens < pilot
                if not too_short:
                    hours = forecast.hours(shape, still_to_read)
                    yield _Row(
                        forecast=forecast, shape=shape, tokens=tokens, accuracy=predicted, hours=hours, attempt=number
                    )


def _pilot_tokens(state: RunState) -> int:
    """The shortest training that tells something: of few given examples, reading each ten times does; those that a teacher is still to
    answer count too."""
    assert state.complexity is not None
    if state.given is None:
        return PILOT_TOKENS
    per_example = state.complexity.prompt_tokens + state.complexity.rationale_tokens + FRAMING_TOKENS
    examples = state.given.train
    examples += state.given.unlabelled if wants_lessons(state) and state.complexity.way == "teacher" else 0
    return min(PILOT_TOKENS, round(PILOT_EPOCHS * examples * per_example))


def _scratch_table(context: Context, rows: Sequence[_Row]) -> CandidateTable:
    """The students built from scratch as columns."""
    import numpy as np

    from .front.table import CandidateTable

    def column(of: Callable[[_Row], float]) -> Floats:
        return np.array([of(row) for row in rows], dtype=np.float64)

    def accuracy(end: str) -> Floats:
        return column(lambda row: math.nan if row.accuracy is None else getattr(row.accuracy, end))

    kinds: dict[tuple[str, str | None], int] = {}
    usd = column(lambda row: row.hours.value * row.forecast.offer.usd_per_hour)
    serving = column(lambda row: row.forecast.serving_usd)
    return CandidateTable(
        accuracy=accuracy("value"),
        accuracy_low=accuracy("low"),
        accuracy_high=accuracy("high"),
        latency_p95_ms=column(lambda row: row.forecast.latency(row.shape).value),
        throughput_rps=column(lambda row: row.forecast.throughput(row.shape).value),
        usd=usd + serving,
        attempt_usd=usd,
        hours=column(lambda row: row.hours.value),
        needed_usd=usd + serving + column(lambda row: row.forecast.overhead_usd),
        parameters=column(lambda row: row.forecast.parameters(row.shape)),
        kind=np.array(
            [kinds.setdefault((row.shape.name, row.forecast.offer.accelerator), len(kinds)) for row in rows],
            dtype=np.intp,
        ),
        executable=np.array([row.forecast.offer.executable for row in rows], dtype=np.bool_),
        name=lambda at: rows[at].id,
        make=lambda at: _candidate(context, rows[at]),
    )


def _cheapest_of_each_kind(offers: Sequence[Offer]) -> list[Offer]:
    """The cheapest server of each kind, this machine beside them: a dearer one of equal hardware is beaten in any case."""
    kept: dict[tuple[object, ...], Offer] = {}
    for offer in sorted(offers, key=lambda offer: (offer.usd_per_hour, offer.id)):
        size = offer.accelerator_count if offer.accelerator else offer.vcpus
        hardware = (offer.executable, offer.accelerator, size)
        kept.setdefault((offer.id,) if offer.cloud == LOCAL else hardware, offer)
    return list(kept.values())


def _may_use(offer: Offer, brief: Brief) -> bool:
    limits = brief.limits
    if limits.clouds and offer.cloud not in _lowered(limits.clouds):
        return False
    if limits.accelerators and offer.accelerator not in resolve(limits.accelerators):
        return False
    if limits.regions and offer.cloud != LOCAL and not offer.region.lower().startswith(_lowered(limits.regions)):
        return False
    return limits.usd_per_month is None or offer.usd_per_hour * HOURS_PER_MONTH <= limits.usd_per_month


def _lowered(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in names)


def _longest(attempts: Sequence[Attempt], student: str) -> int:
    """Tokens this student was already trained for; as many or fewer would give nothing new."""
    same = (attempt.tokens for attempt in attempts if attempt.candidate.student == student and not attempt.diverged)
    return max(same, default=0)


def _got_no_better(attempts: Sequence[Attempt], student: str) -> bool:
    """Whether a training of this student ended because more of the same examples gave nothing."""
    return any(one.candidate.student == student and one.stopped_by == NO_BETTER for one in attempts)


def new_tokens(attempts: Sequence[Attempt], student: str, tokens: int) -> int:
    """Tokens still to be read: a longer training continues the earlier one from before its decay."""
    return tokens - round(_longest(attempts, student) * (1 - DECAY_SHARE))


class _Forecast:
    """Hours and latency on one offer, corrected by what this run's own attempts measured on it."""

    def __init__(self, context: Context, offer: Offer) -> None:
        state = context.state
        assert state.machine is not None
        assert state.match is not None
        assert state.complexity is not None
        self.offer, self._machine, self._threads = offer, state.machine, context.settings.threads
        self._architectures = {
            shape.name: student_architecture(shape, parameters)
            for shape, parameters in zip(state.match.students, state.match.parameters, strict=True)
        }
        self._calibration, self._strategy = state.calibration, strategy_of(state)
        self._is_mixed = bool(emphasis_of(state))
        self.overhead_usd = overhead_usd(offer)
        self.serving_usd = serving_usd_of(context.brief, context.settings, offer)
        self._prompt_tokens = round(state.complexity.prompt_tokens)
        self._output_tokens = state.complexity.rationale_tokens_p95
        shapes = {shape.name: shape for shape in state.match.students}
        here = [
            (at, attempt)
            for at, attempt in enumerate(state.attempts)
            if attempt.candidate.offer_id == offer.id and attempt.candidate.student in shapes
        ]
        self._hours_fit = _fitted(
            (self._raw_hours(
                shapes[one.candidate.student],
                new_tokens(state.attempts[:at], one.candidate.student, one.tokens),
                is_mixed=one.natural_folder is not None,
             ),
             one.seconds / 3600)
            for at, one in here
        )  # fmt: skip
        self._latency_fit = _fitted(
            (self._raw_latency(shapes[one.candidate.student]), one.speed.p95_ms)
            for _, one in here
            if one.speed is not None
        )
        self._throughput_fit = _fitted(
            (self._raw_throughput(shapes[one.candidate.student]), one.speed.throughput_rps)
            for _, one in here
            if one.speed is not None
        )
        self._latencies = {name: self._latency(shape) for name, shape in shapes.items()}
        self._throughputs = {name: self._throughput(shape) for name, shape in shapes.items()}

    def parameters(self, shape: StudentShape) -> int:
        """Of a student."""
        return self._architectures[shape.name].parameters

    def hours(self, shape: StudentShape, tokens: int) -> Prediction:
        """Of a training that has so many tokens still to read."""
        raw = self._raw_hours(shape, tokens, is_mixed=self._is_mixed)
        return self._hours_fit.apply(raw) if self._hours_fit else raw

    def latency(self, shape: StudentShape) -> Prediction:
        """95th percentile of one request's time, milliseconds."""
        return self._latencies[shape.name]

    def throughput(self, shape: StudentShape) -> Prediction:
        """Requests a second at 16 clients."""
        return self._throughputs[shape.name]

    def _throughput(self, shape: StudentShape) -> Prediction:
        raw = self._raw_throughput(shape)
        return self._throughput_fit.apply(raw) if self._throughput_fit else raw

    def _latency(self, shape: StudentShape) -> Prediction:
        raw = self._raw_latency(shape)
        return self._latency_fit.apply(raw) if self._latency_fit else raw

    def _raw_hours(self, shape: StudentShape, tokens: int, *, is_mixed: bool) -> Prediction:
        hours = predict_train(
            architecture=self._architectures[shape.name],
            train_tokens=tokens,
            offer=self.offer,
            machine=self._machine,
            threads=self._threads,
        )
        if self.offer.accelerator is None:
            factor = CPU_RECIPE_FACTOR * (THIRD_TRAINING if is_mixed else 1.0)
            figures = {name: factor * getattr(hours, name) for name in ("value", "low", "high")}
            hours = hours.model_copy(update=figures)
        return corrected(hours, self._calibration, "hours", hardware_name(self.offer, self._strategy))

    def _raw_latency(self, shape: StudentShape) -> Prediction:
        latency = predict_latency_p95_ms(**self._served(shape))
        engine = hardware_name(self.offer, engine_of(self.offer))
        return corrected(latency, self._calibration, "latency_p95_ms", engine)

    def _raw_throughput(self, shape: StudentShape) -> Prediction:
        return predict_throughput_rps(**self._served(shape))

    def _served(self, shape: StudentShape) -> dict[str, Any]:
        """What serving a student on this offer is predicted from."""
        return {
            "architecture": self._architectures[shape.name],
            "output_tokens": self._output_tokens,
            "input_tokens": self._prompt_tokens,
            "offer": self.offer,
            "machine": self._machine,
        }


def _fitted(pairs: Iterable[tuple[Prediction, float]]) -> BandFit | None:
    figures = [(predicted.value, measured) for predicted, measured in pairs]
    return refit_band(figures) if figures else None


def _candidate(context: Context, row: _Row) -> Candidate:
    """One candidate with all that is predicted of it."""
    state, forecast, offer = context.state, row.forecast, row.forecast.offer
    assert state.match is not None
    return Candidate(
        id=row.id,
        offer_id=offer.id,
        executable=offer.executable,
        teacher=state.match.teacher,
        student=row.shape.name,
        parameters=forecast.parameters(row.shape),
        precision="fp32",
        strategy=strategy_of(state),
        train_tokens=row.tokens,
        accuracy=row.accuracy,
        latency_p95_ms=forecast.latency(row.shape),
        hours=row.hours,
        usd=predict_dollars(row.hours, offer),
        overhead_usd=forecast.overhead_usd,
        serving_usd=forecast.serving_usd,
        throughput_rps=forecast.throughput(row.shape),
    )
