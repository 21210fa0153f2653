"""Requests in many styles, in English and Chinese: the exact brief of each, and what is refused."""

import pytest
from stratos.agent.intake import read_request
from stratos.state.errors import RequestError

from . import requests_chinese, requests_english
from .wanted import Wanted, rounded

BATCHES = ("REQUESTS", "SECOND", "THIRD", "FOURTH", "REVIEWED", "FRESH")
CLEAR = [
    case for language in (requests_english, requests_chinese) for batch in BATCHES for case in getattr(language, batch)
]


@pytest.mark.parametrize(("request_", "wanted"), CLEAR)
def test_a_request_gives_its_exact_brief(request_: str, wanted: Wanted) -> None:
    brief = read_request(request_)
    assert rounded(brief) == rounded(wanted.brief(request_, brief.assumptions))


@pytest.mark.parametrize(("request_", "said"), [*requests_english.REFUSED, *requests_chinese.REFUSED])
def test_what_cannot_be_held_is_refused_in_the_users_own_words(request_: str, said: str) -> None:
    with pytest.raises(RequestError) as raised:
        read_request(request_)
    assert said in "\n".join(raised.value.problems)


@pytest.mark.parametrize(
    ("request_", "language"),
    [
        ("Ein Modell, das erkennt, ob eine Mahjong-Hand gewinnt, mindestens 95 %, höchstens 15 Dollar", "German"),
        ("Un modelo que diga si una mano de mahjong gana, con al menos el 95 % y menos de 200 ms", "Spanish"),
        ("Un modèle qui dit si une main de mahjong gagne, au moins 95 % et moins de 200 ms pour 15 dollars", "French"),
        ("麻雀の手牌が和了かどうかを判定するモデル、正解率95%以上、200ミリ秒以下", "Japanese"),
        ("마작 패가 화료인지 판정하는 모델, 정확도 95% 이상", "Korean"),
        ("Модель, которая определяет выигрыш в маджонге, точность 95 %", "Cyrillic script"),
    ],
)
def test_another_language_is_refused_with_one_clear_message(request_: str, language: str) -> None:
    with pytest.raises(RequestError) as raised:
        read_request(request_)
    (problem,) = raised.value.problems
    assert language in problem
    assert "the rules read English and Chinese" in problem


def test_the_brief_keeps_the_users_own_text() -> None:
    said = "麻將胡牌，\n準確率　９５％ "
    assert read_request(said).request == said
