"""The text of a growing answer: nothing is shown that would have to be taken back."""

from collections.abc import Callable, Sequence

from stratos.tools.serving.answer_text import AnswerText


def joined(words: list[str]) -> Callable[[Sequence[int]], str]:
    return lambda ids: " ".join(words[i] for i in ids)


def test_pieces_are_shown_as_tokens_arrive() -> None:
    answer = AnswerText(joined(["a", "b", "c"]))
    assert [answer.push(0), answer.push(1), answer.push(2), answer.finish()] == ["a", " b", " c", ""]
    assert answer.text == "a b c"


def test_a_possible_stop_string_is_held_back_until_it_is_none() -> None:
    answer = AnswerText(joined(["a", "x", "b"]), stop=["x y"])
    assert [answer.push(0), answer.push(1), answer.push(2)] == ["a", " ", "x b"]
    assert not answer.stopped


def test_a_stop_string_over_several_tokens_is_never_shown() -> None:
    answer = AnswerText(joined(["a", "x", "y", "b"]), stop=["x y"])
    assert [answer.push(0), answer.push(1), answer.push(2), answer.finish()] == ["a", " ", "", ""]
    assert answer.stopped
    assert answer.text == "a "


def test_the_earliest_of_several_stop_strings_counts() -> None:
    answer = AnswerText(joined(["one two three"]), stop=["three", "two"])
    answer.push(0)
    assert answer.text == "one "


def test_held_text_is_shown_at_the_end() -> None:
    answer = AnswerText(joined(["a", "x"]), stop=["x y"])
    assert [answer.push(0), answer.push(1), answer.finish()] == ["a", " ", "x"]


def test_half_a_character_waits_for_its_other_half() -> None:
    halves = "é".encode()

    def decode(ids: Sequence[int]) -> str:
        return b"".join(halves[i : i + 1] for i in ids).decode(errors="replace")

    answer = AnswerText(decode)
    assert [answer.push(0), answer.push(1)] == ["", "é"]
