"""Every size of number as it is written for people."""

import pytest
from stratos.state.numbers import AS_SAID, at_least, dollars, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (49_770.4, "49,770"),
        (1_234_567.0, "1,234,567"),
        (999.7, "1,000"),
        (999.4, "999"),
        (14.6105, "14.6"),
        (2.0, "2"),
        (0.000620612, "0.000621"),
        (0.00000012345, "0.000000123"),
        (0.0, "0"),
        (-1234.5, "-1,234"),
        (-0.05, "-0.05"),
    ],
)
def test_a_figure_has_three_digits_thousands_separators_and_no_exponent(value: float, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0.00"),
        (1.0, "$1.00"),
        (0.1, "$0.10"),
        (0.0123, "$0.0123"),
        (0.012783, "$0.0128"),
        (1.2345, "$1.2345"),
        (0.00124, "$0.00124"),
        (1234.5678, "$1,234.57"),
    ],
)
def test_dollars_are_never_cut_to_cents_that_say_less(usd: float, text: str) -> None:
    assert dollars(usd) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1_500_000.0, "1,500,000"), (12_345.6, "12,345.6"), (0.1 + 0.2, "0.3"), (0.00001, "0.00001")]
)
def test_what_was_said_keeps_its_digits(value: float, text: str) -> None:
    assert shown(value, AS_SAID) == text


def test_what_must_suffice_is_rounded_up() -> None:
    assert [at_least(value) for value in (0.07731, 0.0773, 1234.1, 0.0)] == ["0.0774", "0.0773", "1,240", "0"]
