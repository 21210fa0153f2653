"""A teacher behind a real endpoint: what passes is waited for, what is lost is charged and asked again, what is wrong is said."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from stratos.agent.scripted import Answer, Script, in_turn, scripted_server
from stratos.skills import load
from stratos.state.errors import NotAvailable, ToolFailed
from stratos.tools.teaching.asking import USELESS_IN_A_ROW, Asker
from stratos.tools.teaching.cache import AnswerCache
from stratos.tools.teaching.endpoint import EndpointTeacher
from stratos.tools.teaching.money import Purse, TokenPrices
from stratos.tools.teaching.opening import TeacherChoice, open_teacher
from stratos.tools.teaching.teachers import Answer as Given
from stratos.tools.teaching.teachers import Request, Sampling

GOOD = Answer(text="steps\n#### 4", finish_reason="stop", tokens=(100, 10))
PRICES = TokenPrices(input=1.0, output=10.0)
KEY = "sk-secret-of-the-test"


def requests(count: int) -> list[Request]:
    return [Request(prompt=f"question {number}", sampling=Sampling(max_tokens=50)) for number in range(count)]


def asker(folder: Path, url: str, *, limit_usd: float = 1.0, in_flight: int = 4, patience_s: float = 5.0) -> Asker:
    teacher = EndpointTeacher("m", url, KEY, in_flight=in_flight, patience_s=patience_s)
    return Asker(teacher=teacher, prices=PRICES, purse=Purse(folder, limit_usd), cache=AnswerCache(folder / "answers"))


def asked(folder: Path, script: Script, count: int = 1, **changes: Any) -> tuple[list[Given | None], Asker]:
    with scripted_server(script) as (url, _):
        one = asker(folder, url, **changes)
        return one.ask(requests(count)), one


def test_an_answer_has_its_text_its_tokens_and_their_price(tmp_path: Path) -> None:
    (answer,), one = asked(tmp_path, in_turn(GOOD))
    assert answer == Given(text="steps\n#### 4", input_tokens=100, output_tokens=10)
    assert one.purse.spent.usd == pytest.approx((100 * 1 + 10 * 10) / 1e6)


def test_samples_differ_by_their_seed_and_the_server_is_told_all_settings(tmp_path: Path) -> None:
    warm = Sampling(temperature=0.7, max_tokens=50, seed=3)
    with scripted_server(lambda request: GOOD) as (url, got):
        asker(tmp_path, url).ask([Request(prompt="q", sampling=warm, sample=sample) for sample in range(3)])
    assert len({request["seed"] for request in got}) == 3
    assert {(request["temperature"], request["max_tokens"], request["model"]) for request in got} == {(0.7, 50, "m")}


def test_no_more_are_in_flight_than_allowed(tmp_path: Path) -> None:
    now, most, lock = [0], [0], threading.Lock()

    def script(request: Any) -> Answer:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        return GOOD

    asked(tmp_path, script, 24, in_flight=3)
    assert most[0] == 3


PASSING = {
    "429": Answer(status=429, headers={"Retry-After": "0"}, body="{}"),
    "a date": Answer(status=429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, body="{}"),
    "500": Answer(status=500, body="{}"),
    "503": Answer(status=503, body="no JSON"),
}


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_costs_nothing_and_is_tried_again(tmp_path: Path, fault: str) -> None:
    (answer,), one = asked(tmp_path, in_turn(PASSING[fault], GOOD))
    assert answer is not None
    assert answer.fate == "answered"
    assert one.purse.spent.calls == 1


def test_retry_after_is_kept_to(tmp_path: Path) -> None:
    began = time.monotonic()
    asked(tmp_path, in_turn(Answer(status=429, headers={"Retry-After": "1"}, body="{}"), GOOD))
    assert time.monotonic() - began >= 1


def test_a_lost_call_is_charged_at_the_most_it_can_have_cost_and_asked_again(tmp_path: Path) -> None:
    (answer,), one = asked(tmp_path, in_turn(Answer(drop=True), GOOD))
    assert answer is not None
    assert answer.fate == "answered"
    spent = one.purse.spent
    assert (spent.calls, spent.unanswered_calls) == (2, 1)
    assert spent.unanswered_usd == pytest.approx(PRICES.most_usd(requests(1)[0]))


def test_what_is_lost_three_times_is_given_up(tmp_path: Path) -> None:
    (answer,), one = asked(tmp_path, lambda request: Answer(drop=True))
    assert answer is not None
    assert answer.fate == "lost"
    assert one.purse.spent.unanswered_calls == 3


FATAL = {
    "the key": (Answer(status=401, body='{"error": {"message": "wrong key ' + KEY + '"}}'), "refuses the key"),
    "the model": (Answer(status=404, body="{}"), "the model 'm' or this path is not there"),
    "no money": (Answer(status=429, body='{"error": {"code": "insufficient_quota"}}'), "no money left"),
    "elsewhere": (Answer(status=302, body="{}"), "says 302"),
}


@pytest.mark.parametrize("fault", FATAL)
def test_what_is_wrong_with_the_endpoint_ends_it_at_once_and_costs_nothing(tmp_path: Path, fault: str) -> None:
    answer, words = FATAL[fault]
    with scripted_server(lambda request: answer) as (url, got):
        one = asker(tmp_path, url)
        with pytest.raises(ToolFailed, match=words) as failed:
            one.ask(requests(200))
    assert len(got) <= 8
    assert one.purse.spent.usd == 0
    assert KEY not in str(failed.value)


def test_an_endpoint_that_is_not_there_is_named_after_its_patience(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match=r"failed for 1 s: http://127.0.0.1:9/v1/chat/completions cannot be reached"):
        asker(tmp_path, "http://127.0.0.1:9/v1", patience_s=1.0).ask(requests(1))


def test_one_refused_prompt_ends_nothing_and_a_row_of_them_ends_all(tmp_path: Path) -> None:
    refused = Answer(status=400, body='{"error": {"message": "prompt too long"}}')
    answers, one = asked(tmp_path / "a", in_turn(refused, GOOD, GOOD), 3, in_flight=1)
    assert [answer.fate for answer in answers if answer] == ["refused", "answered", "answered"]
    assert one.purse.spent.calls == 2
    with pytest.raises(ToolFailed, match="20 times in a row, the last time because 400: prompt too long"):
        asked(tmp_path / "b", lambda request: refused, USELESS_IN_A_ROW)


def test_models_that_name_the_limit_otherwise_or_take_no_seed_are_asked_their_way(tmp_path: Path) -> None:
    other = Answer(status=400, body='{"error": {"message": "Use max_completion_tokens instead of max_tokens."}}')
    seed = Answer(status=422, body='{"error": {"message": "extra field: seed"}}')
    with scripted_server(in_turn(other, seed, GOOD)) as (url, got):
        (answer,) = asker(tmp_path, url).ask(requests(1))
    assert answer is not None
    assert answer.fate == "answered"
    assert ("max_completion_tokens" in got[-1], "max_tokens" in got[-1], "seed" in got[-1]) == (True, False, False)


def test_a_server_that_counts_nothing_or_nonsense_is_counted_at_the_most(tmp_path: Path) -> None:
    body = '{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": -5, "completion_tokens": "many"}}'
    (answer, other), _ = asked(tmp_path, in_turn(Answer(text="x", tokens=None), Answer(body=body)), 2, in_flight=1)
    assert answer is not None
    assert other is not None
    assert answer.output_tokens == other.output_tokens == 50
    assert answer.input_tokens == other.input_tokens == requests(1)[0].most_input_tokens


def test_nothing_is_sent_that_could_pass_the_limit(tmp_path: Path) -> None:
    limit = 4.5 * PRICES.most_usd(requests(1)[0])
    dear = Answer(text="x", finish_reason="stop", tokens=(40, 50))
    answers, one = asked(tmp_path, lambda request: dear, 20, limit_usd=limit)
    sent = [answer for answer in answers if answer]
    assert len(sent) == 4
    assert answers[4:] == [None] * 16
    assert one.purse.spent.usd <= limit
    assert one.out_of_money


def test_what_a_part_did_not_use_of_its_reservation_pays_for_more(tmp_path: Path) -> None:
    limit = 4.5 * PRICES.most_usd(requests(1)[0])
    cheap = Answer(text="x", finish_reason="stop", tokens=(1, 1))
    answers, one = asked(tmp_path, lambda request: cheap, 20, limit_usd=limit)
    assert None not in answers
    assert one.purse.spent.usd == pytest.approx(20 * 11e-6)


def test_equal_requests_are_paid_for_once_and_never_again(tmp_path: Path) -> None:
    with scripted_server(lambda request: GOOD) as (url, got):
        asker(tmp_path, url).ask([*requests(3), *requests(3)])
        asker(tmp_path, url).ask(requests(4))
    assert len(got) == 4


@pytest.mark.parametrize("name", ["rules", "openai:", "/no/such/folder", "solver"])
def test_a_teacher_that_there_is_not_is_refused_with_what_is_valid(name: str) -> None:
    with pytest.raises(NotAvailable, match=r"valid: openai:MODEL") as found:
        open_teacher(TeacherChoice(name=name), None, "", {})
    assert "or solver" not in str(found.value)  # there is no skill here that solves anything


def test_the_solver_is_valid_where_the_skill_has_one() -> None:
    with pytest.raises(NotAvailable, match=r"valid: openai:MODEL .*, or solver$"):
        open_teacher(TeacherChoice(name="nobody"), load("mahjong"), "win", {})


def test_without_key_and_url_it_says_what_to_set() -> None:
    with pytest.raises(NotAvailable, match=r"OPENAI_API_KEY .* OPENAI_BASE_URL"):
        open_teacher(TeacherChoice(name="openai:m"), None, "", {})
    with pytest.raises(NotAvailable, match="is no URL"):
        open_teacher(TeacherChoice(name="openai:m"), None, "", {"OPENAI_BASE_URL": "localhost:8000"})


class _Keeper(BaseHTTPRequestHandler):
    """Takes one key and no other."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"choices": [{"message": {"content": "x"}}]}'
        self.send_response(200 if self.headers["Authorization"] == f"Bearer {KEY}" else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def test_the_key_comes_from_a_file_that_only_its_owner_reads_or_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(KEY)
    path.chmod(0o600)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Keeper)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        for file, environ in ((path, {}), (None, {"OPENAI_API_KEY": KEY})):
            choice = TeacherChoice(name="openai:m", base_url=url, api_key_file=file)
            (answer,) = open_teacher(choice, None, "", environ).sample(requests(1), lambda at, answer: None)
            assert answer.text == "x"
        with pytest.raises(ToolFailed, match="asks for a key"):
            open_teacher(TeacherChoice(name="openai:m", base_url=url), None, "", {}).sample(
                requests(1), lambda at, answer: None
            )
    finally:
        server.shutdown()
        server.server_close()


def test_a_call_of_a_thread_that_had_just_started_when_the_job_was_broken_off_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, reached = threading.Thread.start, threading.Event()

    def script(request: Any) -> Answer:
        reached.set()
        time.sleep(0.3)
        return GOOD

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        if thread.name.startswith("ThreadPoolExecutor"):  # one of the teacher's, which its pool does not know of yet
            assert reached.wait(5)
            raise KeyboardInterrupt

    with scripted_server(script) as (url, got):
        one = asker(tmp_path, url)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", interrupted)
            with pytest.raises(KeyboardInterrupt):
                one.ask(requests(3))
        assert (one.purse.spent.calls, one.purse.spent.unanswered_calls) == (len(got), 0)
    assert len(got) == 1


def test_what_was_no_answer_is_asked_for_anew_by_a_later_call(tmp_path: Path) -> None:
    bodies = iter([Answer(body="<html>busy</html>"), GOOD, GOOD])
    with scripted_server(lambda request: next(bodies)) as (url, got):
        (first,), (second,), (third,) = (asker(tmp_path, url).ask(requests(1)) for _ in range(3))
    assert first is not None
    assert second == third
    assert (first.fate, second.fate if second else "", len(got)) == ("unreadable", "answered", 2)
