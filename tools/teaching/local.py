"""Teachers that cost nothing and run in this process: a model folder on the CPU, and the skill's own solver."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from ...skills.protocol import Skill
from ...state.errors import RequestError
from ..serving.engine import Call, Engine, PromptError, Settings, open_engine
from .reading import marked
from .teachers import Answer, Request, Taken

BATCH = 16


class FolderTeacher:
    """Implements `Teacher` with the CPU engine and the folder's own chat template."""

    batch = BATCH

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        from ..serving.conversion import fingerprint

        self.name = str(folder)
        self.identity = f"folder:{fingerprint(folder)}"
        self._engine: Engine = open_engine(folder, threads=threads)

    def sample(self, requests: Sequence[Request], taken: Taken) -> list[Answer]:
        """Answers in batches of the same sampling and seed: the seed is the batch's, so each sample gets its own batch."""
        answers: dict[int, Answer] = {}
        order = sorted(range(len(requests)), key=lambda at: _settings(requests[at]).sampling or ())
        for _, group in groupby(order, key=lambda at: _settings(requests[at]).sampling):
            answers |= self._batch(requests, list(group), taken)
        return [answers[at] for at in range(len(requests))]

    def _batch(self, requests: Sequence[Request], places: list[int], taken: Taken) -> dict[int, Answer]:
        answers: dict[int, Answer] = {}
        calls: dict[int, Call] = {}
        for at in places:
            call = self._call(requests[at])
            if isinstance(call, Answer):
                answers[at] = call
            else:
                calls[at] = call
        for at, done in zip(calls, self._engine.complete(list(calls.values())), strict=True):
            answers[at] = Answer(
                text=done.text,
                input_tokens=done.prompt_tokens,
                output_tokens=done.completion_tokens,
                finish_reason=done.finish_reason,
            )
        for at, answer in answers.items():
            taken(at, answer)
        return answers

    def _call(self, request: Request) -> Call | Answer:
        """What the engine is asked, or why it cannot be: one prompt too long must not end a batch."""
        try:
            ids = self._engine.encode_chat([{"role": "user", "content": request.prompt}])
        except PromptError as error:
            return Answer(fate="refused", problem=str(error))
        if len(ids) >= self._engine.max_model_len:
            return Answer(fate="refused", problem=f"{len(ids)} tokens, the limit is {self._engine.max_model_len}")
        return Call(prompt=ids, settings=_settings(request))


class SolverTeacher:
    """Implements `Teacher` with the skill's own solver, which reads the question alone, whatever the prompt around it says."""

    identity = None
    batch = 256

    def __init__(self, skill: Skill, task: str) -> None:
        self.name = f"solver:{skill.name}"
        self._skill, self._task = skill, task

    def sample(self, requests: Sequence[Request], taken: Taken) -> list[Answer]:
        """The same answer for every sample."""
        answers = [self._solved(request) for request in requests]
        for at, answer in enumerate(answers):
            taken(at, answer)
        return answers

    def _solved(self, request: Request) -> Answer:
        try:
            found = self._skill.solve(self._task, request.question)
        except RequestError as error:
            return Answer(fate="refused", problem=str(error))
        return Answer(text=marked(found.rationale, found.answer))


def _settings(request: Request) -> Settings:
    return Settings(max_tokens=request.sampling.max_tokens, temperature=request.sampling.temperature, seed=request.seed)
