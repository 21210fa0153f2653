"""A site: answers the server's letters from its own examples and its own folder. Nothing else leaves it.

A letter answered before is answered from the folder, so a site that died, or a server that asks again, costs no second training. Imports
torch, and is itself imported only where a site works.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import hashlib
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....state.errors import StratosError
from ...elastic.cutting import cut_model, kept_of, leading
from ...elastic.units import layout_of
from ...weights import weights_sha256
from ..learning.examples import Examples, SiteExamples, read
from ..learning.local import Fitting, fit, importance, mean_loss, pooled, right
from .letters import Letter, unpacked_choice
from .orders import CHOICES, FAILED, IMPORTANCE, RESULT, SKETCH, UNITS, WELCOME, Orders
from .privacy import DELTA, private_mean
from .similarity import directions, private_sketch, sketch
from .site_folder import ERROR_FILE, FITTED, MODEL, SENT
from .site_model import AnyModel, from_nothing, load_site_model, save, unpacked

AS_SENT = "as sent"
"""In the place of a sharpness: nothing was tuned, since the cloud's own cut answered more validation examples rightly."""
CONTROL_RATE = 2.0
"""Times the rate of one that begins from taught weights: a training from nothing does better with more."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Site:
    """One site's process."""

    name: str
    data: Path
    folder: Path
    """Holds the model and the answers given; never the examples."""
    noise_seed: int | None = None
    """Of the noise on what is told. Null: the operating system's chance, since who knows the seed can take the noise away again."""

    def answer(self, sent: bytes) -> bytes:
        """The answer to a letter. What goes wrong here is told in the answer and in the folder, and raised nowhere."""
        known = self.folder / "answers" / f"{hashlib.sha256(sent).hexdigest()[:32]}.letter"
        if known.exists():
            return known.read_bytes()
        try:
            letter = Letter.from_bytes(sent)
            answers = {WELCOME: self._welcomed, CHOICES: self._chosen}
            if letter.kind not in answers:
                raise ValueError(f"a letter of kind {letter.kind!r}; known: {', '.join(answers)}")
            answer = answers[letter.kind](letter).to_bytes()
        except (StratosError, ValueError, KeyError, OSError, RuntimeError) as error:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / ERROR_FILE).write_text(traceback.format_exc(), encoding="utf-8")
            # The text of an error can hold a row of the data: its kind alone leaves the site.
            return Letter(kind=FAILED, facts={"error": type(error).__name__}).to_bytes()
        known.parent.mkdir(parents=True, exist_ok=True)
        partial = known.with_suffix(".partial")
        partial.write_bytes(answer)
        partial.replace(known)
        return answer

    def _welcomed(self, letter: Letter) -> Letter:
        """Fits the model that was sent and tells what matters in it here."""
        began = time.process_time()
        orders = Orders.model_validate_json(str(letter.facts["orders"]))
        examples = read(self.data, orders.seed, orders.answers)
        model = unpacked(letter, orders, examples.names)
        save(model, self.folder / SENT, {"names": examples.names})
        with model.adapted():
            fit(model, examples.parts["train"], _fitting(orders, orders.fit_epochs))
        units, seen = self._told(model, orders, examples.parts["train"])
        save(model, self.folder / FITTED, {"orders": orders.model_dump(mode="json"), "names": examples.names})
        return Letter(
            kind=IMPORTANCE,
            arrays={UNITS: (units / (units.max() or 1.0)).astype(np.float16), SKETCH: seen.astype(np.float16)},
            facts={
                "examples": len(examples.parts["train"]),
                "train_bytes": examples.parts["train"].bytes,
                "cpu_seconds": round(time.process_time() - began, 2),
            },
        )

    def _told(self, model: AnyModel, orders: Orders, examples: Examples) -> tuple[Floats, Floats]:
        """The importances of the units and the sketch of the features, with noise as ordered."""
        rng = np.random.default_rng(self.noise_seed)
        private = orders.epsilon is not None
        units = importance(model, layout_of(model.backbone), examples, alike=private).vector()
        features = pooled(model, examples)
        along = directions(features.shape[1], orders.directions_seed)
        if orders.epsilon is None:
            return units, sketch(features, along, noise=orders.noise, rng=rng)
        half = orders.epsilon / 2, DELTA / 2  # of each of the two that are told: promises add up
        return private_mean(units, len(examples), *half, rng), private_sketch(features, along, *half, rng)

    def _chosen(self, letter: Letter) -> Letter:
        """Keeps the units of the choice that serves the validation examples best, tunes, judges, and stores the model; or what was sent,
        where tuning made it worse."""
        began = time.process_time()
        model, about = load_site_model(self.folder / FITTED)
        orders = Orders.model_validate(about["orders"])
        examples = read(self.data, orders.seed, orders.answers)
        layout = layout_of(model.backbone)
        units = layout.layers * (layout.heads + layout.neurons)
        choices = {name: kept_of(layout, unpacked_choice(bits, units)) for name, bits in letter.arrays.items()}
        pruned = {name: model.over(cut_model(model.backbone, layout, kept)) for name, kept in choices.items()}
        losses = {name: mean_loss(one, examples.parts["validation"]) for name, one in pruned.items()}
        best = min(losses, key=lambda name: losses[name])
        own = pruned[best]
        if orders.tune_epochs:
            with own.adapted():
                fit(own, examples.parts["train"], _fitting(orders, orders.tune_epochs))
        facts: dict[str, Any] = {"sharpness": best} | _counts(own, examples, "")
        sent, _ = load_site_model(self.folder / SENT)
        sent = sent.over(cut_model(sent.backbone, layout, leading(layout, choices[best])))
        as_sent = _counts(sent, examples, "")
        if as_sent["validation_right"] > facts["validation_right"]:
            own, facts = sent, facts | as_sent | {"sharpness": AS_SENT}
        facts |= {f"sent_{name}": count for name, count in as_sent.items()}
        if orders.control:
            facts |= _counts(_from_nothing(own, examples, orders), examples, "alone_")
        return self._judged(own, examples, facts, losses, began)

    def _judged(
        self, own: AnyModel, examples: SiteExamples, facts: dict[str, Any], losses: dict[str, float], began: float
    ) -> Letter:
        costs = own.costs(examples.parts["validation"].take([0]))
        about = {"names": examples.names, "site": self.name, **facts, "validation_loss_of": losses}
        save(own, self.folder / MODEL, about)
        return Letter(
            kind=RESULT,
            facts=facts
            | {
                "weights_sha256": weights_sha256(self.folder / MODEL),
                "bytes": costs.bytes,
                "parameters": costs.parameters,
                "latency_ms": round(costs.latency_ms, 4),
                "cpu_seconds": round(time.process_time() - began, 2),
            },
        )


def _counts(model: AnyModel, examples: SiteExamples, of: str) -> dict[str, int]:
    """How many validation and test examples a model answers rightly. Nothing is chosen by the latter."""
    return {
        f"{of}{part}_{what}": count
        for part in ("validation", "test")
        for what, count in (("right", right(model, examples.parts[part])), ("items", len(examples.parts[part])))
    }


def _from_nothing(like: AnyModel, examples: SiteExamples, orders: Orders) -> AnyModel:
    """The control: a model of the same shape with random weights, trained on the site's examples for as many epochs."""
    fresh = from_nothing(like, len(examples.names), orders.seed)
    fitting = _fitting(orders, orders.fit_epochs + orders.tune_epochs)
    fit(fresh, examples.parts["train"], replace(fitting, rate=CONTROL_RATE * orders.rate))
    return fresh


def _fitting(orders: Orders, epochs: int) -> Fitting:
    return Fitting(epochs=epochs, rate=orders.rate, seed=orders.seed)
