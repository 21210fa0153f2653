"""The user's own checkpoint on this machine: as it is where its prompt suffices, tuned in every way that fits its memory, and reinforced
where a tuning left something to gain; at every training length, with what each would take.

How right it would be after a tuning is unknown until an attempt has told.
"""

from collections.abc import Sequence
from functools import partial

from ...state.evidence import NO_BETTER, Z_95, Attempt
from ...state.plan import LOCAL, Candidate, Offer, Prediction, Strategy, Training
from ...state.run import CheckpointFacts, RunState, Tuning
from ..accuracy import Z_80, AccuracyModel
from ..base import Context
from ..candidates import PILOT_TOKENS, TOKEN_GRID, offers_to_use, strategy_of
from ..classify_complexity import PROMPTABLE
from ..costs import EVALUATION_MINUTES, PATIENCE, overhead_usd, serving_usd_of
from ..estimating.architecture import Architecture, architecture_of
from ..estimating.bands import DATASHEET_BAND, refit_band
from ..estimating.measurements import corrected, hardware_name
from ..estimating.offers import (
    THREADS_EXPONENT,
    cpu_train_seconds_per_token,
    predict_dollars,
    predict_latency_p95_ms,
    predict_throughput_rps,
)
from ..estimating.training import JOB_START_HOURS, training_table
from ..pricing.accelerators import accelerator_facts
from .reinforcing import ANSWERS, begun_from, method_of
from .sampling import QUESTIONS, SAMPLES
from .taking import own_strategy

PILOT_EPOCHS = 2
"""assumption: a model that others trained shows after two readings of few examples what more of them would give."""

CPU_TUNING_FACTOR = 2.0
"""Measured over predicted CPU-seconds of tunings, geometric mean of three on one thread of one machine: 1.4 (LoRA, 494M weights, 1,786
tokens in 49 s), 3.0 and 2.0 (LoRA and full, 0.22M weights, 0.6M tokens in 40 s and 36 s)."""

EXTRAPOLATED_BAND = 4.0
"""assumption: of tuning two sizes were measured, each once; of serving on a CPU no model of more than 5 million weights."""
GRPO_FACTOR = 4.0
"""assumption: seconds of a token of GRPO over those of a tuning, for its answers are written token by token before they are learned:
2.4 were measured where an answer is a fifth of an example (0.2M weights, one thread), and longer answers take more. A run's first one
corrects it."""

PASSES = {"lora": 2 / 3, "full": 1.0}
"""Of forward and backward over all weights: with adapters on frozen weights their own gradients, a third, are not taken."""
CHECKPOINTING_PASSES = 1 / 3
"""A forward pass more."""

LATENCY_SECONDS = 600.0
"""What the requests that are timed one after another may take, as predicted."""
FEWEST_TIMED, MOST_TIMED = 20, 200


def tuned_candidates(context: Context, checkpoint: CheckpointFacts) -> list[Candidate]:
    """All of them, none longer tried already, and none where a training ended because it got no better."""
    state, found = context.state, list[Candidate]()
    base = begun_from(state)
    for offer in offers_to_use(context):
        if offer.cloud != LOCAL:
            continue
        found += [_as_it_is(context, checkpoint, offer)] if _may_suffice(state) else []
        for tuning in checkpoint.tunings:
            lengths = _lengths(state, checkpoint, tuning)
            found += [_tuned(context, checkpoint, offer, tuning, tokens) for tokens in lengths]
        if base is not None:
            lengths = _reinforced_lengths(state, checkpoint, base)
            found += [_reinforced(context, checkpoint, offer, base, tokens) for tokens in lengths]
    return found


def requests_timed(candidate: Candidate, most: int) -> int:
    """How many single requests an evaluation may time without taking all day."""
    by_time = int(LATENCY_SECONDS * 1000 / candidate.latency_p95_ms.value)
    return min(most, MOST_TIMED, max(FEWEST_TIMED, by_time))


def _lengths(state: RunState, checkpoint: CheckpointFacts, tuning: Tuning) -> Sequence[int]:
    told = _told(state, tuning.training)
    if any(attempt.stopped_by == NO_BETTER for attempt in told):
        return ()
    longest = max((attempt.tokens for attempt in told), default=0)
    least = 0 if told else min(PILOT_TOKENS, round(PILOT_EPOCHS * _epoch_tokens(state, checkpoint)))
    return [tokens for tokens in TOKEN_GRID if tokens > longest and tokens >= least]


def _reinforced_lengths(state: RunState, checkpoint: CheckpointFacts, base: Attempt) -> Sequence[int]:
    """From one attempt's model, each longer than any before; the first answers every question at least once."""
    told = _told_from(state, base)
    longest = max((attempt.candidate.train_tokens for attempt in told), default=0)
    least = 0 if told else min(PILOT_TOKENS, round(ANSWERS * _epoch_tokens(state, checkpoint)))
    return [tokens for tokens in TOKEN_GRID if tokens > longest and tokens >= least]


def _epoch_tokens(state: RunState, checkpoint: CheckpointFacts) -> float:
    """Of all given examples; of made ones there is no end."""
    return checkpoint.example_tokens * state.given.train if state.given else PILOT_TOKENS


def _may_suffice(state: RunState) -> bool:
    """Whether the probe says that the checkpoint's prompt suffices, and no measurement has said otherwise."""
    tried = any(not one.candidate.trains for one in state.attempts)
    return state.complexity is not None and state.complexity.verdict == PROMPTABLE and not tried


def _told(state: RunState, training: Training) -> list[Attempt]:
    """The attempts that tell of this way of training."""
    return [one for one in state.attempts if one.candidate.training == training and not one.diverged]


def _told_from(state: RunState, base: Attempt) -> list[Attempt]:
    """Those that reinforced the model of this attempt."""
    return [one for one in _told(state, "grpo") if one.begun_from == base.number]


def _as_it_is(context: Context, checkpoint: CheckpointFacts, offer: Offer) -> Candidate:
    state = context.state
    assert state.complexity is not None
    assert state.complexity.student_before is not None
    probed, narrower = state.complexity.student_before, Z_80 / Z_95
    accuracy = Prediction(
        value=probed.value,
        low=probed.value - narrower * (probed.value - probed.low),
        high=probed.value + narrower * (probed.high - probed.value),
        source=f"its own answers to {probed.n} probe items",
    )
    nothing = Prediction(value=0.0, low=0.0, high=0.0, source="nothing is trained")
    return _candidate(context, checkpoint, offer, "none", own_strategy(state.given), 0, nothing, accuracy, models=1)


def _tuned(context: Context, checkpoint: CheckpointFacts, offer: Offer, tuning: Tuning, tokens: int) -> Candidate:
    state, strategy = context.state, strategy_of(context.state)
    trainings = 2 if strategy == "rationale" else 1  # the answers-only student is tuned after the other, not beside it
    hours = _hours(context, checkpoint, offer, tuning, tuning.training, trainings * tokens)
    parameters = architecture_of(checkpoint.model).parameters
    accuracy = AccuracyModel((), _told(state, tuning.training), strategy).predict(parameters, tokens)
    return _candidate(
        context, checkpoint, offer, tuning.training, strategy, tokens, hours, accuracy, models=1 + trainings
    )


def _reinforced(context: Context, checkpoint: CheckpointFacts, offer: Offer, base: Attempt, tokens: int) -> Candidate:
    state, strategy = context.state, base.candidate.strategy
    hours = _hours(context, checkpoint, offer, method_of(checkpoint), "grpo", tokens)
    accuracy = AccuracyModel((), _told_from(state, base), strategy).predict(base.candidate.parameters, tokens)
    models = 3 if base.control_folder else 2
    return _candidate(context, checkpoint, offer, "grpo", strategy, tokens, hours, accuracy, models)


def _candidate(
    context: Context,
    checkpoint: CheckpointFacts,
    offer: Offer,
    training: Training,
    strategy: Strategy,
    tokens: int,
    hours: Prediction,
    accuracy: Prediction | None,
    models: int,
) -> Candidate:
    """With what serving and measuring it would take, `models` of them beside each other."""
    state = context.state
    assert state.match is not None
    shape = architecture_of(checkpoint.model)
    latency, rate = _served(context, checkpoint, offer, shape)
    minutes = _evaluation_minutes(context, checkpoint, rate, latency, models, QUESTIONS * SAMPLES if tokens else 0)
    trained = f"{training} {tokens // 1000}k tokens" if tokens else "as it is"
    return Candidate(
        id=f"{offer.id}|{checkpoint.model.name}|{trained}|attempt {len(state.attempts) + 1}",
        offer_id=offer.id,
        executable=offer.executable,
        teacher=state.match.teacher,
        student=checkpoint.model.name,
        parameters=shape.parameters,
        precision="bf16" if checkpoint.served_by == "vllm" else "fp32",
        strategy=strategy,
        train_tokens=tokens,
        accuracy=accuracy,
        latency_p95_ms=latency,
        hours=hours,
        usd=predict_dollars(hours, offer),
        overhead_usd=overhead_usd(offer, minutes),
        evaluation_minutes=minutes,
        serving_usd=serving_usd_of(context.brief, context.settings, offer),
        throughput_rps=rate,
        training=training,
    )


def _hours(
    context: Context, checkpoint: CheckpointFacts, offer: Offer, tuning: Tuning, training: Training, tokens: int
) -> Prediction:
    """Of trainings that read so many tokens together, by physics and by what this run and this workspace measured of it."""
    state, raw = context.state, partial(_raw_hours, context, checkpoint, offer, tuning, training)
    measured = [
        (raw(one.tokens + one.control_tokens).value, one.seconds / 3600)
        for one in _told(state, training)
        if one.candidate.offer_id == offer.id
    ]
    predicted = raw(tokens)
    return refit_band(measured, EXTRAPOLATED_BAND).apply(predicted) if measured else predicted


def _raw_hours(
    context: Context, checkpoint: CheckpointFacts, offer: Offer, tuning: Tuning, training: Training, tokens: int
) -> Prediction:
    state, shape = context.state, architecture_of(checkpoint.model)
    assert state.machine is not None
    if offer.accelerator is None:
        passes = PASSES[tuning.training] + (CHECKPOINTING_PASSES if tuning.checkpointing else 0.0)
        threads = min(context.settings.threads, state.machine.cores) ** THREADS_EXPONENT
        passes *= CPU_TUNING_FACTOR
        seconds = tokens * passes * cpu_train_seconds_per_token(shape, state.machine, "fp32") / threads
        hours, factor = JOB_START_HOURS + seconds / 3600, EXTRAPOLATED_BAND
        source = f"CPU training model x {CPU_TUNING_FACTOR:g} for {tuning.training} tuning, which was measured at two sizes alone"
    else:
        # One GPU: on several the job would have to be launched as several processes.
        table = training_table(
            [shape],
            [accelerator_facts()[offer.accelerator]],
            methods=(tuning.training,),
            train_tokens=(tokens,),
            sequence_tokens=max(1, round(checkpoint.example_tokens)),
            checkpointing=tuning.checkpointing,
        )
        hours, factor = float(table.student_hours.flat[0]) + JOB_START_HOURS, DATASHEET_BAND
        source = f"{tuning.training} training physics, {offer.accelerator}"
    if training == "grpo":
        hours, factor = JOB_START_HOURS + GRPO_FACTOR * (hours - JOB_START_HOURS), EXTRAPOLATED_BAND
        source = f"{source}; GRPO is assumed to take {GRPO_FACTOR:g} times as long a token"
    raw = Prediction(value=hours, low=hours / factor, high=hours * factor, source=source)
    return corrected(raw, state.calibration, "hours", hardware_name(offer, training))


def _served(
    context: Context, checkpoint: CheckpointFacts, offer: Offer, shape: Architecture
) -> tuple[Prediction, Prediction]:
    """95th percentile of one request, milliseconds, and requests a second at 16 clients, by the engine that serves here."""
    state, by_gpu = context.state, checkpoint.served_by == "vllm"
    assert state.machine is not None
    used = offer if by_gpu else offer.model_copy(update={"accelerator": None, "accelerator_count": 0})
    tokens = {
        "input_tokens": max(1, round(checkpoint.prompt_tokens)),
        "output_tokens": checkpoint.completion_tokens_p95,
    }
    precision = "bf16" if by_gpu else "fp32"
    latency = predict_latency_p95_ms(
        architecture=shape, offer=used, machine=state.machine, precision=precision, **tokens
    )
    rate = predict_throughput_rps(architecture=shape, offer=used, machine=state.machine, precision=precision, **tokens)
    latency = corrected(latency, state.calibration, "latency_p95_ms", hardware_name(used, checkpoint.served_by))
    here = [one for one in state.attempts if one.candidate.offer_id == offer.id]
    timed = [one.speed for one in here if one.speed is not None]
    if timed:
        alone = refit_band([(latency.value, one.p95_ms) for one in timed]).apply(latency)
        return alone, refit_band([(rate.value, one.throughput_rps) for one in timed]).apply(rate)
    return (latency, rate) if by_gpu else (_extrapolated(latency), _extrapolated(rate))


def _extrapolated(one: Prediction) -> Prediction:
    source = f"{one.source}, extrapolated from models of up to 5M parameters: not measured"
    low, high = min(one.low, one.value / EXTRAPOLATED_BAND), max(one.high, one.value * EXTRAPOLATED_BAND)
    return Prediction(value=one.value, low=low, high=high, source=source)


def _evaluation_minutes(
    context: Context, checkpoint: CheckpointFacts, rate: Prediction, latency: Prediction, models: int, sampled: int
) -> float:
    """The most one evaluation may take: patience with every model's answers to a whole split, with the student's sampled ones, and
    with the requests that are timed."""
    given = context.state.given
    items = max(split.n for split in given.splits) if given else context.settings.held_out_items
    # A model before its tuning does not know when to end: it may write as much as it is let.
    writing = checkpoint.answer_tokens / checkpoint.completion_tokens_p95
    answers_s = (items * (models - 1 + writing) + sampled) / rate.value
    timed_s = min(LATENCY_SECONDS, MOST_TIMED * latency.value / 1000) * 2  # alone, and about as long together
    return max(EVALUATION_MINUTES, PATIENCE * (answers_s + timed_s) / 60)
