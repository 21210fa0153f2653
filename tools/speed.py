"""A measured speed held against the brief's: of a model in an evaluation, and of the endpoint that it is served at."""

from collections.abc import Mapping

from ..state.brief import Targets
from ..state.evidence import Constraint, Latency, Miss
from ..state.numbers import AS_SAID, shown

LEVERS: Mapping[Constraint, str] = {
    "accuracy": "more training tokens, a larger student, or more data of the weakest families",
    "latency": "a faster server, lower precision, or a smaller student",
    "throughput": "a faster server, more replicas, or a smaller student",
    "dollars": "a cheaper server, spot prices, or a smaller student",
    "hours": "a faster server, a smaller student, or fewer training tokens",
}


def missed(constraint: Constraint, wanted: float, got: float, arithmetic: str) -> Miss:
    """A target not reached, with what would act on it."""
    return Miss(constraint=constraint, wanted=wanted, got=got, arithmetic=arithmetic, levers=LEVERS[constraint])


def matters(targets: Targets) -> bool:
    """Whether the brief asks for any speed."""
    return targets.latency_p95_ms is not None or targets.needed_rps is not None


def speed_misses(targets: Targets, latency: Latency | None) -> list[Miss]:
    """The targets of speed that a measurement misses; none where nothing was measured."""
    misses: list[Miss] = []
    if latency is None:
        return misses
    if targets.latency_p95_ms is not None and latency.p95_ms > targets.latency_p95_ms:
        over = f"p95 {latency.p95_ms:,.1f} ms over {latency.n} requests, {latency.p95_ms / targets.latency_p95_ms:.2f} times"
        arithmetic = f"{over} the target of {shown(targets.latency_p95_ms, AS_SAID)} ms{_busy(latency)}"
        misses.append(missed("latency", targets.latency_p95_ms, latency.p95_ms, arithmetic))
    wanted = targets.needed_rps
    if wanted is not None and latency.throughput_rps < wanted:
        under = f"{latency.throughput_rps:,.1f} requests a second with {latency.clients} clients"
        arithmetic = f"{under}, wanted {shown(wanted, AS_SAID)}{_busy(latency)}"
        misses.append(missed("throughput", wanted, latency.throughput_rps, arithmetic))
    return misses


def _busy(latency: Latency) -> str:
    return f"; {latency.busy}" if latency.busy else ""
