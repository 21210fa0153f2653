"""The smoke evaluation: checked questions asked of a new version on its own endpoint, before it has any traffic."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from ...state.evidence import wilson

REQUEST_TIMEOUT_S = 120.0
WARM_UP = 2
"""Requests of which only the answers count: the first ones meet caches that are empty."""


@dataclass(frozen=True, kw_only=True)
class SmokeTest:
    """What is asked, who says whether an answer is right, and what must be reached."""

    prompts: Sequence[str]
    is_right: Callable[[str, str], bool]
    least_right: int
    most_p50_ms: float | None = None
    max_tokens: int | None = None


class SmokeReport(BaseModel):
    """What was found beside what was wanted; kept in the deployment's record."""

    model_config = ConfigDict(frozen=True)
    asked: int
    failed: int
    right: int
    least_right: int
    p50_ms: float | None
    most_p50_ms: float | None
    error: str = ""
    """The first refusal."""

    @property
    def problems(self) -> list[str]:
        """Everything that keeps it from being passed; empty where it is."""
        found: list[str] = []
        if self.failed:
            found.append(f"{self.failed} of {self.asked} requests failed, the first with {self.error}")
        if self.right < self.least_right:
            found.append(f"{self.right} of {self.asked} answers are right, at least {self.least_right} must be")
        if self.p50_ms is not None and self.most_p50_ms is not None and self.p50_ms > self.most_p50_ms:
            found.append(
                f"half of the answers took more than {self.p50_ms:.0f} ms, at most {self.most_p50_ms:.0f} may be"
            )
        return found


def fewest_right(share: float, n: int) -> int:
    """The fewest right answers of n that are not below a measured share by more than chance: their 95 % interval reaches it."""
    return next(right for right in range(n + 1) if wilson(right, n).high >= share)


def smoke(test: SmokeTest, base_url: str, key: str, model: str) -> SmokeReport:
    """Asks each question once, one after another, greedily."""
    import httpx

    took_ms: list[float] = []
    right, errors = 0, list[str]()
    limit = {} if test.max_tokens is None else {"max_tokens": test.max_tokens}
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(headers=headers, timeout=REQUEST_TIMEOUT_S, trust_env=False) as client:
        for prompt in test.prompts:
            messages = [{"role": "user", "content": prompt}]
            body = {"model": model, "messages": messages, "temperature": 0, **limit}
            begun = time.perf_counter()
            try:
                reply = client.post(f"{base_url}/chat/completions", json=body)
                reply.raise_for_status()
                # Stripped as `client.chat` does, for the same reason.
                answer = (reply.json()["choices"][0]["message"]["content"] or "").strip()
            except (httpx.HTTPError, ValueError, LookupError) as error:
                errors.append(f"{type(error).__name__}: {error}")
                continue
            took_ms.append(1000 * (time.perf_counter() - begun))
            right += test.is_right(prompt, answer)
    warm = took_ms[WARM_UP:] or took_ms
    return SmokeReport(
        asked=len(test.prompts),
        failed=len(errors),
        right=right,
        least_right=test.least_right,
        p50_ms=round(statistics.median(warm), 2) if warm else None,
        most_p50_ms=test.most_p50_ms,
        error=errors[0] if errors else "",
    )
