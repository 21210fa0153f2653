"""The modules a header is built from. Imports torch at its top, and is itself imported only where a header is built."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from .header import WITH_WEIGHTS, HeaderSpec, Operation, Pool, part_name


class Convolution(nn.Module):
    """Each feature over some tokens, then all features of each token."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.over_tokens = nn.Conv1d(width, width, size, padding=size // 2, groups=width)
        self.over_features = nn.Linear(width, width)

    def forward(self, features: Any) -> Any:
        mixed = self.over_tokens(features.transpose(1, 2)).transpose(1, 2)
        return functional.gelu(self.over_features(mixed))


class Gated(nn.Module):
    """One half of a linear map lets the other through."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.both = nn.Linear(width, 2 * width)

    def forward(self, features: Any) -> Any:
        return functional.glu(self.both(features))


def operation_module(operation: str, width: int) -> Any:
    """The module of an operation that has weights."""
    if operation.startswith("conv_"):
        return Convolution(width, int(operation.removeprefix("conv_")))
    if operation == "gated":
        return Gated(width)
    return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))


def over_three(features: Any, mask: Any, operation: str) -> Any:
    """Over the tokens that are there among each one and its neighbours."""
    if operation == "max_3":
        low = features.masked_fill(mask == 0, torch.finfo(features.dtype).min)
        return functional.max_pool1d(low.transpose(1, 2), 3, stride=1, padding=1).transpose(1, 2) * mask
    sums, counts = (
        functional.avg_pool1d(each.transpose(1, 2), 3, stride=1, padding=1).transpose(1, 2)
        for each in (features * mask, mask)
    )
    return sums / counts.clamp_min(1e-6)


class Header(nn.Module):
    """See `new_header`."""

    def __init__(self, parts: Sequence[str], width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({name: operation_module(name.rpartition("-")[2], width) for name in parts})
        self.norm = nn.LayerNorm(width)
        self.attention = nn.Linear(width, 1)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, classes)

    def forward(self, features: Any, mask: Any, spec: HeaderSpec) -> Any:
        there = mask[..., None].to(features.dtype)
        for cell in range(spec.cells if spec.blocks else 0):
            features = self.cell(features, there, spec, cell)
        return self.out(self.dropout(self.norm(self.pooled(features, there, spec.pool))))

    def cell(self, features: Any, there: Any, spec: HeaderSpec, cell: int) -> Any:
        outputs = [features * there]
        for number, block in enumerate(spec.blocks):
            sides = [
                self.operation(outputs[place], there, operation, part_name(cell, number, side, operation))
                for side, (place, operation) in enumerate(zip(block.inputs, block.operations, strict=True))
            ]
            outputs.append(sum(sides) * there)
        read = {place for block in spec.blocks for place in block.inputs}
        ends = [output for place, output in enumerate(outputs) if place and place not in read]
        return sum(ends) / len(ends)

    def operation(self, features: Any, there: Any, operation: Operation, name: str) -> Any:
        if operation == "skip":
            return features
        if operation in WITH_WEIGHTS:
            return self.parts[name](features)
        return over_three(features, there, operation)

    def pooled(self, features: Any, there: Any, pool: Pool) -> Any:
        if pool == "max":
            return features.masked_fill(there == 0, torch.finfo(features.dtype).min).amax(dim=1)
        if pool == "attention":
            low = torch.finfo(features.dtype).min
            shares = torch.softmax(self.attention(features).masked_fill(there == 0, low), dim=1)
            return (features * shares).sum(dim=1)
        return (features * there).sum(dim=1) / there.sum(dim=1).clamp_min(1)
