"""The deploy tool: no server is left that was not recorded, and hours paid for are served once."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from stratos.state.errors import Correctable, OutOfTime
from stratos.tools.base import Context
from stratos.tools.deploy import DEPLOY, Deploy, winner
from stratos.tools.distill import ANSWERS_ONLY, ANSWERS_ONLY_BEFORE, trained_model
from stratos.tools.evaluate import UNTUNED
from stratos.tools.jobs import write_atomic
from stratos.tools.serving.deployments import RECORD_FILE, get, start, stop
from stratos.tools.serving.starting import Terms

from ...building import MET, attempt, brief, checkpoint, choice, context, evaluation, state

NAME = Deploy(name="my_model")


@pytest.fixture
def given(tmp_path: Path, model_dir: Path) -> Context:
    """About to serve a model that knows none of the skill's words, on a machine of $0.1 an hour."""
    won = attempt(evaluation(990))
    run = state(brief=brief(usd=1.0), choice=choice(), attempts=(won,), verdicts=(MET,))
    found = context(run, tmp_path, local_usd_per_hour=0.1)
    shutil.copytree(model_dir, trained_model(found.run_folder, won.job_folder))
    return found


def test_a_server_that_fails_its_check_is_stopped(given: Context) -> None:
    with pytest.raises(Correctable, match="cannot take this prompt"):
        DEPLOY.run(given, NAME)
    assert get(given.workspace, NAME.name).status == "stopped"


def test_a_call_repeated_after_its_hours_serves_no_second_time_for_the_same_bill(given: Context) -> None:
    folder = trained_model(given.run_folder, given.state.attempts[-1].job_folder)
    begun = start(given.workspace, NAME.name, folder, given.state.run_id, terms=Terms(hours=1.0))
    stopped = stop(given.workspace, NAME.name)
    record = given.workspace / "deployments" / NAME.name / RECORD_FILE
    over = stopped.model_copy(update={"until": time.time() - 5})
    write_atomic(record, over.model_dump_json())
    with pytest.raises(OutOfTime, match="were over") as caught:
        DEPLOY.run(given, NAME)
    assert caught.value.usd == pytest.approx(0.1)
    other = replace(given, state=given.state.model_copy(update={"run_id": "another"}))
    with pytest.raises(Correctable, match="cannot take this prompt"):  # its own hours are served
        DEPLOY.run(other, NAME)
    assert begun.until is not None


def test_an_endpoint_whose_clients_ask_something_else_keeps_its_name(given: Context) -> None:
    folder = trained_model(given.run_folder, given.state.attempts[-1].job_folder)
    terms = Terms(about="table answer /home/films.csv")
    other = start(given.workspace, NAME.name, folder, "run-of-films", terms=terms)
    with pytest.raises(Correctable, match="cannot take this prompt"):
        DEPLOY.run(given, NAME)
    assert get(given.workspace, NAME.name).pid == other.pid
    assert get(given.workspace, NAME.name).status == "ready"
    assert get(given.workspace, f"{NAME.name}-2").status == "stopped"
    stop(given.workspace, NAME.name)


def test_where_the_untuned_model_would_do_it_is_served_instead(tmp_path: Path) -> None:
    won = attempt(evaluation(990))
    run = state(choice=choice(), attempts=(won,), checkpoint=checkpoint())
    for control, folder in (
        (UNTUNED, "student/rationale"),
        (ANSWERS_ONLY, "006-distill/control/model"),
        (None, "006-distill/student/model"),
    ):
        found = context(
            run.model_copy(update={"verdicts": (MET.model_copy(update={"cheaper_control": control}),)}), tmp_path
        )
        assert winner(found) == found.run_folder / folder


def test_the_control_that_a_reinforced_student_keeps_is_served_too(tmp_path: Path) -> None:
    won = attempt(evaluation(990), number=2).model_copy(update={"begun_from": 1})
    verdict = MET.model_copy(update={"cheaper_control": ANSWERS_ONLY_BEFORE})
    found = context(state(choice=choice(), attempts=(attempt(), won), verdicts=(verdict,)), tmp_path)
    assert winner(found) == found.run_folder / "006-distill/control/model"
