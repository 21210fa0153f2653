"""How examples are made: right, repeatable, in the vocabulary, and without shortcuts."""

import hashlib
import os
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache
from itertools import pairwise
from random import Random

import pytest
from stratos.skills.mahjong import judge, play
from stratos.skills.mahjong.examples import IN_PLAY, IN_PLAY_SHARE, LONGEST
from stratos.skills.mahjong.skill import SKILL
from stratos.skills.mahjong.tiles import read_prompt
from stratos.skills.protocol import Example

TASKS = ("win", "waits", "discard")
PRINT_BLOCK = "from stratos.skills.mahjong.skill import SKILL; print(SKILL.make({task!r}, seed=3, block=1, count=20))"
BOUND = 0.64


@cache
def made(task: str, count: int, seed: int = 11) -> list[Example]:
    return SKILL.make(task, seed=seed, block=0, count=count)


@pytest.mark.parametrize("task", TASKS)
def test_the_verifier_agrees_with_every_example(task: str) -> None:
    assert [example for example in made(task, 500) if not SKILL.check(task, example)] == []


@pytest.mark.parametrize("task", TASKS)
def test_what_is_taught_is_judged_exact(task: str) -> None:
    for example in made(task, 100):
        check = SKILL.verify(task, example.prompt, SKILL.completion(example, rationale=True))
        assert check.parsed
        assert check.exact


@pytest.mark.parametrize("task", TASKS)
def test_the_solver_repeats_what_was_made(task: str) -> None:
    examples = made(task, 200)
    assert [SKILL.solve(task, example.prompt) for example in examples] == examples


@pytest.mark.parametrize("task", TASKS)
def test_every_word_is_in_the_vocabulary_and_every_text_within_its_limit(task: str) -> None:
    limits = SKILL.tasks[task]
    for example in made(task, 200 if task == "discard" else 2000):
        prompt, completion = example.prompt.split(" "), SKILL.completion(example, rationale=True).split(" ")
        assert set(prompt) | set(completion) <= set(SKILL.vocabulary)
        assert len(prompt) == limits.max_prompt_tokens
        assert len(completion) <= limits.max_completion_tokens


def test_a_hand_whose_search_is_too_long_to_teach_is_not_made() -> None:
    """Nine gates wait for nine tiles: 512 tokens. Of hands drawn 1 in 80 is longer than the limit, nearly all of one suit."""
    nine = SKILL.solve("waits", SKILL.parse_question("waits", "1112345678999m"))
    assert SKILL.check("waits", nine)
    assert len(nine.rationale.split()) > LONGEST >= max(len(e.rationale.split()) for e in made("waits", 2000))


def test_the_longest_search_fits() -> None:
    """The most of all single-suit hands, found by walking them once: six pairs tried, 325 tokens."""
    searched = SKILL.solve("win", SKILL.parse_question("win", "33344455667799m"))
    length = len(SKILL.completion(searched, rationale=True).split())
    assert length == 325 == SKILL.tasks["win"].max_completion_tokens


def test_no_word_is_listed_twice() -> None:
    assert len(set(SKILL.vocabulary)) == len(SKILL.vocabulary)


@pytest.mark.parametrize("task", TASKS)
def test_a_block_is_the_same_in_another_process(task: str) -> None:
    command = [sys.executable, "-c", PRINT_BLOCK.format(task=task)]
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    other = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert other.stdout.strip() == str(SKILL.make(task, seed=3, block=1, count=20))


@pytest.mark.parametrize(
    ("task", "sha256"), [("win", "6342f846b74334e6"), ("waits", "161d089e03e356fb"), ("discard", "50f043a3bd8cac70")]
)
def test_a_block_is_the_one_that_learning_curves_were_measured_on(task: str, sha256: str) -> None:
    block = repr(SKILL.make(task, seed=5, block=1, count=300))
    assert hashlib.sha256(block.encode()).hexdigest().startswith(sha256)


def test_blocks_and_seeds_differ() -> None:
    blocks = [SKILL.make("win", seed=seed, block=block, count=5) for seed in (1, 2) for block in (0, 1)]
    assert len({tuple(example.prompt for example in block) for block in blocks}) == 4


@pytest.mark.parametrize("task", TASKS)
def test_no_hand_has_a_fifth_copy_or_is_seven_pairs(task: str) -> None:
    hands = [read_prompt(example.prompt) for example in made(task, 500)]
    assert max(map(max, hands)) == 4
    assert not any(hand.count(2) == 7 for hand in hands)


def test_win_answers_are_half_yes() -> None:
    yes = sum(example.answer == "yes" for example in made("win", 4000))
    assert 1880 < yes < 2120


def test_waits_vary_in_number_and_are_never_none() -> None:
    sizes = Counter(len(example.answer.split()) for example in made("waits", 1000))
    assert set(sizes) >= {1, 2, 3, 4}
    assert "none" not in {example.answer for example in made("waits", 1000)}


@pytest.mark.parametrize("name", SKILL.tasks["win"].shortcuts)
def test_no_feature_of_a_win_prompt_gives_the_answer_away(name: str) -> None:
    examples, feature = made("win", 12_000), SKILL.tasks["win"].shortcuts[name]
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for example in examples[:4000]:
        votes[feature(example.prompt)][example.answer] += 1
    right = [
        max("no", "yes", key=votes[feature(example.prompt)].__getitem__) == example.answer
        for example in examples[4000:]
    ]
    assert sum(right) / len(right) < BOUND


def test_a_wrong_label_is_caught() -> None:
    example = next(example for example in made("win", 20) if example.answer == "no")
    assert not SKILL.check("win", Example(prompt=example.prompt, rationale=example.rationale, answer="yes"))


@pytest.mark.parametrize(
    "false",
    [
        "1m 2m 3m , 4p 5p 6p , 7s 8s 9s , 1z 1z 1z | 2z 2z , 2z / 2z 2z , 1z 1z 1z",  # nothing said of what is left over
        "1m 2m 3m , 4p 5p 6p , 7s 8s 9s , 1z 1z 1z | 2z 2z , 2z / 2z 2z | 1z 1z , 1z 1z 1z",  # a tile too few left over
        "1m 2m 3m / 1m 2m 3m , 4p 5p 6p , 7s 8s 9s , 2z 2z | 1z 1z 1z , 1z 1z 1z",  # given up, but no dead end
        "1m 2m 3m , 4p 5p 6p , 7s 8s 9s , 2z 2z | 1z 1z 1z , 1z",  # ends too early
        "1m 2m 3m , 4p 5p 6p , 7s 8s 9s , 3z 3z 3z | 1z 1z 1z 2z 2z , 1z / 2z 2z | 1z 1z 1z , 1z 1z 1z",  # tiles not held
    ],
)
def test_a_search_that_claims_what_is_not_so_is_caught(false: str) -> None:
    prompt = SKILL.parse_question("win", "123m456p789s11122z")
    assert not SKILL.check("win", Example(prompt=prompt, rationale=false, answer="yes"))


def test_a_no_without_a_search_is_not_borne_out() -> None:
    prompt = SKILL.parse_question("win", "124m456p789s11122z")
    assert not SKILL.check("win", Example(prompt=prompt, rationale="", answer="no"))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("1z 1z 1z , 2z 2z", "1z 1z 1z 2z 2z"),  # not in threes
        ("yes 1m 4m", "yes 1m"),  # a wait too few
        ("yes 1m 4m", "yes 1m 4m 7m"),
        ("1z 1z | 1z 2z 2z , 1z", "1z 1z | 1z 2z , 1z"),  # a tile too few left over
        ("1z 1z | 1z 2z 2z , 1z", "1z 1z | 1z 2z 2z , yes 1z 1z"),  # no meld beside it
        ("2z 2z , 2z 2z , yes 2z 2z", "2z 2z , 2z"),  # given up, but no dead end
        ("2z 2z , 2z 2z , yes 2z 2z", "2z 2z , 2z 2z"),  # ends without a verdict
        ("1z 1z 1z | 2z 2z , 2z 2z", "2z 2z 2z | 2z 2z , 2z 2z"),  # set apart, but not held
    ],
)
def test_a_search_for_waits_that_claims_what_is_not_so_is_caught(right: str, wrong: str) -> None:
    example = SKILL.solve("waits", SKILL.parse_question("waits", "23m456p789s11122z"))
    assert SKILL.check("waits", example)
    assert right in example.rationale
    assert not SKILL.check("waits", replace(example, rationale=example.rationale.replace(right, wrong)))


def test_a_wait_left_out_is_caught() -> None:
    example = next(example for example in made("waits", 50) if len(example.answer.split()) == 2)
    assert not SKILL.check("waits", replace(example, answer=example.answer.split()[0]))


@pytest.mark.parametrize("hand", ["1111m234p567p789s", "24m13579p123s555z", "147m258p369s1234z", "1m23m456p78s1112z3z"])
def test_a_hand_that_waits_for_nothing_is_solved_and_checked(hand: str) -> None:
    solved = SKILL.solve("waits", SKILL.parse_question("waits", hand))
    assert solved.answer == "none"
    assert SKILL.check("waits", solved)


@pytest.mark.parametrize("task", ["waits", "discard"])
def test_hands_as_in_play_are_made_as_often_as_declared_and_told_by_their_family(task: str) -> None:
    families = Counter(example.family.partition(f", {IN_PLAY}")[1] for example in made(task, 2000))
    assert families[f", {IN_PLAY}"] / 2000 == pytest.approx(IN_PLAY_SHARE[task], abs=0.04)


def test_families_say_how_many_waits_and_which_shanten() -> None:
    for example in made("waits", 300):
        waits = len(example.answer.split())
        assert example.family.startswith(f"{waits} wait" if waits < 4 else "4 waits or more")
    for example in made("discard", 300):
        shanten = judge.shanten(read_prompt(example.prompt))
        assert example.family.startswith(f"shanten {shanten}" if shanten < 4 else "shanten 4 or more")


def test_a_deal_is_played_to_the_hand_it_waits_with() -> None:
    *hands, last = play.positions(Random(3))
    assert {sum(hand) for hand in hands} == {14}
    assert (sum(last), bool(judge.waits(last))) == (13, True)
    thrown = [sum(have > kept for have, kept in zip(hand, after, strict=True)) for hand, after in pairwise(hands)]
    assert set(thrown) <= {0, 1}
    assert [judge.shanten(hand) for hand in hands] == sorted((judge.shanten(hand) for hand in hands), reverse=True)
