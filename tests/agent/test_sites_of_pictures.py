"""Runs over sites whose examples are pictures: real trainings of a tiny family, in one process."""

from pathlib import Path

import numpy as np
import pytest
from stratos.agent import session
from stratos.agent.asking_site import ask_site
from stratos.agent.session import replay
from stratos.state.brief import Brief, DataSource, Limits, Sites, Targets
from stratos.state.errors import RequestError
from stratos.state.evidence import Outcome
from stratos.state.journal import Journal
from stratos.state.sites import Family, SitesAttempt
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings
from stratos.tools.sites.cloud.pictures import patch_of

from ..tools.sites.world import bars

TINY = {"hidden": 16, "layers": 2, "epochs": 20, "cut_steps": 40, "fit_epochs": 6, "tune_epochs": 4}
OWN = {"north": (0, 1), "west": (3, 4, 5)}


def write(path: Path, labels: tuple[int, ...], count: int, seed: int, side: int = 8) -> str:
    """Bytes, as a camera gives them."""
    pixels, drawn = bars(labels, count, seed)
    scaled = np.clip(127.5 + 40 * pixels[:, :side, :side], 0, 255).astype(np.uint8)
    np.savez(path, pixels=scaled, labels=[f"bar-{label}" for label in drawn])
    return str(path)


def brief(folder: Path, accuracy: float = 0.7) -> Brief:
    each = [
        {"name": name, "data": write(folder / f"{name}.npz", labels, 90, number)}
        for number, (name, labels) in enumerate(OWN.items(), 1)
    ]
    return Brief(
        request="a model for each camera",
        skill="intents",
        task="answer",
        data=DataSource(path=write(folder / "public.npz", (0, 1, 2, 3, 4, 5), 300, 0)),
        sites=Sites.model_validate({"each": each, "engine": "here", "family": TINY}),
        targets=Targets(accuracy=accuracy, accuracy_rule="point_estimate"),
        limits=Limits(usd=0),
    )


def started(given: Brief, at: Path) -> Outcome:
    settings = Settings(seed=1, held_out_items=30)
    return session.start(given.request, brief=given, workspace=Workspace(at), settings=settings)


def test_each_camera_gets_a_model_and_is_asked_by_a_picture(tmp_path: Path) -> None:
    outcome = started(brief(tmp_path), tmp_path / "at")
    assert outcome.status == "met", outcome.reason
    rows = {row.name: row.output for row in Journal(Workspace(tmp_path / "at")).rows(outcome.run_id)}
    family = Family.model_validate(rows["tool build_family"]["family"])
    assert (family.labels, family.examples) == (6, 270)
    attempt = SitesAttempt.model_validate(rows["tool customize"]["attempt"])
    assert [(result.site, result.failed) for result in attempt.results] == [(name, "") for name in OWN]
    assert replay(outcome.run_id, workspace=Workspace(tmp_path / "at")).identical
    image = np.full((8, 8), 127, dtype=np.uint8)
    image[:, 2:4] = 220
    np.savez(tmp_path / "one.npz", pixels=image)
    said = ask_site(Workspace(tmp_path / "at"), "north", str(tmp_path / "one.npz"))
    assert said["answer"] == "bar-1"
    with pytest.raises(RequestError, match=r"knows pictures, not texts: name an \.npz file"):
        ask_site(Workspace(tmp_path / "at"), "north", "where is it?")
    np.savez(tmp_path / "two.npz", pixels=np.zeros((2, 8, 8)))
    with pytest.raises(RequestError, match="is not one picture"):
        ask_site(Workspace(tmp_path / "at"), "north", str(tmp_path / "two.npz"))


def test_pictures_of_another_size_and_texts_beside_pictures_are_refused(tmp_path: Path) -> None:
    given = brief(tmp_path)
    assert given.sites is not None
    (tmp_path / "west.csv").write_text("text,label\n" + "a,x\nb,y\n" * 5)
    small = write(tmp_path / "north.npz", OWN["north"], 90, 1, side=6)
    each = (
        given.sites.each[0].model_copy(update={"data": small}),
        given.sites.each[1].model_copy(update={"data": str(tmp_path / "west.csv")}),
    )
    outcome = started(
        given.model_copy(update={"sites": given.sites.model_copy(update={"each": each})}), tmp_path / "at"
    )
    assert outcome.status == "refused"
    wanted = "the public ones pictures of 8 x 8 pixels in 1 channels"
    assert f"site north: its examples are pictures of 6 x 6 pixels in 1 channels, {wanted}" in outcome.reason
    assert f"site west: its examples are texts, {wanted}" in outcome.reason


def test_too_few_public_pictures_are_refused(tmp_path: Path) -> None:
    given = brief(tmp_path)
    write(tmp_path / "public.npz", (0, 1), 40, 0)
    outcome = started(given, tmp_path / "at")
    assert (outcome.status, "at least two labels and 100 pictures are needed" in outcome.reason) == ("refused", True)


@pytest.mark.parametrize(("side", "patch"), [(8, 2), (28, 4), (32, 4), (224, 28), (7, 7), (1, 1)])
def test_a_picture_has_a_few_dozen_patches(side: int, patch: int) -> None:
    assert patch_of(side) == patch
