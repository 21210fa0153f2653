"""What a site trains of a decoder: low-rank matrices beside its projections (LoRA, arXiv 2106.09685), of a rank for each placement.

ACME's header for models that write (section V: adapter rank and placement). Nothing of it stays: what was learned is added to the
weights, so that what is cut and stored is a plain decoder.
"""

from typing import Literal, Self, get_args

from pydantic import model_validator

from ....state.brief import Record
from ...elastic.units import KEY, QUERY, VALUE, Layout

Placement = Literal["query", "key", "value", "out", "up", "down"]
PLACEMENTS: tuple[Placement, ...] = get_args(Placement)
RANKS = (0, 2, 4, 8, 16)
"""That a search may choose; 0: not there."""
USUAL_RANK = 8


class AdapterSpec(Record):
    """The rank at each place. Layers are dealt evenly to the groups, in their order."""

    ranks: tuple[tuple[int, ...], ...] = ((USUAL_RANK,) * len(PLACEMENTS),)
    """By group of layers, then by PLACEMENTS."""

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        most = RANKS[-1]
        if any(len(group) != len(PLACEMENTS) or not all(0 <= rank <= most for rank in group) for group in self.ranks):
            raise ValueError(f"every group has {len(PLACEMENTS)} ranks of 0 to {most}, not {self.ranks!r}")
        if not any(map(any, self.ranks)):
            raise ValueError("an adapter has a rank above 0 somewhere")
        return self

    def at(self, layout: Layout) -> dict[str, int]:
        """The rank beside each projection of a model, by its path; 0 where none is."""
        names: dict[Placement, tuple[str, ...]] = {
            "query": (f"{layout.attention}.{QUERY}",),
            "key": (f"{layout.attention}.{KEY}",),
            "value": (f"{layout.attention}.{VALUE}",),
            "out": (f"{layout.attention}.{layout.out}",),
            "up": tuple(f"{layout.feed_forward}.{name}" for name in layout.up),
            "down": (f"{layout.feed_forward}.{layout.down}",),
        }
        return {
            f"{layout.layers_path}.{layer}.{name}": rank
            for layer in range(layout.layers)
            for placement, rank in zip(PLACEMENTS, self.ranks[layer * len(self.ranks) // layout.layers], strict=True)
            for name in names[placement]
        }


def largest(groups: int) -> AdapterSpec:
    """That all of a search's adapters are parts of."""
    return AdapterSpec(ranks=((RANKS[-1],) * len(PLACEMENTS),) * groups)
