"""Measuring: known percentiles, every request counted, and several clients faster than one."""

import os

import pytest
from stratos.state.errors import ToolFailed
from stratos.tools.serving.deployments import TemporaryServer, measure_latency, measure_throughput
from stratos.tools.serving.measuring import percentiles

PROMPTS = [f"w{i} w{i + 1} w{i + 2}" for i in range(40)]


def test_percentiles_interpolate_as_numpy_does() -> None:
    assert percentiles([float(i) for i in range(1, 101)]) == pytest.approx((50.5, 95.05, 99.01))
    assert percentiles([7.0]) == (7.0, 7.0, 7.0)


def test_latency_counts_each_prompt_once(server: TemporaryServer) -> None:
    report = measure_latency(server.base_url, server.api_key, server.model, PROMPTS, warm_up=5, max_tokens=6)
    assert (report.n, report.tokens_per_answer) == (40, 6)
    assert 0 < report.p50_ms <= report.p95_ms <= report.p99_ms
    # One client waits for nothing but its answers; what a busy machine does between two requests is in the rate alone.
    assert 0.5 < report.rps * report.mean_ms / 1000 <= 1.0
    assert report.load is not None
    assert (report.load >= 0, report.cores) == (True, os.cpu_count())


def test_sixteen_clients_are_all_answered(server: TemporaryServer) -> None:
    """How much more they get done than one is measured by the speed eval: a busy machine would fail it here."""
    where = (server.base_url, server.api_key, server.model, PROMPTS)
    together = measure_throughput(*where, clients=16, requests=160, warm_up=16, max_tokens=100)
    assert (together.clients, together.n) == (16, 160)
    assert together.rps > 0


def test_a_refusal_ends_the_measurement(server: TemporaryServer) -> None:
    with pytest.raises(ToolFailed, match="answered 404"):
        measure_throughput(server.base_url, server.api_key, "gpt-9", PROMPTS, clients=2, requests=4)
