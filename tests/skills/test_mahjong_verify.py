"""What a completion must be to count: parsed, right, exact; and how questions and prompts are read."""

import pytest
from stratos.skills import load, names, read_manual, skill_folder
from stratos.skills.mahjong.skill import SKILL
from stratos.state.errors import RequestError

WON = SKILL.parse_question("win", "111222333m456p77z")
LOST = SKILL.parse_question("win", "111222334m456p77z")
WAITING = SKILL.parse_question("waits", "23456m456p789s11z")


def verdict(task: str, prompt: str, completion: str) -> tuple[bool, bool, bool]:
    check = SKILL.verify(task, prompt, completion)
    return check.parsed, check.answer_right, check.exact


@pytest.mark.parametrize(
    "groups",
    [
        "1m 1m 1m , 2m 2m 2m , 3m 3m 3m , 4p 5p 6p , 7z 7z",
        "1m 2m 3m , 1m 2m 3m , 1m 2m 3m , 4p 5p 6p , 7z 7z",
        "7z 7z , 4p 5p 6p , 3m 3m 3m , 2m 2m 2m , 1m 1m 1m",
        "1m 1m | 9m , 1m / 1m 1m 1m , 2m 2m 2m , 3m 3m 3m , 4p 5p 6p , 7z 7z",
    ],
)
def test_any_valid_decomposition_is_exact(groups: str) -> None:
    assert verdict("win", WON, f"{groups} = yes") == (True, True, True)


@pytest.mark.parametrize(
    "groups",
    [
        "",
        "1m 1m 1m , 2m 2m 2m , 3m 3m 3m , 4p 5p 6p",
        "4p , 7z / 7z 7z , 4p / 4p 5p 6p , 1m 1m 1m , 2m 2m 2m , 3m 3m 3m",
        "1m 1m 1m , 2m 2m 2m , 3m 3m 3m , 4p 5p 6p , 6z 6z",
        "1m 1m 1m , 2m 2m 2m , 3m 3m 3m , 4p 5p 6p , 7z , 7z",
        "1m 1m 1m , 2m 2m 2m , 3m 3m 3m , 4p 5p 6p , 7z 7z , 7z 7z",
        "1m 1m 1m , 2m 2m 2m , 7m 8m 9m , 4p 5p 6p , 7z 7z",
        "1m 1m 1m , 2m 2m 2m , 3m 3m 3m / 4p 5p 6p , 7z 7z",
        "1m 1m 1m , 2m 2m 2m , 3m 3m 3m , 4p 5p 6p , 7z 7z / 1m 1m 1m",
    ],
)
def test_a_right_answer_with_a_wrong_decomposition_is_not_exact(groups: str) -> None:
    assert verdict("win", WON, f"{groups} = yes".strip()) == (True, True, False)


def test_no_is_enough_for_a_hand_that_is_not_complete() -> None:
    assert verdict("win", LOST, "= no") == (True, True, True)
    assert verdict("win", LOST, "1m 1m 1m = yes") == (True, False, False)


@pytest.mark.parametrize(
    "completion",
    ["", "yes", "= maybe", "= yes yes", "= yes ", "1m  1m = yes", "1m 1m = = yes", "= yes = no", "1m\n= yes", "="],
)
def test_without_one_answer_in_the_format_nothing_is_right(completion: str) -> None:
    assert verdict("win", WON, completion) == (False, False, False)


@pytest.mark.parametrize(
    "rationale",
    ["yes", "1m 1m 1m /", ", 1m", "1x", "8m 9m 1p", "1z 2z 3z", "3m 2m 1m", "1m 1m 1m 1m", "1m 2m 4m", "1m , , 2m"],
)
def test_words_that_are_no_groups_are_not_parsed_and_prove_nothing(rationale: str) -> None:
    assert verdict("win", WON, f"{rationale} = yes") == (False, True, False)


def test_waits_must_be_all_and_in_order() -> None:
    assert verdict("waits", WAITING, "= 1m 4m 7m") == (True, True, True)
    assert verdict("waits", WAITING, "= 4m 1m 7m") == (True, False, False)
    assert verdict("waits", WAITING, "= 1m 4m") == (True, False, False)
    assert verdict("waits", WAITING, "= none") == (True, False, False)
    assert verdict("waits", WAITING, "= 1m 4m 7m 7m") == (True, False, False)


def test_any_tied_discard_is_right() -> None:
    prompt = SKILL.parse_question("discard", "23m456p789s1112z34z")
    assert {tile for tile in ("2z", "3z", "4z") if verdict("discard", prompt, f"= {tile}")[2]} == {"2z", "3z", "4z"}
    assert verdict("discard", prompt, "= 4p") == (True, False, False)
    assert verdict("discard", prompt, "= 9m") == (True, False, False)


@pytest.mark.parametrize(
    "text",
    [
        "123m456p789s11122z",
        "Is 22111z 789s 456p 123m complete?",
        "1m, 2m, 3m 4p 5p 6p 7s 8s 9s 1z 1z 1z 2z 2z",
        "123M456P789S11122Z",
    ],
)
def test_notations_mean_the_same_hand(text: str) -> None:
    assert SKILL.parse_question("win", text) == "win 1m 2m 3m 4p 5p 6p 7s 8s 9s 1z 1z 1z 2z 2z"


def test_everything_wrong_is_named_at_once() -> None:
    with pytest.raises(RequestError) as caught:
        SKILL.parse_question("win", "11111m 0p 8z 3x")
    text = str(caught.value)
    assert len(caught.value.problems) == 3
    assert all(part in text for part in ("'0p', '8z', '3x'", "5 x 1m", "needs 14 tiles", "1m-9m", "red five"))


@pytest.mark.parametrize(
    ("task", "hand"),
    [
        ("win", "1133557799m1122p"),
        ("win", "19m19p19s12345677z"),
        ("waits", "1133557799m113p"),
        ("waits", "19m19p19s1234567z"),
    ],
)
def test_special_hands_are_refused(task: str, hand: str) -> None:
    with pytest.raises(RequestError, match="seven pairs or thirteen orphans"):
        SKILL.parse_question(task, hand)


def test_a_hand_that_is_seven_pairs_and_standard_too_counts_as_standard() -> None:
    prompt = SKILL.parse_question("win", "112233m445566p77s")
    assert SKILL.solve("win", prompt).answer == "yes"
    assert verdict("win", prompt, "1m 2m 3m , 1m 2m 3m , 4p 5p 6p , 4p 5p 6p , 7s 7s = yes") == (True, True, True)


def test_seven_pairs_alone_is_no_win_to_the_verifier() -> None:
    pairs = "win 1m 1m 3m 3m 5m 5m 7m 7m 9m 9m 1p 1p 2p 2p"
    assert verdict("win", pairs, "= no") == (True, True, True)


@pytest.mark.parametrize("prompt", ["win 1m", "waits 1m 2m", "win  1m", "win " + "1m " * 13 + "1m", "win 9x"])
def test_a_malformed_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(RequestError, match="is no prompt for win"):
        SKILL.solve("win", prompt)


def test_unknown_tasks_and_skills_name_the_valid_ones() -> None:
    with pytest.raises(RequestError, match="win, waits, discard"):
        SKILL.make("score", seed=1, block=0, count=1)
    with pytest.raises(RequestError, match="mahjong"):
        load("chess")


def test_the_registry_finds_the_skill_and_its_manual() -> None:
    manual = read_manual("mahjong")
    assert "mahjong" in names()
    assert load("mahjong") is SKILL
    assert (skill_folder("mahjong") / "skill.py").is_file()
    assert (manual.name, manual.body.startswith("# Mahjong")) == ("mahjong", True)
    assert "waits" in manual.description


def test_the_manual_shows_what_the_solver_writes() -> None:
    """Every example in SKILL.md's fenced blocks: a prompt line, then its completion."""
    lines = [line for block in read_manual("mahjong").body.split("```")[1::2] for line in block.strip().splitlines()]
    assert len(lines) >= 10
    for prompt, completion in zip(lines[::2], lines[1::2], strict=True):
        solved = SKILL.solve(prompt.split(" ")[0], prompt)
        assert SKILL.completion(solved, rationale=True) == completion
