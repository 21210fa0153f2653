"""An OpenAI-compatible server over an engine: FastAPI and uvicorn, answers batched across clients.

Why not LitServe's OpenAISpec (0.2.19, measured): it takes its key only as `X-API-Key`, has no /v1/models, answers any
model name, drops stream_options and seed, reports every finish as "stop", has errors of its own form (a template's
refusal is a 500), and leaves two worker processes behind when it is killed.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from .api_key import RequireKey
from .batcher import Batcher, ClosedError, QueueFullError, Ticket
from .engine import Call, Completion, Engine, PromptError, PromptTooLongError, Settings
from .schemas import INVALID, OVERLOADED, ChatRequest, chat_completion, chunk_choice, error_body, usage

RETRY_AFTER_S = 1


class ApiError(Exception):
    """Ends a request with a status and an OpenAI-style error document."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        kind = OVERLOADED if status == 503 else INVALID
        headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
        self.response = JSONResponse(error_body(message, kind=kind, code=code, param=param), status, headers)


@dataclass(frozen=True, kw_only=True)
class Service:
    """What the routes need."""

    engine: Engine
    batcher: Batcher
    served_name: str
    api_key: str
    default_temperature: float = 0.0
    created: int = field(default_factory=lambda: int(time.time()))


def create_app(service: Service) -> FastAPI:
    """The application, ready for any ASGI server."""
    app = FastAPI(title="Stratos", docs_url=None, redoc_url=None, openapi_url=None)
    routes = Routes(service)
    app.add_api_route("/health", routes.health, methods=["GET"])
    app.add_api_route("/v1/models", routes.models, methods=["GET"])
    app.add_api_route("/v1/models/{name}", routes.model, methods=["GET"])
    app.add_api_route("/v1/chat/completions", routes.chat, methods=["POST"], response_model=None)
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _invalid_body)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _bug)
    app.add_middleware(RequireKey, api_key=service.api_key)
    return app


class Routes:
    """The endpoints."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def health(self) -> Response:
        """Whether answers can be had, and how much is going on; needs no key."""
        batcher = self.service.batcher
        body = {"status": "ok" if batcher.alive else "dead", "running": batcher.running, "waiting": batcher.waiting}
        return JSONResponse(body, 200 if batcher.alive else 503)

    async def models(self) -> dict[str, Any]:
        """The one model."""
        return {"object": "list", "data": [self._card()]}

    async def model(self, name: str) -> dict[str, Any]:
        """The model by name."""
        self._known(name)
        return self._card()

    async def chat(self, request: Request, body: ChatRequest) -> Response:
        """Answers a chat, whole or streamed."""
        self._known(body.model)
        calls = self._calls(body)
        answer = _Answer(self.service, calls, body)
        if body.stream:
            return _Events(answer)
        completions = await answer.whole(request)
        return JSONResponse(chat_completion(answer.id, self.service.served_name, completions))

    def _card(self) -> dict[str, Any]:
        service = self.service
        card = {"id": service.served_name, "object": "model", "created": service.created, "owned_by": "stratos"}
        return {**card, "max_model_len": service.engine.max_model_len}

    def _known(self, name: str) -> None:
        served = self.service.served_name
        if name != served:
            message = f"The model {name!r} does not exist; this server serves {served!r}."
            raise ApiError(404, message, code="model_not_found", param="model")

    def _calls(self, body: ChatRequest) -> list[Call]:
        if body.stream_options is not None and not body.stream:
            raise ApiError(400, "stream_options is only allowed when stream is true", param="stream_options")
        try:
            prompt = self.service.engine.encode_chat([message.plain() for message in body.messages])
            settings = self._settings(body, len(prompt))
        except PromptTooLongError as error:
            raise ApiError(400, str(error), code="context_length_exceeded", param="messages") from error
        except PromptError as error:
            raise ApiError(400, str(error), param="messages") from error
        return [Call(prompt=prompt, settings=settings)] * (body.n or 1)

    def _settings(self, body: ChatRequest, prompt_tokens: int) -> Settings:
        limit = self.service.engine.max_model_len
        if not prompt_tokens:
            raise PromptError("the prompt is empty: it has no tokens")
        if prompt_tokens + (body.answer_tokens or 1) > limit:
            answer = f" and {body.answer_tokens} in the answer" if body.answer_tokens else ""
            text = f"This model's limit is {limit} tokens; the request has {prompt_tokens} in the messages{answer}."
            raise PromptTooLongError(text)
        default = self.service.default_temperature
        return Settings(
            max_tokens=body.answer_tokens or limit - prompt_tokens,
            temperature=default if body.temperature is None else body.temperature,
            top_p=1.0 if body.top_p is None else body.top_p,
            seed=body.seed,
            stop=body.stops,
        )


class _Answer:
    """One request on its way: submitted at once, so that a refusal is a status and not an event in a stream."""

    def __init__(self, service: Service, calls: list[Call], body: ChatRequest) -> None:
        self.id = f"chatcmpl-{uuid.uuid4().hex}"
        self._name, self._created = service.served_name, int(time.time())
        self._with_usage = bool(body.stream_options and body.stream_options.include_usage)
        self._loop = asyncio.get_running_loop()
        self._news: asyncio.Queue[tuple[int, str | None]] = asyncio.Queue()
        if body.stream:
            calls = [Call(prompt=c.prompt, settings=c.settings, on_text=self._teller(i)) for i, c in enumerate(calls)]
        self._ticket = _submit(service.batcher, calls)

    async def whole(self, request: Request) -> list[Completion]:
        """All answers; cancelled when the client goes away."""
        leaving = asyncio.ensure_future(_disconnected(request))
        answers = asyncio.gather(*map(asyncio.wrap_future, self._ticket.futures))
        leaving.add_done_callback(lambda _: self._ticket.cancel())
        try:
            completions = await answers
            self._refuse_cut()
        except ClosedError as error:
            raise ApiError(503, str(error), code="stopping") from error
        else:
            return completions
        finally:
            leaving.cancel()

    async def events(self) -> AsyncIterator[str]:
        """The answer as server-sent events; whoever sends them calls `cancel` after them."""
        try:
            async for chunk in self._chunks():
                yield f"data: {json.dumps(chunk)}\n\n"
            yield "data: [DONE]\n\n"
        except ClosedError as error:
            yield f"data: {json.dumps(error_body(str(error), kind=OVERLOADED))}\n\n"

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self._ticket.cancel()

    async def _chunks(self) -> AsyncIterator[dict[str, Any]]:
        futures = self._ticket.futures
        for index, future in enumerate(futures):
            future.add_done_callback(lambda _, index=index: self._tell(index, None))
            yield self._chunk([chunk_choice(index, {"role": "assistant", "content": ""})])
        finished = 0
        while finished < len(futures):
            index, piece = await self._news.get()
            if piece is not None:
                yield self._chunk([chunk_choice(index, {"content": piece})])
                continue
            finished += 1
            self._refuse_cut()
            yield self._chunk([chunk_choice(index, {}, futures[index].result().finish_reason)])
        if self._with_usage:
            yield {**self._chunk([]), "usage": usage([future.result() for future in futures])}

    def _refuse_cut(self) -> None:
        """An answer that was cut because the server stops is not given out as a whole one."""
        if self._ticket.cancelled:
            raise ClosedError("the server is stopping")

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        head = {"id": self.id, "object": "chat.completion.chunk", "created": self._created, "model": self._name}
        return {**head, "choices": choices} | ({"usage": None} if self._with_usage else {})

    def _teller(self, index: int) -> Callable[[str], None]:
        return lambda piece: self._tell(index, piece)

    def _tell(self, index: int, piece: str | None) -> None:
        """From the batcher's thread to the event loop's."""
        self._loop.call_soon_threadsafe(self._news.put_nowait, (index, piece))


class _Events(StreamingResponse):
    """A streamed answer, given up when its client goes away: before its first event too, when its generator never began and so would
    never end."""

    def __init__(self, answer: _Answer) -> None:
        super().__init__(answer.events(), media_type="text/event-stream")
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.cancel()


def _submit(batcher: Batcher, calls: list[Call]) -> Ticket:
    try:
        return batcher.submit(calls)
    except (QueueFullError, ClosedError) as error:
        raise ApiError(503, f"{error}; try again in {RETRY_AFTER_S} s", code="overloaded") from error


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _api_error(_: Request, error: Exception) -> Response:
    return cast(ApiError, error).response


async def _invalid_body(_: Request, error: Exception) -> Response:
    problems = [(_where(e), e) for e in cast(RequestValidationError, error).errors()]
    texts = [f"{where}: {_problem(e)}" if where else _problem(e) for where, e in problems]
    body = error_body("; ".join(texts), kind=INVALID, param=problems[0][0] or None)
    return JSONResponse(body, 400)


def _where(error: dict[str, Any]) -> str:
    """Dotted path of a field; for broken JSON the location is a byte offset, which names nothing."""
    return "" if error["type"] == "json_invalid" else ".".join(map(str, error["loc"][1:]))


def _problem(error: dict[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return f"the body is not valid JSON: {error['ctx']['error']}"
    if error["type"] == "extra_forbidden":
        return "is not a field this server knows"
    return str(error["msg"]).removeprefix("Value error, ")


async def _http_error(request: Request, error: Exception) -> Response:
    known = cast(HTTPException, error)
    message = f"{known.detail}: {request.method} {request.url.path}"
    return JSONResponse(error_body(message, kind=INVALID), known.status_code, known.headers)


async def _bug(_: Request, error: Exception) -> Response:
    return JSONResponse(error_body(f"internal error: {type(error).__name__}", kind="server_error"), 500)
