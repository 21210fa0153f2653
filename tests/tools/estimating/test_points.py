"""A table of measured points is read as benchmarks spell it, and everything wrong with it is told at once."""

from pathlib import Path

import pytest
from stratos.state.errors import RequestError
from stratos.tools.estimating.points import read_points

HEADER = "model,gpu,gpus,engine,precision,concurrency,input_tokens,output_tokens,ttft_ms,tpot_ms\n"
GOOD = "Qwen/Qwen3-32B,h100_sxm,2,vllm,,8,1024,128,200,20\n"


def table(folder: Path, text: str) -> Path:
    file = folder / "points.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_names_of_benchmarks_are_understood(tmp_path: Path):
    drivers = "Qwen/Qwen3-32B,NVIDIA H100 80GB HBM3,1,SGLang,fp8,1,10,10,,5.5\n"
    first, second = read_points(table(tmp_path, HEADER + GOOD + drivers))
    assert (first.accelerator, first.precision, first.precision_is_assumed) == ("H100-80GB-SXM", "bf16", True)
    assert (second.accelerator, second.engine, second.ttft_ms) == ("H100-80GB-SXM", "sglang", None)


def test_a_model_is_any_of_the_catalogue_by_its_name_or_hub_id(tmp_path: Path):
    names = "qwen3-8b,h100_sxm,1,vllm,bf16,1,10,10,,9\nQwen/Qwen3-8B,h100_sxm,1,vllm,bf16,1,10,10,,9\n"
    copies = "nvidia/Llama-3.1-8B-Instruct-FP8,h100_sxm,1,vllm,fp8,1,10,10,,9\n"
    first, second, third = read_points(table(tmp_path, HEADER + names + copies))
    assert first.architecture == second.architecture
    assert first.architecture.parameters == 8_190_735_360
    assert third.architecture.parameters == 8_030_261_248


def test_a_model_without_an_architecture_is_told(tmp_path: Path):
    with pytest.raises(RequestError, match=r"line 2: .* cannot be estimated: its parameters, layers, .* are not known"):
        read_points(table(tmp_path, HEADER + "openai/gpt-4o,h100_sxm,1,vllm,bf16,1,10,10,,9\n"))


def test_all_problems_are_told_with_their_lines(tmp_path: Path):
    bad = "no/model,gpu9,0,vllm,fp3,1.5,10,10,x,-1\nQwen/Qwen3-32B,h100_sxm,1,tgi,fp4,1,10,10,1,nan\n"
    with pytest.raises(RequestError) as caught:
        read_points(table(tmp_path, HEADER + GOOD + bad))
    said = "\n".join(caught.value.problems)
    for part in ("line 3: no model 'no/model' in the catalogue", "gpu 'gpu9'", "precision 'fp3'", "ttft_ms is 'x'", "gpus is '0'",
                 "concurrency is '1.5', not a positive whole number", "tpot_ms is '-1'", "line 4: engine 'tgi'",
                 "H100-80GB-SXM cannot be predicted at fp4", "tpot_ms is 'nan'"):  # fmt: skip
        assert part in said
    assert "line 2" not in said


@pytest.mark.parametrize(
    ("text", "problem"),
    [("model,gpu\n", "the columns gpus, engine, .* are missing"), (HEADER, "holds no points"), ("", "columns model")],
)
def test_files_that_are_no_such_table(tmp_path: Path, text: str, problem: str):
    with pytest.raises(RequestError, match=problem):
        read_points(table(tmp_path, text))


def test_a_file_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(RequestError, match="cannot be read as CSV"):
        read_points(tmp_path / "absent.csv")


def test_short_rows_are_problems_not_crashes(tmp_path: Path):
    with pytest.raises(RequestError, match="line 2: engine ''"):
        read_points(table(tmp_path, HEADER + "Qwen/Qwen3-32B,h100_sxm,1\n"))
