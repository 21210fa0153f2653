"""A teacher behind any OpenAI-compatible endpoint: a bounded number of requests in flight, and patience for what passes."""

import json
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from ...state.errors import NotAvailable, ToolFailed
from .teachers import Answer, FinishReason, Request, Taken

if TYPE_CHECKING:
    from httpx import Client, Response
    from tenacity import RetryCallState

IN_FLIGHT = 8
IN_LINE = 4
"""Requests given at once for each that is in flight: the slowest of a batch leaves the others' places idle only at its end."""

TIMEOUT_S = 120.0
PATIENCE_S = 180.0
"""How long an endpoint that fails is tried again: longer than the two minutes that a restart of a server takes."""

FIRST_PATIENCE_S = 15.0
"""The same before its first answer."""

LONGEST_WAIT_S = 30.0
MAX_BYTES = 4 * 2**20
"""assumption: a longer body is no answer to any prompt here."""

PASSING = frozenset({408, 409, 425, 429})
"""Statuses, beside those of the server's own errors, that may be others on the next try."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_FINISHES: dict[str, FinishReason] = {"stop": "stop", "eos": "stop", "length": "length", "content_filter": "filter"}


class _Passing(Exception):
    """A failure that costs nothing and may be over on the next try."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: Any = None


class EndpointTeacher:
    """Implements `Teacher`; asks for one sample a request, as not every server knows the parameter `n`."""

    def __init__(
        self,
        model: str,
        base_url: str,
        key: str | None,
        *,
        in_flight: int = IN_FLIGHT,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
        sends_temperature: bool = True,
        name: str | None = None,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise NotAvailable(
                f"teacher {model!r}: the endpoint {base_url!r} is no URL; valid: http://... or https://..."
            )
        self.name = name or f"openai:{model}"
        self.identity = f"{self.name} at {base_url.rstrip('/')}"  # another server may call another model so
        self.batch = in_flight * IN_LINE
        self._model, self._url, self._key = model, f"{base_url.rstrip('/')}/chat/completions", key
        self._in_flight, self._timeout_s, self._patience_s = in_flight, timeout_s, patience_s
        self._left_out = set[str]() if sends_temperature else {"temperature"}
        self._limit_field = "max_tokens"
        self._was_there = False
        """Whether it ever answered."""

    def sample(self, requests: Sequence[Request], taken: Taken) -> list[Answer]:
        """Asks side by side. Raises ToolFailed, without waiting for what was not sent yet, when the endpoint cannot be used."""
        stop, changed, under_way = threading.Event(), threading.Condition(), set[int]()
        pool = ThreadPoolExecutor(self._in_flight)
        broken: list[ToolFailed] = []

        def one(at: int, request: Request, client: "Client") -> Answer:
            with changed:
                if stop.is_set():
                    raise _Passing("the batch it is part of was broken off")
                under_way.add(at)
            try:
                answer = self._answer(request, client, stop)
                taken(at, answer)
                return answer
            except ToolFailed as error:
                with changed:  # here and not where it is waited for: a busy machine would send several more until then
                    broken.append(error)
                    stop.set()
                raise
            finally:
                with changed:
                    under_way.discard(at)
                    changed.notify_all()

        with self._client() as client:
            try:
                futures = [pool.submit(one, at, request, client) for at, request in enumerate(requests)]
                wait(futures, return_when=FIRST_EXCEPTION)
                errors = (future.exception() for future in futures if future.done())
                if failed := next(iter((*broken, *filter(None, errors))), None):
                    raise failed
                return [future.result() for future in futures]
            finally:
                with changed:
                    stop.set()  # what waits for another try gives up; what is under way is paid for and comes to its end
                pool.shutdown(cancel_futures=True)
                with (
                    changed
                ):  # a thread that was just starting when the job's clock rang is not one that the pool waits for
                    changed.wait_for(lambda: not under_way)

    def _client(self) -> "Client":
        import httpx

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        # A proxy set for the outside world must not be asked for a server on this machine. Connections are let go before
        # servers do (uvicorn: 5 s): one that closes under a request makes it look lost.
        limits = httpx.Limits(max_connections=self._in_flight, keepalive_expiry=3.0)
        loopback = httpx.URL(self._url).host in LOOPBACK
        return httpx.Client(headers=headers, timeout=self._timeout_s, limits=limits, trust_env=not loopback)

    def _answer(self, request: Request, client: "Client", stop: threading.Event) -> Answer:
        """One answer; what passes and costs nothing is tried again until patience ends."""
        from tenacity import (
            Retrying,
            retry_if_exception_type,
            sleep_using_event,
            wait_exponential_jitter,
            wait_random,
        )

        backoff, jitter = wait_exponential_jitter(multiplier=0.5, max=LONGEST_WAIT_S), wait_random(0, 0.5)

        def pause(state: "RetryCallState") -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after_s if isinstance(error, _Passing) else None
            return backoff(state) if asked is None else min(asked, LONGEST_WAIT_S) + jitter(state)

        retrying = Retrying(
            retry=retry_if_exception_type(_Passing),
            stop=lambda state: stop.is_set() or self._out_of_patience(state),
            wait=pause,
            sleep=sleep_using_event(stop),
            reraise=True,
        )
        try:
            answer = retrying(self._once, request, client, stop)
        except _Passing as error:
            raise ToolFailed(f"teacher {self.name!r} failed for {self._patience():g} s: {error}") from error
        self._was_there = True
        return answer

    def _patience(self) -> float:
        """An endpoint that was never there is not waited for as one that is restarted."""
        return self._patience_s if self._was_there else min(self._patience_s, FIRST_PATIENCE_S)

    def _out_of_patience(self, state: "RetryCallState") -> bool:
        return (state.seconds_since_start or 0.0) >= self._patience()

    def _once(self, request: Request, client: "Client", stop: threading.Event) -> Answer:
        import httpx

        if stop.is_set():
            raise _Passing("the batch it is part of was broken off")
        try:
            with client.stream("POST", self._url, json=self._body(request)) as response:
                body = _read(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _Passing(f"{self._url} cannot be reached: {error}") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            return _at_most(request, "lost", f"no whole answer: {type(error).__name__}: {error}")
        if response.status_code == 200:
            return _read_completion(request, body)
        return self._not_answered(request, response, body, client, stop)

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "user", "content": request.prompt}],
            self._limit_field: request.sampling.max_tokens,
            "temperature": request.sampling.temperature,
            "seed": request.seed,
        }
        return {name: value for name, value in body.items() if name not in self._left_out}

    def _not_answered(
        self, request: Request, response: "Response", body: bytes | None, client: "Client", stop: threading.Event
    ) -> Answer:
        """What another status than 200 means: another try, a prompt that is not taken, or an endpoint that is of no use."""
        status, said = response.status_code, self._words(body)
        if status == 429 and b"insufficient_quota" in (body or b""):
            raise ToolFailed(f"teacher {self.name!r}: the account behind the key has no money left: {said}")
        if status in PASSING or status >= 500:
            raise _Passing(
                f"{self._url} says {status}: {said}", _retry_after_s(response.headers.get("retry-after", ""))
            )
        if status in (401, 403):
            what = "refuses the key" if self._key else "asks for a key"
            raise ToolFailed(
                f"teacher {self.name!r}: {self._url} {what} ({status}): set OPENAI_API_KEY to one it takes"
            )
        if status in (402, 404, 405) or status < 400:
            hint = f"the model {self._model!r} or this path is not there; a base URL usually ends in /v1"
            raise ToolFailed(f"teacher {self.name!r}: {self._url} says {status} ({hint if status == 404 else said})")
        if self._adapted(said):
            return self._once(request, client, stop)
        return Answer(fate="refused", problem=f"{status}: {said}")

    def _adapted(self, said: str) -> bool:
        """Whether a parameter was the trouble that can be named otherwise or left out without another meaning."""
        if self._limit_field == "max_tokens" and "max_completion_tokens" in said:
            self._limit_field = "max_completion_tokens"
            return True
        if "seed" in said and "seed" not in self._left_out:
            self._left_out.add("seed")
            return True
        return False

    def _words(self, body: bytes | None) -> str:
        """An error's message, short, without the key where the server quotes it."""
        text = (body or b"").decode("utf-8", "replace")
        try:
            found: Any = json.loads(text)
            text = str(found["error"]["message"])
        except (ValueError, KeyError, TypeError, RecursionError):
            pass  # servers have no common form for errors: the body itself then says what is wrong
        return " ".join((text.replace(self._key, "***") if self._key else text)[:300].split()) or "nothing"


def _read(response: "Response") -> bytes | None:
    """The body, or None where it is longer than any answer."""
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        size += len(part)
        if size > MAX_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _read_completion(request: Request, body: bytes | None) -> Answer:
    if body is None:
        return _at_most(request, "unreadable", f"a body of more than {MAX_BYTES / 2**20:g} MiB")
    try:
        found = _Completion.model_validate(json.loads(body))
    except (ValueError, RecursionError) as error:
        return _at_most(request, "unreadable", f"no chat completion: {str(error)[:200]}")
    choice = found.choices[0]
    # Half a character, which JSON can escape and UTF-8 cannot hold, becomes a replacement character.
    text = (choice.message.content or "").encode("utf-8", "replace").decode()
    used = _usage(found.usage)
    return Answer(
        text=text,
        input_tokens=used.prompt_tokens if used else request.most_input_tokens,
        output_tokens=used.completion_tokens if used else request.sampling.max_tokens,
        counted=used is not None,
        finish_reason=_FINISHES.get(choice.finish_reason or "stop", "other"),
    )


def _usage(said: Any) -> _Usage | None:
    try:
        return _Usage.model_validate(said)
    except ValidationError:
        return None


def _at_most(request: Request, fate: Literal["unreadable", "lost"], problem: str) -> Answer:
    """An answer that is none, counted at the most that it can have been billed for."""
    return Answer(
        fate=fate,
        problem=problem,
        input_tokens=request.most_input_tokens,
        output_tokens=request.sampling.max_tokens,
        counted=False,
    )


def _retry_after_s(value: str) -> float | None:
    """A Retry-After header, seconds or a date (RFC 9110, 10.2.3); None where it is neither."""
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
