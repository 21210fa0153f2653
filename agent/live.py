"""A run in a thread of its own: its events come out, and what its user says goes in, while it works."""

import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

from ..state.errors import Cancelled
from ..state.evidence import Outcome
from ..state.run import RunState
from ..state.talk import Answer, Question, Word
from ..tools.base import Event
from .events import Asked, RunEvent, Started, event_of, progress_of
from .planners import Planner
from .session import Ask

Carry = Callable[..., Outcome]
"""`session.start` or `session.resume` with all but the live parts given."""


class LiveRun:
    """Begins at once. Iterate over it (also with `async for`) for its events; `wait` gives the outcome.

    One consumer. Questions go to `ask`; without one they come as the event Asked, to be answered with `answer`. `stop` ends the
    work and leaves a run that can be resumed.
    """

    def __init__(
        self, carry: Carry, *, shown: Any = None, planner: Planner | None = None, ask: Ask | None = None
    ) -> None:
        self.run_id: str | None = None
        self.state: RunState | None = None
        """The newest state; for looking, from any thread."""
        self._shown = shown
        self._events: queue.SimpleQueue[RunEvent | None] = queue.SimpleQueue()
        self._words: queue.SimpleQueue[Word] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._outcome: Outcome | None = None
        self._error: BaseException | None = None
        changed = {"planner": replace(planner, sleep=self._sleep)} if planner else {}
        given = {"shown": self, "ask": ask or self._ask, "heard": self._heard, "on_start": self._started, **changed}
        self._thread = threading.Thread(target=self._carry, args=(carry, given), name="stratos-run", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[RunEvent]:
        """Every event, up to the last; raises what ended the run when that was an error."""
        while (event := self._events.get()) is not None:
            yield event
        self._events.put(None)  # for whoever looks again
        self.wait()

    async def __aiter__(self) -> AsyncIterator[RunEvent]:
        """As iterating, without blocking the event loop; a cancelled task stops the run."""
        import asyncio

        try:
            while True:
                try:
                    event = self._events.get_nowait()
                except queue.Empty:
                    await asyncio.sleep(0.02)
                    continue
                if event is None:
                    self._events.put(None)
                    break
                yield event
        except (asyncio.CancelledError, GeneratorExit):
            await asyncio.to_thread(self.close)
            raise
        self.wait()

    def wait(self) -> Outcome:
        """Blocks until the run ends. Raises what ended it when that was an error, Cancelled after `stop`."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._outcome is not None
        return self._outcome

    @property
    def working(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def say(self, word: Word) -> None:
        """Hands over a word that changes the run; it is heeded between two steps."""
        self._words.put(word)

    def answer(self, answer: Answer) -> None:
        """Answers the question that was asked last."""
        self._answers.put(answer)

    def stop(self) -> None:
        """Ends the work at the next report of a job or step; the journal stays whole."""
        self._stopped.set()

    def close(self) -> None:
        """Stops, and returns when nothing is left running; what ended the run is not raised."""
        self.stop()
        self._thread.join()

    def step(self, name: str, run: RunState, *, replayed: bool, **details: object) -> None:
        """Told by the graph: one step ended."""
        self.state, self.run_id = run, run.run_id
        if self._shown is not None:
            self._shown.step(name, run, replayed=replayed, **details)
        if (event := event_of(name, run, replayed=replayed, **details)) is not None:
            self._events.put(event)
        self._check()

    def event(self, tool: str, event: Event) -> None:
        """Told by a tool: a job reported something."""
        if self._shown is not None:
            self._shown.event(tool, event)
        self._events.put(progress_of(self.run_id or "", tool, event))
        self._check()

    def _check(self) -> None:
        if self._stopped.is_set() and (self.state is None or self.state.outcome is None):
            raise Cancelled("the user stopped the run")

    def _started(self, run_id: str) -> None:
        self.run_id = run_id
        self._events.put(Started(run_id=run_id))

    def _ask(self, question: Question) -> Answer:
        self.run_id = question.run_id
        while not self._answers.empty():  # an answer is to the question before it
            self._answers.get_nowait()
        self._events.put(Asked(run_id=question.run_id, question=question))
        while True:
            self._check()
            try:
                return self._answers.get(timeout=0.05)
            except queue.Empty:
                continue

    def _heard(self) -> Word | None:
        try:
            return self._words.get_nowait()
        except queue.Empty:
            return None

    def _sleep(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise Cancelled("the user stopped the run")

    def _carry(self, carry: Carry, given: dict[str, Any]) -> None:
        try:
            self._outcome = carry(**given)
        except BaseException as error:
            self._error = error
        finally:
            self._events.put(None)
