"""The head that a site puts on its backbone: a cell of blocks over the tokens' features, then one vector, then the classes.

The search space of ACME's headers (section V), for sequences: each block adds two operations on two earlier outputs, as in ENAS (Pham
et al., arXiv 1802.03268). A description builds the header; `Bank` holds the weights of all descriptions at once, which the search
shares, under the same names.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Sequence
from typing import Any, Literal, Self, get_args

from pydantic import Field, model_validator

from ....state.brief import Record

Operation = Literal["skip", "mean_3", "max_3", "conv_3", "conv_5", "mlp", "gated"]
"""On (texts, tokens, width), keeping the shape: nothing; mean or maximum over three tokens; separable convolution over three or five;
two layers with GELU; a gated linear unit (Dauphin et al., arXiv 1612.08083)."""
Pool = Literal["mean", "max", "attention"]
"""From the tokens to one vector; attention: a learned weight for each token."""
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
POOLS: tuple[Pool, ...] = get_args(Pool)
WITH_WEIGHTS: frozenset[Operation] = frozenset({"conv_3", "conv_5", "mlp", "gated"})


class Block(Record):
    """The sum of two operations, each on the features (0) or an earlier block's output (1, 2, ...)."""

    inputs: tuple[int, int]
    operations: tuple[Operation, Operation]


class HeaderSpec(Record):
    """What a header is made of. Without blocks it is the pool and the classes alone."""

    blocks: tuple[Block, ...] = ()
    """Of one cell. What no block of it reads is averaged into its output."""
    cells: int = Field(default=1, ge=1)
    """How often the cell is put behind itself, with weights of its own each time."""
    pool: Pool = "mean"

    @model_validator(mode="after")
    def _reads_what_is_there(self) -> Self:
        wrong = [
            f"block {number} reads {place}, there is 0 to {number}"
            for number, block in enumerate(self.blocks)
            for place in block.inputs
            if not 0 <= place <= number
        ]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def parts(self) -> list[str]:
        """Names of the operations that have weights, as in `Bank`."""
        return [
            part_name(cell, number, side, operation)
            for cell in range(self.cells if self.blocks else 0)
            for number, block in enumerate(self.blocks)
            for side, operation in enumerate(block.operations)
            if operation in WITH_WEIGHTS
        ]


def composed(choose: Callable[[int, int], int], blocks: int, cells: int) -> HeaderSpec:
    """The header of the search space that the choices make: of operations (0), pools (1) and inputs (2), each among so many."""
    made: list[Block] = []
    for number in range(blocks):
        inputs = choose(2, number + 1), choose(2, number + 1)
        operations = OPERATIONS[choose(0, len(OPERATIONS))], OPERATIONS[choose(0, len(OPERATIONS))]
        made.append(Block(inputs=inputs, operations=operations))
    return HeaderSpec(blocks=tuple(made), cells=cells, pool=POOLS[choose(1, len(POOLS))])


def part_name(cell: int, block: int, side: int, operation: Operation) -> str:
    """Under which name an operation's weights are kept."""
    return f"cell{cell}-block{block}-{side}-{operation}"


def all_parts(blocks: int, cells: int) -> list[str]:
    """Names of every operation with weights that some header of the search space has."""
    return [
        part_name(cell, block, side, operation)
        for cell in range(cells)
        for block in range(blocks)
        for side in (0, 1)
        for operation in OPERATIONS
        if operation in WITH_WEIGHTS
    ]


def new_header(parts: Sequence[str], width: int, classes: int, dropout: float = 0.1) -> Any:
    """A module with fresh weights for these parts: `forward(features, mask, spec)` gives logits (texts, classes).

    `features` are (texts, tokens, width), `mask` (texts, tokens) is 1 where a token is. For one header alone pass `spec.parts()`, for
    the search `all_parts`.
    """
    from .header_modules import Header

    return Header(parts, width, classes, dropout)
