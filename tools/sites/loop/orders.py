"""What the server tells a site to do, and what the server knows of each site: typed, so that a letter of another version is refused."""

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from ....state.brief import Answers, Record
from ...elastic.cutting import Cut
from ...elastic.fronts import SiteLimits
from ..heads.adapter import AdapterSpec
from ..heads.header import HeaderSpec
from .letters import Bits

WELCOME, IMPORTANCE = "welcome", "importance"
"""Down: the backbone and the orders. Up: what matters at the site, and a sketch of its features."""
CHOICES, RESULT = "choices", "result"
"""Down: which units to keep, one choice for each sharpness. Up: how good the site's model became."""
FAILED = "failed"
"""Up, in place of either: why the site could not answer."""

TOKENIZER, LABELS, UNITS, SKETCH = "tokenizer", "labels", "units", "sketch"
"""Names of arrays: a tokenizer's file, packed; the public labels, packed; importances; quantiles."""
HEADER = "header"
"""Before the names of the public header's weights, which are packed behind the backbone's where the public labels are sent."""


class Orders(Record):
    """The same for every site but for the backbone's configuration."""

    config: dict[str, Any] = Field(description="of the backbone that is sent, as transformers writes it")
    answers: Answers = "labels"
    header: HeaderSpec = Field(default=HeaderSpec(), description="what is put on the backbone, for labels")
    adapter: AdapterSpec = Field(default=AdapterSpec(), description="what is trained of the backbone, for texts")
    max_tokens: int = Field(default=64, gt=0, description="longer texts are cut")
    bits: Bits = Field(default=8, description="of each weight of the backbone on its way down")
    fit_epochs: int = Field(default=5, ge=1, description="of the model as sent, before its importances are measured")
    tune_epochs: int = Field(default=5, ge=0, description="of the model that was pruned")
    rate: float = Field(default=1e-3, gt=0)
    control: bool = Field(
        default=False, description="a model of the same size is trained from nothing beside it, as many epochs"
    )
    seed: int = 0
    directions_seed: int = Field(default=0, description="of the directions that every site's sketch looks along")
    noise: float = Field(default=0.1, ge=0, description="on the features before they are sketched, in their deviations")
    epsilon: float | None = Field(
        default=None,
        gt=0,
        description="of differential privacy of importances and sketch, not of the numbers of right answers; null: none",
    )


@dataclass(frozen=True, kw_only=True)
class SitePlan:
    """One site: its box, what is sent to it, and what is to be left of that."""

    name: str
    limits: SiteLimits
    sent: Cut
    target: Cut
    """Of the same depth. Its units are chosen among those sent."""
