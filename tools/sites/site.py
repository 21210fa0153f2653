"""A site: answers the server's letters from its own examples and its own folder. Nothing else leaves it.

A letter answered before is answered from the folder, so a site that died, or a server that asks again, costs no second training. Imports
torch, and is itself imported only where a site works.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import hashlib
import json
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...state.errors import StratosError
from ..elastic.costs import measure_costs
from ..elastic.cutting import cut_model, kept_of
from ..elastic.units import layout_of
from ..jobs import write_atomic
from ..weights import weights_sha256
from .examples import Examples, SiteExamples, read
from .header import HeaderSpec, new_header
from .letters import Letter, unpacked_choice, unpacked_text, unpacked_weights
from .local import Fitting, SiteModel, bare, fit, importance, mean_loss, pooled, right, tokenizer_of
from .orders import CHOICES, FAILED, HEADER, IMPORTANCE, LABELS, RESULT, SKETCH, TOKENIZER, UNITS, WELCOME, Orders
from .privacy import DELTA, private_mean
from .similarity import directions, private_sketch, sketch
from .site_folder import ABOUT_FILE, ERROR_FILE, FITTED, MODEL

CONTROL_RATE = 2.0
"""Times the rate of one that begins from taught weights: a training from nothing does better with more."""
HEADER_FILE, TOKENIZER_FILE = "header.safetensors", "tokenizer.json"


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
        examples = read(self.data, orders.seed)
        model = _unpacked(letter, orders, examples.names)
        fit(model, examples.parts["train"], _fitting(orders, orders.fit_epochs))
        units, seen = self._told(model, orders, examples.parts["train"])
        _save(model, self.folder / FITTED, {"orders": orders.model_dump(mode="json"), "names": examples.names})
        return Letter(
            kind=IMPORTANCE,
            arrays={UNITS: (units / (units.max() or 1.0)).astype(np.float16), SKETCH: seen.astype(np.float16)},
            facts={
                "examples": len(examples.parts["train"]),
                "train_bytes": examples.parts["train"].bytes,
                "cpu_seconds": round(time.process_time() - began, 2),
            },
        )

    def _told(self, model: SiteModel, orders: Orders, examples: Examples) -> tuple[Floats, Floats]:
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
        """Keeps the units of the choice that serves the validation examples best, tunes, judges, and stores the model."""
        began = time.process_time()
        model, about = load_site_model(self.folder / FITTED)
        orders = Orders.model_validate(about["orders"])
        examples = read(self.data, orders.seed)
        layout = layout_of(model.backbone)
        units = layout.layers * (layout.heads + layout.neurons)
        scored: dict[str, tuple[float, SiteModel]] = {}
        for name, bits in letter.arrays.items():
            kept = kept_of(layout, unpacked_choice(bits, units))
            pruned = SiteModel(
                backbone=cut_model(model.backbone, layout, kept),
                header=model.header,
                spec=model.spec,
                tokenizer=model.tokenizer,
                max_tokens=model.max_tokens,
            )
            scored[name] = mean_loss(pruned, examples.parts["validation"]), pruned
        best = min(scored, key=lambda name: scored[name][0])
        own = scored[best][1]
        if orders.tune_epochs:
            fit(own, examples.parts["train"], _fitting(orders, orders.tune_epochs))
        facts: dict[str, Any] = {"sharpness": best} | _counts(own, examples, "")
        if orders.control:
            facts |= _counts(_from_nothing(own, examples, orders), examples, "alone_")
        return self._judged(own, examples, facts, {name: loss for name, (loss, _) in scored.items()}, began)

    def _judged(
        self, own: SiteModel, examples: SiteExamples, facts: dict[str, Any], losses: dict[str, float], began: float
    ) -> Letter:
        costs = measure_costs(own.backbone, own.inputs(examples.parts["validation"].take([0])))
        about = {"names": examples.names, "site": self.name, **facts, "validation_loss_of": losses}
        _save(own, self.folder / MODEL, about)
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


def _counts(model: SiteModel, examples: SiteExamples, of: str) -> dict[str, int]:
    """How many validation and test examples a model answers rightly. Nothing is chosen by the latter."""
    return {
        f"{of}{part}_{what}": count
        for part in ("validation", "test")
        for what, count in (("right", right(model, examples.parts[part])), ("items", len(examples.parts[part])))
    }


def _from_nothing(like: SiteModel, examples: SiteExamples, orders: Orders) -> SiteModel:
    """The control: a model of the same shape with random weights, trained on the site's examples for as many epochs."""
    torch.manual_seed(orders.seed)
    fresh = SiteModel(
        backbone=bare(type(like.backbone)(like.backbone.config)),
        header=new_header(like.spec.parts(), like.backbone.config.hidden_size, len(examples.names)),
        spec=like.spec,
        tokenizer=like.tokenizer,
        max_tokens=like.max_tokens,
    )
    fitting = _fitting(orders, orders.fit_epochs + orders.tune_epochs)
    fit(fresh, examples.parts["train"], replace(fitting, rate=CONTROL_RATE * orders.rate))
    return fresh


def _fitting(orders: Orders, epochs: int) -> Fitting:
    return Fitting(epochs=epochs, rate=orders.rate, seed=orders.seed)


def _unpacked(letter: Letter, orders: Orders, names: tuple[str, ...]) -> SiteModel:
    """The backbone that was sent, with a header for the site's own labels: what the public header knows of them, and fresh for others."""
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(**orders.config)
    packed = letter.arrays.get(TOKENIZER)
    public: list[str] = json.loads(unpacked_text(letter.arrays[LABELS])) if LABELS in letter.arrays else []
    torch.manual_seed(orders.seed)
    backbone = bare(AutoModel.from_config(config))
    header = new_header(orders.header.parts(), config.hidden_size, len(names))
    taught = new_header((), config.hidden_size, len(public)) if public else None
    shapes = {name: tuple(weight.shape) for name, weight in backbone.named_parameters()}
    if taught is not None:
        shapes |= {f"{HEADER}.{name}": tuple(weight.shape) for name, weight in taught.named_parameters()}
    weights = {
        name: torch.from_numpy(array) for name, array in unpacked_weights(letter.arrays, shapes, orders.bits).items()
    }
    backbone.load_state_dict({name: weights[name] for name, _ in backbone.named_parameters()}, strict=False)
    if taught is not None:
        taught.load_state_dict({name: weights[f"{HEADER}.{name}"] for name, _ in taught.named_parameters()})
        _take_over(header, taught, names, public)
    return SiteModel(
        backbone=backbone,
        header=header,
        spec=orders.header,
        tokenizer=None if packed is None else tokenizer_of(unpacked_text(packed)),
        max_tokens=orders.max_tokens,
    )


def _take_over(header: Any, taught: Any, names: Sequence[str], public: Sequence[str]) -> None:
    """Copies the norms and pools of a header, and its rows of the labels that both know."""
    place = {name: row for row, name in enumerate(public)}
    with torch.no_grad():
        for name, weight in taught.named_parameters():
            mine = header.get_parameter(name)
            if name.startswith("out."):
                for row, label in enumerate(names):
                    if label in place:
                        mine[row] = weight[place[label]]
            else:
                mine.copy_(weight)


def _save(model: SiteModel, folder: Path, about: dict[str, Any]) -> None:
    """Writes a plain Hugging Face folder with the header beside it; `site.json` is written last."""
    from safetensors.torch import save_file
    from transformers.utils import logging

    logging.disable_progress_bar()
    model.backbone.save_pretrained(folder)
    save_file(model.header.state_dict(), folder / HEADER_FILE)
    if model.tokenizer is not None:
        model.tokenizer.save_pretrained(folder)
    said = about | {"header": model.spec.model_dump(mode="json"), "max_tokens": model.max_tokens}
    write_atomic(folder / ABOUT_FILE, json.dumps(said, ensure_ascii=False, indent=1))


def load_site_model(folder: Path) -> tuple[SiteModel, dict[str, Any]]:
    """A site's stored model, and what is known of it. Raises FileNotFoundError where the folder holds none."""
    from safetensors.torch import load_file
    from transformers import AutoModel, PreTrainedTokenizerFast

    about = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
    spec = HeaderSpec.model_validate(about["header"])
    backbone = bare(AutoModel.from_pretrained(folder, local_files_only=True))
    header = new_header(spec.parts(), backbone.config.hidden_size, len(about["names"]))
    header.load_state_dict(load_file(folder / HEADER_FILE))
    has_tokenizer = (folder / TOKENIZER_FILE).exists()
    model = SiteModel(
        backbone=backbone,
        header=header,
        spec=spec,
        tokenizer=PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True) if has_tokenizer else None,
        max_tokens=about["max_tokens"],
    )
    model.train(False)
    return model, about
