"""Sites on machines of their own: their keys, the server's certificates, what is refused, and what is done where the model is."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from stratos.agent.cli import app
from stratos.agent.export_sites import export_sites
from stratos.agent.recorded_sites import model_folder
from stratos.state.brief import Brief, DataSource, Limits, Sites, Targets
from stratos.state.canonical import Row
from stratos.state.errors import Correctable
from stratos.state.evidence import wilson
from stratos.state.sites import SiteChoice, SiteResult, SitesAttempt, SitesPlan
from stratos.state.workspace import Workspace
from stratos.tools.sites.checking import wrong_with_sites
from stratos.tools.sites.engines.flower import Door
from stratos.tools.sites.engines.keys import CA_FILE, CERTIFICATE_FILE, make_certificates, make_site_key
from stratos.tools.weights import weights_sha256
from typer.testing import CliRunner

pytest.importorskip("flwr")


def joined(*names: str, **changes: Any) -> dict[str, Any]:
    each = [{"name": name, "key": f"{name}.pub"} for name in names]
    return {"each": each, "address": "cloud.example:9092", "certificates": "server", **changes}


def test_a_site_is_here_or_joins_and_who_joins_needs_a_door() -> None:
    with pytest.raises(ValueError, match="site a names neither data nor a key; site b names data and a key"):
        Sites.model_validate([{"name": "a"}, {"name": "b", "data": "b.csv", "key": "b.pub"}])
    with pytest.raises(ValueError, match=r"sites that join \(a\) need address and certificates under `sites`"):
        Sites.model_validate([{"name": "a", "key": "a.pub"}])
    with pytest.raises(ValueError, match=r"sites that join \(a\) need engine: flower, not here"):
        Sites.model_validate(joined("a", engine="here"))
    with pytest.raises(ValueError, match="String should match pattern"):
        Sites.model_validate(joined("a", address="no port"))


def test_paths_are_kept_as_they_are_from_here() -> None:
    sites = Sites.model_validate(joined("a")).absolute()
    assert (sites.each[0].key, sites.certificates) == (str(Path("a.pub").absolute()), str(Path("server").absolute()))
    assert sites.each[0].data is None


def test_everything_wrong_with_keys_and_certificates_is_told_at_once(tmp_path: Path) -> None:
    _, public = make_site_key(tmp_path, "a")
    shutil.copy(public, tmp_path / "b.pub")
    (tmp_path / "c.pub").write_text("no key")
    sites = joined("a", "b", "c", "d", certificates=str(tmp_path / "server"))
    for site in sites["each"]:
        site["key"] = str(tmp_path / site["key"])
    brief = Brief(
        request="a model for each",
        skill="intents",
        task="answer",
        data=DataSource(path="public.csv"),
        sites=Sites.model_validate(sites),
        targets=Targets(),
        limits=Limits(usd=0),
    )
    said = "\n".join(wrong_with_sites(brief))
    assert "site b: its key is that of site a" in said
    assert "c.pub is no public key" in said
    assert "site d: its key" in said
    assert "has no ca.pem, server.pem, server.key; `stratos site authority HOST` makes them" in said
    make_certificates(tmp_path / "server", "cloud.example")
    assert "ca.pem" not in "\n".join(wrong_with_sites(brief))


def test_a_server_is_certified_by_its_name_and_listens_where_others_reach_it(tmp_path: Path) -> None:
    make_certificates(tmp_path, "cloud.example")
    certificate = x509.load_pem_x509_certificate((tmp_path / CERTIFICATE_FILE).read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["cloud.example", "localhost"]
    hosts = {
        address: Door(address=f"{address}:1", certificates=tmp_path, keys={}).listens_on
        for address in ("127.0.0.1", "10.1.2.3", "cloud.example")
    }
    assert hosts == {"127.0.0.1": "127.0.0.1", "10.1.2.3": "0.0.0.0", "cloud.example": "0.0.0.0"}


def test_keys_and_certificates_are_made_once(tmp_path: Path) -> None:
    run, folder = CliRunner().invoke, str(tmp_path / "kept")
    made = run(app, ["site", "key", "london", "--folder", folder, "--json"])
    paths = {name: Path(path) for name, path in json.loads(made.stdout).items()}
    assert paths["private"].stat().st_mode & 0o077 == 0
    before = paths["private"].read_bytes()
    assert run(app, ["site", "key", "london", "--folder", folder]).exit_code == 2
    assert paths["private"].read_bytes() == before
    assert run(app, ["site", "key", "../london"]).exit_code == 2
    assert run(app, ["site", "authority", "10.1.2.3", "--folder", folder]).exit_code == 0
    again = run(app, ["site", "authority", "10.1.2.3", "--folder", folder])
    assert (again.exit_code, f"{CA_FILE} is there already" in again.output) == (2, True)


def test_a_site_that_cannot_join_says_everything_that_is_missing(tmp_path: Path) -> None:
    said = ["site", "join", "london", "--data", str(tmp_path / "none.csv"), "--server", "127.0.0.1"]
    found = CliRunner().invoke(app, [*said, "--authority", str(tmp_path / "ca.pem"), "--folder", str(tmp_path)])
    assert found.exit_code == 2
    for words in (
        "none.csv cannot be opened",
        "`stratos site key london` makes it",
        "ca.pem is no file",
        "'127.0.0.1' is no HOST:PORT",
    ):
        assert words in found.output


def test_a_model_on_its_own_machine_is_neither_asked_nor_exported_here(tmp_path: Path) -> None:
    share = wilson(9, 10)
    away = SiteResult(site="away", validation=share, test=share, bytes=10, weights_sha256="0" * 64)
    with pytest.raises(Correctable, match="the model of site away is on its own machine"):
        model_folder(Workspace(tmp_path), "run", away)
    choice = SiteChoice(
        site="away", cut="w1-d1", width=1, depth=1, sent_width=1, by="accuracy", tune_epochs=1, reason=""
    )
    attempt = SitesAttempt(
        number=1,
        plan=SitesPlan(number=1, choices=(choice,), without=(), reason=""),
        results=(away,),
        left_out=(),
        distances=(),
        seconds=1,
    )
    row = Row("run", 1, "effect", "tool customize", "{}", "{}", "2026-01-01", 0.0, "", "head")
    with pytest.raises(Correctable, match="no model of run run is here"):
        export_sites(Workspace(tmp_path), [row], attempt, tmp_path / "out", "1")
    here = _stored(tmp_path)
    both = attempt.model_copy(
        update={
            "results": (away, here),
            "plan": attempt.plan.model_copy(update={"choices": (choice, choice.model_copy(update={"site": "here"}))}),
        }
    )
    written = export_sites(Workspace(tmp_path), [row], both, tmp_path / "out", "1")
    assert (written.sites, written.without) == (("here",), ("away",))
    assert "90.0% of 10, on its own machine" in (tmp_path / "out" / "README.md").read_text()
    found = CliRunner().invoke(app, ["site", "ask", "where?", "--folder", str(tmp_path)])
    assert (found.exit_code, "holds no model of a site" in found.output) == (2, True)


def _stored(at: Path) -> SiteResult:
    """A site whose model is on this machine, as a run leaves it."""
    folder = Workspace(at).run_folder("run") / "model"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    about: dict[str, Any] = {"names": ["a", "b"], "header": {"blocks": [], "pool": "mean"}, "max_tokens": 64}
    (folder / "site.json").write_text(json.dumps(about))
    return SiteResult(site="here", test=wilson(9, 10), bytes=10, folder="model", weights_sha256=weights_sha256(folder))
