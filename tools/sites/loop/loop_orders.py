"""What a server is told in a file: the backbone, the sites with their boxes, and how they are taught."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from ....state.brief import Answers, Record
from ....state.errors import ToolFailed
from ...elastic.cutting import Cut
from ...elastic.fronts import SiteLimits
from ...jobs import write_atomic
from ..heads.adapter import AdapterSpec
from ..heads.header import HeaderSpec
from .aggregation import Robust
from .orders import Orders, SitePlan

if TYPE_CHECKING:
    from .server import Backbone, Outcome, Post

ABOUT_FILE = "loop.json"
"""What became of the loop, beside its record."""
IMPORTANCE_FILE, TOKENIZER_FILE = "importance.npy", "tokenizer.json"
HEADER_FILE, LABELS_FILE = "header.safetensors", "labels.json"
"""In the backbone's folder, beside its weights."""


class SiteInLoop(Record):
    """One site, as the server knows it."""

    name: str = Field(min_length=1)
    max_bytes: int | None = Field(default=None, gt=0)
    max_latency_ms: float | None = Field(default=None, gt=0)
    sent_width: float = Field(gt=0, le=1)
    width: float = Field(gt=0, le=1, description="what is left of the units, a share of the whole model's")
    depth: float = Field(gt=0, le=1)
    tune_epochs: int | None = Field(default=None, ge=0, description="null: as all")

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
    headers: Mapping[str, HeaderSpec] = Field(
        default={}, description="what is put on the backbone, by the name of the cut that is sent; else as all"
    )
    adapters: Mapping[str, AdapterSpec] = Field(default={}, description="the same of adapters, for texts")
    robust: Robust = "none"

    def orders_of(self, plan: SitePlan) -> Orders:
        """What one site is told."""
        site = next(site for site in self.sites if site.name == plan.name)
        changes: dict[str, Any] = {} if site.tune_epochs is None else {"tune_epochs": site.tune_epochs}
        if (header := self.headers.get(plan.sent.name)) is not None:
            changes["header"] = header
        if (adapter := self.adapters.get(plan.sent.name)) is not None:
            changes["adapter"] = adapter
        return self.orders.model_copy(update=changes)


def write_orders(orders: LoopOrders, file: Path) -> None:
    """Writes the server's file, whole or not at all."""
    write_atomic(file, orders.model_dump_json(indent=1))


def outcome_in(folder: Path) -> dict[str, Any]:
    """What became of a loop, as it wrote it in its folder. Raises ToolFailed where it did not end."""
    file = folder / ABOUT_FILE
    if not file.exists():
        raise ToolFailed(f"the loop did not come to its end: there is no {file}")
    return json.loads(file.read_text(encoding="utf-8"))


def save_backbone(backbone: "Backbone", folder: Path) -> None:
    """Writes the model as a plain Hugging Face folder, with its importances and its tokenizer beside it."""
    backbone.model.save_pretrained(folder)
    np.save(folder / IMPORTANCE_FILE, backbone.importance.vector())
    if backbone.tokenizer is not None:
        (folder / TOKENIZER_FILE).write_text(backbone.tokenizer, encoding="utf-8")
    if backbone.header is not None:
        from safetensors.torch import save_file

        save_file(backbone.header.state_dict(), folder / HEADER_FILE)
        write_atomic(folder / LABELS_FILE, json.dumps(backbone.labels, ensure_ascii=False))


def load_backbone(folder: Path, answers: Answers = "labels") -> "Backbone":
    """The backbone that was saved."""
    from transformers import AutoModel, AutoModelForCausalLM

    from ...elastic.importance import Importance
    from ...elastic.units import layout_of
    from ..learning.local import bare
    from .server import Backbone

    kind = AutoModelForCausalLM if answers == "texts" else AutoModel
    model = bare(kind.from_pretrained(folder, local_files_only=True)).eval()
    tokenizer, labels = folder / TOKENIZER_FILE, folder / LABELS_FILE
    names: list[str] = json.loads(labels.read_text(encoding="utf-8")) if labels.exists() else []
    return Backbone(
        model=model,
        importance=Importance.of_vector(layout_of(model), np.load(folder / IMPORTANCE_FILE)),
        tokenizer=tokenizer.read_text(encoding="utf-8") if tokenizer.exists() else None,
        labels=tuple(names),
        header=_header(folder, model.config.hidden_size, len(names)) if names else None,
    )


def _header(folder: Path, width: int, classes: int) -> Any:
    """The plain header that was saved beside a backbone."""
    from safetensors.torch import load_file

    from ..heads.header import new_header

    header = new_header((), width, classes)
    header.load_state_dict(load_file(folder / HEADER_FILE))
    return header


def run_loop(orders_file: Path, post: "Post") -> "Outcome":
    """Runs or continues the loop that a file orders, in the file's folder."""
    from .server import customize

    told = LoopOrders.model_validate_json(orders_file.read_text(encoding="utf-8"))
    plans: Sequence[SitePlan] = [site.plan() for site in told.sites]
    backbone = load_backbone(told.backbone, told.orders.answers)
    return customize(backbone, plans, told.orders_of, post, orders_file.parent, robust=told.robust)
