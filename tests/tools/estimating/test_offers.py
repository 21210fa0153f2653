"""Predictions against arithmetic done by hand, figures measured elsewhere, and the laws a band must keep."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stratos.state.errors import Correctable, ToolFailed
from stratos.state.plan import Offer, Prediction
from stratos.tools.estimating.architecture import Architecture, student_architecture
from stratos.tools.estimating.bands import ASSUMED_BAND, refit_band
from stratos.tools.estimating.calibration import shipped
from stratos.tools.estimating.cpu_serving import seconds_per_output_token
from stratos.tools.estimating.offers import (
    CPU_TRAINING,
    cpu_train_seconds_per_token,
    predict_dollars,
    predict_latency_p95_ms,
    predict_throughput_rps,
    predict_train,
)
from stratos.tools.estimating.serving import predict_serving
from stratos.tools.machine import Machine
from stratos.tools.pricing import LookUpPrices, accelerator_facts, look_up_prices, this_machine
from stratos.tools.training.students import SHAPES

from ...building import architecture

MACHINE = Machine(
    cpu_model="AMD EPYC",
    cores=2,
    memory_gib=8.0,
    has_bf16=False,
    gpus=(),
    single_thread_gflops=62.0,
    memory_bandwidth_gb_s=15.0,
)
LOCAL = this_machine(MACHINE)
STUDENT = student_architecture(SHAPES[1], 800_000)
"""Of four layers."""
H100 = accelerator_facts()["H100-80GB-SXM"]


def cloud_offer(accelerator: str = "A100-80GB-SXM", count: int = 1) -> Offer:
    return LOCAL.model_copy(
        update={"id": "x", "cloud": "x", "accelerator": accelerator, "accelerator_count": count, "usd_per_hour": 2.0}
    )


def hours(train_tokens: int = 2_400_000, offer: Offer = LOCAL, threads: int = 1) -> Prediction:
    return predict_train(architecture=STUDENT, train_tokens=train_tokens, offer=offer, machine=MACHINE, threads=threads)


def served(of: Architecture = STUDENT, offer: Offer = LOCAL, output_tokens: int = 50) -> dict[str, Any]:
    return {"architecture": of, "output_tokens": output_tokens, "offer": offer, "machine": MACHINE}


def test_training_cost_per_token_by_hand():
    # 6 x 0.8M = 4.8 MFLOP at 0.88 x 62 GFLOP/s is 87.98 us; 4 layers x 6 us more.
    assert cpu_train_seconds_per_token(STUDENT, MACHINE, "fp32") == pytest.approx(111.98e-6, rel=1e-3)


def test_the_trials_measured_rate_is_inside_the_band():
    # 0.8M parameters trained at 7.9k tokens per CPU-second in fp32 on another machine.
    prediction = hours()
    assert prediction.low < 2_400_000 / 7_900 / 3600 < prediction.high


def test_two_threads_are_1_55_times_one():
    start = 6 / 3600
    assert (hours().value - start) / (hours(threads=2).value - start) == pytest.approx(1.55, abs=0.01)
    assert hours(threads=64) == hours(threads=2)  # there are only two cores


def test_bf16_pays_only_where_the_cpu_has_it():
    modern = MACHINE.model_copy(update={"has_bf16": True})

    def at(machine: Machine) -> Prediction:
        return predict_train(architecture=STUDENT, train_tokens=10**7, offer=LOCAL, machine=machine, precision="bf16")

    assert "fp32" in at(MACHINE).source
    assert at(modern).value < 0.6 * at(MACHINE).value
    assert CPU_TRAINING["bf16"].efficiency > CPU_TRAINING["fp32"].efficiency


def test_a_cloud_bills_its_set_up():
    # One step of 5 ms and 4 layers x 1.5 ms, 6 s to start the job, 5 minutes to get the machine.
    assert hours(train_tokens=1, offer=cloud_offer()).value * 3600 == pytest.approx(306.011, abs=1e-3)


def test_an_unmeasured_cloud_cpu_has_a_wider_band_than_this_machine():
    cpu = LOCAL.model_copy(update={"cloud": "x", "vcpus": 4})
    local, cloud = hours(), hours(offer=cpu)
    assert cloud.high / cloud.low > local.high / local.low


def test_a_token_of_the_cpu_engine_by_hand():
    # 8 MB stay cached: 8 MB / 36 GB/s = 222 us, and 4 layers x 3.6 us.
    assert seconds_per_output_token(4, 8e6, MACHINE) == pytest.approx(236.6e-6, rel=1e-3)
    # 20 MB: 8.6 MB / 36 GB/s + 11.4 MB / (0.31 x the bandwidth of copying).
    by_hand = 8.6e6 / 36e9 + 11.4e6 / (0.31e9 * MACHINE.memory_bandwidth_gb_s) + 4 * 3.6e-6
    assert seconds_per_output_token(4, 20e6, MACHINE) == pytest.approx(by_hand)


def test_latency_on_this_machine_by_hand():
    # A token: 3.2 MB / 36 GB/s = 88.9 us + 4 x 3.6 us = 103.3 us. Prefill: 64 x 1.6 MFLOP / 62 GFLOP/s = 1.652 ms + 14.4 us.
    prediction = predict_latency_p95_ms(**served())
    assert prediction.value == pytest.approx(1.4 * (1.6 + 1.666 + 50 * 0.1033), rel=1e-3)


def test_sixteen_clients_get_so_many_times_the_answers_of_one():
    median_s = predict_latency_p95_ms(**served()).value / 1e3 / 1.4
    assert predict_throughput_rps(**served()).value == pytest.approx(2.4 / median_s)


def test_a_token_of_a_small_student_on_a_gpu_is_launches_and_a_step():
    # 3.2 MB of weights over 3.35 TB/s would be a microsecond: four layers' launches, scheduling and sampling are all there is.
    found = predict_serving(STUDENT, H100, precision="fp32", input_tokens=64, output_tokens=50).tpot_ms.value
    known = [shipped().value(name, "vllm", H100.accelerator, "fp32") for name in ("layer_us", "step_ms", "sequence_us")]
    assert found == pytest.approx(4 * known[0] / 1e3 + known[1] + known[2] / 1e3, rel=0.02)
    assert 0.2 < found < 2


def test_a_gpu_overtakes_the_cpu_as_students_grow():
    # Per token the CPU engine reads 1.3 MB from its cache in 0.05 ms, 20 MB from memory in 2.7; the H100 waits about 0.8 for both.
    def per_token(of: Architecture, offer: Offer) -> float:
        long, short = (predict_latency_p95_ms(**served(of, offer, tokens)).value for tokens in (101, 1))
        return (long - short) / 100

    smallest, largest = student_architecture(SHAPES[0], 337_152), student_architecture(SHAPES[3], 5_000_000)
    gpu = cloud_offer("H100-80GB-SXM")
    assert per_token(smallest, LOCAL) < per_token(smallest, gpu)
    assert per_token(largest, gpu) < per_token(largest, LOCAL)
    assert per_token(largest, gpu) < 3 * per_token(smallest, gpu)


def test_each_accelerator_of_a_server_answers_with_its_own_copy():
    one, eight = (predict_throughput_rps(**served(offer=cloud_offer("H100-80GB-SXM", count))) for count in (1, 8))
    assert eight.value == pytest.approx(8 * one.value)


def test_students_on_gpus_have_bands_no_narrower_than_an_assumption():
    for offer in (cloud_offer("H100-80GB-SXM"), cloud_offer("L4")):
        for found in (predict_latency_p95_ms(**served(offer=offer)), predict_throughput_rps(**served(offer=offer))):
            assert found.low <= found.value / ASSUMED_BAND * 1.001
            assert found.high >= found.value * ASSUMED_BAND * 0.999


def test_weights_that_do_not_fit_are_refused_with_the_figures():
    large = architecture("meta-llama/Llama-3.1-70B-Instruct")
    with pytest.raises(ToolFailed, match=r"does not fit: 131\.4 GiB of bf16 weights on each of 1 'L4'"):
        predict_latency_p95_ms(**served(large, cloud_offer("L4")), precision="bf16")


def test_an_accelerator_of_unknown_speed_is_refused_by_name():
    with pytest.raises(ToolFailed, match="no BF16 speed of 'K80'"):
        hours(offer=cloud_offer("K80"))


def test_senseless_sizes_are_told_together():
    with pytest.raises(Correctable, match="train_tokens is -1, threads is 0"):
        hours(train_tokens=-1, threads=0)


def test_dollars_are_hours_times_price_plus_teacher():
    duration = Prediction(value=3, low=2, high=6, source="test")
    usd = predict_dollars(duration, cloud_offer(), teacher_usd=0.5)
    assert (usd.low, usd.value, usd.high) == (4.5, 6.5, 12.5)
    assert predict_dollars(duration, LOCAL).value == 0


def test_every_planning_offer_can_be_predicted_for():
    from stratos.tools.pricing import planning_set

    for offer in planning_set(look_up_prices(LookUpPrices())):
        prediction = hours(offer=offer)
        assert 0 < prediction.low < prediction.value < prediction.high < math.inf


def test_one_pair_moves_the_value_and_keeps_the_prior_band():
    fit = refit_band([(1.0, 1.5)], prior_factor=2.0)
    assert fit.bias == pytest.approx(1.5)
    assert fit.high_factor == pytest.approx(2.0)  # one pair tells nothing of a spread


def test_many_pairs_give_their_own_quantiles():
    # Ratios 2^-1 .. 2^1, evenly spaced in the logarithm: median 1, 10-90 % quantiles 2^-0.8 and 2^0.8.
    fit = refit_band([(1.0, 2 ** (step / 500 - 1)) for step in range(1001)])
    assert fit.bias == pytest.approx(1.0)
    assert fit.low_factor == pytest.approx(2**-0.8, rel=0.01)
    assert fit.high_factor == pytest.approx(2**0.8, rel=0.01)


def test_a_fit_corrects_a_prediction_and_says_so():
    fit = refit_band([(1.0, 2.0)] * 50)
    fixed = fit.apply(Prediction(value=3, low=1, high=9, source="roofline"))
    assert fixed.value == pytest.approx(6)
    assert 5 < fixed.low < 6 < fixed.high < 7
    assert fixed.source == "roofline; corrected x 2.00 by 50 measured pairs"


@pytest.mark.parametrize("pairs", [[], [(1.0, 0.0)], [(math.nan, 1.0)], [(1.0, math.inf)]])
def test_pairs_without_positive_figures_are_refused(pairs: list[tuple[float, float]]):
    with pytest.raises(Correctable, match="positive figures"):
        refit_band(pairs)


FIGURES = st.floats(0.01, 100)


@given(st.lists(st.tuples(FIGURES, FIGURES), min_size=1, max_size=30))
def test_a_band_always_holds_its_own_value(pairs: list[tuple[float, float]]):
    fit = refit_band(pairs)
    assert fit.low_factor <= 1 <= fit.high_factor
    ratios = [measured / predicted for predicted, measured in pairs]
    assert min(ratios) * 0.999 <= fit.bias <= max(ratios) * 1.001
