"""gpuhunt's catalogue files, read and fetched through the package where it is installed."""

import importlib.util
import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from stratos.state.errors import NotAvailable
from stratos.tools.pricing.configured import FETCHED_FOLDER, configured_sources
from stratos.tools.pricing.gpuhunt_files import GpuhuntFiles
from stratos.tools.pricing.refresh import FETCH_MODULE, fetch_all

from .files import looked_up, problems

INSTALLED = importlib.util.find_spec("gpuhunt") is not None
needs_gpuhunt = pytest.mark.skipif(not INSTALLED, reason="needs the package gpuhunt")
HEADER = "instance_name,location,price,cpu,memory,gpu_count,gpu_name,gpu_memory,spot,disk_size,gpu_vendor,flags,cpu_arch,provider_data"
ROWS = (
    "p5.48xlarge,us-east-1,55.04,192,2048,8,H100,80,False,,nvidia,,x86,{}",
    "p5.48xlarge,us-east-1,21.5,192,2048,8,H100,80,True,,nvidia,,x86,{}",
    "m5.large,us-east-1,0.096,2,8,0,,,False,,,,x86,{}",
    'a3-booked,us-east-1,9,26,234,1,H100,80,False,,nvidia,,x86,"{""is_dws_calendar_mode"": true}"',
)


def catalogue(folder: Path, *rows: str, provider: str = "aws") -> GpuhuntFiles:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{provider}.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return GpuhuntFiles(path=folder)


@pytest.mark.skipif(INSTALLED, reason="needs the package gpuhunt to be absent")
def test_without_the_package_the_error_names_the_extra(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"pip install 'stratos-slm\[gpuhunt\]'"):
        looked_up(tmp_path, [catalogue(tmp_path / "catalogue", *ROWS)])


@needs_gpuhunt
def test_ways_to_pay_for_one_server_are_one_offer(tmp_path: Path) -> None:
    found = {one.instance_type: one for one in looked_up(tmp_path, [catalogue(tmp_path / "catalogue", *ROWS)]).offers}
    server = found["p5.48xlarge"]
    assert (server.usd_per_hour, server.spot_usd_per_hour, server.accelerator) == (55.04, 21.5, "H100-80GB-SXM")
    assert (server.accelerator_count, server.vcpus, server.memory_gib, server.doubts) == (8, 192, 2048, ())
    assert (found["m5.large"].accelerator, found["m5.large"].doubts) == (None, ())
    assert found["a3-booked"].doubts == ("capacity that must be booked for given days in advance",)


@needs_gpuhunt
def test_lines_that_gpuhunt_cannot_read_are_told_and_nothing_is_taken(tmp_path: Path) -> None:
    said = problems(catalogue(tmp_path / "catalogue", *ROWS, ROWS[0].replace("55.04", "dear")), tmp_path)
    assert "aws.csv: 1 lines are no offers gpuhunt can read" in said


@needs_gpuhunt
def test_a_provider_that_gpuhunt_reads_from_no_file_is_told_of(tmp_path: Path) -> None:
    catalogue(tmp_path / "catalogue", *ROWS)
    found = looked_up(tmp_path, [catalogue(tmp_path / "catalogue", ROWS[0], provider="vastai")])
    assert any("vastai.csv is left out" in remark for remark in found.remarks)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """gpuhunt's bucket on this machine, with one provider."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("aws.csv", "\n".join([HEADER, *ROWS]))
    pages = {"/aws/version": b"20261123-1", "/aws/20261123-1/catalog.zip": packed.getvalue()}

    class Bucket(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path)
            self.send_response(200 if page else 404)
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Bucket) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("GPUHUNT_CATALOG_URL", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


@needs_gpuhunt
@pytest.mark.usefixtures("published")
def test_what_was_fetched_is_used_from_the_workspace(tmp_path: Path) -> None:
    (fetched,) = fetch_all(tmp_path, sky="no-such-sky")
    assert (fetched.program, fetched.ok) == ("gpuhunt", True)
    (source,) = configured_sources(tmp_path, {})
    found = looked_up(tmp_path, [source]).offers
    assert {one.usd_per_hour for one in found} == {55.04, 0.096, 9.0}


@needs_gpuhunt
def test_without_a_network_the_old_files_stay_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUHUNT_CATALOG_URL", "http://127.0.0.1:9")
    catalogue(tmp_path / FETCHED_FOLDER, *ROWS)
    before = (tmp_path / FETCHED_FOLDER / "aws.csv").read_bytes()
    (fetched,) = fetch_all(tmp_path, sky="no-such-sky")
    assert not fetched.ok
    assert "nothing could be fetched, the old prices stay" in fetched.said
    assert (tmp_path / FETCHED_FOLDER / "aws.csv").read_bytes() == before


@pytest.mark.skipif(INSTALLED, reason="needs the package gpuhunt to be absent")
def test_the_program_that_fetches_says_what_it_lacks(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", FETCH_MODULE, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "stratos-slm[gpuhunt]" in done.stderr) == (1, True)
