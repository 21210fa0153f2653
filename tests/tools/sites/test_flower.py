"""The loop over real Flower processes on loopback: a SuperLink and a SuperNode for each site, some of which die."""

# pyright: reportUnknownMemberType=false

import importlib.util
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stratos.state.errors import ToolFailed
from stratos.tools.sites.engines.flower import Door, Trust, federation, free_port
from stratos.tools.sites.engines.flower_app import WIRE_FILE, Node
from stratos.tools.sites.engines.joining import Joining
from stratos.tools.sites.engines.keys import CA_FILE, make_certificates, make_site_key
from stratos.tools.sites.loop.loop_orders import LoopOrders, SiteInLoop, save_backbone
from stratos.tools.sites.loop.server import ABOUT_FILE
from stratos.tools.sites.loop.site import MODEL
from stratos.tools.sites.loop.site_model import load_site_model
from stratos.tools.weights import weights_sha256

from .world import backbone, orders, plans, sites

pytestmark = pytest.mark.skipif(importlib.util.find_spec("flwr") is None, reason="Flower is an optional part")

FRAMING_BYTES = 300
"""The most that Flower adds to a letter: its metadata."""


def ordered(folder: Path, names: tuple[str, ...]) -> tuple[Path, list[Node]]:
    """The server's file, and the sites as they are started."""
    made = sites(folder / "sites", names)
    save_backbone(backbone(), folder / "backbone")
    (folder / "server").mkdir()
    every = plans(names)
    told = LoopOrders(
        backbone=folder / "backbone",
        sites=tuple(
            SiteInLoop(name=plan.name, sent_width=plan.sent.width, width=plan.target.width, depth=plan.target.depth)
            for plan in every
        ),
        orders=orders(every[0]),
    )
    path = folder / "server" / "orders.json"
    path.write_text(told.model_dump_json(), encoding="utf-8")
    return path, [Node(name=site.name, data=site.data, folder=site.folder) for site in made.values()]


def outcome(path: Path) -> dict[str, dict[str, Any]]:
    return {site["name"]: site for site in json.loads((path.parent / ABOUT_FILE).read_text())["sites"]}


def test_sites_get_their_models_over_flower_and_one_that_is_not_there_stops_nobody(tmp_path: Path) -> None:
    names = ("north", "south", "gone")
    path, nodes = ordered(tmp_path, names)
    with federation(tmp_path / "flower", nodes[:2]) as running:
        running.run(path, appear_s=25, answer_s=120, timeout_s=280)
    found = outcome(path)
    assert found["gone"]["failed"] == "it was not there within 25 s"
    letters = json.loads((path.parent / ABOUT_FILE).read_text())["bytes"]
    assert "gone/down" not in letters
    wire = json.loads((path.parent / WIRE_FILE).read_text())
    for node in nodes[:2]:
        assert found[node.name]["failed"] == ""
        model, about = load_site_model(node.folder / MODEL)
        assert model.backbone.config.intermediate_size == 12
        assert about["site"] == node.name
        for way in ("up", "down"):
            name = f"{node.name}/{way}"
            assert letters[name] < wire[name] < letters[name] + 2 * FRAMING_BYTES
    with pytest.raises(ProcessLookupError):
        os.kill(running.superlink.pid, 0)


@pytest.mark.slow
def test_a_site_killed_at_work_stops_nobody_and_is_served_later(tmp_path: Path) -> None:
    """The SuperNode of `south` is killed when its model was fitted. A second run asks it again, which was started anew; what the
    others had answered is not asked for."""
    names = ("north", "south")
    path, nodes = ordered(tmp_path, names)
    with federation(tmp_path / "flower", nodes) as running, _killing(nodes[1], running.nodes["south"].pid):
        running.run(path, appear_s=60, answer_s=60, timeout_s=280)
    found = outcome(path)
    assert (found["north"]["failed"], bool(found["south"]["failed"])) == ("", True)
    before = (nodes[0].folder / MODEL / "model.safetensors").stat().st_mtime_ns
    with federation(tmp_path / "again", nodes) as running:
        running.run(path, appear_s=60, answer_s=120, timeout_s=280)
    assert [site["failed"] for site in outcome(path).values()] == ["", ""]
    assert (nodes[0].folder / MODEL / "model.safetensors").stat().st_mtime_ns >= before


@pytest.mark.slow
def test_a_run_goes_on_after_its_server_was_killed(tmp_path: Path) -> None:
    """The SuperLink and all it started are killed while sites work; their answers wait in their folders."""
    path, nodes = ordered(tmp_path, ("north",))
    with (
        federation(tmp_path / "flower", nodes) as running,
        _killing(nodes[0], running.superlink.pid),
        pytest.raises((ToolFailed, subprocess.TimeoutExpired)),
    ):
        running.run(path, appear_s=60, answer_s=60, timeout_s=60)
    assert not (path.parent / ABOUT_FILE).exists()
    with federation(tmp_path / "again", nodes) as running:
        running.run(path, appear_s=60, answer_s=120, timeout_s=280)
    assert outcome(path)["north"]["failed"] == ""


@pytest.mark.slow
def test_a_site_joins_from_elsewhere_and_only_with_its_registered_key(tmp_path: Path) -> None:
    """`north` joins by its own means, as on another machine. `south` comes with a key that nobody registered. `west` comes with its own
    and says that it is `north`: it is sent what is for `west`."""
    path, (north, south, west) = ordered(tmp_path, ("north", "south", "west"))
    make_certificates(tmp_path / "server")
    keys = {node.name: make_site_key(tmp_path / "keys", node.name)[1] for node in (north, south, west)}
    del keys["south"]
    door = Door(address=f"127.0.0.1:{free_port()}", certificates=tmp_path / "server", keys=keys)
    told: dict[str, list[str]] = {"north": [], "south": [], "west": []}
    over = threading.Event()
    for node in (north, south, west):
        joining = Joining(
            site=replace(north, data=west.data, folder=west.folder) if node is west else node,
            server=door.address,
            trust=Trust(authority=tmp_path / "server" / CA_FILE, key=tmp_path / "keys" / node.name),
            told=lambda step, facts, name=node.name: told[name].append(step),
        )
        threading.Thread(target=joining.run, args=(over,)).start()
    try:
        with federation(tmp_path / "flower", [], door=door) as running:
            running.run(path, appear_s=30, answer_s=120, timeout_s=280)
    finally:
        over.set()
    found = outcome(path)
    assert found["south"]["failed"].startswith(
        "it was not there within 30 s: not started, not reached, or with another key"
    )
    for node in (north, west):
        assert found[node.name]["failed"] == ""
        assert found[node.name]["facts"]["weights_sha256"] == weights_sha256(node.folder / MODEL)
    assert not (south.folder / MODEL).exists()
    assert [step for step in told["north"] if step != "not let in"] == ["waiting", "fitted", "model"]
    assert set(told["south"]) == {"waiting", "not let in"}  # told again where a busy machine ends a SuperNode late


def test_a_site_that_joins_tells_what_it_does(tmp_path: Path) -> None:
    """Its SuperNode waits for a server that is not there; the site's work is written as if one had asked."""
    private, _ = make_site_key(tmp_path / "keys", "north")
    make_certificates(tmp_path / "server")
    node = Node(name="north", data=tmp_path / "data.npz", folder=tmp_path / "kept")
    told: list[tuple[str, dict[str, object]]] = []
    joining = Joining(
        site=node,
        server=f"127.0.0.1:{free_port()}",
        trust=Trust(authority=tmp_path / "server" / CA_FILE, key=private),
        told=lambda step, facts: told.append((step, dict(facts))),
    )
    over = threading.Event()
    running = threading.Thread(target=joining.run, args=(over,))
    running.start()
    time.sleep(1)
    counts = {"validation_right": 3, "validation_items": 4, "test_right": 5, "test_items": 6}
    (node.folder / MODEL).mkdir(parents=True)
    (node.folder / MODEL / "site.json").write_text(json.dumps({"names": ["a"], **counts}))
    time.sleep(1.5)
    over.set()
    running.join()
    assert [step for step, _ in told] == ["waiting", "model"]
    assert told[1][1] == {"folder": str(node.folder / MODEL), **counts}


@contextmanager
def _killing(node: Node, pid: int) -> Generator[None]:
    """Kills a program and what it started as soon as a site's model was fitted."""
    killer = threading.Thread(target=_kill_when, args=(node.folder / "fitted", pid))
    killer.start()
    yield
    killer.join()


def _kill_when(folder: Path, pid: int) -> None:
    until = time.monotonic() + 100
    while not folder.exists() and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(pid, signal.SIGKILL)


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    """The server's file is not there."""
    with federation(tmp_path / "flower", []) as running, pytest.raises(ToolFailed, match=r"run\.log"):
        running.run(tmp_path / "none.json", appear_s=5, answer_s=5, timeout_s=100)
