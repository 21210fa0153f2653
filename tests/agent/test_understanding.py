"""What lines typed in a chat mean."""

from typing import Any

import pytest
from stratos.agent.understanding import understand


@pytest.mark.parametrize(
    ("line", "does"),
    [
        ("yes", "approve"), ("Go ahead!", "approve"), ("好的", "approve"), ("no", "decline"), ("取消", "decline"),
        ("stop", "stop"), ("停", "stop"), ("go on", "go_on"), ("继续", "go_on"), ("quit", "quit"), ("status", "status"),
        ("进度", "status"), ("show me the plan", "plan"), ("help", "help"), ("?", "help"),
        ("I like trains", "unknown"), ("", "unknown"), ("thanks", "unknown"),
        ("please go on", "go_on"), ("请继续", "go_on"), ("stop please", "stop"), ("pause it", "stop"), ("停止训练", "stop"),
        ("ok, do it", "approve"), ("Yes, go ahead", "approve"), ("是的", "approve"), ("no thanks", "decline"),
        ("why not?", "plan"), ("why did you take $0.08?", "plan"),
    ],
)  # fmt: skip
def test_plain_words(line: str, does: str) -> None:
    assert understand(line).does == does


@pytest.mark.parametrize(
    ("line", "about"),
    [
        ("why not the H100?", "H100"),
        ("Why don't you use an A100?", "A100"),
        ("why not on lambda", "lambda"),
        ("why not scratch-5M?", "scratch-5M"),
        ("为什么不用H100？", "H100"),
    ],
)
def test_why_not_names_what_is_meant(line: str, about: str) -> None:
    found = understand(line)
    assert (found.does, found.about) == ("why_not", about)


@pytest.mark.parametrize(
    ("line", "does", "changes"),
    [
        ("what if I had $50?", "what_if", {"usd": 50.0}),
        ("What if it took 20 minutes and cost $2?", "what_if", {"usd": 2.0, "hours": 1 / 3}),
        ("如果预算是50美元呢？", "what_if", {"usd": 50.0}),
        ("at most $2", "change", {"usd": 2.0}),
        ("92 % is enough", "change", {"accuracy": 0.92}),
        ("under 100 ms please", "change", {"latency_p95_ms": 100.0}),
        ("延迟不超过100毫秒", "change", {"latency_p95_ms": 100.0}),
        ("only on H100", "change", {"accelerators": ("H100",)}),
        ("do it with 92 %", "change", {"accuracy": 0.92}),
        ("提高到95%", "change", {"accuracy": 0.95}),
        ("is 99% possible?", "what_if", {"accuracy": 0.99}),
        ("how much would 99 % cost?", "what_if", {"accuracy": 0.99}),
        ("99%可以吗？", "what_if", {"accuracy": 0.99}),
        ("can it run on an H100?", "what_if", {"accelerators": ("H100",)}),
    ],
)
def test_figures_change_the_brief(line: str, does: str, changes: dict[str, Any]) -> None:
    found = understand(line)
    assert found.does == does
    assert found.word is not None, found.problem
    said = {**found.word.targets, **found.word.limits}
    assert said.keys() == changes.keys()
    for name, value in changes.items():
        assert said[name] == (pytest.approx(value) if isinstance(value, float) else value)
    assert found.word.text == line


def test_a_figure_that_cannot_be_placed_is_a_problem_and_no_guess() -> None:
    found = understand("make it 42")
    assert (found.does, found.word) == ("change", None)
    assert "42" in found.problem


@pytest.mark.parametrize(
    "line",
    [
        "raise the budget by $5", "$2 more", "another $5", "lower the accuracy by 2 %", "5% less accuracy is fine",
        "10% cheaper", "give it 30 more minutes", "准确率提高5%",
    ],
)  # fmt: skip
def test_a_difference_is_not_taken_for_a_new_value(line: str) -> None:
    found = understand(line)
    assert (found.does, found.word) == ("change", None)
    assert "not the difference" in found.problem


@pytest.mark.parametrize(
    ("line", "aim"),
    [
        ("cheaper", "usd"),
        ("why not cheaper?", "usd"),
        ("why not faster", "latency"),
        ("can it be cheaper?", "usd"),
        ("便宜一点", "usd"),
        ("faster", "latency"),
        ("more accurate", "accuracy"),
    ],
)
def test_wishes_for_more_of_something(line: str, aim: str) -> None:
    found = understand(line)
    assert (found.does, found.aim) == ("better", aim)


@pytest.mark.parametrize(
    "line", ["use my data in tickets.jsonl", "train on data/tickets.jsonl too", "用我的数据 tickets.jsonl"]
)
def test_own_data(line: str) -> None:
    found = understand(line)
    assert found.does == "use_data"
    assert found.about.endswith("tickets.jsonl")


def test_own_data_keeps_a_path_with_spaces_and_refuses_what_it_cannot_read() -> None:
    assert understand('use my data in "/tmp/my data.jsonl"').about == "/tmp/my data.jsonl"
    assert "JSONL" in understand("use my data in tickets.csv").problem
    found = understand("don't use my data in tickets.jsonl")
    assert (found.word, "keeps" in found.problem) == (None, True)


@pytest.mark.parametrize(
    ("line", "number"), [("第二个", 2), ("1", 1), ("the second one", 2), ("option 3", 3), ("第2个", 2)]
)
def test_options_are_picked_by_number(line: str, number: int) -> None:
    found = understand(line)
    assert (found.does, found.number) == ("pick", number)
