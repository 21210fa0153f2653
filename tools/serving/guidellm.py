"""Latency and throughput of an endpoint by GuideLLM, a load generator that is not ours; a program of its own environment.

Its figures stand beside those of `measuring`, by which plans are judged. Answers are asked for whole: as streams it asks for usage in
every chunk, which is vLLM's extension and not our server's, so that the time to the first token is not measured by it here.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ...state.errors import NotAvailable, ToolFailed
from ..jobs import process_environment

PROGRAM_VARIABLE = "STRATOS_GUIDELLM"
"""Of the environment: the program `guidellm`; unset: the one on the path."""
TIMEOUT_S = 3600.0
SAID = 1500
"""Characters of the end of what it printed that are shown."""


class LoadReport(BaseModel):
    """Requests of several clients at once, each sending its next when it has its answer."""

    model_config = ConfigDict(frozen=True)
    tool: str
    clients: int
    n: int
    failed: int
    seconds: float
    rps: float
    tokens_per_s: float
    p50_ms: float
    p95_ms: float


def program() -> str:
    """The path of the program. Raises NotAvailable."""
    found = shutil.which(os.environ.get(PROGRAM_VARIABLE) or "guidellm")
    if found is None:
        raise NotAvailable(
            "the load generator `guidellm` is not there: install it in an environment of its own (python -m venv load && "
            f"load/bin/pip install guidellm) and set {PROGRAM_VARIABLE} to load/bin/guidellm"
        )
    return found


def measure_load(
    base_url: str,
    key: str,
    model: str,
    tokenizer: Path,
    prompts: Sequence[str],
    *,
    clients: Sequence[int] = (1, 16),
    requests: int = 400,
    max_tokens: int | None = None,
) -> list[LoadReport]:
    """For each number of clients, `requests` requests, the prompts in turn; the model's own default of temperature. Raises
    NotAvailable, ToolFailed."""
    command = program()
    with tempfile.TemporaryDirectory(prefix="stratos-load-") as scratch:  # of mode 0700: the key is in the settings
        folder = Path(scratch)
        rows = islice(cycle(prompts), requests * len(clients))
        lines = "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in rows)
        (folder / "prompts.jsonl").write_text(lines, encoding="utf-8")
        spec: dict[str, Any] = {
            "backend": {
                "kind": "openai_http",
                "target": base_url.removesuffix("/v1"),
                "model": model,
                "api_key": key,
                "stream": False,
                "http2": False,
                "verify": False,  # it cannot be told of one certificate, and the endpoint is on this machine
                "max_tokens": max_tokens,
            },
            "profile": {"kind": "concurrent", "streams": list(clients)},
            "constraints": [{"kind": "max_requests", "count": requests}],
            "tokenizer": {"kind": "huggingface_auto", "model": str(tokenizer)},
            "data": [{"kind": "json_file", "path": str(folder / "prompts.jsonl")}],
            "outputs": [{"kind": "json", "path": str(folder / "found.json")}],
        }
        (folder / "settings.json").write_text(json.dumps({"spec": spec, "benchmarks": [{}]}), encoding="utf-8")
        _run([command, "run", "-c", str(folder / "settings.json"), "--disable-console"], folder)
        return list(reports(json.loads((folder / "found.json").read_text(encoding="utf-8"))))


def reports(document: Any) -> Iterator[LoadReport]:
    """What GuideLLM's JSON of version 2 says of each number of clients. Raises ToolFailed where nothing was answered."""
    tool = f"guidellm {document['metadata']['guidellm_version']}"
    for one in document["benchmarks"]:
        metrics, totals = one["metrics"], one["metrics"]["request_totals"]
        if not totals["successful"]:
            errors = [request["info"]["error"] for request in one["requests"]["errored"] or ()]
            raise ToolFailed(f"{tool} got no answer: {errors[0] if errors else 'it does not say why'}")
        latency_s = metrics["request_latency"]["successful"]["percentiles"]
        yield LoadReport(
            tool=tool,
            clients=one["config"]["strategy"]["streams"],
            n=totals["successful"],
            failed=totals["errored"],
            seconds=one["duration"],
            rps=metrics["requests_per_second"]["successful"]["mean"],
            tokens_per_s=metrics["output_tokens_per_second"]["successful"]["mean"],
            p50_ms=1000 * latency_s["p50"],
            p95_ms=1000 * latency_s["p95"],
        )


def _run(command: list[str], folder: Path) -> None:
    quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=process_environment(**quiet),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(f"guidellm was not done within {TIMEOUT_S:.0f} s") from error
    if done.returncode or not (folder / "found.json").is_file():
        said = (done.stderr + done.stdout).strip()[-SAID:]
        raise ToolFailed(f"guidellm ended with exit code {done.returncode}: {said}")
