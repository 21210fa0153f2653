"""Server prices of many clouds as dated evidence, from several sources in one table, and this machine as one more offer.

It guards that a stale, suspect, superseded or floor price is never chosen, and that a user's price file is taken whole or not at all. It
shows prices of disk and egress where a source states them, and reckons with neither; taxes are not covered.
"""

from .accelerators import AcceleratorFacts, accelerator_facts, known_accelerator
from .look_up import DoubtCount, LookUpPrices, Prices, SourceCount, look_up_prices
from .planning import planning_set, this_machine

__all__ = [
    "AcceleratorFacts",
    "DoubtCount",
    "LookUpPrices",
    "Prices",
    "SourceCount",
    "accelerator_facts",
    "known_accelerator",
    "look_up_prices",
    "planning_set",
    "this_machine",
]
