"""Many sites: the family of models that was made, which of it each site gets, and what became of it there."""

from typing import Literal

from pydantic import Field

from .brief import Record
from .evidence import Interval


class CutFigures(Record):
    """One size of the family and what was measured of it on this machine."""

    width: float = Field(description="share of the heads and feed-forward units of each layer")
    depth: float = Field(description="share of the layers")
    accuracy: Interval = Field(description="on the public development split, all labels together")
    latency_ms: float = Field(description="of one example, one thread")
    bytes: int = Field(description="of the backbone in 32 bits")
    flops: int = Field(description="of one example, forward")
    joules: float = Field(description="estimated: measured seconds times the power that is assumed")
    on_front: bool = Field(description="no other size beats it in accuracy, latency, size and energy together")
    score: float = Field(description="ACME's trade-off: accuracy - 0.5 (size + energy), each scaled to 0 .. 1")

    @property
    def name(self) -> str:
        """Such as w0.5-d1."""
        return f"w{self.width:g}-d{self.depth:g}"


class Family(Record):
    """A backbone whose smaller sizes were taught too."""

    folder: str = Field(description="relative to the run's folder")
    weights_sha256: str
    examples: int = Field(description="public examples that it learned from")
    labels: int = Field(description="0 where the answers are texts")
    cuts: tuple[CutFigures, ...]
    watts: float = Field(description="assumed power of a site's box, for the energies")
    seconds: float
    cpu_seconds: float


ChoiceOf = Literal["trade_off", "accuracy"]
"""By which rule a size is chosen among those that a site can hold: the best trade-off, or the most accurate."""


class SiteChoice(Record):
    """Which size one site gets."""

    site: str
    cut: str = Field(description="what is left in the end")
    width: float
    depth: float
    sent_width: float = Field(
        description="of what is sent: one size wider where there is one, so that the site can choose units"
    )
    by: ChoiceOf
    tune_epochs: int
    reason: str


class SitesPlan(Record):
    """Which size each site gets, and which sites get none."""

    number: int = Field(description="of the attempt that it is for")
    choices: tuple[SiteChoice, ...]
    without: tuple[tuple[str, str], ...] = Field(description="sites that nothing fits, and why")
    reason: str


class SiteResult(Record):
    """What became of one site. The counts are all that it told of its data."""

    site: str
    failed: str = Field(default="", description="why it has no model; empty where it has one")
    examples: int = Field(default=0, description="that it learned from")
    validation: Interval | None = Field(default=None, description="share right on its own validation examples")
    test: Interval | None = Field(default=None, description="on its own test examples, which nothing was chosen by")
    alone_validation: Interval | None = Field(
        default=None, description="the control: a model of the same size from nothing, trained there as long"
    )
    alone_test: Interval | None = None
    sent_validation: Interval | None = Field(
        default=None,
        description="the other control: the same size as the cloud made it, tuned nowhere, told the site's labels",
    )
    sent_test: Interval | None = None
    sharpness: str = Field(
        default="",
        description="how much the nearest sites counted, as its validation examples chose; as sent: nothing was tuned, which was better",
    )
    bytes: int = Field(default=0, description="of its backbone in 32 bits")
    latency_ms: float | None = Field(default=None, description="of one example, at the site")
    joules: float | None = Field(default=None, description="of one example, estimated")
    cpu_seconds: float = 0.0
    down_bytes: int = Field(default=0, description="of the letters that went to it")
    up_bytes: int = 0
    usd: float = Field(default=0.0, description="its processor's time and its traffic, by the prices of the brief")
    folder: str = Field(
        default="", description="of its model, relative to the run's folder; empty: it is on the site's own machine"
    )
    weights_sha256: str = Field(default="", description="of a site that joined as it told it")


class SitesAttempt(Record):
    """One loop over all sites."""

    number: int
    plan: SitesPlan
    results: tuple[SiteResult, ...]
    left_out: tuple[tuple[str, str], ...] = Field(description="sites whose importances were used for none but them")
    distances: tuple[tuple[str, tuple[float, ...]], ...] = Field(
        description="sliced Wasserstein distance of each site's features to every site's, in the order of the rows"
    )
    central_bytes: int | None = Field(
        default=None,
        description="what sending all training data up and the whole model down to every site would have been; null: not known",
    )
    wire_bytes: int | None = Field(default=None, description="of the messages as Flower wrote them, both ways")
    seconds: float

    @property
    def bytes(self) -> int:
        """Of all letters, both ways."""
        return sum(result.down_bytes + result.up_bytes for result in self.results)
