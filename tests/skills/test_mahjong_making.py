"""How examples are made: right, repeatable, in the vocabulary, and without shortcuts."""

import os
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache

import pytest
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


def test_nine_gates_have_the_longest_completion_and_it_fits() -> None:
    """The most of all single-suit hands, found by walking them once: nine waits, 153 tokens."""
    read = SKILL.solve("waits", SKILL.parse_question("waits", "1112345678999m"))
    assert len(SKILL.completion(read, rationale=True).split()) == 153 <= SKILL.tasks["waits"].max_completion_tokens


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
    ],
)
def test_a_search_that_claims_what_is_not_so_is_caught(false: str) -> None:
    prompt = SKILL.parse_question("win", "123m456p789s11122z")
    assert not SKILL.check("win", Example(prompt=prompt, rationale=false, answer="yes"))


def test_a_wait_left_out_and_a_false_reading_are_caught() -> None:
    example = next(example for example in made("waits", 50) if len(example.answer.split()) == 2)
    short = Example(prompt=example.prompt, rationale=example.rationale, answer=example.answer.split()[0])
    false = [
        Example(prompt=example.prompt, rationale=r, answer=example.answer) for r in ("", "1m 1m 1m", "7z , 7z", "9m 9m")
    ]
    assert not any(SKILL.check("waits", wrong) for wrong in (short, *false))


def test_a_hand_that_waits_for_nothing_is_solved_and_checked() -> None:
    solved = SKILL.solve("waits", SKILL.parse_question("waits", "1111m234p567p789s"))
    assert (solved.rationale, solved.answer) == ("", "none")
    assert SKILL.check("waits", solved)


def test_an_aim_that_is_not_nearest_is_caught() -> None:
    example = made("discard", 1)[0]
    far = "1z 1z 1z , 2z 2z 2z , 3z 3z 3z , 4z 4z 4z , 5z 5z"
    assert not SKILL.check("discard", Example(prompt=example.prompt, rationale=far, answer=example.answer))
