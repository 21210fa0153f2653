"""What clients of an endpoint may rely on while its owner starts, moves, renews and takes back: its address, its key, an answer."""

import time
from collections.abc import Generator
from functools import partial
from pathlib import Path

import psutil
import pytest
from stratos.state.errors import Correctable, ToolFailed
from stratos.tools.serving import processes
from stratos.tools.serving.deployments import Deployment, ask, get, listing, start, start_again, stop
from stratos.tools.serving.job import ServeJob, read_key
from stratos.tools.serving.processes import KEY_FILE
from stratos.tools.serving.records import Changed, is_same, route_to
from stratos.tools.serving.replacing import replace, rollback, withdraw
from stratos.tools.serving.smoke import SmokeTest
from stratos.tools.serving.starting import Move, Place, Terms, new_server_folder, start_server

from .conftest import made
from .test_replacing import certificate

PROMPT, NAME = "w1 w2", "kept"
IT_ANSWERS = SmokeTest(prompts=(PROMPT,), is_right=lambda prompt, answer: True, least_right=0, max_tokens=4)


@pytest.fixture(scope="module")
def other_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("other"), endless=False, seed=5)


@pytest.fixture
def space(tmp_path: Path) -> Generator[Path]:
    yield tmp_path
    for one in listing(tmp_path):
        stop(tmp_path, one.name)


def answers(space: Path) -> str:
    return ask(space, NAME, PROMPT, max_tokens=4)


def known(deployment: Deployment) -> tuple[str, str]:
    """What its clients have been given."""
    return deployment.base_url, read_key(deployment.api_key_file)


def running(space: Path) -> list[int]:
    folders = (space / "deployments" / NAME / kind for kind in ("servers", "fronts"))
    return sorted(process.pid for folder in folders for process in processes.strays(folder))


def test_what_a_run_replaced_comes_back_on_its_own_terms_and_the_withdrawn_is_forgotten(
    space: Path, model_dir: Path, other_dir: Path
) -> None:
    first = start(space, NAME, model_dir, "run-1", terms=Terms(hours=1.0, usd_per_hour=10.0, about="it"))
    given = known(first)
    second = replace(space, NAME, other_dir, "run-2", IT_ANSWERS, terms=Terms(hours=5.0, usd_per_hour=3600.0))
    time.sleep(0.2)
    found = get(space, NAME)
    assert 0.2 <= found.own_usd < found.usd  # of its own server alone
    withdraw(space, NAME, "run-2", IT_ANSWERS)
    back = get(space, NAME)
    assert (back.run_id, back.status, known(back)) == ("run-1", "ready", given)
    assert (back.usd_per_hour, back.about, back.previous) == (10.0, "it", None)
    assert back.until == pytest.approx(first.until, abs=0.1)
    assert not psutil.pid_exists(second.pid)
    assert answers(space)


def test_only_a_runs_own_is_taken_back(space: Path, model_dir: Path, other_dir: Path) -> None:
    start(space, NAME, model_dir, "run-1")
    by_hand = replace(space, NAME, other_dir, "run-2", IT_ANSWERS)
    withdraw(space, NAME, "run-1", IT_ANSWERS)  # it served here once
    assert is_same(get(space, NAME), by_hand)
    back = rollback(space, NAME, IT_ANSWERS)
    with pytest.raises(Changed, match="another command has changed 'kept' meanwhile"):
        rollback(space, NAME, IT_ANSWERS, if_still=partial(is_same, by_hand))
    with pytest.raises(Changed):
        replace(space, NAME, other_dir, "run-3", IT_ANSWERS, if_still=partial(is_same, by_hand))
    with pytest.raises(Changed):
        start(space, NAME, other_dir, "run-3", if_still=partial(is_same, None))
    with pytest.raises(Changed):
        stop(space, NAME, if_still=partial(is_same, by_hand))
    assert is_same(get(space, NAME), back)


def test_what_had_been_stopped_is_not_brought_back(space: Path, model_dir: Path, other_dir: Path) -> None:
    start(space, NAME, model_dir, "run-1")
    stop(space, NAME)
    start(space, NAME, other_dir, "run-2")
    withdraw(space, NAME, "run-2", IT_ANSWERS)
    assert (get(space, NAME).status, running(space)) == ("stopped", [])


def test_what_died_and_was_replaced_comes_back_at_its_address_with_its_key(
    space: Path, model_dir: Path, other_dir: Path
) -> None:
    first = start(space, NAME, model_dir, "run-1")
    given = known(first)
    processes.end(processes.find(first.pid))
    second = start(space, NAME, other_dir, "run-2")
    processes.end(processes.find(second.pid))  # taken back without a server to ask
    withdraw(space, NAME, "run-2", IT_ANSWERS)
    back = get(space, NAME)
    assert (back.run_id, known(back), back.previous) == ("run-1", given, None)
    assert answers(space)


def test_a_replacement_that_was_killed_costs_no_client_its_answer(
    space: Path, model_dir: Path, other_dir: Path
) -> None:
    first = start(space, NAME, model_dir, "run-1")
    folder = space / "deployments" / NAME
    at = new_server_folder(folder)
    job = ServeJob(model_dir=other_dir, served_name=NAME, api_key_file=at / KEY_FILE, engine="ctranslate2")
    stray, _ = start_server(folder, job)
    route_to(first.model_copy(update={"server_folder": at, "server_url": stray.url, "version": 2}))
    again = start(space, NAME, model_dir, "run-1")  # as `deployments start` does, or a run that is resumed
    assert is_same(again, first)
    assert answers(space)
    assert not psutil.pid_exists(stray.pid)


def test_hours_are_renewed_while_it_is_asked(space: Path, model_dir: Path) -> None:
    first = start(space, NAME, model_dir, "run-1", terms=Terms(hours=1.0))
    more = start_again(space, NAME, hours=3.0)
    assert known(more) == known(first)
    assert more.until == pytest.approx(time.time() + 3 * 3600, abs=60)
    assert not psutil.pid_exists(first.pid)
    assert answers(space)


def test_paid_hours_count_from_its_first_answer_and_after_them_the_key_is_still_known(
    space: Path, model_dir: Path
) -> None:
    first = start(space, NAME, model_dir, "run-1", terms=Terms(hours=3 / 3600))
    given = known(first)
    assert first.until is not None
    time.sleep(max(first.until - time.time() - 0.7, 0))
    assert psutil.pid_exists(first.pid)
    while get(space, NAME).status != "ended":
        assert time.time() < first.until + 20, get(space, NAME).status
        time.sleep(0.1)
    assert known(start_again(space, NAME, hours=1.0)) == given
    assert answers(space)


def test_an_endpoint_moves_with_its_key_and_its_certificate(space: Path, model_dir: Path) -> None:
    cert, key = certificate(space)
    first = start(space, NAME, model_dir, "run-1", place=Place(tls_certificate=cert, tls_key=key))
    given = known(first)
    moved = start_again(space, NAME, Move(host="0.0.0.0"))
    assert moved.base_url.startswith("https://")
    assert moved.host == "0.0.0.0"
    assert known(moved) == given  # at the port it had
    assert answers(space)


def test_a_renewed_certificate_is_shown_after_the_next_start(space: Path, model_dir: Path) -> None:
    cert, key = certificate(space)
    first = start(space, NAME, model_dir, "run-1", place=Place(tls_certificate=cert, tls_key=key))
    given = known(first)
    certificate(space)  # another one in the same files
    assert is_same(start_again(space, NAME), first) is False
    again = get(space, NAME)
    assert known(again) == given
    assert again.trusted_certificate is not None
    assert again.trusted_certificate.read_text().split() == cert.read_text().split()
    assert answers(space)
    assert is_same(start_again(space, NAME), again)


def test_a_move_that_cannot_be_made_leaves_the_endpoint_as_it_is(space: Path, model_dir: Path) -> None:
    first = start(space, NAME, model_dir, "run-1")
    port = int(first.base_url.removesuffix("/v1").rpartition(":")[2])
    with pytest.raises(Correctable, match="no certificate and its key"):
        start_again(space, NAME, Move(port=port, tls_certificate=space / "typo", tls_key=space / "typo"))
    assert is_same(get(space, NAME), first)
    assert answers(space)


def test_what_a_killed_first_start_left_running_is_ended_by_stop(space: Path, model_dir: Path) -> None:
    folder = space / "deployments" / NAME
    at = new_server_folder(folder)
    job = ServeJob(model_dir=model_dir, served_name=NAME, api_key_file=at / KEY_FILE, engine="ctranslate2")
    start_server(folder, job, front=Place())
    assert len(running(space)) == 2
    with pytest.raises(Correctable, match="no deployment 'kept'"):
        stop(space, NAME)
    assert running(space) == []


def test_a_front_that_is_gone_leaves_no_server_of_a_failed_replacement(
    space: Path, model_dir: Path, other_dir: Path
) -> None:
    first = start(space, NAME, model_dir, "run-1")
    assert first.front_pid is not None
    front = processes.find(first.front_pid)

    def gone(prompt: str, answer: str) -> bool:
        processes.end(front)
        return False

    test = SmokeTest(prompts=(PROMPT,), is_right=gone, least_right=1, max_tokens=4)
    with pytest.raises(ToolFailed):
        replace(space, NAME, other_dir, "run-2", test)
    assert running(space) == [first.pid]
