"""The mahjong skill: *win*, *waits* and *discard* behind the Skill Protocol."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from types import MappingProxyType

from ...state.errors import RequestError
from ..protocol import Check, Example, GivenData, Task
from . import examples, questions, shortcuts, verdicts
from .completions import (
    AGAIN,
    AND,
    ANSWER,
    LEFT,
    NO,
    NONE,
    YES,
    has_steps_form,
    read_completion,
    read_groups,
    write_completion,
)
from .symmetry import canonical_counts
from .tiles import COPIES, HAND_SIZE, TILES, Counts, read_prompt, write_prompt

_MADE: Mapping[str, Callable[[Random], Iterator[Example]]] = {
    "win": examples.wins,
    "waits": examples.waits,
    "discard": examples.discards,
}
_SOLVED: Mapping[str, Callable[[Counts], Example]] = {
    "win": examples.solve_win,
    "waits": examples.solve_waits,
    "discard": examples.solve_discard,
}
_COMPLETING = tuple(
    f"{tiles} {completes}"
    for tiles in (
        "which tile", "which tiles", "what tile", "what tiles", "tile that", "tiles that", "tile which", "tiles which",
        "any tile that", "every tile that", "all tiles that",
    )
    for completes in (
        "complete", "completes", "would complete", "will complete", "can complete", "could complete", "would make",
        "finish", "finishes", "would finish",
    )
)  # fmt: skip
"""Where it is the tiles that complete the hand, the waits are asked for, and not whether it is complete."""

_TASKS = (
    Task(
        name="win",
        description="Says whether a 14-tile hand is complete: four melds and a pair, written out as proof.",
        keywords=(
            "win",
            "wins",
            "winning hand",
            "complete hand",
            "complete hands",
            "completed hand",
            "complete mahjong",
            "complete or not",
            "hand complete",
            "is complete",
            "it's complete",
            "are complete",
            "be complete",
            "winning",
            "winning hands",
            "agari",
            "decomposition",
            "和牌",
            "胡牌",
            "和了",
            "糊牌",
            "食和",
            "是否胡",
            "是否和",
            "能否胡",
            "能不能胡",
            "有没有胡",
            "胡没胡",
            "胡不胡",
            "没胡",
            "胡了",
            "能胡吗",
            "是不是胡",
            "是不是和",
        ),
        max_prompt_tokens=15,
        max_completion_tokens=325,
        shortcuts=shortcuts.WIN,
    ),
    Task(
        name="waits",
        description="Names every tile that completes a 13-tile hand.",
        keywords=(
            "wait",
            "waits",
            "waiting",
            "winning tile",
            "winning tiles",
            "tenpai",
            "ready hand",
            *_COMPLETING,
            "tiles i need",
            "tile i need",
            "tiles needed",
            "missing tile",
            "missing tiles",
            "听",
            "听牌",
            "听的",
            "能听",
            "听所有",
            "听什么",
            "听哪",
            "听几",
            "等什么牌",
            "等哪",
            "在等",
            "等的",
            "待牌",
            "差哪",
            "差什么",
            "缺哪",
            "缺什么",
            "能胡的",
            "能和的",
            "哪张能胡",
            "哪些牌能胡",
            "哪几张能胡",
            "哪几张牌能胡",
            "胡哪",
            "胡什么",
            "和哪",
            "和什么牌",
        ),
        max_prompt_tokens=14,
        max_completion_tokens=330,
        shortcuts=shortcuts.NAMING,
    ),
    Task(
        name="discard",
        description="Names a discard that leaves a 14-tile hand nearest to complete, with most tiles accepted.",
        keywords=(
            "discard",
            "discards",
            "throw",
            "best discard",
            "ukeire",
            "tile efficiency",
            "切牌",
            "打哪",
            "切哪",
            "出哪",
            "打什么",
            "切什么",
            "出什么",
            "何切",
            "出牌",
            "弃牌",
            "打牌",
            "舍牌",
            "牌效",
        ),
        max_prompt_tokens=15,
        max_completion_tokens=330,
        shortcuts=shortcuts.NAMING,
    ),
)


class MahjongSkill:
    """Implements `Skill`; stateless but for memoised tables, so one instance serves all."""

    name: str = "mahjong"
    description: str = "Mahjong hands as text: is a hand complete, what does it wait for, what should it discard."
    keywords: tuple[str, ...] = ("mahjong", "mah-jong", "mah jongg", "riichi", "tiles", "麻将", "麻雀", "雀牌")
    tasks: Mapping[str, Task] = MappingProxyType({task.name: task for task in _TASKS})
    vocabulary: Sequence[str] = (*HAND_SIZE, *TILES, AND, AGAIN, LEFT, ANSWER, YES, NO, NONE)
    tokenizer: Path | None = None
    needs_data: bool = False
    given: GivenData | None = None

    def make(self, task: str, *, seed: int, block: int, count: int) -> list[Example]:
        """Makes `count` examples in reverse; the same on every platform: only `random` and `choices` draw."""
        maker = _MADE[self._known(task)]
        return list(islice(maker(Random(f"{seed}:{task}:{block}")), count))

    def completion(self, example: Example, *, rationale: bool) -> str:
        """Rationale, `=`, answer; or `=` and the answer alone."""
        return write_completion(example.rationale if rationale else "", example.answer)

    def check(self, task: str, example: Example) -> bool:
        """Whether the `mahjong` package bears out the answer and every claim that the rationale makes."""
        counts = read_prompt(example.prompt)
        written = read_completion(write_completion(example.rationale, example.answer))
        if example.prompt != write_prompt(self._known(task), counts) or sum(counts) != HAND_SIZE[task]:
            return False
        return max(counts) <= COPIES and written is not None and verdicts.bears_out(task, counts, written)

    def verify(self, task: str, prompt: str, completion: str) -> Check:
        """Judges a completion as SKILL.md says. Raises RequestError on a malformed prompt."""
        counts, written = self._read(task, prompt), read_completion(completion)
        if written is None or not verdicts.has_answer_form(task, written.answer):
            return Check(answer_right=False, exact=False, parsed=False)
        right = verdicts.answer_right(task, counts, written.answer)
        if task != "win":
            return Check(answer_right=right, exact=right, parsed=has_steps_form(written.rationale))
        lines = read_groups(written.rationale)
        exact = right and (written.answer == (NO,) or verdicts.is_decomposition(counts, lines))
        return Check(answer_right=right, exact=exact, parsed=lines is not None)

    def canonical(self, task: str, prompt: str) -> str:
        """The prompt of the one hand that stands for all that the symmetries make of this one."""
        return write_prompt(self._known(task), canonical_counts(read_prompt(prompt)))

    def solve(self, task: str, prompt: str) -> Example:
        """The solved example of any valid prompt; raises RequestError on another."""
        return _SOLVED[task](self._read(task, prompt))

    def parse_question(self, task: str, text: str) -> str:
        """The tiles in a text as a prompt; raises RequestError with everything that is wrong."""
        return questions.parse_question(self._known(task), text)

    def _known(self, task: str) -> str:
        if task not in self.tasks:
            raise RequestError([f"mahjong has no task {task!r}: choose {', '.join(self.tasks)}"])
        return task

    def _read(self, task: str, prompt: str) -> Counts:
        return questions.read_valid_prompt(self._known(task), prompt)


SKILL = MahjongSkill()
