"""The alignment eval: hands that are never shared, and differences with the interval of paired items."""

from dataclasses import replace
from pathlib import Path

import pytest
from stratos.evals.alignment import QUICK
from stratos.evals.alignment_data import TASK, make_data, paired_difference
from stratos.evals.mahjong import SKILL
from stratos.skills import load
from stratos.tools.training.batches import read_examples

SIZES = replace(QUICK, labelled=2500, teacher_tokens=1, prompts=300, student_tokens=1, few=50, items=60)


def test_no_hand_is_in_two_of_the_sets(tmp_path: Path) -> None:
    data, skill = make_data(TASK, SIZES, 0, tmp_path / "data"), load(SKILL)
    shards = [data.held_out, *data.few, *data.prompts, *data.plenty]
    hands = [skill.canonical(TASK, one.prompt) for shard in shards for one in read_examples(shard)]
    assert len(hands) == len(set(hands)) == 60 + 50 + 300 + 2500
    assert len(data.plenty) == 2  # 2,000 and 500


def test_data_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    data = make_data(TASK, SIZES, 0, tmp_path / "data")
    data.held_out.write_text("")
    assert make_data(TASK, SIZES, 0, tmp_path / "data").held_out.read_text() == ""


def test_a_difference_counts_the_items_on_which_two_students_differ() -> None:
    one, other = (
        [True, True, True, False, True, True, False, False],
        [False, False, True, True, True, True, False, False],
    )
    # Two gained and one lost of eight: 1/8, and 1.96 sqrt((3/8 - 1/64) / 8) = 0.4154.
    value, (low, high) = paired_difference(one, other)
    assert value == 0.125
    assert (low, high) == pytest.approx((0.125 - 0.4154, 0.125 + 0.4154), abs=1e-3)
    assert paired_difference(one, one) == (0, (0, 0))
