"""Runs over many sites, from the files to each site's model: real trainings of a tiny family, in one process."""

import csv
import importlib.util
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stratos.agent import session
from stratos.agent.asking_site import ask_site
from stratos.agent.audit_page.render import page
from stratos.agent.cli import app
from stratos.agent.recorded_sites import last_attempt
from stratos.agent.session import replay
from stratos.state.brief import Brief, DataSource, Limits, Sites, SiteSource, Targets
from stratos.state.errors import ApprovalNeeded, Correctable, JournalError
from stratos.state.evidence import Outcome
from stratos.state.journal import Journal
from stratos.state.sites import SitesAttempt
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings
from stratos.tools.sites.checking import wrong_with_sites
from typer.testing import CliRunner

WORDS = {"bank": "money loan", "farm": "cow field", "sea": "wave ship", "sky": "cloud bird", "road": "car wheel"}
OWN = {"north": ("bank", "farm", "sea"), "south": ("sea", "sky"), "west": ("road", "bank")}
TINY = {"hidden": 16, "layers": 2, "vocabulary": 300, "epochs": 12, "cut_steps": 40, "fit_epochs": 6, "tune_epochs": 4}


def rows(labels: tuple[str, ...], count: int, seed: int) -> list[tuple[str, str]]:
    drawn, filler = random.Random(seed), ("the", "a", "very", "old", "new", "and", "of")
    made: list[tuple[str, str]] = []
    for number in range(count):
        label = labels[number % len(labels)]
        words = [*drawn.choices(filler, k=4), drawn.choice(WORDS[label].split()), str(drawn.randrange(10_000))]
        drawn.shuffle(words)
        made.append((" ".join(words), label))
    return made


def write(path: Path, given: list[tuple[str, str]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *given])
    return str(path)


def brief(folder: Path, accuracy: float | None = 0.7, usd: float = 0.0, **changes: Any) -> Brief:
    each = [
        {"name": name, "data": write(folder / f"{name}.csv", rows(labels, 120, number))}
        for number, (name, labels) in enumerate(OWN.items(), 1)
    ]
    return Brief(
        request="a model for each branch",
        skill="intents",
        task="answer",
        data=DataSource(path=write(folder / "public.csv", rows(tuple(WORDS), 200, 0))),
        sites=Sites.model_validate({"each": each, "engine": "here", "family": TINY, **changes}),
        targets=Targets(accuracy=accuracy, accuracy_rule="point_estimate"),
        limits=Limits(usd=usd),
    )


def at_site(given: Brief, name: str, **changes: Any) -> Brief:
    assert given.sites is not None
    each = tuple(site.model_copy(update=changes) if site.name == name else site for site in given.sites.each)
    return given.model_copy(update={"sites": given.sites.model_copy(update={"each": each})})


def started(given: Brief, at: Path, **settings: Any) -> Outcome:
    return session.start(
        given.request, brief=given, workspace=Workspace(at), settings=Settings(seed=1, held_out_items=30, **settings)
    )


def attempts_of(at: Path, run_id: str) -> list[SitesAttempt]:
    found = [row.output["attempt"] for row in Journal(Workspace(at)).rows(run_id) if row.name == "tool customize"]
    return [SitesAttempt.model_validate(one) for one in found]


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The workspace and the run of a brief that was met."""
    folder = tmp_path_factory.mktemp("sites")
    outcome = started(brief(folder), folder / "at")
    assert outcome.status == "met", outcome.reason
    return folder / "at", outcome.run_id


def test_each_site_gets_a_model_from_data_that_stay_there(met: tuple[Path, str]) -> None:
    at, run_id = met
    (attempt,) = attempts_of(at, run_id)
    assert [result.site for result in attempt.results] == list(OWN)
    for result in attempt.results:
        assert result.test is not None
        assert result.alone_test is not None
        assert (result.examples, result.test.n, result.test.value > 0.6) == (84, 18, True)
        assert 0 < result.up_bytes < result.down_bytes
    assert attempt.central_bytes is not None
    letters = b"".join(path.read_bytes() for path in (at / "runs" / run_id).glob("*customize/loop/letters/*/*"))
    assert letters
    for name, labels in OWN.items():
        for text, _ in rows(labels, 120, list(OWN).index(name) + 1):
            assert text.encode() not in letters
    assert replay(run_id, workspace=Workspace(at)).identical


def test_a_site_answers_and_is_exported_for_any_tool(met: tuple[Path, str], tmp_path: Path) -> None:
    at, run_id = met
    said = ask_site(Workspace(at), "south", "a very old ship of the 77")
    assert (said["answer"], said["run"]) == ("sea", run_id)
    with pytest.raises(Correctable, match="no site 'east'; there are: north, south, west"):
        ask_site(Workspace(at), "east", "x", run_id)
    with pytest.raises(Correctable, match=f"for a site 'east'; run {run_id} has: north, south, west"):
        ask_site(Workspace(at), "east", "x")
    result = CliRunner().invoke(
        app, ["export", run_id, str(tmp_path / "out"), "--model", "--json", "--workspace", str(at)]
    )
    assert json.loads(result.stdout)["sites"] == list(OWN)
    page_of_site = (tmp_path / "out" / "south" / "README.md").read_text(encoding="utf-8")
    code = page_of_site.split("```python\n")[1].split("```")[0] + '\nprint(answer("a very old ship of the 77"))'
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "out", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "sea"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is an optional part")
def test_flowers_simulation_gives_the_sites_what_one_process_does(met: tuple[Path, str], tmp_path: Path) -> None:
    at, run_id = met
    outcome = started(brief(tmp_path, engine="simulation"), tmp_path / "at")
    assert outcome.status == "met", outcome.reason
    simulated, here = attempts_of(tmp_path / "at", outcome.run_id), attempts_of(at, run_id)
    assert [[result.test for result in attempt.results] for attempt in simulated] == [
        [result.test for result in attempt.results] for attempt in here
    ]
    assert simulated[0].wire_bytes
    assert replay(outcome.run_id, workspace=Workspace(tmp_path / "at")).identical


def test_weights_that_were_changed_are_not_asked(met: tuple[Path, str]) -> None:
    at, run_id = met
    attempt = last_attempt(Journal(Workspace(at)).rows(run_id))
    assert attempt is not None
    weights = at / "runs" / run_id / attempt.results[2].folder / "model.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(JournalError, match="is not the model that was measured"):
        ask_site(Workspace(at), "west", "the car")
    weights.write_bytes(kept)


def test_the_audit_page_draws_the_front_the_distances_and_the_bytes(met: tuple[Path, str]) -> None:
    at, run_id = met
    html = page(Journal(Workspace(at)).rows(run_id), "1")
    assert "What became of each site, attempt 1" in html
    assert html.count("<rect") == 9 + 2 * 3
    assert "Size against accuracy of 8 sizes" in html
    assert "3, whose data stay there: north, south, west" in html
    assert "north and south: " in html


def test_a_site_that_can_hold_nothing_is_named_and_the_others_get_theirs(tmp_path: Path) -> None:
    outcome = started(at_site(brief(tmp_path), "north", max_mib=0.001), tmp_path / "at")
    assert outcome.status == "missed"
    assert "1 of 3 sites have no model: north" in outcome.reason
    (attempt,) = attempts_of(tmp_path / "at", outcome.run_id)
    north = next(result for result in attempt.results if result.site == "north")
    assert north.failed.startswith("none of 8 cuts fits a site with at most 1,048 bytes: the smallest, w0.25-d0.5, has")
    assert all(result.test for result in attempt.results if result.site != "north")


def test_where_no_site_can_hold_anything_nothing_is_sent(tmp_path: Path) -> None:
    given = brief(tmp_path)
    for name in OWN:
        given = at_site(given, name, max_latency_ms=1e-6)
    outcome = started(given, tmp_path / "at")
    assert (outcome.status, "no site can hold any size: north: none of 8" in outcome.reason) == ("infeasible", True)


def test_a_miss_is_tried_again_with_the_most_accurate_and_then_told(tmp_path: Path) -> None:
    given = brief(tmp_path, accuracy=1.0, judged="each", control=False)
    # A third of north's labels are wrong: no model can be right on them.
    noisy = [(text, ("bank", "farm", "sea")[number % 3]) for number, (text, _) in enumerate(rows(OWN["north"], 120, 5))]
    random.Random(0).shuffle(noisy)
    write(
        tmp_path / "north.csv",
        [(text, label) for (text, _), (_, label) in zip(rows(OWN["north"], 120, 1), noisy, strict=True)],
    )
    outcome = started(given, tmp_path / "at")
    assert outcome.status == "missed"
    first, second = attempts_of(tmp_path / "at", outcome.run_id)
    choices = [{one.site: (one.by, one.tune_epochs) for one in attempt.plan.choices} for attempt in (first, second)]
    assert (choices[0]["north"], choices[1]["north"]) == (("trade_off", 4), ("accuracy", 8))
    assert "missed on the sites' test examples (accuracy: north" in outcome.reason
    assert replay(outcome.run_id, workspace=Workspace(tmp_path / "at")).identical


def test_everything_that_is_wrong_with_the_sites_is_told_at_once(tmp_path: Path) -> None:
    given = at_site(brief(tmp_path), "north", data=str(tmp_path / "nowhere.csv"))
    write(tmp_path / "west.csv", [("only one label", "bank")] * 9)
    given = given.model_copy(update={"data": None, "student": "x", "targets": Targets(throughput_rps=3)})
    outcome = started(given, tmp_path / "at")
    assert outcome.status == "refused"
    for said in (
        "is no folder with a checkpoint in Hugging Face format",
        "targets.throughput_rps cannot be held",
        "sites need public examples too",
        "site north: ",
        "nowhere.csv cannot be opened: No such file",
        "1 label, at least two are needed",
    ):
        assert said in outcome.reason


def test_a_target_that_the_examples_could_never_show_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    given = brief(tmp_path, judged="each")
    sure = given.model_copy(update={"targets": Targets(accuracy=0.95)})
    refused = started(sure, tmp_path / "at")
    assert refused.status == "refused"
    said = (
        "the target of 95.0% right can never be shown at north (and 2 more): of the 18 examples that judge it, all right would show no "
        "more than 82.4%. Give 73 such examples or `judged: together` or a lower target"
    )
    assert said in refused.reason, refused.reason
    assert wrong_with_sites(sure.model_copy(update={"targets": Targets(accuracy=0.8)})) == []
    assert (
        wrong_with_sites(given.model_copy(update={"targets": given.targets.model_copy(update={"accuracy": 0.95})}))
        == []
    )
    together = brief(tmp_path).model_copy(update={"targets": Targets(accuracy=0.9)})
    assert wrong_with_sites(together) == []


def test_the_sites_prices_are_reserved_approved_and_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = at_site(brief(tmp_path, usd=1.0), "south", data="south.csv", usd_per_hour=0.1, usd_per_gib=2.0)
    with pytest.raises(ApprovalNeeded, match="customize 3 sites"):
        started(given, tmp_path / "at")
    run_id = Journal(Workspace(tmp_path / "at")).runs()[-1].run_id
    monkeypatch.chdir("/")  # it was started with paths from elsewhere
    outcome = session.resume(run_id, workspace=Workspace(tmp_path / "at"), ask=lambda question: _yes())
    assert outcome.status == "met", outcome.reason
    (attempt,) = attempts_of(tmp_path / "at", run_id)
    south = next(result for result in attempt.results if result.site == "south")
    traffic = (south.down_bytes + south.up_bytes) / 2**30 * 2.0
    assert south.usd == pytest.approx(south.cpu_seconds / 3600 * 0.1 + traffic, abs=1e-7)
    assert outcome.spent_usd == pytest.approx(south.usd, abs=2e-6)


def _yes() -> Any:
    from stratos.state.talk import Answer

    return Answer(approved=True)


def test_a_sentence_with_a_folder_of_sites(tmp_path: Path) -> None:
    given = brief(tmp_path)
    (tmp_path / "sites").mkdir()
    assert given.sites is not None
    for site in given.sites.each:
        Path(site.data or "").rename(tmp_path / "sites" / f"{site.name}.csv")
    words = "classify texts for 4 branches, data stays there, at most 2 MB each, at least 70 % right"
    said = ["customize", words, "--sites", str(tmp_path / "sites"), "--data", str(tmp_path / "public.csv")]
    result = CliRunner().invoke(app, [*said, "--workspace", str(tmp_path / "at"), "--json"])
    assert result.exit_code == 2
    assert "the request speaks of 4 sites, and 3 are named" in result.output
    each = [{"name": name, "data": str(tmp_path / "sites" / f"{name}.csv")} for name in OWN]
    named = tmp_path / "sites.yaml"
    named.write_text(json.dumps({"each": each, "engine": "here", "family": TINY, "control": False}), encoding="utf-8")
    words = "classify texts for 3 branches, data stays there, at most 2 MB each, at least 60 % right"
    said = ["customize", words, "--sites", str(named), "--data", str(tmp_path / "public.csv"), "--seed", "1"]
    result = CliRunner().invoke(app, [*said, "--workspace", str(tmp_path / "at"), "--json"])
    document = json.loads(result.stdout)
    assert (result.exit_code, document["status"]) == (0, "met"), document["reason"]
    assert [site["max_mib"] for site in document["brief"]["sites"]["each"]] == [pytest.approx(2e6 / 2**20)] * 3


def test_sites_are_named_apart_and_their_fields_known() -> None:
    with pytest.raises(ValueError, match="sites of one name: a"):
        Sites.model_validate([{"name": "a", "data": "x"}, {"name": "a", "data": "y"}])
    with pytest.raises(ValueError, match="String should match pattern"):
        SiteSource(name="../a", data="x")
