"""Tests of canonical JSON, differences and masking."""

import json
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stratos.state.canonical import canonical, first_difference, masked, odd_part, plain, secrets_from_environment
from stratos.state.errors import JournalError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
SECRETS = st.lists(st.text("ab", min_size=8, max_size=12), min_size=1, max_size=3)


@settings(max_examples=50)
@given(VALUES)
def test_a_plain_value_survives_its_text(value: Any) -> None:
    text = canonical(plain(value))
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


@settings(max_examples=50)
@given(VALUES, VALUES)
def test_values_differ_just_when_their_texts_do(one: Any, other: Any) -> None:
    assert (first_difference(one, other) is None) == (canonical(one) == canonical(other))


def test_the_text_does_not_depend_on_the_order_of_keys() -> None:
    assert canonical({"b": 1, "a": [1.0, True, "é\ud800"]}) == '{"a":[1.0,true,"\\u00e9\\ud800"],"b":1}'


def test_tuples_and_text_enums_become_lists_and_text() -> None:
    class Suit(StrEnum):
        MAN = "m"

    value = plain({Suit.MAN: (Suit.MAN, 1)})
    assert value == {"m": ["m", 1]}
    assert type(value["m"][0]) is str


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_lacks_are_refused_with_their_place(number: float) -> None:
    with pytest.raises(JournalError, match=r"out\.losses\[1\] is -?(nan|inf): .* finite"):
        plain({"losses": [1.0, number]}, "out")


def test_other_types_and_keys_are_refused_with_their_place() -> None:
    with pytest.raises(JournalError, match=r"out\[0\] is of type set"):
        plain([{1, 2}], "out")
    with pytest.raises(JournalError, match="out has the key 1"):
        plain({1: "a"}, "out")


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(JournalError, match="contains itself"):
        plain(value)


def test_a_difference_names_the_place_and_both_sides() -> None:
    assert first_difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2.0}]}) == (".a[1].b", 2, 2.0)
    assert first_difference({"a": 1}, {"a": 1, "c": 3}) == (".c", "(absent)", 3)
    assert first_difference([1, 2], [1]) == (" length", 2, 1)


@settings(max_examples=50)
@given(st.text("abc"), SECRETS)
def test_no_secret_stays_in_a_text(text: str, secrets: list[str]) -> None:
    shown = masked({"key " + text: [text]}, secrets)
    assert not any(secret in canonical(shown) for secret in secrets)
    if not any(secret in text for secret in secrets):
        assert shown == {"key " + text: [text]}


def test_overlapping_secrets_are_masked_as_one() -> None:
    assert masked("x abcdefghijkl y", ["abcdefgh", "efghijkl"]) == "x *** y"


@pytest.mark.parametrize("quoted", ["sk-ab***yz99", "sk-abc...yz99", "sk-abcdef…", "****yz99"])
def test_a_secret_that_is_quoted_in_part_is_masked(quoted: str) -> None:
    assert masked(f"Incorrect API key: '{quoted}'.", ["sk-abcdefghxyz99"]) == "Incorrect API key: '***'."


def test_dots_and_stars_of_ordinary_text_stay() -> None:
    for text in ("wait ... and see", "**bold** words", "a...b", "other***yz99"):
        assert masked(text, ["sk-abcdefghxyz99"]) == text


@pytest.mark.parametrize(
    ("value", "odd"), [("\ud800", "half"), ([1e400], "finite"), ({"a": 10**400}, "bits"), ("é", None)]
)
def test_what_cannot_be_passed_on_between_programs_is_named(value: Any, odd: str | None) -> None:
    assert odd in (odd_part(value) or "") if odd else odd_part(value) is None


def test_two_secret_keys_keep_their_values_apart() -> None:
    assert masked({"secret-one": 1, "secret-two": 2}, ["secret-one", "secret-two"]) == {"***": 1, "****": 2}


def test_secrets_come_from_variables_named_so() -> None:
    environment = {
        "OPENAI_API_KEY": "sk-12345678\n",
        "HF_TOKEN": "short",
        "aws_secret_access_key": "a" * 40,
        "HOME": "/home/me/x",
    }
    assert secrets_from_environment(environment) == {"sk-12345678", "a" * 40}
