"""What a server is told in a file: the backbone, the sites with their boxes, and how they are taught."""

# pyright: reportUnknownMemberType=false

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from ...state.brief import Record
from ..elastic.cutting import Cut
from ..elastic.fronts import SiteLimits
from .aggregation import Robust
from .orders import Orders, SitePlan

if TYPE_CHECKING:
    from .server import Backbone, Outcome, Post

IMPORTANCE_FILE, TOKENIZER_FILE = "importance.npy", "tokenizer.json"
"""In the backbone's folder, beside its weights."""


class SiteInLoop(Record):
    """One site, as the server knows it."""

    name: str = Field(min_length=1)
    max_bytes: int | None = Field(default=None, gt=0)
    max_latency_ms: float | None = Field(default=None, gt=0)
    sent_width: float = Field(gt=0, le=1)
    width: float = Field(gt=0, le=1, description="what is left of the units, a share of the whole model's")
    depth: float = Field(gt=0, le=1)

    def plan(self) -> SitePlan:
        """As the loop takes it."""
        return SitePlan(
            name=self.name,
            limits=SiteLimits(max_bytes=self.max_bytes, max_latency_ms=self.max_latency_ms),
            sent=Cut(width=self.sent_width, depth=self.depth),
            target=Cut(width=self.width, depth=self.depth),
        )


class LoopOrders(Record):
    """The server's file. Its folder is where the loop keeps its record."""

    backbone: Path = Field(description="a folder that `save_backbone` wrote")
    sites: tuple[SiteInLoop, ...] = Field(min_length=1)
    orders: Orders
    robust: Robust = "none"


def save_backbone(backbone: "Backbone", folder: Path) -> None:
    """Writes the model as a plain Hugging Face folder, with its importances and its tokenizer beside it."""
    backbone.model.save_pretrained(folder)
    np.save(folder / IMPORTANCE_FILE, backbone.importance.vector())
    if backbone.tokenizer is not None:
        (folder / TOKENIZER_FILE).write_text(backbone.tokenizer, encoding="utf-8")


def load_backbone(folder: Path) -> "Backbone":
    """The backbone that was saved."""
    from transformers import AutoModel

    from ..elastic.importance import Importance
    from ..elastic.units import layout_of
    from .local import bare
    from .server import Backbone

    model = bare(AutoModel.from_pretrained(folder, local_files_only=True)).eval()
    tokenizer = folder / TOKENIZER_FILE
    return Backbone(
        model=model,
        importance=Importance.of_vector(layout_of(model), np.load(folder / IMPORTANCE_FILE)),
        tokenizer=tokenizer.read_text(encoding="utf-8") if tokenizer.exists() else None,
    )


def run_loop(orders_file: Path, post: "Post") -> "Outcome":
    """Runs or continues the loop that a file orders, in the file's folder."""
    from .server import customize

    told = LoopOrders.model_validate_json(orders_file.read_text(encoding="utf-8"))
    plans: Sequence[SitePlan] = [site.plan() for site in told.sites]
    return customize(
        load_backbone(told.backbone), plans, lambda plan: told.orders, post, orders_file.parent, robust=told.robust
    )
