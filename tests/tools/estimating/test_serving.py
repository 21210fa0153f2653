"""Serving predictions: one formula for one answer and for a grid, refusals with their arithmetic, bands where they belong."""

import itertools
from typing import Any

import numpy as np
import pytest
from stratos.state.errors import Correctable, ToolFailed
from stratos.state.model_facts import ModelFacts
from stratos.tools.estimating.architecture import architecture_of
from stratos.tools.estimating.calibration import UNMEASURED, Calibrated, shipped
from stratos.tools.estimating.chips import Engine, ServePrecision, link_gb_s, peak_tflops, supports
from stratos.tools.estimating.serving import predict_serving, serving_table
from stratos.tools.pricing import accelerator_facts

from ...building import architecture

LARGE = architecture("meta-llama/Llama-3.1-70B-Instruct")
SMALL = architecture("Qwen/Qwen2.5-1.5B-Instruct")
ACCELERATORS = accelerator_facts()
H100, L4 = ACCELERATORS["H100-80GB-SXM"], ACCELERATORS["L4"]


def facts(**changes: object) -> ModelFacts:
    known: dict[str, object] = {
        "name": "a/b", "kind": "open", "roles": ("student",), "family": "x", "instruct": True, "parameters": 1_543_714_304,
        "layers": 28, "hidden": 1536, "heads": 12, "kv_heads": 2, "head_dim": 128, "feed_forward": 8960,
        "vocabulary": 151_665, "padded_vocabulary": 151_936, "tied_embeddings": True, "licence": "Apache-2.0",
        "released": "2024-09", "source": "test",
    }  # fmt: skip
    return ModelFacts.model_validate({**known, **changes})


def test_a_catalogued_model_has_an_architecture():
    assert architecture_of(facts()) == SMALL


def test_what_a_catalogue_lacks_is_named_together():
    with pytest.raises(Correctable, match="'a/b' cannot be estimated: its layers, vocabulary are not known"):
        architecture_of(facts(layers=None, vocabulary=None, padded_vocabulary=None))


def test_one_answer_equals_its_place_in_a_grid():
    models, chips = [SMALL, LARGE], [H100, L4, ACCELERATORS["B200"]]
    precisions: list[ServePrecision] = ["bf16", "fp8"]
    engines: list[Engine] = ["vllm", "sglang"]
    ways, clients = [1, 8], [1, 64]
    table = serving_table(
        models, chips, precisions=precisions, tensor_parallel=ways, engines=engines,
        concurrency=clients, input_tokens=700, output_tokens=90,
    )  # fmt: skip
    answered = 0
    for at in itertools.product(*map(range, table.shape)):
        if not table.fits[(*at[:-1], 0)]:
            assert np.isnan(table.ttft_ms[at])
            continue
        one = predict_serving(
            models[at[0]], chips[at[1]], precision=precisions[at[2]], tensor_parallel=ways[at[3]], engine=engines[at[4]],
            concurrency=clients[at[5]], input_tokens=700, output_tokens=90,
        )  # fmt: skip
        band = table.tpot_band[0][at[0], at[1], at[2], 0, at[4], 0]
        assert one.ttft_ms.value == pytest.approx(table.ttft_ms[at])
        assert one.tpot_ms.value == pytest.approx(table.tpot_ms[at])
        assert one.latency_p95_ms.value == pytest.approx(table.latency_p95_ms[at])
        assert one.throughput_rps.value == pytest.approx(table.rps[at])
        assert one.tpot_ms.low / one.tpot_ms.value == pytest.approx(band)
        answered += 1
    assert answered > 60


def test_blocks_of_a_grid_do_not_show():
    models = [SMALL, LARGE, architecture("Qwen/Qwen3-32B")] * 14
    ask: dict[str, Any] = {"concurrency": list(range(1, 300)), "input_tokens": 512, "output_tokens": 128}
    chips = list(ACCELERATORS.values())
    whole = serving_table(models, chips, **ask)
    part = serving_table(models[7:8], chips, **ask)
    np.testing.assert_allclose(whole.rps[7:8], part.rps)


def test_what_does_not_fit_is_refused_with_the_arithmetic():
    with pytest.raises(ToolFailed, match=r"131\.4 GiB of bf16 weights on each of 1 'L4' \+ .* GiB are usable"):
        predict_serving(LARGE, L4, precision="bf16", input_tokens=512, output_tokens=128)


@pytest.mark.parametrize(
    ("name", "precision", "valid"), [("K80", "bf16", "another accelerator"), ("L4", "fp4", "int8")]
)
def test_unknown_speed_is_refused_with_what_is_valid(name: str, precision: str, valid: str):
    with pytest.raises(ToolFailed, match=f"no speed of '{name}' at {precision} is known; .*{valid}"):
        predict_serving(SMALL, ACCELERATORS[name], precision=precision, input_tokens=1, output_tokens=1)  # pyright: ignore[reportArgumentType]


def test_senseless_questions_are_told_together():
    with pytest.raises(Correctable, match=r"tensor_parallel is 0.*concurrency is -1.*output_tokens is 0"):
        predict_serving(
            SMALL, H100, precision="bf16", tensor_parallel=0, concurrency=-1, input_tokens=1, output_tokens=0
        )


def test_an_unmeasured_accelerator_has_the_widest_band_and_says_so():
    there, here = (
        predict_serving(
            LARGE, ACCELERATORS[name], precision="fp8", tensor_parallel=4, input_tokens=64, output_tokens=64
        )
        for name in ("L40S", "H200-141GB-SXM")
    )
    assert there.points == 0
    assert here.points > 10
    assert there.tpot_ms.high / there.tpot_ms.value > 1.3 * here.tpot_ms.high / here.tpot_ms.value
    assert "never measured" in there.assumptions[0]


def test_a_size_never_measured_there_has_the_widest_band():
    known = predict_serving(SMALL, H100, precision="bf16", input_tokens=64, output_tokens=64)
    assert "no model of this size" in known.assumptions[0]
    assert known.tpot_ms.high / known.tpot_ms.value == pytest.approx(
        np.exp(shipped().bands["tpot_ms"].high[UNMEASURED])
    )


def test_a_request_is_its_first_token_and_all_others():
    found = predict_serving(SMALL, H100, precision="bf16", concurrency=4, input_tokens=64, output_tokens=64)
    assert found.request_ms.value == pytest.approx(found.ttft_ms.value + 63 * found.tpot_ms.value)
    assert found.throughput_rps.value == pytest.approx(4e3 / found.request_ms.value)
    for figure in (found.ttft_ms, found.tpot_ms, found.latency_p95_ms, found.throughput_tokens_per_s):
        assert 0 < figure.low < figure.value < figure.high


def test_only_waiting_makes_a_95th_percentile_much_longer_than_the_mean():
    alone, crowded = (
        predict_serving(SMALL, H100, precision="bf16", concurrency=clients, input_tokens=4096, output_tokens=16)
        for clients in (1, 64)
    )
    assert alone.latency_p95_ms.value == pytest.approx(1.15 * alone.request_ms.value)
    assert 1.15 < crowded.latency_p95_ms.value / crowded.request_ms.value < 3


def test_every_constant_of_the_shipped_fit_is_physical():
    known = shipped()
    for name in ("bandwidth_share", "cache_share", "compute_share", "link_share", "memory_share"):
        for accelerator in ACCELERATORS:
            assert 0.2 < known.value(name, "vllm", accelerator, "bf16") <= 1
    assert known.source.points == sum(known.points.values())


def test_links_and_peaks_of_the_datasheets():
    assert link_gb_s(H100) == 450
    assert link_gb_s(ACCELERATORS["H100-80GB-PCIe"]) == 64  # its bridge joins only pairs
    assert peak_tflops(ACCELERATORS["B200"], "fp4") == 9000
    assert not supports(H100, "fp4")
    assert peak_tflops(ACCELERATORS["A100-80GB-SXM"], "fp8") == 312  # no FP8 units: multiplied in 16 bits


def test_a_fit_is_read_as_it_was_written():
    assert Calibrated.model_validate_json(shipped().model_dump_json()) == shipped()
