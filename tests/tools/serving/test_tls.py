"""An endpoint's certificate: read from anywhere, renewed while its front runs, over, gone, or none at all."""

from pathlib import Path

import pytest
from stratos.state.errors import ToolFailed
from stratos.tools.serving.client import chat, healthy
from stratos.tools.serving.deployments import get, listing, start, stop
from stratos.tools.serving.front_job import CERTIFICATE_FILE, certificates_in
from stratos.tools.serving.records import route_to, traffic
from stratos.tools.serving.starting import Place

from .test_replacing import certificate

NAME = "secure"


@pytest.mark.usefixtures("fake_vllm")
def test_a_certificate_renewed_in_place_leaves_its_running_front_known(tmp_path: Path, model_dir: Path) -> None:
    cert, key = certificate(tmp_path)
    made = start(tmp_path, NAME, model_dir, "run-1", engine="vllm", place=Place(tls_certificate=cert, tls_key=key))
    certificate(tmp_path)
    renewed = get(tmp_path, NAME)
    assert (renewed.status, renewed.tls_certificate) == ("ready", cert)
    route_to(renewed)
    assert traffic(renewed) is not None
    assert not healthy(made.base_url, cert)
    stop(tmp_path, NAME)


@pytest.mark.usefixtures("fake_vllm")
def test_a_certificate_that_cannot_be_read_keeps_nobody_from_listing_and_stopping(
    tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate(tmp_path)
    monkeypatch.chdir(tmp_path)
    place = Place(tls_certificate=Path(cert.name), tls_key=Path(key.name))
    made = start(tmp_path, NAME, model_dir, "run-1", engine="vllm", place=place)
    monkeypatch.chdir("/")
    assert (made.tls_certificate, made.tls_key) == (cert, key)
    cert.unlink()
    assert get(tmp_path, NAME).status == "ready"
    made.api_key_file.with_name(CERTIFICATE_FILE).unlink()  # as of a front of before that was kept
    assert [one.status for one in listing(tmp_path)] == ["dead"]
    assert traffic(made) is None
    with pytest.raises(ToolFailed, match=r"the front at https://.* does not do as it is told: .*No such file"):
        route_to(made)
    with pytest.raises(ToolFailed, match=r"the certificate of https://.* cannot be read: .*No such file"):
        chat(made.base_url, "key", NAME, "w1", certificate=cert)
    assert stop(tmp_path, NAME).status == "stopped"


@pytest.mark.usefixtures("fake_vllm")
def test_a_certificate_whose_time_is_over_is_for_clients_to_judge(tmp_path: Path, model_dir: Path) -> None:
    cert, key = certificate(tmp_path, days=-1)
    made = start(tmp_path, NAME, model_dir, "run-1", engine="vllm", place=Place(tls_certificate=cert, tls_key=key))
    assert get(tmp_path, NAME).status == "ready"
    (tmp_path / "other").mkdir()
    another, _ = certificate(tmp_path / "other")
    assert not healthy(made.base_url, another)
    stop(tmp_path, NAME)


@pytest.mark.usefixtures("fake_vllm")
def test_a_front_keeps_no_copy_of_a_key_that_stands_beside_its_certificate(tmp_path: Path, model_dir: Path) -> None:
    cert, key = certificate(tmp_path)
    both = tmp_path / "both.pem"
    both.write_text(key.read_text() + cert.read_text())
    made = start(tmp_path, NAME, model_dir, "run-1", engine="vllm", place=Place(tls_certificate=both, tls_key=both))
    kept = made.api_key_file.with_name(CERTIFICATE_FILE)
    assert made.trusted_certificate == kept
    assert "PRIVATE KEY" not in kept.read_text()
    assert certificates_in(kept) == certificates_in(cert)
    stop(tmp_path, NAME)
