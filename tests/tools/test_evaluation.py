"""The evaluation job's figures by family of item."""

from stratos.skills.protocol import Check, Example
from stratos.tools.evaluation import by_family

RIGHT = Check(answer_right=True, exact=True, parsed=True)
UNPROVEN = Check(answer_right=True, exact=False, parsed=True)


def items(*families: str) -> list[Example]:
    return [Example(prompt="", rationale="", answer="", family=family) for family in families]


def test_each_family_has_its_own_exact_share() -> None:
    scores = by_family(items("plain", "subtle", "plain", "subtle", "plain"), [RIGHT, UNPROVEN, RIGHT, RIGHT, RIGHT])
    assert [(score.family, score.exact.value, score.exact.n) for score in scores] == [
        ("plain", 1, 3),
        ("subtle", 0.5, 2),
    ]


def test_items_without_a_family_count_in_none() -> None:
    assert by_family(items("", ""), [RIGHT, RIGHT]) == []


def test_only_the_items_answered_count() -> None:
    (score,) = by_family(items("plain", "plain", "plain"), [RIGHT, UNPROVEN])
    assert (score.exact.value, score.exact.n) == (0.5, 2)
