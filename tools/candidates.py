"""Every server x student x training length that a brief leaves, with what each is predicted to give and to cost."""

from collections.abc import Iterable, Iterator, Sequence

from ..state.brief import Brief
from ..state.evidence import Attempt
from ..state.plan import LOCAL, Candidate, Offer, Prediction, Strategy, StudentShape
from .accuracy import AccuracyModel
from .base import Context
from .costs import overhead_usd
from .estimating.bands import BandFit, refit_band
from .estimating.offers import predict_dollars, predict_latency_p95_ms, predict_train
from .pricing.accelerators import resolve
from .training.students import DECAY_SHARE

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

STRATEGY: Strategy = "rationale"
"""How students are taught; the answers-only way is trained beside it as the control."""

CPU_RECIPE_FACTOR = 1.9
"""Measured over predicted training time on a CPU: Muon at small batches, and student and control side by side on two cores.
Geometric mean of two runs, 1.7 and 2.1 (0.35M, 2.4M tokens: 234 s and 203 s on two machines; evals/LOG.md)."""

HOURS_PER_MONTH = 730


def build_candidates(context: Context) -> Iterator[Candidate]:
    """Every candidate that the brief's hard choices (accelerator, region, serving price) leave, cheapest server of a kind only."""
    state, brief = context.state, context.brief
    assert state.offers is not None
    assert state.match is not None
    assert state.complexity is not None
    attempts = tuple(attempt for attempt in state.attempts if not attempt.diverged)
    accuracy = AccuracyModel(state.complexity.curve, attempts, STRATEGY)
    # A hundred servers share these; predicted anew for each, they took a third of the time.
    worth_trying = {
        shape: [
            (tokens, _new_tokens(attempts, shape.name, tokens), accuracy.predict(parameters, tokens))
            for tokens in TOKEN_GRID
            if tokens > _longest(attempts, shape.name)
        ]
        for shape, parameters in zip(state.match.students, state.match.parameters, strict=True)
    }
    for offer in _cheapest_of_each_kind([offer for offer in state.offers if _may_use(offer, brief)]):
        forecast = _Forecast(context, offer)
        for shape, lengths in worth_trying.items():
            latency = forecast.latency(shape)
            for tokens, new_tokens, predicted in lengths:
                too_short = predicted is None and tokens < PILOT_TOKENS
                if not too_short:
                    hours = forecast.hours(shape, new_tokens)
                    yield _candidate(context, forecast, shape, tokens, (predicted, latency, hours))


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


def _new_tokens(attempts: Sequence[Attempt], student: str, tokens: int) -> int:
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
        self._sizes = {s.name: n for s, n in zip(state.match.students, state.match.parameters, strict=True)}
        self._prompt_tokens = round(state.complexity.prompt_tokens)
        self._output_tokens = state.complexity.rationale_tokens_p95
        shapes = {shape.name: shape for shape in state.match.students}
        here = [
            (at, attempt)
            for at, attempt in enumerate(state.attempts)
            if attempt.candidate.offer_id == offer.id and attempt.candidate.student in shapes
        ]
        self._hours_fit = _fitted(
            (self._raw_hours(shapes[one.candidate.student], _new_tokens(state.attempts[:at], one.candidate.student, one.tokens)),
             one.seconds / 3600)
            for at, one in here
        )  # fmt: skip
        self._latency_fit = _fitted(
            (self._raw_latency(shapes[one.candidate.student]), measured.latency.p95_ms)
            for _, one in here
            for measured in one.evaluations[:1]
            if measured.latency is not None
        )

    def parameters(self, shape: StudentShape) -> int:
        """Of a student."""
        return self._sizes[shape.name]

    def hours(self, shape: StudentShape, tokens: int) -> Prediction:
        """Of a training that has so many tokens still to read."""
        raw = self._raw_hours(shape, tokens)
        return self._hours_fit.apply(raw) if self._hours_fit else raw

    def latency(self, shape: StudentShape) -> Prediction:
        """95th percentile of one request's time, milliseconds."""
        raw = self._raw_latency(shape)
        return self._latency_fit.apply(raw) if self._latency_fit else raw

    def _raw_hours(self, shape: StudentShape, tokens: int) -> Prediction:
        hours = predict_train(
            parameters=self._sizes[shape.name],
            layers=shape.layers,
            train_tokens=tokens,
            offer=self.offer,
            machine=self._machine,
            threads=self._threads,
        )
        if self.offer.accelerator is not None:
            return hours
        figures = {name: CPU_RECIPE_FACTOR * getattr(hours, name) for name in ("value", "low", "high")}
        return hours.model_copy(update=figures)

    def _raw_latency(self, shape: StudentShape) -> Prediction:
        return predict_latency_p95_ms(
            parameters=self._sizes[shape.name],
            layers=shape.layers,
            output_tokens=self._output_tokens,
            input_tokens=self._prompt_tokens,
            offer=self.offer,
            machine=self._machine,
        )


def _fitted(pairs: Iterable[tuple[Prediction, float]]) -> BandFit | None:
    figures = [(predicted.value, measured) for predicted, measured in pairs]
    return refit_band(figures) if figures else None


def _candidate(
    context: Context,
    forecast: _Forecast,
    shape: StudentShape,
    tokens: int,
    predicted: tuple[Prediction | None, Prediction, Prediction],
) -> Candidate:
    """One candidate with its accuracy, latency and hours."""
    state, offer = context.state, forecast.offer
    assert state.match is not None
    accuracy, latency, hours = predicted
    return Candidate(
        # The attempt's number keeps a plan that is tried again (its clock ran out) apart from the one before.
        id=f"{offer.id}|{shape.name}|{tokens // 1000}k tokens|attempt {len(state.attempts) + 1}",
        offer_id=offer.id,
        executable=offer.executable,
        teacher=state.match.teacher,
        student=shape.name,
        parameters=forecast.parameters(shape),
        precision="fp32",
        strategy=STRATEGY,
        train_tokens=tokens,
        accuracy=accuracy,
        latency_p95_ms=latency,
        hours=hours,
        usd=predict_dollars(hours, offer),
        overhead_usd=overhead_usd(offer),
    )
