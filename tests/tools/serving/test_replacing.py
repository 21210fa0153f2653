"""Replacing a version under load: nobody is refused, and what fails leaves the old one serving and nothing else running."""

import json
import threading
import time
from collections.abc import Generator
from pathlib import Path

import httpx
import openai
import psutil
import pytest
from stratos.evals.asking import asked_all_the_while
from stratos.state.errors import Correctable, ToolFailed
from stratos.tools.serving import processes
from stratos.tools.serving.deployments import Deployment, ask, get, start, stop
from stratos.tools.serving.job import read_key
from stratos.tools.serving.records import traffic
from stratos.tools.serving.replacing import replace, rollback
from stratos.tools.serving.smoke import SmokeTest, fewest_right, smoke
from stratos.tools.serving.starting import Place, Terms

from .conftest import made

PROMPT = "w1 w2"
NAME = "front"


@pytest.fixture(scope="module")
def other_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that answers otherwise."""
    return made(tmp_path_factory.mktemp("other"), endless=False, seed=5)


@pytest.fixture
def deployment(tmp_path: Path, model_dir: Path) -> Generator[Deployment]:
    yield start(tmp_path, NAME, model_dir, "run-1")
    stop(tmp_path, NAME)


def passing(least_right: int = 2, right: bool = True, most_p50_ms: float | None = None) -> SmokeTest:
    return SmokeTest(
        prompts=(PROMPT, "w3"),
        is_right=lambda prompt, answer: right,
        least_right=least_right,
        max_tokens=8,
        most_p50_ms=most_p50_ms,
    )


def servers(workspace: Path) -> list[psutil.Process]:
    return list(processes.strays(workspace / "deployments" / NAME / "servers"))


def test_clients_notice_nothing_of_a_replacement_and_a_rollback(
    tmp_path: Path, deployment: Deployment, other_dir: Path
) -> None:
    before = ask(tmp_path, NAME, PROMPT, max_tokens=8)
    with asked_all_the_while(deployment, PROMPT) as counts:
        new = replace(tmp_path, NAME, other_dir, "run-2", passing())
        after = ask(tmp_path, NAME, PROMPT, max_tokens=8)
        back = rollback(tmp_path, NAME, passing())
        time.sleep(0.3)
    assert counts.failures == {}
    assert before != after
    assert counts.answers[before] > 16
    assert counts.answers[after] > 16
    assert counts.streamed > 8
    assert set(counts.answers) == {before, after, "stream"}
    assert (new.version, back.version) == (2, 3)
    assert new.base_url == back.base_url == deployment.base_url
    assert read_key(back.api_key_file) == read_key(deployment.api_key_file)
    assert ask(tmp_path, NAME, PROMPT, max_tokens=8) == before
    assert [process.pid for process in servers(tmp_path)] == [back.pid]


@pytest.mark.parametrize(
    ("test", "why"),
    [
        (passing(right=False), "0 of 2 answers are right, at least 2 must be"),
        (passing(most_p50_ms=0.001), r"took more than \d+ ms"),
    ],
    ids=["wrong answers", "slow answers"],
)
def test_what_does_not_pass_never_answers_a_client(
    tmp_path: Path, deployment: Deployment, other_dir: Path, test: SmokeTest, why: str
) -> None:
    before = ask(tmp_path, NAME, PROMPT, max_tokens=8)
    with (
        asked_all_the_while(deployment, PROMPT, clients=4) as counts,
        pytest.raises(ToolFailed, match=f"version 1 goes on serving 'front'; the new one did not pass: .*{why}"),
    ):
        replace(tmp_path, NAME, other_dir, "run-2", test)
    assert counts.failures == {}
    assert set(counts.answers) == {before, "stream"}
    assert get(tmp_path, NAME) == deployment
    assert [process.pid for process in servers(tmp_path)] == [deployment.pid]


def test_a_version_that_breaks_as_soon_as_clients_ask_it_is_taken_back(
    tmp_path: Path, deployment: Deployment, other_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> str:
        raise ToolFailed("it did not answer")

    monkeypatch.setattr("stratos.tools.serving.replacing.health_check", broken)
    with pytest.raises(ToolFailed, match="goes on serving 'front'; the new one did not pass: it did not answer"):
        replace(tmp_path, NAME, other_dir, "run-2", passing())
    assert ask(tmp_path, NAME, PROMPT, max_tokens=8)
    found = traffic(get(tmp_path, NAME))
    assert found is not None
    assert found.version == 1


@pytest.mark.usefixtures("never_healthy_vllm")
def test_a_version_that_is_never_healthy_is_given_up_and_ended(
    tmp_path: Path, deployment: Deployment, other_dir: Path
) -> None:
    with pytest.raises(ToolFailed, match=r"(?s)goes on serving 'front'; .* did not start: .*not ready within 1.5 s"):
        replace(tmp_path, NAME, other_dir, "run-2", passing(), engine="vllm", ready_within_s=1.5)
    assert [process.pid for process in servers(tmp_path)] == [deployment.pid]
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(other_dir) in (p.info["cmdline"] or [])]
    assert (tmp_path / "deployments" / NAME / "failed.log").is_file()
    assert ask(tmp_path, NAME, PROMPT, max_tokens=8)


def test_a_stream_that_began_before_a_replacement_is_written_to_its_end(
    tmp_path: Path, endless_dir: Path, other_dir: Path
) -> None:
    made = start(tmp_path, NAME, endless_dir, "run-1")
    writing, answers_now = psutil.Process(made.pid), threading.Event()

    def say(text: str) -> None:
        if text.startswith("version 2 is started"):
            writing.suspend()  # however fast the old one writes, it is still at it when the new one takes over
        elif text == "version 2 answers now":
            answers_now.set()

    replacing = threading.Thread(
        target=replace, args=(tmp_path, NAME, other_dir, "run-2", passing()), kwargs={"say": say}
    )
    with openai.OpenAI(base_url=made.base_url, api_key=read_key(made.api_key_file), max_retries=0) as client:
        stream = client.chat.completions.create(
            model=NAME, messages=[{"role": "user", "content": "w1"}], stream=True, max_tokens=10_000
        )
        next(stream)
        replacing.start()
        answers_now.wait(120)
        time.sleep(0.5)
        found = traffic(get(tmp_path, NAME))
        writing.resume()
        chunks = list(stream)
    replacing.join()
    assert found is not None
    assert (found.version, found.versions[1].in_flight) == (2, 1)
    assert chunks[-1].choices[0].finish_reason == "length"
    assert not writing.is_running()
    assert get(tmp_path, NAME).version == 2
    stop(tmp_path, NAME)


def test_an_answer_whose_client_left_is_given_up(tmp_path: Path, endless_dir: Path) -> None:
    made = start(tmp_path, NAME, endless_dir, "run-1")
    headers = {"Authorization": f"Bearer {read_key(made.api_key_file)}"}
    body = {"model": NAME, "messages": [{"role": "user", "content": "w1"}], "max_tokens": 19_000}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{made.base_url}/chat/completions", headers=headers, json=body, timeout=0.3, trust_env=False)
    until = time.monotonic() + 5
    while httpx.get(made.base_url.replace("/v1", "/health"), trust_env=False).json()["running"]:
        assert time.monotonic() < until
        time.sleep(0.05)
    stop(tmp_path, NAME)


def test_the_front_asks_for_the_key_and_shows_nothing_else_of_its_server(deployment: Deployment) -> None:
    address = deployment.base_url.removesuffix("/v1")
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{address}/health").status_code == 200
        assert client.get(f"{address}/v1/models").status_code == 401
        assert client.put(f"{address}/front/route", json={}).status_code == 401
        client.headers["Authorization"] = f"Bearer {read_key(deployment.api_key_file)}"
        assert client.get(f"{address}/v1/models").json()["data"][0]["id"] == NAME
        assert client.get(f"{address}/front/state").status_code == 401
        assert client.get(f"{address}/metrics").status_code == 404


def test_a_connection_is_open_for_longer_than_clients_keep_theirs(deployment: Deployment) -> None:
    headers = {"Authorization": f"Bearer {read_key(deployment.api_key_file)}"}
    limits = httpx.Limits(max_connections=1, keepalive_expiry=None)
    with httpx.Client(headers=headers, limits=limits, trust_env=False) as client:
        ports: list[int] = []
        for wait_s in (0.0, 5.7):
            time.sleep(wait_s)
            stream = client.get(f"{deployment.base_url}/models").extensions["network_stream"]
            ports.append(stream.get_extra_info("client_addr")[1])
        assert ports[0] == ports[1]


def test_a_dead_server_is_told_as_such_by_its_front(tmp_path: Path, deployment: Deployment) -> None:
    psutil.Process(deployment.pid).kill()
    headers = {"Authorization": f"Bearer {read_key(deployment.api_key_file)}"}
    reply = httpx.get(f"{deployment.base_url}/models", headers=headers, trust_env=False)
    assert (reply.status_code, "no server answers" in reply.json()["error"]["message"]) == (502, True)
    assert get(tmp_path, NAME).status == "dead"


def test_what_goes_through_is_counted_by_version(tmp_path: Path, deployment: Deployment, other_dir: Path) -> None:
    for _ in range(3):
        ask(tmp_path, NAME, PROMPT, max_tokens=4)
    new = replace(tmp_path, NAME, other_dir, "run-2", passing())
    found = traffic(new)
    assert found is not None
    assert (found.version, found.versions[1].requests, found.versions[1].failed) == (2, 3, 0)
    assert found.versions[2].requests == 1
    assert found.versions[1].p50_ms
    assert new.smoke is not None
    assert (new.smoke.right, new.smoke.least_right) == (2, 2)


def test_only_what_runs_and_was_replaced_can_be_replaced(tmp_path: Path, model_dir: Path, other_dir: Path) -> None:
    with pytest.raises(Correctable, match="no deployment 'front'"):
        replace(tmp_path, NAME, other_dir, "run-2", passing())
    start(tmp_path, NAME, model_dir, "run-1")
    with pytest.raises(Correctable, match="serves that model already, as version 1"):
        replace(tmp_path, NAME, model_dir, "run-1", passing())
    with pytest.raises(Correctable, match="replaced nothing"):
        rollback(tmp_path, NAME, passing())
    stop(tmp_path, NAME)
    with pytest.raises(Correctable, match="is stopped"):
        replace(tmp_path, NAME, other_dir, "run-2", passing())


def test_the_paid_hours_and_their_price_stay_those_of_the_deployment(
    tmp_path: Path, model_dir: Path, other_dir: Path
) -> None:
    old = start(tmp_path, NAME, model_dir, "run-1", terms=Terms(hours=1.0, usd_per_hour=360.0))
    time.sleep(0.1)
    new = replace(tmp_path, NAME, other_dir, "run-2", passing())
    assert new.until == old.until
    assert new.usd_before >= 0.01
    stopped = stop(tmp_path, NAME)
    assert stopped.usd > new.usd_before
    assert get(tmp_path, NAME).usd == stopped.usd


def test_what_a_measured_share_asks_of_a_few_answers_is_what_chance_allows() -> None:
    assert fewest_right(0.97, 20) == 18  # 18: up to 97.2 %, 17: up to 94.8 %
    assert fewest_right(0.0, 20) == 0
    assert fewest_right(1.0, 20) == 20


def test_a_server_that_refuses_fails_its_smoke_evaluation_with_the_reason(deployment: Deployment) -> None:
    report = smoke(passing(least_right=0), deployment.base_url, "not the key", NAME)
    assert (report.failed, report.right, report.p50_ms) == (2, 0, None)
    assert "2 of 2 requests failed, the first with HTTPStatusError" in report.problems[0]


def certificate(folder: Path, days: int = 1) -> tuple[Path, Path]:
    """Signed by itself, for a name that is not this machine's."""
    import datetime

    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "models.example")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - datetime.timedelta(days=2))
    builder = builder.not_valid_after(now + datetime.timedelta(days=days))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("models.example")]), critical=False)
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    no_password = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(pem, form, no_password))
    return files


def test_an_endpoint_speaks_tls_with_a_certificate_of_its_own(tmp_path: Path, model_dir: Path, other_dir: Path) -> None:
    cert, key = certificate(tmp_path)
    made = start(tmp_path, NAME, model_dir, "run-1", place=Place(tls_certificate=cert, tls_key=key))
    assert made.base_url.startswith("https://")
    assert ask(tmp_path, NAME, PROMPT, max_tokens=4)
    assert replace(tmp_path, NAME, other_dir, "run-2", passing()).status == "ready"
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{made.base_url}/models", trust_env=False)
    assert get(tmp_path, NAME).status == "ready"
    assert json.loads((tmp_path / "deployments" / NAME / "deployment.json").read_text())["tls_certificate"]
    stop(tmp_path, NAME)
    with pytest.raises(Correctable, match="TLS needs both files"):
        start(tmp_path, NAME, model_dir, "run-1", place=Place(tls_certificate=cert))
    with pytest.raises(Correctable, match=r"key.pem' and .*cert.pem' are no certificate and its key, both as PEM"):
        start(tmp_path, NAME, model_dir, "run-1", place=Place(tls_certificate=key, tls_key=cert))
