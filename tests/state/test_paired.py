"""McNemar's exact test and Newcombe's interval against numbers worked out by hand or published."""

import pytest
from stratos.state.paired import difference_interval, in_words, mcnemar_exact, pair


@pytest.mark.parametrize(
    ("one_alone", "other_alone", "p_value"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (3, 4, 1.0),
        (0, 5, 2 / 2**5),
        (10, 2, 2 * (1 + 12 + 66) / 2**12),
        (1, 7, 2 * (1 + 8) / 2**8),
    ],
)
def test_the_exact_test_counts_the_ways_the_discordant_items_could_fall(
    one_alone: int, other_alone: int, p_value: float
) -> None:
    assert mcnemar_exact(one_alone, other_alone) == pytest.approx(p_value, rel=1e-12)
    assert mcnemar_exact(other_alone, one_alone) == mcnemar_exact(one_alone, other_alone)


def test_thousands_of_discordant_items_have_a_p_value_too() -> None:
    assert mcnemar_exact(5000, 0) == 0.0
    assert mcnemar_exact(2600, 2400) == pytest.approx(
        0.0049, abs=2e-4
    )  # by the normal curve, corrected: z = 199 / sqrt(5000)


def test_the_interval_is_the_published_one() -> None:
    """Airways before and after a transplantation (Bentur et al. 2009), as Fagerland, Lydersen and Laake 2014 have it."""
    low, high = difference_interval(both=1, one_alone=1, other_alone=7, neither=12)
    assert (round(low, 3), round(high, 3)) == (-0.507, -0.026)


def test_the_interval_worked_out_by_hand() -> None:
    """Of 4 items one is right for both, one for the first alone, two for neither: phi is 1 * 2 - 0 = 2, less 4 / 2, so 0; Wilson
    gives 0.5 (0.150 to 0.850) and 0.25 (0.046 to 0.699), so 0.25 - sqrt(0.350^2 + 0.449^2) and 0.25 + sqrt(0.350^2 + 0.204^2)."""
    low, high = difference_interval(both=1, one_alone=1, other_alone=0, neither=2)
    assert (low, high) == (pytest.approx(0.25 - 0.5696, abs=2e-3), pytest.approx(0.25 + 0.4052, abs=2e-3))


def test_models_that_agree_on_all_items_do_not_differ() -> None:
    same = pair([True, False] * 50, [True, False] * 50)
    assert (same.difference, same.p_value, same.student_alone) == (0.0, 1.0, 0)
    assert same.low < 0 < same.high


def test_only_items_that_both_answered_are_paired() -> None:
    paired = pair([True, True, False, True, True, True], [False, True, False])
    assert (paired.n, paired.student_alone, paired.other_alone, paired.difference) == (3, 1, 0, 1 / 3)


def test_the_other_way_round_the_interval_is_mirrored() -> None:
    low, high = difference_interval(30, 12, 4, 14)
    assert difference_interval(30, 4, 12, 14) == (pytest.approx(-high), pytest.approx(-low))


def test_nothing_to_pair_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 items"):
        pair([True], [])


def test_words() -> None:
    assert in_words("the shortcut", 0.214, 0.189, 0.239, 1e-9) == (
        "+21.4 points over the shortcut (18.9 to 23.9, McNemar p < 0.001)"
    )
    assert (
        in_words("the teacher", -0.01, -0.03, 0.01, 0.4)
        == "-1.0 points over the teacher (-3.0 to 1.0, McNemar p = 0.400)"
    )
