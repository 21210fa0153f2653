"""Dynamic batching: calls of many clients wait in one bounded queue and run together where their sampling allows.

A call in a batch waits for the batch's longest answer; it does not cover continuous batching.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from .engine import Call, Completion, Engine


class QueueFullError(Exception):
    """No room for another call now."""


class ClosedError(Exception):
    """The server is stopping."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Ticket:
    """The calls of one client's request (several where it asked for several answers) and their answers to come."""

    calls: tuple[Call, ...]
    futures: tuple["Future[Completion]", ...]
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Nobody waits for this any more: dropped from the queue, or ended at its next token where it is watched."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def fits(self, other: "Ticket") -> bool:
        """Whether both may share a batch: a seeded request runs alone, because its neighbours would move its dice."""
        mine, theirs = self.calls[0].settings.sampling, other.calls[0].settings.sampling
        return mine == theirs and (mine is None or mine[2] is None)


class Batcher:
    """Threads that take calls from the queue, oldest first, and run them in batches."""

    def __init__(
        self, engine: Engine, *, workers: int = 1, max_batch: int = 32, max_wait_ms: float = 4.0, max_queue: int = 256
    ) -> None:
        self.max_batch, self.max_queue = max_batch, max_queue
        self._engine, self._max_wait_s = engine, max_wait_ms / 1000
        self._queue: deque[Ticket] = deque()
        self._running: set[Ticket] = set()
        self._last_size = 1
        self._closed = False
        self._changed = threading.Condition()
        # Daemons: a batch in the middle of C++ code must not keep the process from ending.
        self._threads = [threading.Thread(target=self._work, name=f"batch-{i}", daemon=True) for i in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, calls: Sequence[Call]) -> Ticket:
        """Queues the calls of one request, all or none. Raises QueueFullError, ClosedError."""
        cancelled = threading.Event()
        watched = tuple(replace(call, cancelled=cancelled.is_set) for call in calls)
        ticket = Ticket(calls=watched, futures=tuple(_begun_future() for _ in calls), _cancelled=cancelled)
        with self._changed:
            if self._closed:
                raise ClosedError("the server is stopping")
            if self.waiting + len(calls) > self.max_queue:
                raise QueueFullError(f"{self.waiting} answers are waiting already, the limit is {self.max_queue}")
            self._queue.append(ticket)
            self._changed.notify_all()
        return ticket

    @property
    def waiting(self) -> int:
        """Answers queued and not begun."""
        return sum(len(ticket.calls) for ticket in tuple(self._queue) if not ticket.cancelled)

    @property
    def running(self) -> int:
        """Answers being written."""
        return sum(len(ticket.calls) for ticket in tuple(self._running))

    @property
    def alive(self) -> bool:
        """Whether the threads still take work."""
        return all(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Refuses new calls, drops the waiting ones and ends the running ones as soon as they can be."""
        with self._changed:
            self._closed = True
            for ticket in (*self._queue, *self._running):
                ticket.cancel()
            self._changed.notify_all()

    def _work(self) -> None:
        while tickets := self._next_batch():
            try:
                completions = self._engine.complete([call for ticket in tickets for call in ticket.calls])
            except Exception as error:  # whatever it was, these clients get it as an answer and the thread goes on
                for future in (future for ticket in tickets for future in ticket.futures):
                    future.set_exception(error)
            else:
                futures = (future for ticket in tickets for future in ticket.futures)
                for future, completion in zip(futures, completions, strict=True):
                    future.set_result(completion)
            finally:
                with self._changed:
                    self._running.difference_update(tickets)

    def _next_batch(self) -> list[Ticket]:
        """Waits for work; empty when closed."""
        with self._changed:
            while not self._closed:
                self._drop_cancelled()
                if self._queue:
                    self._wait_for_company()
                if tickets := self._take():
                    return tickets
                if not self._queue:
                    self._changed.wait()
            self._drop_cancelled()
            return []

    def _wait_for_company(self) -> None:
        """Only after a shared batch: a lone client never waits for others that are not there."""
        target, until = min(self._last_size, self.max_batch), time.monotonic() + self._max_wait_s
        while not self._closed and self.waiting < target and (left := until - time.monotonic()) > 0:
            self._changed.wait(left)

    def _take(self) -> list[Ticket]:
        """The oldest ticket and all that fit with it; the others keep their places."""
        self._drop_cancelled()
        taken: list[Ticket] = []
        size = 0
        for ticket in tuple(self._queue):
            if not taken or (taken[0].fits(ticket) and size + len(ticket.calls) <= self.max_batch):
                taken.append(ticket)
                size += len(ticket.calls)
                self._queue.remove(ticket)
        self._running.update(taken)
        self._last_size = size or self._last_size
        return taken

    def _drop_cancelled(self) -> None:
        for ticket in [ticket for ticket in self._queue if ticket.cancelled]:
            self._queue.remove(ticket)
            for future in ticket.futures:
                future.set_exception(ClosedError("cancelled while waiting"))


def _begun_future() -> "Future[Completion]":
    """A future its waiter cannot cancel: setting a cancelled one's result raises, which would end the batch thread."""
    future: Future[Completion] = Future()
    future.set_running_or_notify_cancel()
    return future
