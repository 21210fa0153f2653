"""The front of a deployment: one address that stays while the servers behind it change.

Each request goes to the server of the version that is routed to when it arrives, and stays with it: a new version takes over between
two requests, and the old one is free to end once its last answer is written. It holds the clients' key and, where asked for, TLS;
servers behind it listen on this machine alone, each with a key of its own. It balances no load and keeps no queue: the servers do.

Why not a listening socket handed on: vLLM opens its own, connections waiting in the old server's queue are reset when it closes, and a
new version would have traffic before it was tried. Why own code: fastapi-proxy-lib fixes its target when it is built and counts nothing
that a drain could wait for; the routers of vLLM and SGLang spread load over many servers and know no versions (read of, not tried).
"""

import asyncio
import re
import statistics
import time
from collections import defaultdict, deque
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import httpx
from pydantic import BaseModel, ConfigDict
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from .schemas import INVALID, OVERLOADED, UNREACHABLE, error_body

KEPT = 1000
"""Newest answers of a version whose times are kept."""
MOST_BYTES = 32 * 2**20
"""Of a request's body, which is held in memory until it is sent on: text of a long context is a few hundred kB."""
IDLE_S = 2.0
"""A connection to a server is not used again after so long: both engines close theirs after 5 s, and a request that meets the closing
would be lost."""
CONNECT_S = 5.0
HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-authenticate", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
"""Headers that are of one connection, not of the request (RFC 9110, 7.6.1)."""
OWN = HOP_BY_HOP | {b"host", b"authorization", b"content-length"}
OWN_OF_ANSWERS = HOP_BY_HOP | {b"date", b"server"}
"""uvicorn writes its own of both."""
ANSWERS = frozenset(("/v1/chat/completions", "/v1/completions", "/v1/embeddings"))
"""What may be asked twice though it is sent by POST: an answer changes nothing at the server. Other calls of vLLM load and unload."""


class Target(BaseModel):
    """A version and the server that answers for it."""

    model_config = ConfigDict(frozen=True)
    version: int
    base_url: str
    api_key: str
    until: float | None = None
    """When the front itself ends, seconds since 1970; null: never."""


@dataclass(kw_only=True)
class Traffic:
    """Of one version: its clients' requests that are not ended, those ended, those of them that failed (a status from 500 on, or an
    answer that broke off), those sent once more, and how long the newest answers took: whole ones below 500.

    A request that is sent once more is counted where it went last.
    """

    in_flight: int = 0
    requests: int = 0
    failed: int = 0
    sent_again: int = 0
    took_ms: deque[float] = field(default_factory=lambda: deque[float](maxlen=KEPT))

    def document(self) -> dict[str, Any]:
        """As `/front/state` tells it; no percentiles before the second answer."""
        cuts = statistics.quantiles(self.took_ms, n=100, method="inclusive") if len(self.took_ms) > 1 else None
        return {
            "in_flight": self.in_flight,
            "requests": self.requests,
            "failed": self.failed,
            "sent_again": self.sent_again,
            "p50_ms": cuts and cuts[49],
            "p95_ms": cuts and cuts[94],
        }


class Sending:
    """One sending of a request: whether it may be repeated where it fails before an answer begins, and how it ended.

    Where no connection could be had nothing was sent. Where one that had carried requests before breaks, the server had most likely
    closed it, idle, and never read this one: that cannot be known, so it is repeated only if asking twice does no harm. Where a new one
    breaks, the server took the request and went down on it: the next server is not to be asked the same.
    """

    def __init__(self, request: Request) -> None:
        self._harmless = request.method in ("GET", "HEAD") or request.scope["path"] in ANSWERS
        self._kept = True
        self.repeated = self.failed = self.answered = False

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        """httpcore's extension of that name: only a new connection connects."""
        if event.startswith("connection.connect"):
            self._kept = False

    def may_be_repeated(self, error: httpx.TransportError) -> bool:
        """After it failed with that error."""
        never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        return never_sent or (self._kept and self._harmless)


class Front:
    """An ASGI application; all of it runs in one event loop, so that nothing comes between a look at the target and a count."""

    def __init__(self) -> None:
        self.target: Target | None = None
        self.traffic: defaultdict[int, Traffic] = defaultdict(Traffic)
        self.client = _client(kept=64)
        self.afresh = _client(kept=0)
        """Whose every request has a new connection: of those that are kept, the next may be closed as well."""

    async def health(self, _: Request) -> Response:
        """What the server behind says of itself; needs no key."""
        if self.target is None:
            return JSONResponse({"status": "no version is routed to"}, 503)
        try:
            found = await self.client.get(self.target.base_url.removesuffix("/v1") + "/health", timeout=CONNECT_S)
        except httpx.TransportError as error:
            return JSONResponse(
                {"status": f"version {self.target.version} does not answer: {type(error).__name__}"}, 503
            )
        return Response(found.content, found.status_code, media_type=found.headers.get("content-type"))

    async def forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers by the server routed to; ends with the client, if that goes first."""
        if scope["type"] != "http" or _leads_out(scope["path"]):
            refusal = _refusal(404, "neither websockets nor paths that lead out of /v1 are served", INVALID)
            await refusal(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            body = await _body(request)
        except ClientDisconnect:
            return
        if body is None:
            await _refusal(413, f"a request may have at most {MOST_BYTES:,} bytes", INVALID)(scope, receive, send)
            return
        relaying = asyncio.ensure_future(self._relay(request, body, send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({relaying, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (relaying, leaving):
                task.cancel()
            ended, _ = await asyncio.gather(relaying, leaving, return_exceptions=True)
        if isinstance(ended, Exception):
            raise ended

    async def _relay(self, request: Request, body: bytes, send: Send) -> None:
        failure: httpx.TransportError | None = None
        for client in (self.client, self.afresh):
            if (target := self.target) is None:
                break
            sending = Sending(request)
            with self._counted(target.version, sending):
                try:
                    reply = await client.send(_onward(client, request, body, target, sending), stream=True)
                except httpx.TransportError as error:
                    failure = error
                    sending.repeated = client is self.client and sending.may_be_repeated(error)
                    sending.failed = not sending.repeated
                    if sending.repeated:
                        continue
                    break
                try:
                    sending.failed = reply.status_code >= 500
                    await _pass_on(reply, send)
                    sending.answered = not sending.failed
                except httpx.TransportError:  # half an answer is told as such: the connection breaks
                    sending.failed = True
                    raise
                finally:
                    await reply.aclose()
                return
        text = f"no server answers behind this endpoint: {type(failure).__name__ if failure else 'none is routed to'}"
        refusal = _refusal(502, text, UNREACHABLE) if failure else _refusal(503, text, OVERLOADED)
        await refusal(request.scope, request.receive, send)

    @contextmanager
    def _counted(self, version: int, sending: Sending) -> Generator[None]:
        traffic, begun = self.traffic[version], time.perf_counter()
        traffic.in_flight += 1
        try:
            yield
        finally:
            traffic.in_flight -= 1
            traffic.sent_again += sending.repeated
            traffic.requests += not sending.repeated
            traffic.failed += sending.failed
            if sending.answered:
                traffic.took_ms.append(1000 * (time.perf_counter() - begun))


def _client(kept: int) -> httpx.AsyncClient:
    """Waits for an answer as long as the server lets it take."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=kept, keepalive_expiry=IDLE_S)
    return httpx.AsyncClient(
        limits=limits, timeout=httpx.Timeout(None, connect=CONNECT_S), trust_env=False, follow_redirects=False
    )


def _leads_out(path: str) -> bool:
    """Whether a client or server that resolves a path, decoded however often, might leave what it begins with."""
    while (decoded := unquote(path)) != path:
        path = decoded
    return any(segment in (".", "..") for segment in re.split(r"[/\\]", path))


def _refusal(status: int, text: str, kind: str) -> JSONResponse:
    return JSONResponse(error_body(text, kind=kind), status)


async def _body(request: Request) -> bytes | None:
    """None: it is longer than may be. Raises ClientDisconnect."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def _onward(
    client: httpx.AsyncClient, request: Request, body: bytes, target: Target, sending: Sending
) -> httpx.Request:
    headers = [(name, value) for name, value in request.headers.raw if name not in OWN]
    headers.append((b"authorization", f"Bearer {target.api_key}".encode()))
    query = request.scope["query_string"].decode("latin-1")
    url = target.base_url.removesuffix("/v1") + quote(request.scope["path"]) + (f"?{query}" if query else "")
    extensions = {"trace": sending.trace}
    return client.build_request(request.method, url, headers=headers, content=body, extensions=extensions)


async def _pass_on(reply: httpx.Response, send: Send) -> None:
    headers = [(name.lower(), value) for name, value in reply.headers.raw if name.lower() not in OWN_OF_ANSWERS]
    await send({"type": "http.response.start", "status": reply.status_code, "headers": headers})
    async for piece in reply.aiter_raw():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def create_front(front: Front, on_until: Any) -> Starlette:
    """The application: `/v1` and `/health` for clients, `/front` for whoever replaces versions. `on_until` is called with the
    moment at which the front is to end, each time that is told."""

    async def route(request: Request) -> Response:
        front.target = Target.model_validate_json(await request.body())
        on_until(front.target.until)
        return JSONResponse(_state(front))

    async def state(_: Request) -> Response:
        return JSONResponse(_state(front))

    return Starlette(
        routes=[
            Route("/health", front.health),
            Route("/front/route", route, methods=["PUT"]),
            Route("/front/state", state),
            Mount("/v1", app=front.forward),
        ]
    )


def _state(front: Front) -> dict[str, Any]:
    versions = {str(version): traffic.document() for version, traffic in front.traffic.items()}
    return {"version": front.target and front.target.version, "versions": versions}
