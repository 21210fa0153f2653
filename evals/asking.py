"""Clients that keep asking a deployment while something is done to it, and count what went wrong."""

import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from ..tools.serving.deployments import Deployment
from ..tools.serving.job import read_key


@dataclass
class Counts:
    """Answers by their text, and refusals by what they were, and when: a connection lost after seconds without a request was idle."""

    answers: Counter[str] = field(default_factory=Counter[str])
    failures: Counter[str] = field(default_factory=Counter[str])
    streamed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def total(self) -> int:
        return self.answers.total() + self.failures.total()


def _ask(client: httpx.Client, deployment: Deployment, prompt: str, max_tokens: int, stream: bool) -> str:
    body = {
        "model": deployment.name,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": max_tokens,
        "temperature": 0,
        "stream": stream,
    }
    url = f"{deployment.base_url}/chat/completions"
    if not stream:
        reply = client.post(url, json=body)
        reply.raise_for_status()
        return reply.json()["choices"][0]["message"]["content"] or ""
    with client.stream("POST", url, json=body) as reply:
        reply.raise_for_status()
        lines = [line for line in reply.iter_lines() if line]
    assert lines[-1] == "data: [DONE]", lines[-1]
    return "stream"


@contextmanager
def asked_all_the_while(
    deployment: Deployment, prompt: str, *, clients: int = 16, max_tokens: int = 8
) -> Generator[Counts]:
    """Each client sends its next request when it has its answer; every fourth client asks for a stream. Connections are kept, so
    that a takeover finds them open."""
    counts, ended = Counts(), threading.Event()
    headers = {"Authorization": f"Bearer {read_key(deployment.api_key_file)}"}

    def work(number: int) -> None:
        with httpx.Client(headers=headers, timeout=120, trust_env=False) as client:
            answered = time.monotonic()
            while not ended.is_set():
                begun = time.monotonic()
                try:
                    answer = _ask(client, deployment, prompt, max_tokens, stream=number % 4 == 3)
                except (httpx.HTTPError, AssertionError) as error:
                    when = f"{begun - answered:.2f} s after an answer, waited {time.monotonic() - begun:.2f} s"
                    with counts.lock:
                        counts.failures[f"{type(error).__name__}: {error} ({when}, at {time.strftime('%X')})"] += 1
                else:
                    with counts.lock:
                        counts.answers[answer.strip()] += 1
                        counts.streamed += answer == "stream"
                answered = time.monotonic()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        ended.set()
        for thread in threads:
            thread.join()
