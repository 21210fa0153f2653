"""What the front sends a second time where a server closes the connection before it answers, what it never does, and what it counts."""

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message
from stratos.tools.serving.api_key import RequireKey
from stratos.tools.serving.front import MOST_BYTES, Front, Target, create_front

ANSWERED = b"HTTP/1.1 200 OK\r\nDate: now\r\nServer: uvicorn\r\nContent-Length: 2\r\n\r\n{}"
CLIENTS = 4
CHAT, LOADING = "/v1/chat/completions", "/v1/load_lora_adapter"
Answers = Callable[[int, int], bool]


class Upstream:
    """A server that answers a request, or closes instead, by its number on its connection (from 0) and among all (from 1)."""

    def __init__(self, answers: Answers) -> None:
        self.seen: list[str] = []
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def target(self) -> Target:
        return Target(version=1, base_url=f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1", api_key="key")

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            for number in range(100):
                if not (got := connection.recv(65536)):
                    return
                self.seen.append(got.split()[1].decode())
                if not self._answers(number, len(self.seen)):
                    return
                connection.sendall(ANSWERED)


def never_ends(until: float | None) -> None:
    assert until is None


@asynccontextmanager
async def front_to(answers: Answers) -> AsyncGenerator[tuple[httpx.AsyncClient, Upstream, Front]]:
    upstream, front = Upstream(answers), Front()
    front.target = upstream.target
    asked = httpx.ASGITransport(create_front(front, never_ends))
    async with httpx.AsyncClient(transport=asked, base_url="http://front") as client, front.client, front.afresh:
        yield client, upstream, front
    upstream.close()


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, timeout=30))


def the_first_of_a_connection(number: int, _: int) -> bool:
    return number == 0


@pytest.mark.parametrize(("method", "path"), [("POST", CHAT), ("GET", "/v1/models")])
def test_what_a_kept_connection_lost_is_asked_again_on_a_new_one(method: str, path: str) -> None:
    async def asks() -> None:
        async with front_to(the_first_of_a_connection) as (client, upstream, front):
            assert [(await client.request(method, path)).status_code for _ in range(2)] == [200, 200]
            assert upstream.seen == [path] * 3
            carried = front.traffic[1]
            assert (carried.requests, carried.sent_again, carried.failed, len(carried.took_ms)) == (2, 1, 0, 2)

    run(asks())


def test_however_many_kept_connections_are_closed_a_request_meets_one() -> None:
    together = threading.Barrier(CLIENTS)

    def answers(number: int, so_far: int) -> bool:
        if so_far <= CLIENTS:
            together.wait(timeout=10)
        return number == 0

    async def asks() -> None:
        async with front_to(answers) as (client, upstream, front):
            await asyncio.gather(*(client.post(CHAT) for _ in range(CLIENTS)))
            assert [(await client.post(CHAT)).status_code for _ in range(CLIENTS)] == [200] * CLIENTS
            assert len(upstream.seen) == 3 * CLIENTS
            assert (front.traffic[1].sent_again, front.traffic[1].failed) == (CLIENTS, 0)

    run(asks())


def test_what_may_have_changed_the_server_is_not_asked_again() -> None:
    async def asks() -> None:
        async with front_to(the_first_of_a_connection) as (client, upstream, front):
            assert [(await client.post(LOADING)).status_code for _ in range(2)] == [200, 502]
            assert upstream.seen == [LOADING] * 2
            assert (front.traffic[1].sent_again, front.traffic[1].failed) == (0, 1)

    run(asks())


def test_a_request_on_which_a_server_goes_down_is_not_asked_again() -> None:
    async def asks() -> None:
        async with front_to(lambda number, so_far: False) as (client, upstream, front):
            assert (await client.post(CHAT)).status_code == 502
            assert upstream.seen == [CHAT]
            assert (front.traffic[1].sent_again, front.traffic[1].failed) == (0, 1)

    run(asks())


def test_what_was_never_sent_goes_to_whoever_is_routed_to_by_then() -> None:
    async def asks() -> None:
        async with front_to(lambda number, so_far: True) as (client, upstream, front):

            def refuses(_: httpx.Request) -> httpx.Response:
                front.target = upstream.target.model_copy(update={"version": 2})
                raise httpx.ConnectError("refused")

            front.client = httpx.AsyncClient(transport=httpx.MockTransport(refuses))
            assert (await client.post(LOADING)).status_code == 200
            assert upstream.seen == [LOADING]
            assert (front.traffic[1].sent_again, front.traffic[2].requests) == (1, 1)
            assert (front.traffic[1].requests, front.traffic[1].failed) == (0, 0)

    run(asks())


class Pieces(httpx.AsyncByteStream):
    """An answer's body, whole or broken off."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"{}"
        if not self._whole:
            raise httpx.ReadError("broken off")


def test_only_whole_answers_below_500_are_timed_and_what_went_wrong_has_failed() -> None:
    def answers(request: httpx.Request) -> httpx.Response:
        status = int(request.headers["wanted"])
        if status == 0:
            raise httpx.ReadError("no answer")
        return httpx.Response(status, stream=Pieces(whole=status != 206))

    async def asks() -> None:
        async with front_to(lambda number, so_far: True) as (client, _, front):
            front.client = httpx.AsyncClient(transport=httpx.MockTransport(answers))
            for wanted, found in ((200, 200), (429, 429), (503, 503), (0, 502)):
                assert (await client.post(LOADING, headers={"wanted": str(wanted)})).status_code == found
            with pytest.raises(httpx.ReadError, match="broken off"):
                await client.post(LOADING, headers={"wanted": "206"})
            carried = front.traffic[1]
            assert (carried.requests, carried.failed, len(carried.took_ms), carried.in_flight) == (5, 3, 2, 0)

    run(asks())


def test_a_request_whose_client_left_is_counted_and_neither_timed_nor_failed() -> None:
    ended = threading.Event()

    async def asks() -> None:
        async with front_to(lambda number, so_far: ended.wait(10)) as (client, _, front):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.post(CHAT), 0.3)
            ended.set()
            carried = front.traffic[1]
            assert (carried.requests, carried.failed, len(carried.took_ms), carried.in_flight) == (1, 0, 0, 0)

    run(asks())


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e/metrics",
        ".%2E/metrics",
        "x/%2e%2e/%2e%2e/pause",
        "%252e%252e/metrics",
        "..%5Cmetrics",
        "/%2e%2e/x",
        "%2e",
    ],
)
def test_no_path_leads_out_of_what_is_served(path: str) -> None:
    async def asks() -> None:
        async with front_to(lambda number, so_far: True) as (client, upstream, _):
            assert (await client.get(f"/v1/{path}")).status_code == 404
            assert upstream.seen == []

    run(asks())


def test_a_path_reaches_the_server_as_it_was_asked_for() -> None:
    async def asks() -> None:
        async with front_to(lambda number, so_far: True) as (client, upstream, _):
            for path in ("/v1/models/a..b", "/v1//models", "/v1/models/what%3F%20%23?limit=1&x=%2e%2e"):
                assert (await client.get(path, headers={"host": "x/metrics?"})).status_code == 200
                assert upstream.seen[-1] == path

    run(asks())


def test_headers_that_the_front_writes_itself_are_not_passed_on_as_well() -> None:
    async def asks() -> None:
        async with front_to(lambda number, so_far: True) as (client, _, _):
            assert list((await client.get("/v1/models")).headers) == ["content-length"]

    run(asks())


def test_a_request_that_is_longer_than_may_be_is_refused() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(MOST_BYTES // 2**20):
            yield bytes(2**20)
        yield b"1"

    async def asks() -> None:
        async with front_to(lambda number, so_far: True) as (client, upstream, _):
            reply = await client.post(CHAT, content=pieces())
            assert (reply.status_code, reply.json()["error"]["type"]) == (413, "invalid_request_error")
            assert upstream.seen == []

    run(asks())


async def sent(app: ASGIApp, received: Message, key: str = "", kind: str = "http") -> list[Message]:
    """What an application sends where it is asked for a chat and receives only that."""
    found: list[Message] = []

    async def receive() -> Message:
        return received

    async def send(message: Message) -> None:
        found.append(message)

    headers = [(b"authorization", f"Bearer {key}".encode())]
    scope = {"type": kind, "method": "POST", "path": CHAT, "query_string": b"", "headers": headers, "root_path": ""}
    await app(scope, receive, send)
    return found


def test_a_client_that_leaves_while_it_asks_is_no_error() -> None:
    assert asyncio.run(sent(create_front(Front(), never_ends), {"type": "http.disconnect"})) == []


@pytest.mark.parametrize(("key", "status"), [("wrong", 401), ("key", 404)])
def test_a_websocket_needs_the_key_and_is_not_served(key: str, status: int) -> None:
    app = RequireKey(create_front(Front(), never_ends), "key")
    found = asyncio.run(sent(app, {"type": "websocket.connect"}, key, "websocket"))
    assert (found[0]["type"], found[0]["status"]) == ("websocket.http.response.start", status)
