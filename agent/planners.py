"""Who decides the next call: the built-in rules, or a chat model behind any OpenAI-compatible endpoint, asked the same way."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ..state.brief import Record
from ..state.errors import NotAvailable
from ..state.run import ProposedCall
from ..tools.base import Settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

RULES = "rules"
OPENAI = "openai:"
MAX_OUTPUT_TOKENS = 1024
"""A tool call takes about 50; more than this is an answer gone astray."""

REQUEST_TIMEOUT_S = 60.0
PATIENCE_S = 180.0
"""How long an endpoint that fails is tried again: longer than the two minutes that a restart of a server takes."""


class Decision(Record):
    """What a planner wants next, and what it took to get that."""

    call: ProposedCall | None = Field(description="null when the planner gave up")
    also: tuple[ProposedCall, ...] = Field(default=(), description="further calls of the same answer, in order")
    why: str = ""
    by: str
    corrections: tuple[str, ...] = Field(default=(), description="what was wrong with its answers before this one")
    gave_up: str = Field(default="", description="why the rules take over; empty when they do not")
    input_tokens: int = Field(default=0, description="of all answers together")
    output_tokens: int = 0
    largest_input_tokens: int = Field(default=0, description="of the longest prompt among them")
    usd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Planner:
    """A chat model and what its tokens cost."""

    name: str
    model: "BaseChatModel"
    usd_per_million: tuple[float, float] = (0.0, 0.0)
    """Of input and of output tokens, US dollars."""
    patience_s: float = PATIENCE_S
    sleep: Callable[[float], None] = time.sleep
    """How the waits between two tries pass."""

    @property
    def pure(self) -> bool:
        """Whether a replay decides again. Of any but the rules it has only the record, and looks its decisions up."""
        return self.name == RULES

    def usd(self, input_tokens: float, output_tokens: float) -> float:
        """What so many tokens cost."""
        price_in, price_out = self.usd_per_million
        return (input_tokens * price_in + output_tokens * price_out) / 1e6


def rules_planner() -> Planner:
    """The built-in planner."""
    from .rule_planner import RulePlanner

    return Planner(name=RULES, model=RulePlanner())


def recorded_planner(settings: Settings) -> Planner:
    """The planner of a replay: the rules decide again, of any other only the record is read."""
    return replace(rules_planner(), name=settings.planner)


def check_planner(name: str, environ: Mapping[str, str] = os.environ) -> None:
    """Raises NotAvailable for a planner that cannot be asked here, saying what is missing."""
    if name == RULES:
        return
    if not name.startswith(OPENAI) or name == OPENAI:
        raise NotAvailable(
            f"planner {name!r} is not available; valid: {RULES}, or {OPENAI}MODEL with a model's name on any "
            "OpenAI-compatible endpoint"
        )
    if not (_key(environ) or _base_url(environ)):
        raise NotAvailable(
            f"planner {name!r} needs an endpoint: set OPENAI_API_KEY (OpenAI's own), or OPENAI_BASE_URL for another "
            "(vLLM, Ollama, llama.cpp), with OPENAI_API_KEY where it asks for one"
        )


def planner_for(
    settings: Settings, environ: Mapping[str, str] = os.environ, *, timeout_s: float = REQUEST_TIMEOUT_S
) -> Planner:
    """The planner a run was started with. Raises NotAvailable as `check_planner` does."""
    name = settings.planner
    check_planner(name, environ)
    if name == RULES:
        return rules_planner()
    from langchain_openai import ChatOpenAI

    given: dict[str, Any] = {
        "model": name.removeprefix(OPENAI),
        "api_key": _key(environ) or "none",  # local servers ask for none, but the client wants one
        "base_url": _base_url(environ),
        "temperature": 0,
        "max_tokens": MAX_OUTPUT_TOKENS,
        "timeout": timeout_s,
        "max_retries": 0,  # retried by model_planner, which knows how long a run may wait
        "use_responses_api": False,
    }
    return Planner(name=name, model=ChatOpenAI(**given), usd_per_million=settings.planner_usd_per_million)


def _key(environ: Mapping[str, str]) -> str | None:
    return environ.get("OPENAI_API_KEY")


def _base_url(environ: Mapping[str, str]) -> str | None:
    return environ.get("OPENAI_BASE_URL")
