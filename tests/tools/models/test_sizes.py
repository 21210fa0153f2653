"""Sizes as people write them, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stratos.state.errors import Correctable
from stratos.tools.models.sizes import gigabytes, parse_size, size_text


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("0.5B", 500_000_000),
        ("14b", 14 * 10**9),
        (" 500 M ", 5 * 10**8),
        ("1.6T", 16 * 10**11),
        ("494,032,768", 494_032_768),
        (".1B", 10**8),
        ("7_000", 7000),
        ("2k", 2000),
    ],
)
def test_a_size_is_read(text: str, parameters: int) -> None:
    assert parse_size(text) == parameters


@pytest.mark.parametrize(
    "text", ["", "B", "0", "0B", "-1B", "1.2.3B", "nan", "inf", "1e9", "14 billion", "14Q", "0x10"]
)
def test_what_is_no_size_says_what_is(text: str) -> None:
    with pytest.raises(Correctable, match=r"0\.5B, 14B"):
        parse_size(text)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        (None, "?"),
        (12, "12"),
        (134_515_008, "135M"),
        (999_885_952, "1.00B"),
        (7_615_616_512, "7.62B"),
        (32_763_876_352, "32.8B"),
        (671 * 10**9, "671B"),
    ],
)
def test_a_size_is_written_with_three_digits(parameters: int | None, text: str) -> None:
    assert size_text(parameters) == text


@given(st.integers(min_value=1, max_value=10**13))
def test_a_written_size_reads_back_within_half_a_percent(parameters: int) -> None:
    assert abs(parse_size(size_text(parameters)) / parameters - 1) <= 0.0051


def test_bytes_are_written_as_people_say_them() -> None:
    assert (gigabytes(15.23e9), gigabytes(269e6)) == ("15.2 GB", "269 MB")
