"""The API key in front of an application: checked before anything of the request is read."""

import secrets

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .schemas import INVALID, error_body


class RequireKey:
    """Middleware: everything under a path needs the key."""

    def __init__(self, app: ASGIApp, api_key: str, under: str = "/v1") -> None:
        self.app, self.expected, self.under = app, f"Bearer {api_key}".encode(), under

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers 401, to one for a websocket too."""
        if scope["type"] != "lifespan" and scope["path"].startswith(self.under):
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not secrets.compare_digest(given, self.expected):
                await _unauthorized(given)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _unauthorized(given: bytes) -> Response:
    message = "Incorrect API key provided." if given else "You didn't provide an API key (Authorization: Bearer KEY)."
    body = error_body(message, kind=INVALID, code="invalid_api_key")
    return JSONResponse(body, 401, {"WWW-Authenticate": "Bearer"})
