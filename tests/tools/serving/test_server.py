"""The server as users of the `openai` client meet it: a real process, real connections."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam
from starlette.types import Message
from stratos.tests.tools.serving.scripted_engine import ScriptedEngine
from stratos.tests.tools.serving.tiny_model import CONTEXT
from stratos.tools.serving.batcher import Batcher
from stratos.tools.serving.deployments import TemporaryServer
from stratos.tools.serving.engine import Call, Completion, Engine, Settings
from stratos.tools.serving.server import Service, create_app

MODEL = "student"
PROMPT = "w1 w2 w3"


def user(text: str = PROMPT) -> list[ChatCompletionUserMessageParam]:
    return [{"role": "user", "content": text}]


def answer(engine: Engine, text: str = PROMPT, **settings: Any) -> Completion:
    prompt = engine.encode_chat([{"role": "user", "content": text}])
    return engine.complete([Call(prompt=prompt, settings=Settings(**settings))])[0]


def post(server: TemporaryServer, body: object, key: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key or server.api_key}", "Content-Type": "application/json"}
    content = body if isinstance(body, str) else json.dumps(body)
    return httpx.post(f"{server.base_url}/chat/completions", content=content, headers=headers, trust_env=False)


def test_every_endpoint_of_the_api_needs_the_key(server: TemporaryServer) -> None:
    with openai.OpenAI(base_url=server.base_url, api_key="wrong", max_retries=0) as intruder:
        with pytest.raises(openai.AuthenticationError) as caught:
            intruder.chat.completions.create(model=MODEL, messages=user())
        with pytest.raises(openai.AuthenticationError):
            intruder.models.list()
    assert caught.value.code == "invalid_api_key"
    bare = httpx.get(f"{server.base_url}/models", trust_env=False)
    assert (bare.status_code, bare.json()["error"]["type"]) == (401, "invalid_request_error")
    assert post(server, "{broken", key="wrong").status_code == 401


def test_health_needs_no_key(server: TemporaryServer) -> None:
    health = httpx.get(server.base_url.removesuffix("/v1") + "/health", trust_env=False)
    assert (health.status_code, health.json()["status"]) == (200, "ok")


def test_models_lists_the_one_that_is_served(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).id == MODEL


def test_an_answer_is_the_engines_greedy_one(client: openai.OpenAI, endless: Engine) -> None:
    got = client.chat.completions.create(model=MODEL, messages=user(), max_tokens=12)
    assert got.choices[0].message.content == answer(endless, max_tokens=12).text
    assert got.choices[0].finish_reason == "length"
    assert got.usage is not None
    assert (got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.total_tokens) == (6, 12, 18)


def test_a_streamed_answer_is_the_same_with_usage_last(client: openai.OpenAI, endless: Engine) -> None:
    stream = client.chat.completions.create(
        model=MODEL, messages=user(), max_completion_tokens=12, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == answer(endless, max_tokens=12).text
    assert len([piece for piece in pieces if piece]) == 12
    assert chunks[-2].choices[0].finish_reason == "length"
    usage = chunks[-1].usage
    assert usage is not None
    assert (chunks[-1].choices, usage.prompt_tokens, usage.completion_tokens) == ([], 6, 12)


def test_stop_ends_the_answer_and_is_not_in_it(client: openai.OpenAI, endless: Engine) -> None:
    whole = answer(endless, max_tokens=12).text
    stop = whole[len(whole) // 2 :][:5]
    made = client.chat.completions.create(model=MODEL, messages=user(), max_tokens=12, stop=[stop, "never"])
    stream = client.chat.completions.create(model=MODEL, messages=user(), max_tokens=12, stop=stop, stream=True)
    chunks = list(stream)
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert made.choices[0].message.content == "".join(pieces) == whole[: whole.index(stop)]
    assert made.choices[0].finish_reason == chunks[-1].choices[0].finish_reason == "stop"


def test_temperature_top_p_seed_and_n_are_honoured(client: openai.OpenAI) -> None:
    def texts(temperature: float, top_p: float = 1, seed: int | None = None) -> list[str | None]:
        made = client.chat.completions.create(
            model=MODEL, messages=user(), max_tokens=10, n=3, temperature=temperature, top_p=top_p, seed=seed
        )
        return [choice.message.content for choice in made.choices]

    assert len(set(texts(0))) == 1
    assert len(set(texts(2))) == 3
    assert len(set(texts(2, top_p=1e-6))) == 1
    assert texts(2, seed=5) == texts(2, seed=5) != texts(2, seed=6)


def test_content_may_come_in_text_parts(client: openai.OpenAI, endless: Engine) -> None:
    parts: Any = [{"role": "user", "content": [{"type": "text", "text": "w1 "}, {"type": "text", "text": "w2 w3"}]}]
    got = client.chat.completions.create(model=MODEL, messages=parts, max_tokens=5)
    assert got.choices[0].message.content == answer(endless, max_tokens=5).text


def test_another_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="'gpt-9' does not exist; this server serves 'student'") as caught:
        client.chat.completions.create(model="gpt-9", messages=user())
    assert caught.value.code == "model_not_found"


def test_a_prompt_that_is_too_long_is_told_both_numbers(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=f"limit is {CONTEXT} tokens.* has 20003 in") as caught:
        client.chat.completions.create(model=MODEL, messages=user("w1 " * CONTEXT))
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError, match="6 in the messages and 20000 in the answer"):
        client.chat.completions.create(model=MODEL, messages=user(), max_tokens=CONTEXT)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"messages": [{"role": "system", "content": "w1"}]}, "only user and assistant speak"),
    ({"messages": []}, "messages: List should have at least 1 item"),
    ({"messages": [{"role": "user", "content": None}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "image_url"),
    ({"logprobs": True}, "logprobs: is not supported"),
    ({"tools": [{"type": "function"}]}, "tools: is not supported"),
    ({"response_format": {"type": "json_object"}}, "response_format: is not supported"),
    ({"frequency_penalty": 0.5}, "frequency_penalty: is not supported"),
    ({"temperature": 3}, "temperature: Input should be less than or equal to 2"),
    ({"temperature": "hot"}, "temperature: Input should be a valid number"),
    ({"top_p": 0}, "top_p: Input should be greater than 0"),
    ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
    ({"n": 99}, "n: Input should be less than or equal to 16"),
    ({"stop": ""}, "stop: a stop string cannot be empty"),
    ({"stream_options": {"include_usage": True}}, "only allowed when stream is true"),
    ({"top_k": 5}, "top_k: is not a field this server knows"),
]


@pytest.mark.parametrize(("change", "says"), REFUSED)
def test_what_cannot_be_done_is_a_clean_400(server: TemporaryServer, change: dict[str, Any], says: str) -> None:
    reply = post(server, {"model": MODEL, "messages": user(), **change})
    error = reply.json()["error"]
    assert (reply.status_code, error["type"]) == (400, "invalid_request_error")
    assert says in error["message"]


def test_neutral_values_of_unsupported_fields_are_taken(server: TemporaryServer) -> None:
    neutral = {"logprobs": False, "tools": None, "presence_penalty": 0, "response_format": {"type": "text"}, "n": 1}
    assert post(server, {"model": MODEL, "messages": user(), "max_tokens": 1, **neutral}).status_code == 200


def test_broken_json_and_unknown_paths_have_openai_errors(server: TemporaryServer) -> None:
    broken = post(server, "{broken")
    assert (broken.status_code, broken.json()["error"]["message"][:29]) == (400, "the body is not valid JSON: E")
    headers = {"Authorization": f"Bearer {server.api_key}"}
    lost = httpx.get(f"{server.base_url}/embeddings", headers=headers, trust_env=False)
    assert (lost.status_code, "/v1/embeddings" in lost.json()["error"]["message"]) == (404, True)


def test_sixteen_clients_at_once_each_get_their_own_answer(client: openai.OpenAI, endless: Engine) -> None:
    def ask(i: int) -> tuple[str | None, str]:
        got = client.chat.completions.create(
            model=MODEL, messages=user(f"w{i} w{i + 1}"), max_tokens=4 + i % 5, temperature=0 if i % 4 else 1e-3
        )
        return got.choices[0].message.content, answer(endless, f"w{i} w{i + 1}", max_tokens=4 + i % 5).text

    with ThreadPoolExecutor(16) as pool:
        pairs = list(pool.map(ask, range(48)))
    assert [got for got, _ in pairs] == [wanted for _, wanted in pairs]
    assert len({got for got, _ in pairs}) > 30


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_place(server: TemporaryServer, stream: bool) -> None:
    health = server.base_url.removesuffix("/v1") + "/health"
    headers = {"Authorization": f"Bearer {server.api_key}"}
    body = {"model": MODEL, "messages": user(), "stream": stream}
    with httpx.Client(headers=headers, trust_env=False) as leaving:
        if stream:
            with leaving.stream("POST", f"{server.base_url}/chat/completions", json=body) as reply:
                lines = reply.iter_lines()
                next(lines)
                assert within(1.0, lambda: httpx.get(health, trust_env=False).json()["running"] == 1)
        else:
            with pytest.raises(httpx.ReadTimeout):
                leaving.post(f"{server.base_url}/chat/completions", json=body, timeout=0.3)
    # The whole answer would take several seconds; one client's leaving must end it at its next token.
    assert within(1.0, lambda: httpx.get(health, trust_env=False).json()["running"] == 0)


def within(seconds: float, done: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if done():
            return True
        time.sleep(0.02)
    return False


def test_a_full_queue_is_a_503_with_retry_after() -> None:
    engine = ScriptedEngine()
    batcher = Batcher(engine, max_queue=1)
    app = create_app(Service(engine=engine, batcher=batcher, served_name=MODEL, api_key="k"))

    async def burst() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        headers = {"Authorization": "Bearer k"}
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            body = {"model": MODEL, "messages": user("1 2")}
            sent = [asyncio.create_task(client.post("/v1/chat/completions", json=body)) for _ in range(4)]
            threading.Timer(0.3, engine.gate.set).start()
            return await asyncio.gather(*sent)

    replies = asyncio.run(burst())
    batcher.close()
    refused = [reply for reply in replies if reply.status_code == 503]
    assert 1 <= len(refused) <= 3
    assert {reply.status_code for reply in replies} == {200, 503}
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].json()["error"]["code"] == "overloaded"


def test_a_client_that_leaves_before_its_stream_begins_frees_its_place() -> None:
    engine = ScriptedEngine()
    batcher = Batcher(engine)
    app = create_app(Service(engine=engine, batcher=batcher, served_name=MODEL, api_key="k"))
    batcher.submit([Call(prompt=[1], settings=Settings(max_tokens=1))])
    assert engine.entered.acquire(timeout=5)  # what comes now waits behind it
    body = json.dumps({"model": MODEL, "messages": user("1 2"), "stream": True}).encode()
    received = iter([{"type": "http.request", "body": body}])

    async def receive() -> Message:
        return next(received, {"type": "http.disconnect"})

    async def send(_: Message) -> None:
        await asyncio.sleep(10)  # the connection takes nothing more

    headers = [(b"authorization", b"Bearer k"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "query_string": b"", "headers": headers}
    asyncio.run(app({**scope, "root_path": ""}, receive, send))
    assert batcher.waiting == 0
    engine.gate.set()
    batcher.close()


def test_a_bug_in_the_engine_is_a_500_document() -> None:
    engine = ScriptedEngine()
    engine.gate.set()
    batcher = Batcher(engine)
    app = create_app(Service(engine=engine, batcher=batcher, served_name=MODEL, api_key="k"))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = {"Authorization": "Bearer k"}
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            return await client.post("/v1/chat/completions", json={"model": MODEL, "messages": user("13")})

    reply = asyncio.run(ask())
    batcher.close()
    assert (reply.status_code, reply.json()["error"]["type"]) == (500, "server_error")


def test_the_listening_socket_says_it_is_tcp_so_that_answers_are_not_held_back() -> None:
    import socket

    from stratos.tools.serving.job import listen

    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
