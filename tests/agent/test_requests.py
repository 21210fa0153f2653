"""Requests in many styles, in English and Chinese: the exact brief of each, and what is refused."""

import pytest
from stratos.agent.intake import read_request
from stratos.state.errors import RequestError

from . import requests_chinese, requests_english
from .wanted import Wanted, rounded


@pytest.mark.parametrize(("request_", "wanted"), (*requests_english.REQUESTS, *requests_chinese.REQUESTS))
def test_a_request_gives_its_exact_brief(request_: str, wanted: Wanted) -> None:
    brief = read_request(request_)
    assert rounded(brief) == rounded(wanted.brief(request_, brief.assumptions))


@pytest.mark.parametrize(("request_", "said"), (*requests_english.REFUSED, *requests_chinese.REFUSED))
def test_what_cannot_be_held_is_refused_in_the_users_own_words(request_: str, said: str) -> None:
    with pytest.raises(RequestError) as raised:
        read_request(request_)
    assert said in "\n".join(raised.value.problems)
