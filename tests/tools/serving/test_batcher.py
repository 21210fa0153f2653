"""Dynamic batching: what may share a batch does, what may not does not, and nobody's failure is another's."""

import pytest
from stratos.tests.tools.serving.scripted_engine import ScriptedEngine
from stratos.tools.serving.batcher import Batcher, ClosedError, QueueFullError, Ticket
from stratos.tools.serving.engine import Call, Settings


def call(number: int, **settings: float | int | None) -> Call:
    return Call(prompt=[number], settings=Settings(**settings))  # pyright: ignore[reportArgumentType]


def busy(max_queue: int = 100, max_batch: int = 8) -> tuple[ScriptedEngine, Batcher]:
    """A batcher whose engine is in the middle of a batch."""
    engine = ScriptedEngine()
    batcher = Batcher(engine, max_queue=max_queue, max_batch=max_batch)
    batcher.submit([call(0)])
    engine.entered.acquire()
    return engine, batcher


def answers(ticket: Ticket) -> list[str]:
    return [future.result(10).text for future in ticket.futures]


def sizes(engine: ScriptedEngine) -> list[int]:
    return [len(batch) for batch in engine.batches]


def test_what_waits_runs_together() -> None:
    engine, batcher = busy()
    tickets = [batcher.submit([call(i)]) for i in range(1, 11)]
    engine.gate.set()
    assert [answers(ticket) for ticket in tickets] == [[str(i)] for i in range(1, 11)]
    assert sizes(engine) == [1, 8, 2]


def test_different_samplings_run_apart_oldest_first() -> None:
    engine, batcher = busy()
    mixed = [call(1), call(2, temperature=0.7), call(3, max_tokens=5), call(4, temperature=0.7), call(5, temperature=1)]
    tickets = [batcher.submit([one]) for one in mixed]
    engine.gate.set()
    assert [answers(ticket) for ticket in tickets] == [["1"], ["2"], ["3"], ["4"], ["5"]]
    assert [[c.prompt[0] for c in batch] for batch in engine.batches] == [[0], [1, 3], [2, 4], [5]]


def test_seeded_requests_run_alone_with_all_their_answers() -> None:
    engine, batcher = busy()
    tickets = [batcher.submit([call(i, temperature=1.0, seed=7)] * 3) for i in (1, 2)]
    engine.gate.set()
    assert [answers(ticket) for ticket in tickets] == [["1"] * 3, ["2"] * 3]
    assert sizes(engine) == [1, 3, 3]


def test_a_request_larger_than_a_batch_still_runs() -> None:
    engine, batcher = busy(max_batch=2)
    ticket = batcher.submit([call(1)] * 5)
    engine.gate.set()
    assert answers(ticket) == ["1"] * 5


def test_a_full_queue_refuses_and_serves_on() -> None:
    engine, batcher = busy(max_queue=3)
    kept = batcher.submit([call(1)] * 2)
    with pytest.raises(QueueFullError, match="the limit is 3"):
        batcher.submit([call(2)] * 2)
    engine.gate.set()
    assert answers(kept) == ["1", "1"]


def test_cancelled_requests_are_dropped_and_leave_room() -> None:
    engine, batcher = busy(max_queue=1)
    gone = batcher.submit([call(1)])
    gone.cancel()
    ticket = batcher.submit([call(2)])
    engine.gate.set()
    assert answers(ticket) == ["2"]
    assert [c.prompt[0] for batch in engine.batches for c in batch] == [0, 2]
    with pytest.raises(ClosedError):
        gone.futures[0].result(10)


def test_a_failing_batch_fails_alone() -> None:
    engine, batcher = busy()
    bad = batcher.submit([call(13)])
    engine.gate.set()
    with pytest.raises(RuntimeError, match="unlucky"):
        answers(bad)
    assert answers(batcher.submit([call(1)])) == ["1"]
    assert batcher.alive


def test_closing_cancels_what_waits_and_what_runs() -> None:
    engine, batcher = busy()
    waiting = batcher.submit([call(1)])
    batcher.close()
    running = engine.batches[0][0]
    assert running.cancelled is not None
    assert running.cancelled()
    engine.gate.set()
    with pytest.raises(ClosedError):
        answers(waiting)
    with pytest.raises(ClosedError):
        batcher.submit([call(2)])
