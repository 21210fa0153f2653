"""Every server x open model x precision x split over accelerators: what teaching and serving it would take, as columns.

No evidence tells how right such a student would be, so its accuracy is unknown and one training length stands for all: the pilot
that would tell. None of them is carried out here; they are priced so that a plan can say what else there is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ..state.model_facts import ModelFacts
from ..state.plan import Candidate, Offer, Prediction
from .base import Context
from .costs import overhead_usd, serving_usd_of
from .estimating.architecture import Architecture, architecture_of
from .estimating.chips import ServePrecision
from .estimating.offers import predict_dollars
from .estimating.serving import ServingPrediction, ServingTable, predict_serving, serving_table
from .estimating.training import TrainingTable, training_table
from .front.table import CandidateTable
from .pricing.accelerators import AcceleratorFacts, accelerator_facts

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

PRECISIONS: tuple[ServePrecision, ...] = ("bf16", "fp8", "int4", "fp4")
WAYS = (1, 2, 4, 8)
"""Accelerators that may share one copy of a model: within one server, in powers of two as engines split."""
CLIENTS = 16
"""Clients of one copy at which throughput is predicted, as evaluations measure it."""
PILOT_TOKENS = 600_000


@dataclass(frozen=True, kw_only=True)
class _Space:
    """What is combined; axes of every grid below: offer, model, precision, ways."""

    offers: Sequence[Offer]
    facts: Sequence[ModelFacts]
    architectures: Sequence[Architecture]
    chips: Sequence[AcceleratorFacts]
    chip_of: Rows
    """(offers,) the accelerator of each, an index of `chips`."""
    sizes: Sequence[int]
    """Numbers of accelerators that servers have."""
    size_of: Rows
    """(offers,) how many each has, an index of `sizes`."""

    @property
    def counts(self) -> Floats:
        """(offers,) accelerators of each."""
        return np.array(self.sizes, dtype=np.float64)[self.size_of]


def hub_table(
    context: Context,
    offers: Sequence[Offer],
    facts: Sequence[ModelFacts],
    accuracy: Mapping[str, Prediction] = MappingProxyType({}),
) -> CandidateTable | None:
    """The candidates of these models on these offers; None where no offer has an accelerator whose speed is known.

    `accuracy` holds what evidence says of a model by its name; of the others it is unknown. A record is made only of the rows
    that are asked for.
    """
    space = _space(offers, facts)
    if space is None:
        return None
    complexity = context.state.complexity
    assert complexity is not None
    serving = serving_table(
        space.architectures,
        space.chips,
        precisions=PRECISIONS,
        tensor_parallel=WAYS,
        concurrency=(1, CLIENTS),
        input_tokens=max(1, round(complexity.prompt_tokens)),
        output_tokens=max(2, complexity.rationale_tokens_p95),
    )
    training = training_table(
        space.architectures,
        space.chips,
        methods=("lora",),
        counts=space.sizes,
        train_tokens=(PILOT_TOKENS,),
        sequence_tokens=max(1, round(complexity.prompt_tokens + complexity.rationale_tokens)),
    )
    return _Columns(context, space, serving, training, accuracy).table()


def _space(offers: Sequence[Offer], facts: Sequence[ModelFacts]) -> _Space | None:
    known = accelerator_facts()
    usable = [
        offer
        for offer in offers
        if offer.accelerator is not None
        and (chip := known.get(offer.accelerator)) is not None
        and chip.bf16_dense_tflops is not None
    ]
    if not usable or not facts:
        return None
    names = sorted({str(offer.accelerator) for offer in usable})
    sizes = sorted({offer.accelerator_count for offer in usable})
    return _Space(
        offers=usable,
        facts=facts,
        architectures=[architecture_of(one) for one in facts],
        chips=[known[name] for name in names],
        chip_of=np.array([names.index(str(offer.accelerator)) for offer in usable], dtype=np.intp),
        sizes=sizes,
        size_of=np.array([sizes.index(offer.accelerator_count) for offer in usable], dtype=np.intp),
    )


class _Columns:
    """The grid of one choice, and its rows: those that fit the memory, and split a server evenly."""

    def __init__(
        self,
        context: Context,
        space: _Space,
        serving: ServingTable,
        training: TrainingTable,
        accuracy: Mapping[str, Prediction],
    ) -> None:
        self._context, self._space, self._serving, self._accuracy = context, space, serving, accuracy
        brief, settings = context.brief, context.settings
        self._prices = np.array([offer.usd_per_hour for offer in space.offers])
        self._serving_usd = np.array([serving_usd_of(brief, settings, offer) for offer in space.offers])
        shape = (len(space.facts), len(space.chips), len(space.sizes))
        at = (slice(None), space.chip_of, space.size_of)
        # (offers, models)
        self._hours: Floats = np.broadcast_to(training.hours[:, :, 0, :, 0], shape)[at].T
        trainable: NDArray[np.bool_] = np.broadcast_to(training.fits[:, :, 0, :, 0], shape)[at].T
        self._band = training.band
        counts, ways = space.counts[:, None], np.array(WAYS, dtype=np.float64)[None, :]
        splits = (ways <= counts) & (counts % ways == 0)
        fits = (
            np.broadcast_to(serving.fits, serving.shape)[..., 0, 0]
            & np.broadcast_to(serving.fits, serving.shape)[..., 0, 1]
        )
        of_offer: NDArray[np.bool_] = np.asarray(fits).transpose(1, 0, 2, 3)[space.chip_of]
        usable = of_offer & splits[:, None, None, :] & trainable[:, :, None, None]
        self._rows = np.nonzero(usable)

    def table(self) -> CandidateTable:
        offer, model, precision, ways = self._rows
        chip = self._space.chip_of[offer]
        hours, price = self._hours[offer, model], self._prices[offer]
        usd, beside = hours * price, np.array([overhead_usd(one) for one in self._space.offers])[offer]
        known = [self._accuracy.get(one.name) for one in self._space.facts]
        value, low, high = (
            np.array([math.nan if one is None else getattr(one, end) for one in known])[model]
            for end in ("value", "low", "high")
        )
        copies = self._space.counts[offer] / np.array(WAYS)[ways]
        return CandidateTable(
            accuracy=value,
            accuracy_low=low,
            accuracy_high=high,
            latency_p95_ms=self._on_grid(self._serving.latency_p95_ms)[model, chip, precision, ways, 0, 0],
            usd=usd + self._serving_usd[offer],
            hours=hours,
            needed_usd=usd + beside + self._serving_usd[offer],
            parameters=np.array([float(one.parameters) for one in self._space.architectures])[model],
            executable=np.zeros(len(offer), dtype=np.bool_),
            attempt_usd=usd,
            kind=(model * len(self._space.chips) + chip).astype(np.intp),
            throughput_rps=self._on_grid(self._serving.rps)[model, chip, precision, ways, 0, 1] * copies,
            name=self._name,
            make=self._make,
        )

    def _on_grid(self, figures: Floats) -> Floats:
        return np.broadcast_to(figures, self._serving.shape)

    def _name(self, row: int) -> str:
        offer, model, precision, ways = (int(axis[row]) for axis in self._rows)
        attempt = len(self._context.state.attempts) + 1
        split = f" x {WAYS[ways]}" if WAYS[ways] > 1 else ""
        return (
            f"{self._space.offers[offer].id}|{self._space.facts[model].name}|{PRECISIONS[precision]}{split}"
            f"|lora {PILOT_TOKENS // 1000}k tokens|attempt {attempt}"
        )

    def _make(self, row: int) -> Candidate:
        offer, model, precision, ways = (int(axis[row]) for axis in self._rows)
        state, at = self._context.state, self._space.offers[offer]
        assert state.match is not None
        hours = _banded(float(self._hours[offer, model]), self._band, f"LoRA training physics, {at.accelerator}")
        alone, together = (self._served(offer, model, precision, ways, clients) for clients in (1, CLIENTS))
        return Candidate(
            id=self._name(row),
            offer_id=at.id,
            executable=False,
            teacher=state.match.teacher,
            student=self._space.facts[model].name,
            parameters=self._space.architectures[model].parameters,
            precision=PRECISIONS[precision],
            strategy="rationale",
            train_tokens=PILOT_TOKENS,
            accuracy=self._accuracy.get(self._space.facts[model].name),
            latency_p95_ms=alone.latency_p95_ms,
            hours=hours,
            usd=predict_dollars(hours, at),
            overhead_usd=overhead_usd(at),
            serving_usd=float(self._serving_usd[offer]),
            throughput_rps=_times(together.throughput_rps, at.accelerator_count / WAYS[ways]),
            training="lora",
            tensor_parallel=WAYS[ways],
        )

    def _served(self, offer: int, model: int, precision: int, ways: int, clients: int) -> ServingPrediction:
        complexity = self._context.state.complexity
        assert complexity is not None
        return predict_serving(
            self._space.architectures[model],
            accelerator_facts()[str(self._space.offers[offer].accelerator)],
            precision=PRECISIONS[precision],
            tensor_parallel=WAYS[ways],
            concurrency=clients,
            input_tokens=max(1, round(complexity.prompt_tokens)),
            output_tokens=max(2, complexity.rationale_tokens_p95),
        )


def _banded(value: float, factor: float, source: str) -> Prediction:
    return Prediction(value=value, low=value / factor, high=value * factor, source=source)


def _times(rate: Prediction, copies: float) -> Prediction:
    figures = {name: copies * getattr(rate, name) for name in ("value", "low", "high")}
    return rate.model_copy(update=figures)
