"""What counts as right under each metric, and which metric answers call for."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from stratos.skills.given.metrics import judge_of, number_in, token_f1, told_metric
from stratos.state.brief import Metric
from stratos.state.errors import RequestError


@pytest.mark.parametrize(
    ("metric", "wanted", "answer", "right"),
    [
        ("exact", "a b", "a b", True),
        ("exact", "a b", "A b", False),
        ("choice", "card_arrival", "Card_Arrival", True),
        ("choice", "card_arrival", "card", False),
        ("numeric", "72", "72.0", True),
        ("numeric", "1234", "$1,234.00", True),
        ("numeric", "0.5", "1/2", True),
        ("numeric", "336^\\circ", "336", True),
        ("numeric", "336", r"336^{\circ}", True),
        ("numeric", "72", "72 apples", False),
        ("numeric", "72", "-72", False),
        ("regex", r"\d{3}-\d{4}", "555-1234", True),
        ("regex", r"\d{3}-\d{4}", "call 555-1234", False),
        ("f1", "the quick brown fox", "quick brown fox", True),
        ("f1", "the quick brown fox", "fox", False),
    ],
)
def test_right_and_wrong(metric: Metric, wanted: str, answer: str, right: bool) -> None:
    assert judge_of(metric)("a question", wanted, answer) is right


def test_token_f1_by_hand() -> None:
    # 2 words in common of 4 wanted and 3 given: precision 2/3, recall 1/2, harmonic mean 4/7.
    assert token_f1("a b c d", "a, B x") == pytest.approx(4 / 7)


@pytest.mark.parametrize("text", ["", "abc", "1,23", "12 34", "1/0", "--3", "."])
def test_no_numbers(text: str) -> None:
    assert number_in(text) is None


@given(some.integers(-(10**12), 10**12))
def test_integers_are_read_with_and_without_separators(number: int) -> None:
    assert number_in(str(number)) == number_in(f"{number:,}") == number_in(f"${number:,}.") == Fraction(number)


def test_the_metric_that_answers_call_for() -> None:
    assert told_metric(["red", "green", "blue"] * 50) == "choice"
    assert told_metric([str(number) for number in range(100)]) == "numeric"
    assert told_metric(["1", "2"] * 50) == "choice"
    assert told_metric([f"answer {number}" for number in range(100)]) == "exact"


def test_a_function_of_the_users_judges(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def longer(question, wanted, given):\n    return len(given) > len(wanted)\n", encoding="utf-8")
    judge = judge_of("python", f"{file}:longer")
    assert judge("q", "ab", "abc") is True
    assert judge("q", "ab", "a") is False


@pytest.mark.parametrize(
    ("verifier", "said"),
    [
        ("mine.py:other", "no function 'other'"),
        ("gone.py:f", "FILE.py:FUNCTION"),
        ("bad.py:f", "raises ZeroDivisionError"),
    ],
)
def test_verifiers_that_cannot_be_used(tmp_path: Path, verifier: str, said: str) -> None:
    (tmp_path / "mine.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "bad.py").write_text("1 / 0\n", encoding="utf-8")
    with pytest.raises(RequestError, match=said):
        judge_of("python", f"{tmp_path}/{verifier}")


def test_mathematics() -> None:
    same = judge_of("math")
    assert same("q", r"\frac{1}{2}", "0.5") is True
    assert same("q", r"2\sqrt{3}", r"\sqrt{12}") is True
    assert same("q", "3", "4") is False


def test_a_number_too_large_to_write_out_is_none() -> None:
    assert number_in("1e300") == 10**300
    assert number_in("1e999999999") is None
