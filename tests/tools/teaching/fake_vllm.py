"""A fake `vllm` program: a tiny server of chat completions that notes how it was called and how many it was asked at once.

It is run as a program of its own, `installed` puts it on PATH; it imports nothing of Stratos.
"""

import json
import os
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NOTES, MISHAP = "FAKE_VLLM_NOTES", "FAKE_VLLM_MISHAP"
"""Environment variables: the folder to write notes into, and what goes wrong ("start", or "third" at the third request)."""

SECONDS = 0.3
"""For one answer."""


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What a server wrote down of itself."""

    options: dict[str, str]
    pid: int
    asked: int
    most_at_once: int


def installed(folder: Path) -> str:
    """A value of PATH with the program in front."""
    program = folder / "bin" / "vllm"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{sys.executable}\nimport runpy\nrunpy.run_path({__file__!r}, run_name='__main__')\n")
    program.chmod(0o755)
    return f"{program.parent}{os.pathsep}{os.environ['PATH']}"


def notes(folder: Path) -> list[Notes]:
    """Those of all servers, in the order of their start."""
    paths = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_ctime)
    return [Notes(**json.loads(path.read_text())) for path in paths]


class _Server(ThreadingHTTPServer):
    request_queue_size = 256

    def __init__(self, options: dict[str, str]) -> None:
        super().__init__((options["--host"], int(options["--port"])), _Handler)
        self.options, self.lock = options, threading.Lock()
        self.asked = self.now = self.most = 0

    def note(self, change: int) -> None:
        with self.lock:
            self.now += change
            self.asked += change > 0
            self.most = max(self.most, self.now)
            found = Notes(options=self.options, pid=os.getpid(), asked=self.asked, most_at_once=self.most)
            path = Path(os.environ[NOTES]) / f"{os.getpid()}.json"
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps(vars(found)))
            partial.replace(path)
            if os.environ.get(MISHAP) == "third" and self.asked == 3:
                print("CUDA error: an illegal memory access", file=sys.stderr, flush=True)  # noqa: T201
                os._exit(3)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._say(200, {})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            self._say(401, {"error": {"message": "another key"}})
            return
        assert isinstance(self.server, _Server)
        self.server.note(+1)
        time.sleep(SECONDS)
        prompt = asked["messages"][0]["content"]
        text = f"{asked['model']} {asked['temperature']} {asked['seed']} {asked['max_tokens']} {prompt[:20]}\n#### 100"
        message = {"role": "assistant", "content": text}
        usage = {"prompt_tokens": len(prompt), "completion_tokens": 7}
        self.server.note(-1)
        self._say(200, {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage})

    def _say(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


if __name__ == "__main__":
    if os.environ.get(MISHAP) == "start":
        sys.exit("ValueError: no room for the cache")
    given = sys.argv[3:]
    _Server(dict(zip(given[::2], given[1::2], strict=True))).serve_forever()
