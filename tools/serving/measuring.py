"""Latency and throughput of an OpenAI-compatible endpoint, over real HTTP connections that are kept open.

The client shares the machine with the server and costs about a millisecond of CPU per request: on few cores the
throughput is that of both together.
"""

import itertools
import os
import statistics
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ...state.errors import ToolFailed
from ...state.evidence import Latency
from .front_job import trusting

REQUEST_TIMEOUT_S = 900.0
"""A model of a billion weights on a CPU takes minutes for an answer while fifteen others are written."""

WARM_UP_REQUESTS = 20
CLIENTS = 16

Send = Callable[[str], int]
"""Sends one prompt and returns the tokens of its answer."""


class LatencyReport(BaseModel):
    """Sequential requests of one client; percentiles interpolate linearly between samples, as NumPy's do."""

    model_config = ConfigDict(frozen=True)
    n: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    mean_ms: float
    rps: float
    tokens_per_answer: float
    load: float | None
    """Of the machine that client and server share, the larger of before and after; None where its system tells none."""
    cores: int | None


class ThroughputReport(BaseModel):
    """Requests of several clients at once, each sending its next when it has its answer."""

    model_config = ConfigDict(frozen=True)
    clients: int
    n: int
    seconds: float
    rps: float
    tokens_per_s: float
    p50_ms: float
    p95_ms: float


def measure_speed(
    base_url: str,
    key: str,
    model: str,
    prompts: Sequence[str],
    *,
    max_tokens: int | None,
    certificate: Path | None = None,
) -> Latency:
    """Each prompt once, one after another, then all of them twice by many clients at once. Raises ToolFailed at a refusal."""
    requests = len(prompts)
    warm_up = min(WARM_UP_REQUESTS, max(1, requests // 4))
    alone = measure_latency(
        base_url, key, model, prompts, warm_up=warm_up, max_tokens=max_tokens, certificate=certificate
    )
    together = measure_throughput(
        base_url,
        key,
        model,
        prompts,
        clients=CLIENTS,
        requests=2 * requests,
        warm_up=min(2 * CLIENTS, requests),
        max_tokens=max_tokens,
        certificate=certificate,
    )
    return Latency(
        n=alone.n,
        p50_ms=alone.p50_ms,
        p95_ms=alone.p95_ms,
        p99_ms=alone.p99_ms,
        throughput_rps=together.rps,
        clients=CLIENTS,
        load=alone.load,
        cores=alone.cores,
    )


def measure_latency(
    base_url: str,
    key: str,
    model: str,
    prompts: Sequence[str],
    *,
    warm_up: int = 20,
    max_tokens: int | None = None,
    certificate: Path | None = None,
) -> LatencyReport:
    """Sends each prompt once, after `warm_up` that do not count; greedy. Raises ToolFailed at the first refusal."""
    tally = _Tally()
    load_before = machine_load()
    with _sender(base_url, key, model, max_tokens, certificate) as send:
        for prompt in itertools.islice(itertools.cycle(prompts), warm_up):
            send(prompt)
        begun = time.perf_counter()
        for prompt in prompts:
            tally.time(send, prompt)
        seconds = time.perf_counter() - begun
    p50, p95, p99 = percentiles(tally.latencies_ms)
    loads = [load for load in (load_before, machine_load()) if load is not None]
    return LatencyReport(
        n=len(prompts),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        mean_ms=statistics.fmean(tally.latencies_ms),
        rps=len(prompts) / seconds,
        tokens_per_answer=tally.tokens / len(prompts),
        load=max(loads, default=None),
        # All there are, whatever share of them this process may use: the load is the whole machine's too.
        cores=os.cpu_count(),
    )


def machine_load() -> float | None:
    """Processes that run or wait to, a mean of the last minute; None where the system tells none."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # Windows has none
        return None


def measure_throughput(
    base_url: str,
    key: str,
    model: str,
    prompts: Sequence[str],
    *,
    clients: int = 16,
    requests: int = 400,
    warm_up: int = 32,
    max_tokens: int | None = None,
    certificate: Path | None = None,
) -> ThroughputReport:
    """Sends `requests` requests over `clients` connections, prompts in turn; greedy. Raises ToolFailed at a refusal."""
    with _senders(base_url, key, model, max_tokens, certificate, clients) as senders:
        _share_out(senders, prompts, warm_up)
        begun = time.perf_counter()
        tally = _share_out(senders, prompts, requests)
        seconds = time.perf_counter() - begun
    p50, p95, _ = percentiles(tally.latencies_ms)
    return ThroughputReport(
        clients=clients,
        n=requests,
        seconds=seconds,
        rps=requests / seconds,
        tokens_per_s=tally.tokens / seconds,
        p50_ms=p50,
        p95_ms=p95,
    )


@dataclass
class _Tally:
    """What the requests took; lists and sums grow under the lock."""

    latencies_ms: list[float] = field(default_factory=list[float])
    tokens: int = 0
    error: Exception | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def time(self, send: Send, prompt: str) -> None:
        begun = time.perf_counter()
        tokens = send(prompt)
        took_ms = (time.perf_counter() - begun) * 1000
        with self.lock:
            self.latencies_ms.append(took_ms)
            self.tokens += tokens


def _share_out(senders: Sequence[Send], prompts: Sequence[str], requests: int) -> _Tally:
    """Each sender takes the next prompt until all are sent."""
    tally = _Tally()
    todo = itertools.islice(itertools.cycle(prompts), requests)

    def work(send: Send) -> None:
        while tally.error is None:
            with tally.lock:
                prompt = next(todo, None)
            if prompt is None:
                return
            try:
                tally.time(send, prompt)
            except Exception as error:  # raised again below, in the caller's thread
                tally.error = error

    threads = [threading.Thread(target=work, args=(send,)) for send in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if tally.error:
        raise tally.error
    return tally


@contextmanager
def _senders(
    base_url: str, key: str, model: str, max_tokens: int | None, certificate: Path | None, clients: int
) -> Generator[list[Send]]:
    with ExitStack() as stack:
        yield [stack.enter_context(_sender(base_url, key, model, max_tokens, certificate)) for _ in range(clients)]


@contextmanager
def _sender(base_url: str, key: str, model: str, max_tokens: int | None, certificate: Path | None) -> Generator[Send]:
    import httpx

    limit = {} if max_tokens is None else {"max_tokens": max_tokens}
    url, headers = f"{base_url}/chat/completions", {"Authorization": f"Bearer {key}"}
    verify = trusting(certificate)
    with httpx.Client(headers=headers, timeout=REQUEST_TIMEOUT_S, trust_env=False, verify=verify) as client:

        def send(prompt: str) -> int:
            messages = [{"role": "user", "content": prompt}]
            reply = client.post(url, json={"model": model, "messages": messages, "temperature": 0, **limit})
            if reply.status_code != 200:
                raise ToolFailed(f"{url} answered {reply.status_code}: {reply.text[:500]}")
            return reply.json()["usage"]["completion_tokens"]

        yield send


def percentiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """The 50th, 95th and 99th."""
    if len(samples) < 2:
        return samples[0], samples[0], samples[0]
    cuts = statistics.quantiles(samples, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]
