"""The audit page: it holds what the record holds, for every way a run ends, and no text of the record can act on it."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stratos.agent.audit_page import charts
from stratos.agent.audit_page.facts import gather
from stratos.agent.audit_page.records import Band, Candidate, Plan
from stratos.agent.audit_page.render import page, write
from stratos.state.canonical import Row
from stratos.state.errors import OutputError
from stratos.state.evidence import Paired
from stratos.state.journal import Journal
from stratos.state.paired import paired_words
from stratos.state.workspace import Workspace

from ..recorded import HOSTILE, WIN, Recorded

ENDINGS = ("met", "missed", "infeasible", "planned", "refused", "cancelled", "unfinished", "talked", "model")
VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Elements, attributes and text of a page; a tag that is left open or closed twice is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.words.append(" " if tag in ("td", "th", "p", "dt", "dd", "li", "div", "caption", "text") else "")

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def read(rows: list[Row]) -> Reader:
    return Reader(page(rows, "0.1.0"))


def changed(rows: list[Row], seq: int, **columns: str) -> list[Row]:
    return [replace(row, **columns) if row.seq == seq else row for row in rows]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_has_a_page_that_loads_and_runs_nothing(recorded: Recorded, ending: str) -> None:
    rows = recorded.rows(ending)
    html = page(rows, "0.1.0")
    seen = Reader(html)
    assert {"script", "img", "link", "iframe", "object", "base", "a", "form"} & seen.tags == set()
    assert [name for name, _ in seen.attributes if name.startswith("on") or name in ("src", "href")] == []
    assert "url(" not in html.split("</style>")[0]
    assert "@import" not in html.split("</style>")[0]
    assert f"the hashes of all {len(rows)} rows were derived again and fit" in seen.text
    assert rows[-1].hash in seen.text
    assert rows[0].input["request"].split(",")[0] in seen.text
    last = rows[-1]
    if last.kind == "outcome":
        assert " ".join(last.output["reason"].split()) in seen.text
        assert f"{last.name.capitalize()}:" in seen.text
    else:
        assert "the record has no outcome" in seen.text


def test_a_run_that_failed_has_its_page(tmp_path: Path) -> None:
    journal = Journal(Workspace(tmp_path), secrets=())
    journal.begin("run", {"request": "a model", "version": "0.1.0"})
    journal.append("run", "outcome", "failed", None, {"reason": "5 of its calls in a row were refused"})
    text = read(journal.rows("run")).text
    assert "Failed: 5 of its calls in a row were refused" in text
    assert "The record holds no brief." in text
    assert "Nothing was reserved or spent." in text


def test_the_page_of_a_run_that_met_holds_its_evidence(recorded: Recorded) -> None:
    rows = recorded.rows("met")
    text = read(rows).text
    for row in rows:
        if row.name == "judge":
            assert row.output["reason"] in text
        if row.name == "tool evaluate":
            found = row.output["evaluation"]
            exact = found["student"]["exact"]
            assert f"{100 * exact['value']:.1f} % [{100 * exact['low']:.1f} %, {100 * exact['high']:.1f} %]" in text
            assert found["split_sha256"][:16] in text
            assert f"control: {found['controls'][0]['name']}" in text
            assert paired_words(found["controls"][0]["name"], Paired(**found["controls"][0]["paired"])) in text
        if row.name.startswith("guard ") and row.output["reserved_usd"]:
            assert row.output["basis"] in text
    for assumption in rows[1].output["brief"]["assumptions"]:
        assert assumption in text
    assert f"total ${rows[-1].output['spent_usd']:.4f} of $1.00 allowed" in text
    assert "this machine's owner" in text


def test_the_page_of_a_chat_holds_the_request_and_the_brief_at_last_and_what_was_said_before(
    recorded: Recorded,
) -> None:
    rows = recorded.rows("talked")
    facts, text = gather(rows), read(rows).text
    assert facts.request == f"{WIN}, at least 90 % exact; at most $1"
    assert facts.brief is not None
    assert (facts.brief.accuracy, facts.brief.usd) == (0.7, 1.0)
    assert "wanted 70.0 %" in text
    assert "could not be used" not in text
    assert [one.text for one in facts.said] == [f"{WIN}, at least 90 % exact", "at most $1", "70 % is enough"]
    assert [rows[one.seq].name for one in facts.said] == ["user"] * 3
    assert f"row 0: {WIN}, 120 % accuracy" in text
    assert "asked “how much may it cost at most?" in text
    unfinished = gather(rows[:-1])
    assert unfinished.brief == facts.brief
    before_it_was_read = gather([row for row in rows if row.seq < facts.said[0].seq])
    assert before_it_was_read.problems
    assert before_it_was_read.brief is None


def test_every_decision_is_there_with_its_input(recorded: Recorded) -> None:
    rows = recorded.rows("met")
    facts, text = gather(rows), read(rows).text
    assert [one.seq for one in facts.decisions if one.who == "guard"] == [
        row.seq for row in rows if row.name.startswith("guard ")
    ]
    for one in facts.decisions:
        assert " ".join(one.given.split())[:200] in text


@pytest.mark.parametrize("ending", ["met", "model"])
def test_hostile_text_is_shown_as_it_is_and_does_nothing(recorded: Recorded, ending: str) -> None:
    """In the request, and in the reasons of a planner; Reader holds the page to the elements of the template."""
    rows = recorded.rows(ending)
    seen = read(rows)
    assert " ".join(HOSTILE.split()) in seen.text
    assert "<script>alert" not in page(rows, "0.1.0")


HOSTILE_PLACES = ["student", "offer_id", "reason", "source", "name", "split", "basis", "note", "python", "stopped_by"]


@pytest.mark.parametrize("key", HOSTILE_PLACES)
def test_hostile_text_in_any_field_is_escaped(recorded: Recorded, key: str) -> None:
    """A forged record: every value of this key is an attack."""
    attack = '\\"><script>alert(1)</script><p onload=x>'
    rows = [
        replace(
            row,
            input_json=re.sub(rf'"{key}":"[^"]*"', f'"{key}":"{attack}"', row.input_json),
            output_json=re.sub(rf'"{key}":"[^"]*"', f'"{key}":"{attack}"', row.output_json),
        )
        for row in recorded.rows("met")
    ]
    assert rows != recorded.rows("met")
    seen = read(rows)
    assert "script" not in seen.tags
    assert "onload" not in [name for name, _ in seen.attributes]
    assert '"><script>alert(1)</script>' in seen.text


def test_a_changed_record_says_so_before_anything_else(recorded: Recorded) -> None:
    rows = recorded.rows("met")
    seen = read(changed(rows, 4, output_json=rows[4].output_json.replace("local", "lokal")))
    assert seen.text.index("This record is not what was written.") < seen.text.index("Stratos audit · run")
    assert "row 4 (tool look_up_prices) was changed" in seen.text
    assert "Intact" not in seen.text
    assert "Met (unproven)" in seen.text
    assert ("role", "alert") in seen.attributes
    assert seen.text.count("· unproven") == len([one for one in gather(rows).decisions if one.seq >= 4])


@pytest.mark.parametrize("ending", ["met", "refused", "unfinished"])
@pytest.mark.parametrize(
    "damage", ["{broken", "", "[]", '"text"', "null", '{"brief": 3, "plan": [], "attempt": {}, "call": 1}']
)
def test_whatever_is_left_of_a_record_has_a_page(recorded: Recorded, ending: str, damage: str) -> None:
    rows = [replace(row, input_json=damage, output_json=damage) for row in recorded.rows(ending)]
    text = read(rows).text
    assert "This record is not what was written." in text
    assert ("No JSON, and so left out" in text) == (damage in ("{broken", ""))


@settings(max_examples=12)
@given(st.data())
def test_any_rows_of_a_run_have_a_page(recorded: Recorded, data: st.DataObject) -> None:
    rows = recorded.rows("met")
    kept = data.draw(st.lists(st.sampled_from(rows), min_size=1, max_size=8))
    text = read(kept).text
    assert ("Intact" in text) == (kept == rows[: len(kept)])


@pytest.mark.parametrize("figure", ["1e308", "-1e308", "0", "1e999", "-0.0", "9" * 400])
def test_no_figure_keeps_a_record_from_having_a_page(recorded: Recorded, figure: str) -> None:
    rows = [
        replace(row, output_json=re.sub(r"(?<=:)-?[\d.]+(e-?\d+)?(?=[,}])", figure, row.output_json))
        for row in recorded.rows("met")
    ]
    assert "This record is not what was written." in read(rows).text


def test_half_a_surrogate_pair_can_be_written(recorded: Recorded, tmp_path: Path) -> None:
    rows = changed(recorded.rows("refused"), 0, input_json='{"request": "caf\\udce9"}')
    write(tmp_path / "page.html", page(rows, "0.1.0"))
    assert "caf?" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_a_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "missing" / "page.html", "x")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "folder.html", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.html"]


def point(usd: float, accuracy: float | None, *, chosen: bool = False, hours: float = 1.0) -> Candidate:
    def band(value: float) -> Band:
        return Band(value=value, low=value / 2, high=(1 + value) / 2)

    return Candidate(
        server="here",
        student="small",
        tokens=1e6,
        here=True,
        chosen=chosen,
        accuracy=band(accuracy) if accuracy is not None else None,
        latency_p95_ms=None,
        hours=band(hours),
        usd=band(usd),
    )


def plan(*front: Candidate) -> Plan:
    return Plan(seq=1, reason="", considered=None, pilot=False, front=front, excluded=())


def test_dollars_are_drawn_by_their_logarithm_and_accuracy_upward() -> None:
    chart = charts.front_chart(plan(point(0.01, 0.5), point(0.1, 0.9, chosen=True), point(1, 0.99)), 0.9, 0.5)
    assert chart is not None
    places = sorted((mark.x, -mark.y) for mark in chart.marks)
    assert places[1][0] - places[0][0] == pytest.approx(places[2][0] - places[1][0], abs=0.2)
    assert [y for _, y in places] == sorted(y for _, y in places)
    assert chart.chosen is not None
    assert chart.chosen.y == chart.target_y
    assert chart.limit_x is not None
    assert places[1][0] < chart.limit_x < places[2][0]
    assert [tick.label for tick in chart.x_ticks] == ["$0.01", "$0.1", "$1"]


def test_what_costs_nothing_has_a_place_of_its_own_and_what_is_unknown_is_counted() -> None:
    chart = charts.front_chart(
        plan(point(0, 0.5, hours=2), point(0, 0.4, hours=1), point(1, 0.9), point(1, None)), None, None
    )
    assert chart is not None
    assert chart.free_until is not None
    free = sorted(mark.x for mark in chart.marks)[:2]
    assert charts.LEFT < free[0] < free[1] < chart.free_until
    assert (len(chart.marks), chart.unplaced) == (3, 1)
    only_free = charts.front_chart(plan(point(0, 0.5)), 0.99, 1.0)
    assert only_free is not None
    assert (only_free.x_ticks, only_free.limit_x) == ((), None)
    assert charts.front_chart(plan(point(1, None)), 0.9, 1.0) is None


def test_marks_are_larger_the_sooner_they_answer_and_runners_up_have_their_number() -> None:
    def answering(ms: float, runner_up: int = 0) -> Candidate:
        return replace(point(ms / 100, 0.9), latency_p95_ms=Band(value=ms, low=ms, high=ms), runner_up=runner_up)

    chart = charts.front_chart(plan(answering(20), answering(90, 2), answering(300)), None, None, 100.0)
    assert chart is not None
    marks = sorted(chart.marks, key=lambda mark: mark.x)
    assert [mark.radius for mark in marks] == list(charts.RADII)
    assert [mark.runner_up for mark in marks] == [0, 2, 0]
    assert marks[1].words.endswith("p95 90 ms; runner-up 2")
    assert chart.latency == "fast up to 50 ms, slow above 100 ms"


def test_the_page_numbers_the_runners_up_of_the_record(recorded: Recorded) -> None:
    (found,) = gather(recorded.rows("planned")).plans
    numbers = sorted(one.runner_up for one in found.front if one.runner_up)
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers
    assert not any(one.chosen and one.runner_up for one in found.front)
    assert ">runner-up 1<" in page(recorded.rows("planned"), "1.0")


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.floats(0, allow_infinity=False), st.floats(0, 1)), min_size=1, max_size=9), st.none() | st.floats(0, 1)
)  # fmt: skip
def test_every_mark_lies_inside_the_chart(places: list[tuple[float, float]], target: float | None) -> None:
    chart = charts.front_chart(plan(*(point(usd, share) for usd, share in places)), target, 1.0)
    assert chart is not None
    assert len(chart.marks) == len(places)
    for mark in chart.marks:
        assert charts.LEFT <= mark.x <= charts.RIGHT
        assert charts.TOP <= mark.band_top <= mark.y <= mark.band_bottom <= charts.BOTTOM


def test_a_loss_curve_falls_from_the_left_to_the_right() -> None:
    line = charts.loss_line([(100.0, 3.0), (200.0, 0.3), (400.0, 0.03)])
    assert [x for x, _ in line] == sorted(x for x, _ in line)
    assert line[1][1] - line[0][1] == pytest.approx(line[2][1] - line[1][1], abs=0.2)
    assert charts.loss_line([(1.0, 0.0), (2.0, -1.0)])[1][1] > charts.loss_line([(1.0, 0.0), (2.0, -1.0)])[0][1]
    assert charts.loss_line([]) == ()
