"""Answers and money on disk: pieces that a kill leaves, two processes, and a real kill in the middle of a job."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from stratos.agent.scripted import scripted_server
from stratos.state.errors import RequestError
from stratos.tools.models.catalogue import load_catalogue
from stratos.tools.teaching.cache import ANSWERS_FILE, AnswerCache, answer_key
from stratos.tools.teaching.money import PURSE_FILE, Purse, TokenPrices, token_prices
from stratos.tools.teaching.teachers import Answer, Request, Sampling

from .simulated import Teacher, opened_skill
from .test_rationales import job

PRICES = TokenPrices(input=1.0, output=10.0)
ONE = Request(prompt="one", sampling=Sampling(max_tokens=50))


def test_what_is_asked_how_of_whom_and_for_which_sample_makes_the_key() -> None:
    settings = [
        Sampling(max_tokens=51),
        Sampling(max_tokens=50, temperature=0.1),
        Sampling(max_tokens=50, seed=1),
    ]
    others = [
        Request(prompt="other", sampling=ONE.sampling),
        Request(prompt="one", sampling=ONE.sampling, sample=1),
        *(Request(prompt="one", sampling=sampling) for sampling in settings),
    ]
    keys = [answer_key("openai:m", request) for request in (ONE, *others)] + [answer_key("openai:n", ONE)]
    assert len(set(keys)) == len(keys) == 7
    assert answer_key("openai:m", Request(prompt="one", sampling=Sampling(max_tokens=50))) == keys[0]


@pytest.mark.parametrize("piece", [b'{"key": "b", "answ', b'{"key": "b"}', b"\xff\xfe", b"\n\n"])
def test_a_piece_of_a_line_is_skipped_and_closed_off(tmp_path: Path, piece: bytes) -> None:
    AnswerCache(tmp_path).put("a", Answer(text="first"))
    with (tmp_path / ANSWERS_FILE).open("ab") as file:
        file.write(piece)
    cache = AnswerCache(tmp_path)
    assert cache.get("b") is None
    cache.put("b", Answer(text="second ü \n"))
    found = [AnswerCache(tmp_path).get(key) for key in "ab"]
    assert [answer.text for answer in found if answer] == ["first", "second ü \n"]


def test_an_answer_of_another_process_is_found_without_opening_again(tmp_path: Path) -> None:
    one, other = AnswerCache(tmp_path), AnswerCache(tmp_path)
    assert one.get("a") is None
    other.put("a", Answer(text="there"))
    assert one.get("a") == Answer(text="there")


def _fill(folder: Path, name: str) -> None:
    cache = AnswerCache(folder)
    for number in range(40):
        cache.put(f"{name}{number}", Answer(text=name * 3000))


def test_two_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    writers = [multiprocessing.get_context("spawn").Process(target=_fill, args=(tmp_path, name)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    cache = AnswerCache(tmp_path)
    found = [cache.get(f"{name}{number}") for name in "ab" for number in range(40)]
    assert [answer and answer.text[0] for answer in found] == ["a"] * 40 + ["b"] * 40


def test_a_reservation_that_was_never_settled_counts_as_spent(tmp_path: Path) -> None:
    purse = Purse(tmp_path, 1.0)
    first, second = purse.reserve([ONE, ONE], PRICES)
    purse.settle(first, Answer(input_tokens=10, output_tokens=5), PRICES)
    with (tmp_path / PURSE_FILE).open("ab") as file:
        file.write(b'{"settled": "' + second.encode())  # killed while it wrote
    spent = Purse(tmp_path, 1.0).spent
    assert spent.usd == pytest.approx(60e-6 + PRICES.most_usd(ONE))
    assert (spent.calls, spent.unanswered_calls) == (2, 1)


def test_calls_that_were_not_made_or_were_refused_give_their_reservation_back(tmp_path: Path) -> None:
    purse = Purse(tmp_path, 1.0)
    first, second = purse.reserve([ONE, ONE], PRICES)
    purse.settle(first, Answer(fate="refused"), PRICES)
    purse.release([second])
    assert purse.spent.usd == Purse(tmp_path, 1.0).spent.usd == 0


def test_prices_are_the_catalogues_unless_they_are_stated() -> None:
    catalogue = load_catalogue()
    facts = catalogue["openai/gpt-4o-mini"]
    assert token_prices("gpt-4o-mini", catalogue, None).output == facts.usd_per_million_output
    assert token_prices("gpt-4o-mini", catalogue, (3.0, 4.0)) == TokenPrices(input=3.0, output=4.0)
    with pytest.raises(RequestError, match="no token prices of 'Qwen/Qwen3-8B'"):
        token_prices("Qwen/Qwen3-8B", catalogue, None)


def started(folder: Path, url: str, **changes: Any) -> "subprocess.Popen[bytes]":
    work = folder / "job"
    work.mkdir(exist_ok=True)
    (work / "job.json").write_text(job(folder, url, **{"decoys": 6, **changes}).model_dump_json())
    with (work / "out.txt").open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "stratos.tools.teaching", str(work / "job.json")], stdout=out, stderr=out
        )


def test_a_job_killed_again_and_again_pays_for_no_answer_twice(tmp_path: Path) -> None:
    """Only calls under way at a kill, at most as many as are in flight, are made again; and the outcome is that of one run."""
    kills, in_flight = 3, 4
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
        opened_skill(tmp_path / name, 100)
    with scripted_server(Teacher(knows=0.5, seconds=0.02)) as (url, got):
        for number in range(kills):
            process, enough = started(tmp_path / "killed", url), len(got) + 60 + 31 * number
            while len(got) < enough and process.poll() is None:
                time.sleep(0.005)
            assert process.poll() is None
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert started(tmp_path / "killed", url).wait() == 0
        asked = Counter(json.dumps(request, sort_keys=True) for request in got)
        assert started(tmp_path / "killed", url).wait() == 0
        assert len(got) == asked.total()
        assert started(tmp_path / "whole", url).wait() == 0
    again = asked.total() - len(asked)
    assert again <= kills * in_flight
    assert max(asked.values()) <= 1 + kills
    killed, whole = (result(tmp_path / name) for name in ("killed", "whole"))
    assert killed["sha256"] == whole["sha256"]
    assert killed["kept"] == whole["kept"] > 0
    assert whole["spent"]["calls"] == len(asked)
    assert whole["spent"]["usd"] <= killed["spent"]["usd"]


def test_a_job_whose_time_is_up_ends_with_what_is_under_way_and_goes_on_later(tmp_path: Path) -> None:
    opened_skill(tmp_path, 100)
    with scripted_server(Teacher(knows=0.5, seconds=0.2)) as (url, got):
        began = time.monotonic()
        assert started(tmp_path, url, wall_clock_s=1.5).wait() == 0
        assert time.monotonic() - began < 30
        assert result(tmp_path)["stopped_by"] == "clock"
        first = len(got)
        assert started(tmp_path, url, wall_clock_s=60.0, most_examples=3, decoys=0).wait() == 0
    spent = result(tmp_path)["spent"]
    assert spent["calls"] == len(got) > first
    assert spent["unanswered_calls"] == 0


def result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "job" / "result.json").read_text())
