"""What the `acme` eval holds the loop against, each at its own cost in bytes and CPU-seconds: central training, a single model for
all, training alone, and FedAvg.

Imports torch at its top, and is itself imported only where the eval runs.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from ..tools.elastic.cutting import Cut
from ..tools.sites.cloud.backbone import Elastic, cut_of
from ..tools.sites.heads.header import new_header
from ..tools.sites.learning.examples import Examples
from ..tools.sites.learning.local import Fitting, SiteModel, fit, right
from .acme_worlds import World

FLOAT_BYTES = 4
Parts = Mapping[str, Mapping[str, Examples]]
"""Of each site its training, validation and test examples, labels by their numbers in the world."""


@dataclass(frozen=True, kw_only=True)
class Reached:
    """What one way reached."""

    right: Mapping[str, int]
    """Of each site's test examples."""
    items: Mapping[str, int]
    up_bytes: int = 0
    down_bytes: int = 0
    cpu_seconds: float = 0.0
    details: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def accuracy(self) -> float:
        """Mean over sites of the share right."""
        return float(np.mean([self.right[site] / self.items[site] for site in self.right]))

    @property
    def bytes(self) -> int:
        """Both ways."""
        return self.up_bytes + self.down_bytes


def joined(several: Sequence[Examples]) -> Examples:
    """One after the other."""
    pixels = [one.pixels for one in several if one.pixels is not None]
    return Examples(
        texts=tuple(text for one in several for text in one.texts),
        pixels=np.concatenate(pixels) if pixels else None,
        labels=np.concatenate([one.labels for one in several]),
    )


def joint(world: World, elastic: Elastic, parts: Parts, cut: Cut, fitting: Fitting) -> tuple[Reached, Reached]:
    """One model of a size for all sites, that learned the public examples and the training data of all; and the same where it is told
    the labels of the site that asks.

    All training data are sent up, and the model down to every site in 32 bits.
    """
    began = time.process_time()
    every = joined([world.public, *(parts[site]["train"] for site in parts)])
    model = _taught(cut_of(elastic.model, elastic.backbone.importance, cut), every, fitting)
    seconds = time.process_time() - began
    ways = (
        {site: right(model, own["test"]) for site, own in parts.items()},
        {site: right(model, own["test"], among=np.unique(own["train"].labels)) for site, own in parts.items()},
    )
    plain, told = (
        Reached(
            right=counted,
            items=_items(parts),
            up_bytes=sum(parts[site]["train"].bytes for site in parts),
            down_bytes=_bytes(model) * len(parts),
            cpu_seconds=seconds,
        )
        for counted in ways
    )
    return plain, told


def public(elastic: Elastic, parts: Parts, cut: Cut) -> Reached:
    """One model of a size for all sites as the cloud makes it of public examples alone, where the sites' data stay with them. Only the
    model travels, in 32 bits."""
    model = cut_of(elastic.model, elastic.backbone.importance, cut)
    counted = {site: right(model, own["test"]) for site, own in parts.items()}
    return Reached(right=counted, items=_items(parts), down_bytes=_bytes(model) * len(parts))


def alone(elastic: Elastic, parts: Parts, cuts: Mapping[str, Cut], fitting: Fitting) -> Reached:
    """Every site trains a model of its size from nothing, on its own examples and for its own labels."""
    began = time.process_time()
    counted: dict[str, int] = {}
    for site, own in parts.items():
        sized = cut_of(elastic.model, elastic.backbone.importance, cuts[site])
        torch.manual_seed(fitting.seed)
        fresh = type(sized.backbone)(sized.backbone.config)
        if getattr(fresh, "pooler", None) is not None:
            fresh.pooler = None
        names = np.unique(own["train"].labels)
        header = new_header(sized.spec.parts(), sized.backbone.config.hidden_size, len(names))
        model = SiteModel(
            backbone=fresh, header=header, spec=sized.spec, tokenizer=sized.tokenizer, max_tokens=sized.max_tokens
        )
        fit(model, _renumbered(own["train"], names), fitting)
        counted[site] = right(model, _renumbered(own["test"], names))
    return Reached(right=counted, items=_items(parts), cpu_seconds=time.process_time() - began)


def averaged(model: SiteModel, parts: Parts, fitting: Fitting, rounds: int, *, until: float = 1.0) -> Reached:
    """FedAvg (McMahan et al., arXiv 1602.05629): each round every site trains the model on its own examples for `fitting.epochs`, and
    the mean of the weights, by numbers of examples, is the next round's. Ends when the mean accuracy reaches `until`.

    The model knows all labels; it goes down and comes up in 32 bits every round.
    """
    began = time.process_time()
    current, size = model, _bytes(model)
    counted: dict[str, int] = {}
    curve: list[float] = []
    for number in range(rounds):
        trained = {site: _taught(current, own["train"], _seeded(fitting, number)) for site, own in parts.items()}
        current = _mean(current, trained, {site: len(own["train"]) for site, own in parts.items()})
        counted = {site: right(current, own["test"]) for site, own in parts.items()}
        curve.append(float(np.mean([counted[site] / len(parts[site]["test"]) for site in parts])))
        if curve[-1] >= until:
            break
    both = size * len(parts) * len(curve)
    return Reached(
        right=counted,
        items=_items(parts),
        up_bytes=both,
        down_bytes=both,
        cpu_seconds=time.process_time() - began,
        details={"rounds": len(curve), "curve": curve},
    )


def _seeded(fitting: Fitting, number: int) -> Fitting:
    return Fitting(epochs=fitting.epochs, rate=fitting.rate, batch=fitting.batch, seed=fitting.seed + number)


def _taught(model: SiteModel, examples: Examples, fitting: Fitting) -> SiteModel:
    """A copy that learned."""
    own = copy.deepcopy(model)
    fit(own, examples, fitting)
    return own


def _mean(like: SiteModel, trained: Mapping[str, SiteModel], counts: Mapping[str, int]) -> SiteModel:
    """The weights' mean by counts."""
    mean, total = copy.deepcopy(like), sum(counts.values())
    for name in ("backbone", "header"):
        states = {site: getattr(model, name).state_dict() for site, model in trained.items()}
        first = next(iter(states.values()))
        getattr(mean, name).load_state_dict(
            {
                key: sum(states[site][key] * (counts[site] / total) for site in states)
                if value.is_floating_point()
                else value
                for key, value in first.items()
            }
        )
    return mean


def _renumbered(examples: Examples, names: "np.ndarray[tuple[int], np.dtype[np.intp]]") -> Examples:
    """With labels from 0 on."""
    return Examples(
        texts=examples.texts, pixels=examples.pixels, labels=np.searchsorted(names, examples.labels).astype(np.intp)
    )


def _items(parts: Parts) -> dict[str, int]:
    return {site: len(own["test"]) for site, own in parts.items()}


def _bytes(model: SiteModel) -> int:
    """In 32 bits, the header with it."""
    weights = {weight.data_ptr(): weight.numel() for weight in model.parameters()}
    return FLOAT_BYTES * sum(weights.values())
