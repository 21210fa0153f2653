"""uvicorn as the serve job needs it: an open socket in, a call when ready, and a stop by signal that is a normal end."""

import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

GRACE_S = 0.7
"""How long answers being written may still take when the server is told to stop; then `on_stop` cancels them."""
KEEP_ALIVE_S = 75
"""How long a connection may be idle. uvicorn's 5 s is also when httpx and the openai client give theirs up: a request that meets the
closing is lost (1 of 15,634 under load)."""
CUT_S = 2
"""uvicorn's own patience, after which it cuts connections and logs a traceback for each."""


class _Server(uvicorn.Server):
    def __init__(
        self, app: ASGIApp, on_ready: Callable[[], None], on_stop: Callable[[], None], tls: tuple[Path, Path] | None
    ) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=CUT_S,
            timeout_keep_alive=KEEP_ALIVE_S,
            ssl_certfile=tls and tls[0],
            ssl_keyfile=tls and tls[1],
        )
        super().__init__(config)
        self._on_ready, self._on_stop = on_ready, on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_ready()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """uvicorn's own raises the signal again after its shutdown, so that the process dies of it."""
        previous = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            self.should_exit = True
            threading.Timer(GRACE_S, self._on_stop).start()


def serve(
    app: ASGIApp,
    listener: socket.socket,
    on_ready: Callable[[], None],
    on_stop: Callable[[], None],
    tls: tuple[Path, Path] | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT; must run on the main thread. `tls` is the files of a certificate and its key."""
    try:
        _Server(app, on_ready, on_stop, tls).run(sockets=[listener])
    finally:
        on_stop()
