"""Server prices of many clouds as dated evidence, and this machine as one more offer.

It guards that a stale, suspect or floor price is never chosen. It does not cover disk, egress or taxes.
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
