"""What no hardware can do is refused with the arithmetic; what it can do passes, measured points too."""

from pathlib import Path

import pytest
import stratos
from hypothesis import given
from hypothesis import strategies as st
from stratos.state.errors import Correctable
from stratos.tools.estimating.points import read_points
from stratos.tools.estimating.serving import predict_serving
from stratos.tools.estimating.validator import Claim, check_claim, check_plausible, check_training_claim
from stratos.tools.pricing import accelerator_facts

from ...building import architecture

SEVEN = architecture("Qwen/Qwen2.5-7B-Instruct")
A100 = accelerator_facts()["A100-80GB-SXM"]
MEASURED_CSV = Path(str(stratos.__file__)).resolve().parent.parent / "shared" / "data" / "serving" / "measured.csv"


def test_weights_cannot_be_read_faster_than_the_memory_gives_them():
    # 7.616e9 - 152,064 x 3584 = 7.071e9 weights x 2 bytes over 2,039 GB/s = 6.94 ms.
    (problem,) = check_claim(Claim(tpot_ms=5), SEVEN, A100, precision="bf16")
    assert problem == "TPOT 5 ms: 14.14 GB of weights at 2,039 GB/s of 1 x A100-80GB-SXM take 6.94 ms"
    assert check_claim(Claim(tpot_ms=7), SEVEN, A100, precision="bf16") == ()


def test_a_prompt_cannot_be_read_above_the_peak():
    # 100,000 tokens x 2 x 6.526e9 weights over 312 TFLOP/s = 4.18 s.
    (problem,) = check_claim(Claim(ttft_ms=1000), SEVEN, A100, precision="bf16", input_tokens=100_000)
    assert "take 4,183 ms" in problem


def test_a_model_cannot_be_where_it_does_not_fit():
    tiny = A100.model_copy(update={"memory_gib": 8})
    (problem,) = check_claim(Claim(tpot_ms=500), SEVEN, tiny, precision="bf16")
    assert "15.2 GB of weights" in problem
    assert "more than the 8.6 GB" in problem


def test_clients_cannot_get_more_tokens_than_their_pace():
    (problem,) = check_claim(
        Claim(throughput_tokens_per_s=5000), SEVEN, A100, precision="bf16", concurrency=8, output_tokens=1000
    )
    assert "8 clients that get a token every 6.94 ms make 1,154" in problem


def test_throughput_cannot_pass_all_arithmetic():
    problems = check_claim(
        Claim(throughput_tokens_per_s=30_000), SEVEN, A100, precision="bf16", concurrency=1000, output_tokens=100
    )
    assert any("TFLOP/s, above the 312" in problem for problem in problems)


def test_a_whole_request_has_a_least_time():
    (problem,) = check_claim(Claim(latency_ms=100), SEVEN, A100, precision="bf16", output_tokens=100)
    assert "take at least 687 ms" in problem


def test_training_cannot_pass_the_peak():
    # 4 x 7.616e9 x 1e9 tokens over 312 TFLOP/s = 27.1 h.
    (problem,) = check_training_claim(10, parameters=7_616_000_000, train_tokens=10**9, accelerator=A100)
    assert "take 27.1 h" in problem
    assert check_training_claim(28, parameters=7_616_000_000, train_tokens=10**9, accelerator=A100) == ()


def test_figures_that_are_none_are_told_together():
    with pytest.raises(Correctable, match=r"tpot_ms is -1\.0, concurrency is 0"):
        check_claim(Claim(tpot_ms=-1), SEVEN, A100, precision="bf16", concurrency=0)


@given(st.sampled_from(["A100-80GB-SXM", "H100-80GB-SXM", "B200", "L40S"]), st.sampled_from(["bf16", "fp8", "int4"]),
       st.integers(1, 300), st.integers(1, 8000), st.integers(1, 8000))  # fmt: skip
def test_our_own_predictions_are_possible(name: str, precision: str, clients: int, reads: int, writes: int):
    facts = accelerator_facts()[name]
    asked = {"precision": precision, "concurrency": clients, "input_tokens": reads, "output_tokens": writes}
    found = predict_serving(SEVEN, facts, **asked)  # pyright: ignore[reportArgumentType]
    claim = Claim(
        ttft_ms=found.ttft_ms.value,
        tpot_ms=found.tpot_ms.value,
        latency_ms=found.request_ms.value,
        throughput_tokens_per_s=found.throughput_tokens_per_s.value,
    )
    assert check_claim(claim, SEVEN, facts, **asked) == ()  # pyright: ignore[reportArgumentType]


@pytest.mark.skipif(not MEASURED_CSV.exists(), reason="needs ../shared/data/serving/measured.csv")
def test_of_the_measured_points_one_is_impossible():
    wrong = [
        point.line
        for point in read_points(MEASURED_CSV)
        if check_claim(
            Claim(ttft_ms=point.ttft_ms, tpot_ms=point.tpot_ms),
            point.architecture,
            accelerator_facts()[point.accelerator],
            **point.conditions,
        )
    ]
    assert wrong == [11]  # 448 clients with prompts of 15,000 tokens: three times the peak of two GB200


def test_a_figure_a_thousand_times_slower_than_predicted_is_a_wrong_unit():
    # 20 ms in microseconds.
    assert "check the unit" in (check_plausible("tpot_ms", 20_100, 20) or "")
    assert check_plausible("tpot_ms", 19_900, 20) is None
