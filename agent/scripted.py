"""Public seam for tests: a chat-completions server on loopback that answers as a script says, and misbehaves where it says so."""

import json
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..state.errors import RequestError
from .digest import Digest
from .intake import NO_DOLLARS, read_request
from .model_intake import WRITE_BRIEF, WriteBrief
from .rule_planner import next_call


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer of the server. `calls` pairs a tool's name with its arguments: a dict, or text as it is to be sent."""

    calls: Sequence[tuple[str, Mapping[str, Any] | str]] = ()
    text: str = ""
    finish_reason: str = "tool_calls"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: str | None = None
    """Sent as it is, in the place of a chat completion."""
    drop: bool = False
    """The connection is closed without a word."""
    tokens: tuple[int, int] | None = (1000, 50)
    """In and out, as the server counts them; None: it does not say."""

    def document(self) -> dict[str, Any]:
        """The chat completion."""
        calls = [
            {
                "id": f"call_{number}",
                "type": "function",
                "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
            }
            for number, (name, given) in enumerate(self.calls)
        ]
        message = {"role": "assistant", "content": self.text or None, **({"tool_calls": calls} if calls else {})}
        found = {
            "id": "scripted",
            "object": "chat.completion",
            "created": 0,
            "model": "scripted",
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish_reason}],
        }
        if self.tokens is None:
            return found
        prompt, completion = self.tokens
        used = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        return {**found, "usage": used}


Script = Callable[[Mapping[str, Any]], Answer]
"""Gets a request's document and says what to answer."""


def in_turn(*answers: Answer) -> Script:
    """Each answer once, in order; raises IndexError, which the client sees as 500, when they are used up."""
    left = list(answers)
    return lambda request: left.pop(0)


def competent(request: Mapping[str, Any]) -> Answer:
    """Answers as the built-in rules would, reading a request and planning: a model that does both well."""
    asked = request["messages"][1]["content"]
    if [tool["function"]["name"] for tool in request["tools"]] == [WRITE_BRIEF]:
        return Answer(calls=[(WRITE_BRIEF, _brief(json.loads(asked)["request"]))])
    name, arguments, _ = next_call(Digest.model_validate_json(asked))
    return Answer(calls=[(name, arguments)])


def _brief(request: str) -> dict[str, Any]:
    try:
        brief = read_request(request)
    except RequestError as error:
        return {"skill": "", "task": "", "problems": error.problems}
    named = {**brief.targets.model_dump(), **brief.limits.model_dump()}
    if NO_DOLLARS in brief.assumptions:
        named["usd"] = None
    kept = {name: named[name] for name in WriteBrief.model_fields if name in named}
    return {"skill": brief.skill, "task": brief.task, **kept}


@contextmanager
def scripted_server(script: Script, *, port: int = 0) -> Generator[tuple[str, list[dict[str, Any]]]]:
    """The server's base URL and the requests it got, for the length of a `with` block. Port 0: any that is free."""
    requests: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append(request)
            try:
                answer = script(request)
            except IndexError:
                answer = Answer(status=500, body="the script is at its end")
            if answer.drop:
                self.close_connection = True
                return
            self._send(answer, streamed=bool(request.get("stream")))

        def _stream(self, answer: Answer) -> None:
            """The same answer as server-sent events, its text word by word."""
            whole = answer.document()
            message = whole["choices"][0]["message"]
            deltas: list[dict[str, Any]] = [{"content": f"{word} "} for word in answer.text.split()]
            if calls := message.get("tool_calls"):
                deltas.append({"tool_calls": [{"index": at, **call} for at, call in enumerate(calls)]})
            head = {**whole, "object": "chat.completion.chunk"}
            usage = head.pop("usage", None)
            chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
            chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": answer.finish_reason}]})
            if usage:
                chunks.append({**head, "choices": [], "usage": usage})
            lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
            self.send_response(answer.status)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write("".join([*lines, "data: [DONE]\n\n"]).encode())
            self.close_connection = True

        def _send(self, answer: Answer, *, streamed: bool = False) -> None:
            if streamed and answer.body is None:
                self._stream(answer)
                return
            body = (json.dumps(answer.document()) if answer.body is None else answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
