"""`python -m stratos.tools.serving.front_job DIR/job.json`: the front's process; and how a deployment's owner speaks with it."""

import os
import re
import signal
import ssl
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ...state.errors import ToolFailed
from ..jobs import main, write_atomic
from .job import ENDPOINT_FILE, Address, ServerJob, listen, read_key, stop_with_stdin, url_host

MODULE = f"{__package__}.front_job"
OWNER_KEY_FILE, CERTIFICATE_FILE = "owner_key", "certificate.pem"
ASK_S = 10.0
CERTIFICATE = re.compile(r"-----BEGIN (?:X509 )?CERTIFICATE-----.+?-----END (?:X509 )?CERTIFICATE-----", re.DOTALL)
NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h, which `ssl` does not name."""


class FrontJob(ServerJob):
    """Where the front listens; `owner_key_file` holds the key of whoever may route it, of mode 0600."""

    owner_key_file: Path
    tls_certificate: Path | None = Field(default=None, description="PEM file; null: plain HTTP")
    tls_key: Path | None = None


class VersionTraffic(BaseModel):
    """Of one version, as its clients saw it: times are of whole answers, of at most the newest thousand."""

    model_config = ConfigDict(frozen=True)
    in_flight: int
    requests: int
    failed: int
    sent_again: int = Field(
        default=0, description="on a new connection, because the server had closed the one that was kept"
    )
    p50_ms: float | None
    p95_ms: float | None


class FrontState(BaseModel):
    """The version routed to, and what each one carried since the front began."""

    model_config = ConfigDict(frozen=True)
    version: int | None
    versions: dict[int, VersionTraffic]


def run(job: FrontJob, folder: Path) -> Mapping[str, object]:
    """Serves until SIGTERM or SIGINT, or the moment told with a route."""
    from .api_key import RequireKey
    from .asgi import serve
    from .front import Front, create_front

    listener = listen(job.host, job.port)
    port = listener.getsockname()[1]
    if job.stop_with_stdin:
        stop_with_stdin()
    app = RequireKey(create_front(Front(), _ender()), read_key(job.owner_key_file), under="/front")
    guarded = RequireKey(app, read_key(job.api_key_file))
    tls = (job.tls_certificate, job.tls_key) if job.tls_certificate and job.tls_key else None
    scheme = "https" if tls else "http"
    address = Address(base_url=f"{scheme}://{url_host(job.host)}:{port}/v1", pid=os.getpid(), started_at=time.time())
    try:
        serve(
            guarded,
            listener,
            lambda: write_atomic(folder / ENDPOINT_FILE, address.model_dump_json()),
            lambda: None,
            tls,
        )
    finally:
        (folder / ENDPOINT_FILE).unlink(missing_ok=True)
    return {"stopped_at": time.time()}


def _ender() -> Any:
    """Ends this process at a moment that may be told anew."""
    timers: list[threading.Timer] = []

    def end_at(moment: float | None) -> None:
        while timers:
            timers.pop().cancel()
        if moment is not None:
            timer = threading.Timer(max(moment - time.time(), 0.0), os.kill, (os.getpid(), signal.SIGTERM))
            timer.daemon = True
            timer.start()
            timers.append(timer)

    return end_at


def certificates_in(path: Path) -> list[str]:
    """The certificates of a PEM file, the server's own first, and no key that may stand beside them. Raises OSError, of which
    ssl.SSLError is one."""
    if found := CERTIFICATE.findall(path.read_text(encoding="utf-8", errors="replace")):
        return found
    raise ssl.SSLError(f"no certificate is in {str(path)!r}")


def trusting(certificate: Path | None) -> ssl.SSLContext | bool:
    """How a client on this machine trusts a front with a certificate of its own: that very one, whatever name is in it and whether or
    not its time is over, which is for clients elsewhere to judge. Raises OSError where the file cannot be read."""
    if certificate is None:
        return True
    context = ssl.create_default_context(cadata=certificates_in(certificate)[0])
    context.check_hostname = False  # it is asked at an address of this machine, the certificate is for its name outside
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(NO_CHECK_TIME)
    return context


def route(base_url: str, owner_key: str, target: Mapping[str, object], certificate: Path | None = None) -> None:
    """Sends what arrives from now on to another version. Raises ToolFailed."""
    _ask("PUT", base_url, "route", owner_key, certificate, dict(target))


def state(base_url: str, owner_key: str, certificate: Path | None = None) -> FrontState:
    """What the front has carried. Raises ToolFailed."""
    return FrontState.model_validate(_ask("GET", base_url, "state", owner_key, certificate, None))


def _ask(method: str, base_url: str, what: str, key: str, certificate: Path | None, body: object) -> Any:
    import httpx

    url = f"{base_url.removesuffix('/v1')}/front/{what}"
    try:
        with httpx.Client(verify=trusting(certificate), timeout=ASK_S, trust_env=False) as client:
            reply = client.request(method, url, headers={"Authorization": f"Bearer {key}"}, json=body)
            reply.raise_for_status()
            return reply.json()
    except (httpx.HTTPError, OSError) as error:
        raise ToolFailed(f"the front at {base_url} does not do as it is told: {error}") from error


if __name__ == "__main__":
    main(FrontJob, run)
    sys.stdout.flush()
    os._exit(0)
