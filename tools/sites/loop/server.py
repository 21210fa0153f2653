"""The server's side of one loop: the backbone down, what matters up, which units to keep down, how good it became up.

ACME's single loop in both directions (arXiv 2507.14802). The server never sees an example, a label or a site's weights. What was
answered is kept in its folder: started again there it asks only for what is missing. Imports torch, and is itself imported only where
a server works.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ....state.errors import ToolFailed
from ...elastic.cutting import Cut, Kept, chosen, cut_model, kept
from ...elastic.importance import Importance
from ...elastic.units import Layout, layout_of
from ...jobs import write_atomic
from .aggregation import ALONE, SHARPNESSES, Floats, Heard, Nearness, Robust, heard, personal
from .letters import Letter, Meter, NotSent, packed_choice, packed_text, packed_weights
from .loop_orders import ABOUT_FILE
from .orders import (
    CHOICES,
    FAILED,
    HEADER,
    IMPORTANCE,
    LABELS,
    RESULT,
    SKETCH,
    TOKENIZER,
    UNITS,
    WELCOME,
    Orders,
    SitePlan,
)
from .similarity import distances

MOST_TOLD = 200
"""Sites whose distances to each other are told: their number grows with the square."""


class Post(Protocol):
    """Carries letters to sites and their answers back."""

    def exchange(self, letters: Mapping[str, bytes]) -> Iterable[tuple[str, bytes | str]]:
        """Each site with its answer as it comes, or why there is none. Raises nothing for a site that is dead, slow or broken."""
        ...


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """The elastic model in the cloud: its units are in order of importance, so that every cut is a prefix."""

    model: Any
    importance: Importance
    tokenizer: str | None = None
    """The file of a text model's tokenizer."""
    labels: tuple[str, ...] = ()
    """Of the public examples, in the order of the header's classes."""
    header: Any | None = None
    """The plain header that learned them: a site takes over what it says of its own labels."""

    @property
    def layout(self) -> Layout:
        """Of the whole model."""
        return layout_of(self.model)


@dataclass(frozen=True, kw_only=True)
class SiteOutcome:
    """What became of one site."""

    plan: SitePlan
    facts: Mapping[str, Any]
    """As the site told them: items right of so many on validation and test, bytes, milliseconds, CPU-seconds."""
    failed: str = ""
    """Why it has no model; empty where it has one."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the loop."""

    sites: tuple[SiteOutcome, ...]
    meter: Meter
    left_out: Mapping[str, str]
    """Sites whose importances were not used for the others, and why."""
    distances: Mapping[str, Mapping[str, float]]
    """Between sites that answered, in the features' unit; of more than MOST_TOLD sites none are told."""


@dataclass
class _Record:
    """The letters of a loop in its folder, by kind and site."""

    folder: Path
    meter: Meter = field(default_factory=Meter)

    def known(self, kind: str, site: str, sent: bytes) -> bytes | None:
        """The answer to this very letter, from an earlier start."""
        asked, answered = self._paths(kind, site)
        if asked.exists() and answered.exists() and asked.read_bytes() == sent:
            return answered.read_bytes()
        return None

    def keep(self, kind: str, site: str, sent: bytes, answer: bytes) -> None:
        """Written in this order, so that an answer is never taken for that to another letter."""
        asked, answered = self._paths(kind, site)
        answered.parent.mkdir(parents=True, exist_ok=True)
        answered.unlink(missing_ok=True)
        asked.write_bytes(sent)
        partial = answered.with_suffix(".partial")
        partial.write_bytes(answer)
        partial.replace(answered)

    def _paths(self, kind: str, site: str) -> tuple[Path, Path]:
        return self.folder / "letters" / kind / f"{site}.down", self.folder / "letters" / kind / f"{site}.up"


def customize(
    backbone: Backbone,
    plans: Sequence[SitePlan],
    orders: Callable[[SitePlan], Orders],
    post: Post,
    folder: Path,
    *,
    sharpnesses: Sequence[float] = SHARPNESSES,
    robust: Robust = "none",
) -> Outcome:
    """Runs or continues the loop in its folder: every site that answers gets a model of its own.

    Sites that do not answer, or answer what cannot be used, are named and stop nobody. Raises ToolFailed where no site's importances
    can be used at all.
    """
    record = _Record(folder)
    by_name = {plan.name: plan for plan in plans}
    # Sites that are sent the same share one cut and one letter: there are at most a few of each, however many sites there are.
    cut_of = cache(partial(_Cut.of, backbone))
    cuts = {plan.name: cut_of(plan.sent, plan.target) for plan in plans}

    @cache
    def letter_of(sent: Cut, target: Cut, said: str) -> Letter:
        return _welcome(backbone, cut_of(sent, target), Orders.model_validate_json(said))

    welcomes = {plan.name: letter_of(plan.sent, plan.target, orders(plan).model_dump_json()) for plan in plans}
    told, failed = _asked(WELCOME, IMPORTANCE, welcomes, post, record)
    usable = {site: letter for site, letter in told.items() if {UNITS, SKETCH} <= set(letter.arrays)}
    failed |= {site: f"its answer holds no {UNITS} or no {SKETCH}" for site in told if site not in usable}
    sent = {site: letter.arrays[UNITS].astype(np.float64) for site, letter in usable.items()}
    units = len(backbone.importance.vector())
    found = heard(sent, {site: cuts[site].places for site in sent}, units, robust)
    if not found.sites:
        raise ToolFailed("no site sent importances that can be used: " + _reasons(failed | dict(found.left_out)))
    sketches, unsketched = _sketches(usable, found)
    apart = distances([sketches[site] for site in found.sites])
    choices = {
        site: Letter(kind=CHOICES, arrays=arrays, facts={})
        for site, arrays in _choices(usable, found, apart, cuts, sharpnesses, robust).items()
    }
    results, failed_later = _asked(CHOICES, RESULT, choices, post, record)
    failed |= failed_later
    outcome = Outcome(
        sites=tuple(
            SiteOutcome(plan=plan, facts=_facts(told.get(name), results.get(name)), failed=failed.get(name, ""))
            for name, plan in by_name.items()
        ),
        meter=record.meter,
        left_out=dict(found.left_out) | unsketched,
        distances={
            site: dict(zip(found.sites, map(float, row), strict=True))
            for site, row in zip(found.sites, apart, strict=True)
            if len(found.sites) <= MOST_TOLD
        },
    )
    write_atomic(folder / ABOUT_FILE, json.dumps(_told(outcome)))
    return outcome


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """What a site is sent: the smaller model, its layout, and where its units are among those of the whole one."""

    model: Any
    layout: Layout
    importance: Importance
    """Of its units as the cloud measured them."""
    places: NDArray[np.intp]
    """In the order of `Importance.vector` of the smaller model: places in that of the whole one."""
    relative: Cut
    """What of it is to be left."""

    @classmethod
    def of(cls, backbone: Backbone, sent: Cut, target: Cut) -> "_Cut":
        whole = backbone.layout
        what = kept(whole, sent, backbone.importance)
        model = cut_model(backbone.model, whole, what)
        layout = layout_of(model)
        places = _places(whole, what)
        return cls(
            model=model,
            layout=layout,
            importance=Importance.of_vector(layout, backbone.importance.vector()[places]),
            places=places,
            relative=Cut(width=target.width / sent.width, depth=1),
        )


def _places(whole: Layout, what: Kept) -> NDArray[np.intp]:
    """Of every unit kept, its place in `Importance.vector` of the whole model."""
    heads = [
        layer * whole.heads + head
        for layer, units in zip(what.layers, what.units, strict=True)
        for group in units.heads
        for head in group
    ]
    start = whole.layers * whole.heads
    neurons = [
        start + layer * whole.neurons + neuron
        for layer, units in zip(what.layers, what.units, strict=True)
        for neuron in units.neurons
    ]
    return np.array([*heads, *neurons], dtype=np.intp)


def _welcome(backbone: Backbone, cut: _Cut, orders: Orders) -> Letter:
    plain = {name: weight.detach().numpy() for name, weight in cut.model.named_parameters()}
    if backbone.header is not None and not orders.header.blocks:
        plain |= {f"{HEADER}.{name}": weight.detach().numpy() for name, weight in backbone.header.named_parameters()}
    arrays = packed_weights(plain, orders.bits)
    if len(plain) > len(list(cut.model.named_parameters())):
        arrays[LABELS] = packed_text(json.dumps(backbone.labels, ensure_ascii=False))
    if backbone.tokenizer is not None:
        arrays[TOKENIZER] = packed_text(backbone.tokenizer)
    config = {name: value for name, value in cut.model.config.to_diff_dict().items() if name != "transformers_version"}
    said = orders.model_copy(update={"config": config | {"model_type": cut.model.config.model_type}})
    return Letter(kind=WELCOME, arrays=arrays, facts={"orders": said.model_dump_json(exclude_defaults=True)})


def _asked(
    down: str, up: str, letters: Mapping[str, Letter], post: Post, record: _Record
) -> tuple[dict[str, Letter], dict[str, str]]:
    """The answers of one round, and why others are missing. What an earlier start was answered is not asked again."""
    written = {id(letter): letter.to_bytes() for letter in {id(one): one for one in letters.values()}.values()}
    sent = {site: written[id(letter)] for site, letter in letters.items()}
    known = {site: answer for site, letter in sent.items() if (answer := record.known(down, site, letter)) is not None}
    usable: dict[str, Letter] = {}
    failed: dict[str, str] = dict.fromkeys(sent, "it did not answer")
    for site, answer in chain(known.items(), post.exchange({site: sent[site] for site in sent if site not in known})):
        if not isinstance(answer, NotSent):
            record.meter.count(site, "down", len(sent[site]))
        if isinstance(answer, str):
            failed[site] = answer
            continue
        record.meter.count(site, "up", len(answer))
        if wrong := _kept_answer(answer, up, usable, site):
            failed[site] = wrong
        else:
            failed.pop(site, None)
            if site not in known:
                record.keep(down, site, sent[site], answer)
    # In the sites' order, whatever the order of their answers: the same answers must lead to the same models.
    return {site: usable[site] for site in sent if site in usable}, failed


def _kept_answer(answer: bytes, kind: str, usable: dict[str, Letter], site: str) -> str:
    """Puts the answer among the usable ones, or says what is wrong with it."""
    try:
        letter = Letter.from_bytes(answer)
    except ValueError as error:
        return f"it sent {error}"
    if letter.kind == FAILED:
        return f"it failed: {letter.facts.get('error')} (its error.txt says more)"
    if letter.kind != kind:
        return f"it sent {letter.kind!r} for {kind!r}"
    usable[site] = letter
    return ""


def _sketches(told: Mapping[str, Letter], found: Heard) -> tuple[dict[str, Floats], dict[str, str]]:
    """The sketches of the sites heard. One that is no numbers or of another shape becomes the mean of the others, and is named."""
    given = {site: told[site].arrays[SKETCH].astype(np.float64) for site in found.sites}
    shapes = [sketch.shape for sketch in given.values()]
    usual = max(set(shapes), key=shapes.count)
    right = {site: each for site, each in given.items() if each.shape == usual and bool(np.isfinite(each).all())}
    if not right:
        raise ToolFailed(f"no site sent a sketch that can be used, of {len(given)}")
    mean: Floats = np.stack(list(right.values())).mean(axis=0)
    wrong = {
        site: "its sketch of its features cannot be used; it is taken to be like all"
        for site in given
        if site not in right
    }
    return {site: right.get(site, mean) for site in found.sites}, wrong


def _choices(
    sites: Collection[str],
    found: Heard,
    apart: Floats,
    cuts: Mapping[str, _Cut],
    sharpnesses: Sequence[float],
    robust: Robust,
) -> dict[str, dict[str, Any]]:
    """What each site may keep, under the name of the first sharpness that leads to it. One that was left out gets what is the cloud's
    own choice."""
    by_site: dict[str, dict[str, Any]] = {site: {} for site in sites}
    seen: dict[str, set[bytes]] = {site: set() for site in sites}
    place, nearness = {site: row for row, site in enumerate(found.sites)}, Nearness.of(apart)
    for sharpness in sharpnesses:
        name = "alone" if sharpness == ALONE else f"{sharpness:g}"
        own = personal(found.vectors, nearness, sharpness, robust)
        for site in sites:
            cut = cuts[site]
            vector = np.nan_to_num(own[place[site]][cut.places]) if site in place else cut.importance.vector()
            what = kept(cut.layout, cut.relative, Importance.of_vector(cut.layout, vector))
            bits = packed_choice(chosen(cut.layout, what))
            if bits.tobytes() not in seen[site]:
                by_site[site][name] = bits
                seen[site].add(bits.tobytes())
    return by_site


def _facts(first: Letter | None, second: Letter | None) -> dict[str, Any]:
    """What a site told in both its letters; seconds are added up."""
    both = [letter.facts for letter in (first, second) if letter is not None]
    seconds = [facts.get("cpu_seconds") for facts in both]
    merged = {name: value for facts in both for name, value in facts.items()}
    return merged and merged | {"cpu_seconds": sum(one for one in seconds if isinstance(one, int | float))}


def _reasons(failed: Mapping[str, str]) -> str:
    return "; ".join(f"{site}: {why}" for site, why in failed.items())


def _told(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON."""
    return {
        "sites": [
            {
                "name": site.plan.name,
                "sent": site.plan.sent.name,
                "target": site.plan.target.name,
                "facts": dict(site.facts),
                "failed": site.failed,
            }
            for site in outcome.sites
        ],
        "bytes": {f"{site}/{way}": length for (site, way), length in outcome.meter.bytes.items()},
        "left_out": dict(outcome.left_out),
        "distances": {site: dict(row) for site, row in outcome.distances.items()},
    }
