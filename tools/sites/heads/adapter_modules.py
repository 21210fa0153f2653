"""Adapters in a decoder: put beside its projections, trained alone, and added to its weights. Imports torch at its top."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ...elastic.units import layout_of
from .adapter import AdapterSpec

SCALE = 2.0
"""alpha / rank, as where checkpoints are tuned (16 and 32). The same for every rank: ranks share their leading rows."""


class Adapted(nn.Module):
    """A projection with two thin matrices beside it, of whose rank the leading part is used."""

    def __init__(self, base: Any, rank: int) -> None:
        super().__init__()
        self.base, self.rank = base, rank
        bound = 1 / math.sqrt(base.in_features)
        self.into = nn.Parameter(torch.empty(rank, base.in_features).uniform_(-bound, bound))
        self.out_of = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, features: Any) -> Any:
        made = self.base(features)
        if not self.rank:
            return made
        thin = functional.linear(features, self.into[: self.rank])
        return made + SCALE * functional.linear(thin, self.out_of[:, : self.rank])

    def merged(self) -> Any:
        """The projection, with the product of the matrices in its weights."""
        with torch.no_grad():
            self.base.weight += SCALE * self.out_of[:, : self.rank] @ self.into[: self.rank]
        return self.base


class Adapters:
    """All of one decoder, whose own weights rest while they are there."""

    def __init__(self, backbone: Any, spec: AdapterSpec) -> None:
        self._backbone, self._layout = backbone, layout_of(backbone)
        backbone.requires_grad_(False)
        self._put = {
            path: Adapted(backbone.get_submodule(path), rank) for path, rank in spec.at(self._layout).items() if rank
        }
        for path, module in self._put.items():
            backbone.set_submodule(path, module)

    def use(self, spec: AdapterSpec) -> None:
        """Of each rank no more than this adapter has."""
        for path, rank in spec.at(self._layout).items():
            if path in self._put:
                self._put[path].rank = rank

    def parameters(self) -> list[Any]:
        """What is trained."""
        return [weight for module in self._put.values() for weight in (module.into, module.out_of)]

    def merge(self) -> None:
        """Adds what was learned to the decoder's weights, which are its own again."""
        for path, module in self._put.items():
            self._backbone.set_submodule(path, module.merged())
        self._backbone.requires_grad_(True)
