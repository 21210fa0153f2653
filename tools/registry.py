"""Every tool a planner may call, by name."""

from collections.abc import Mapping
from typing import Any

from .base import Tool
from .choose import SOLVE_PARETO
from .classify_complexity import CLASSIFY_COMPLEXITY
from .deploy import DEPLOY
from .distill import DISTILL
from .evaluate import EVALUATE
from .generate_data import GENERATE_DATA
from .look_closer import LOOK_CLOSER
from .match_models import MATCH_MODELS
from .pricing.tool import LOOK_UP_PRICES
from .sites.choosing import CHOOSE_CUTS
from .sites.customizing import CUSTOMIZE
from .sites.family import BUILD_FAMILY

TOOLS: Mapping[str, Tool[Any, Any]] = {
    tool.name: tool
    for tool in (
        LOOK_UP_PRICES,
        MATCH_MODELS,
        CLASSIFY_COMPLEXITY,
        SOLVE_PARETO,
        GENERATE_DATA,
        DISTILL,
        EVALUATE,
        DEPLOY,
        LOOK_CLOSER,
        BUILD_FAMILY,
        CHOOSE_CUTS,
        CUSTOMIZE,
    )
}
