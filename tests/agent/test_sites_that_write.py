"""Runs over sites whose answers are texts, and over a given checkpoint: from the files to each site's model, in one process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from stratos.agent import session
from stratos.agent.asking_site import ask_site
from stratos.agent.audit_page.render import page
from stratos.agent.cli import app
from stratos.agent.intake import read_brief_file
from stratos.agent.session import replay
from stratos.state.evidence import Outcome
from stratos.state.journal import Journal
from stratos.state.sites import Family, SitesAttempt
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings
from stratos.tools.elastic.teaching import Recipe
from stratos.tools.sites.cloud.backbone import build
from stratos.tools.sites.cloud.shape import Shape
from stratos.tools.sites.learning.local import Fitting
from typer.testing import CliRunner

from ..tools.sites.checkpoints import bert
from ..tools.sites.writing_world import OWN, SHAPE, SOUNDS, examples, rows, write

TINY = {"hidden": 32, "layers": 2, "vocabulary": 330, "epochs": 40, "cut_steps": 60, "fit_epochs": 4, "tune_epochs": 4}


def brief_file(folder: Path, sites: dict[str, Any], **changes: Any) -> Path:
    each = [
        {"name": name, "data": write(folder / f"{name}.csv", rows(animals, 100, number, name))}
        for number, (name, animals) in enumerate(OWN.items(), 1)
    ]
    document = {
        "data": {"path": write(folder / "public.csv", rows(tuple(SOUNDS), 500, 0))},
        "sites": {"each": each, "answers": "texts", "engine": "here", "family": TINY, **sites},
        "targets": {"accuracy": 0.6, "accuracy_rule": "point_estimate"},
        "limits": {"usd": 0},
        **changes,
    }
    path = folder / "brief.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def started(brief: Path, at: Path) -> Outcome:
    given = read_brief_file(brief)
    settings = Settings(seed=1, held_out_items=30)
    return session.start(given.request, brief=given, workspace=Workspace(at), settings=settings)


def made_in(at: Path, run_id: str) -> tuple[Family, SitesAttempt]:
    found = {row.name: row.output for row in Journal(Workspace(at)).rows(run_id)}
    family = Family.model_validate(found["tool build_family"]["family"])
    return family, SitesAttempt.model_validate(found["tool customize"]["attempt"])


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The workspace and the run of a brief that was met, with a search of adapters."""
    folder = tmp_path_factory.mktemp("writing")
    outcome = started(brief_file(folder, {"search_header": True}), folder / "at")
    assert outcome.status == "met", outcome.reason
    return folder / "at", outcome.run_id


def test_each_site_gets_a_model_that_writes_and_its_texts_stay_there(met: tuple[Path, str]) -> None:
    at, run_id = met
    family, attempt = made_in(at, run_id)
    assert family.labels == 0
    assert [result.site for result in attempt.results] == list(OWN)
    for result in attempt.results:
        assert result.test is not None
        assert result.alone_test is not None
        assert (result.examples, result.test.n) == (70, 15)
        assert 0 < result.up_bytes < result.down_bytes
    letters = b"".join(path.read_bytes() for path in (at / "runs" / run_id).glob("*customize/loop/letters/*/*"))
    assert letters
    for number, (name, animals) in enumerate(OWN.items(), 1):
        for row in rows(animals, 100, number, name):
            assert not any(text.encode() in letters for text in row)
    assert replay(run_id, workspace=Workspace(at)).identical
    html = page(Journal(Workspace(at)).rows(run_id), "1")
    assert "3, whose data stay there, which answer with texts: farm, town, park" in html


def test_the_adapter_that_was_searched_is_the_sites(met: tuple[Path, str]) -> None:
    at, run_id = met
    (orders,) = (at / "runs" / run_id).glob("*customize/loop/orders.json")
    found = json.loads(orders.read_text())["adapters"]
    assert len(found) == len({choice.sent_width for choice in made_in(at, run_id)[1].plan.choices})
    for about in (at / "runs" / run_id).glob("*customize/loop/sites/*/model/site.json"):
        assert json.loads(about.read_text())["adapter"] in found.values()


def test_a_site_writes_and_is_exported_for_any_tool(met: tuple[Path, str], tmp_path: Path) -> None:
    at, run_id = met
    question = "the old cat 7 by the lake"
    said = ask_site(Workspace(at), "town", question)
    assert (said["answer"], said["run"]) == ("Meow from the lake", run_id)
    assert 0 < said["likeliest"][0]["probability"] <= 1
    asked = CliRunner().invoke(app, ["ask", "town", question, "--workspace", str(at)])
    assert asked.stdout.splitlines()[0] == "Meow from the lake"
    CliRunner().invoke(app, ["export", run_id, str(tmp_path / "out"), "--model", "--workspace", str(at)])
    readme = (tmp_path / "out" / "town" / "README.md").read_text(encoding="utf-8")
    code = readme.split("```python\n")[1].split("```")[0] + f"\nprint(answer({question!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "out", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "Meow from the lake"


def test_a_given_checkpoint_is_the_backbone_of_all_sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that someone else has taught much of it already: the family begins where it ends."""
    shape = SHAPE.model_copy(update={"max_tokens": Shape().max_tokens})
    lesson = Fitting(epochs=20, rate=5e-3, seed=2)
    known = build(examples(400, 7), examples(60, 8), (), shape, lesson, Recipe(steps=0), answers="texts")
    known.model.backbone.save_pretrained(tmp_path / "given")
    known.model.tokenizer.save_pretrained(tmp_path / "given")
    tiny = TINY | {"epochs": 1, "cut_steps": 250}
    brief = brief_file(tmp_path, {"family": tiny, "control": False}, student="given")
    monkeypatch.chdir(tmp_path)
    outcome = started(brief, tmp_path / "at")
    assert outcome.status == "met", outcome.reason
    family, _ = made_in(tmp_path / "at", outcome.run_id)
    assert family.cuts[0].accuracy.value > 0.9
    assert family.cuts[0].bytes == 4 * sum(weight.numel() for weight in known.model.backbone.parameters())


def test_a_checkpoint_that_cannot_be_cut_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    given = bert(tmp_path / "given", examples(50, 1).texts)
    outcome = started(brief_file(tmp_path, {}, student=str(given)), tmp_path / "at")
    assert outcome.status == "refused"
    assert "BertLMHeadModel cannot be cut: 0 lists of 2 layers with a q_proj" in outcome.reason


def test_a_site_that_joins_says_what_it_answers_with(tmp_path: Path) -> None:
    data = write(tmp_path / "london.csv", [(f"what is {row}", f"it is {row}") for row in range(9)])
    said = [
        "site",
        "join",
        "london",
        "--data",
        data,
        "--server",
        "localhost:1",
        "--authority",
        str(tmp_path / "no.pem"),
    ]
    labels, texts = (CliRunner().invoke(app, [*said, *more]) for more in ((), ("--answers", "texts")))
    assert (labels.exit_code, texts.exit_code) == (2, 2)
    assert "fewer than 3 examples of" in labels.output
    assert "fewer than 3 examples of" not in texts.output
    assert "no.pem is no file" in texts.output
