"""Fixtures of the serving tests: checkpoints, an engine, a running server and a client."""

import sys
from collections.abc import Generator
from pathlib import Path

import openai
import pytest
from stratos.tests.tools.serving import tiny_model
from stratos.tools.serving.conversion import converted
from stratos.tools.serving.deployments import TemporaryServer, temporary_server
from stratos.tools.serving.engine import Engine, open_engine

FAKE = """#!{python}
import http.server, json, os, sys
with open({record!r}, "w") as file:
    json.dump([sys.argv[1:], os.environ["VLLM_API_KEY"]], file)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer((sys.argv[sys.argv.index("--host") + 1], int(sys.argv[sys.argv.index("--port") + 1])),
                       Handler).serve_forever()
"""


def made(folder: Path, *, endless: bool, seed: int = 0) -> Path:
    """Converted here, where torch is loaded anyway, so that no server has to."""
    tiny_model.make(folder, endless=endless, seed=seed)
    converted(folder)
    return folder


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers of this model end by themselves now and then."""
    return made(tmp_path_factory.mktemp("model"), endless=False)


@pytest.fixture(scope="session")
def endless_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers of this model end only where they are made to."""
    return made(tmp_path_factory.mktemp("endless"), endless=True)


@pytest.fixture(scope="session")
def engine(model_dir: Path) -> Engine:
    return open_engine(model_dir)


@pytest.fixture(scope="session")
def endless(endless_dir: Path) -> Engine:
    return open_engine(endless_dir)


@pytest.fixture(scope="session")
def server(endless_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[TemporaryServer]:
    with temporary_server(endless_dir, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def client(server: TemporaryServer) -> Generator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key=server.api_key, max_retries=0) as asking:
        yield asking


@pytest.fixture
def fake_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called vllm on PATH that notes how it was called and is healthy."""
    record, program = tmp_path / "called.json", tmp_path / "bin" / "vllm"
    program.parent.mkdir()
    program.write_text(FAKE.format(python=sys.executable, record=str(record)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return record


@pytest.fixture
def never_healthy_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called vllm that starts and never answers."""
    program = tmp_path / "bin" / "vllm"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(600)\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program
