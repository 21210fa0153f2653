"""Asking a teacher within the money: what was answered before comes from the cache, the rest in batches that are paid for in advance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...state.errors import ToolFailed
from .cache import AnswerCache, answer_key
from .money import Purse, TokenPrices
from .teachers import Answer, Request, Teacher

TRIES = 3
"""For an answer that was lost: each may be billed."""

USELESS_IN_A_ROW = 20
"""assumption: a teacher that lost or refused so many requests one after the other will do so with all of them."""


@dataclass(kw_only=True)
class Asker:
    """A teacher with its prices, the job's purse and the answers there are."""

    teacher: Teacher
    prices: TokenPrices
    purse: Purse
    cache: AnswerCache
    kept: dict[str, float] = field(default_factory=dict[str, float])
    """Keys of answers that were there before and cost nothing now, and what asking anew would have cost, US dollars."""
    asked: set[str] = field(default_factory=set[str])
    """Keys of what was sent."""
    useless_in_a_row: int = 0
    out_of_money: bool = False
    """Whether a request was not sent because it might have passed the limit."""

    def ask(
        self, requests: Sequence[Request], on_progress: Callable[[int, int], None] | None = None
    ) -> list[Answer | None]:
        """An answer for each request, in order; None where it was not sent: it might have passed the limit.

        Raises ToolFailed where the teacher cannot be asked, or takes none of what it is asked.
        """
        found: dict[int, Answer] = {}
        wanted: dict[str, list[int]] = {}
        for at, request in enumerate(requests):
            key = answer_key(self.teacher.identity or "", request)
            kept = self.cache.get(key) if self.teacher.identity is not None else None
            if kept is None:
                wanted.setdefault(key, []).append(at)
            else:
                found[at] = kept
                if key not in self.asked:
                    self.kept[key] = self.prices.usd(kept.input_tokens, kept.output_tokens)
        keys = list(wanted)
        self.asked.update(keys)
        while keys:
            part, keys = keys[: self.teacher.batch], keys[self.teacher.batch :]
            answers = self._tried(part, [requests[wanted[key][0]] for key in part])
            for key, answer in zip(part, answers, strict=False):
                found |= dict.fromkeys(wanted[key], answer)
            if on_progress:
                on_progress(len(found), len(requests))
            if len(answers) < len(part):
                self.out_of_money = True
                break
        return [found.get(at) for at in range(len(requests))]

    def _tried(self, keys: Sequence[str], requests: Sequence[Request]) -> list[Answer]:
        """Answers to the first of the requests, to as many as the money allows; lost ones are asked for again."""
        answers = self._sent(keys, requests)
        for _ in range(TRIES - 1):
            lost = [at for at, answer in enumerate(answers) if answer.fate == "lost"]
            again = self._sent([keys[at] for at in lost], [requests[at] for at in lost])
            for at, answer in zip(lost, again, strict=False):
                answers[at] = answer
        return answers

    def _sent(self, keys: Sequence[str], requests: Sequence[Request]) -> list[Answer]:
        """Reserves, sends and settles, as often as it takes: what one part did not use of its reservation pays for the next."""
        answers: list[Answer] = []
        while len(answers) < len(requests):
            names = self.purse.reserve(requests[len(answers) :], self.prices)
            if not names:
                break
            first = len(answers)

            def taken(at: int, answer: Answer, first: int = first, names: Sequence[str] = names) -> None:
                # Kept before it is settled: killed in between, the answer is there and its reservation stays.
                # What was no answer is asked for anew another time: the server may be mended by then.
                if self.teacher.identity is not None and answer.fate == "answered":
                    self.cache.put(keys[first + at], answer)
                self.purse.settle(names[at], answer, self.prices)

            try:
                got = self.teacher.sample(requests[first : first + len(names)], taken)
            except (
                BaseException
            ):  # the job's clock too: a teacher ends what is under way before it lets anything through
                self.purse.release(names)
                raise
            self._check(got)
            answers += got
        return answers

    def _check(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            useless = answer.fate in ("lost", "refused")
            self.useless_in_a_row = self.useless_in_a_row + 1 if useless else 0
            if self.useless_in_a_row >= USELESS_IN_A_ROW:
                raise ToolFailed(
                    f"teacher {self.teacher.name!r} gave nothing {USELESS_IN_A_ROW} times in a row, "
                    f"the last time because {answer.problem}"
                )
