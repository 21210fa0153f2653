"""What was measured corrects what is predicted: from a real journal, through the command, and back into a prediction."""

import json
import shutil
from pathlib import Path

import pytest
from stratos.agent.cli import app
from stratos.state.errors import Correctable
from stratos.state.journal import Journal
from stratos.state.plan import Prediction
from stratos.tools.estimating.measurements import (
    FILE,
    Calibration,
    Kind,
    Pair,
    corrected,
    engine_of,
    hardware_name,
    journal_pairs,
    load_calibration,
    refit,
    save_calibration,
)
from typer.testing import CliRunner

from ...building import offer
from ...recorded import Recorded
from .test_points import GOOD, HEADER, table

HERE = "this machine, rationale"


def pair(predicted: float, measured: float, *, kind: Kind = "hours", hardware: str = HERE) -> Pair:
    return Pair(
        kind=kind, hardware=hardware, predicted=predicted, low=predicted / 2, high=predicted * 2, measured=measured,
        origin="test",
    )  # fmt: skip


def calibrate(*words: str) -> dict[str, object]:
    result = CliRunner().invoke(app, ["calibrate", "--json", *words])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_pairs_move_the_value_and_narrow_the_band():
    (found,) = refit([pair(1, 1.5)] * 30)
    assert found.fit.bias == pytest.approx(1.5)
    assert found.fit.high_factor < 1.2
    assert (found.inside_before, found.inside_after) == (1, 1)


def test_one_pair_keeps_the_band_it_was_shown_with():
    (found,) = refit([pair(1, 1.5)])
    assert found.band_before == pytest.approx(2)
    assert found.fit.high_factor == pytest.approx(2.0)  # one pair tells nothing of a spread


def test_hardware_and_kinds_are_kept_apart():
    found = refit([pair(1, 2), pair(1, 3, hardware="1 x L4, full"), pair(0.5, 0.6, kind="accuracy")])
    assert {(one.kind, one.hardware, one.fit.pairs) for one in found} == {
        ("hours", HERE, 1), ("hours", "1 x L4, full", 1), ("accuracy", HERE, 1)
    }  # fmt: skip


def test_a_prediction_is_corrected_where_there_are_pairs_and_only_there():
    known = Calibration(fits=refit([pair(1, 1.5)] * 30)).corrections
    raw = Prediction(value=2, low=1, high=4, source="physics")
    assert corrected(raw, known, "hours", HERE).value == pytest.approx(3)
    assert corrected(raw, known, "hours", "1 x L4, full") == raw
    assert corrected(raw, known, "latency_p95_ms", HERE) == raw


def test_a_broken_file_is_told_and_an_absent_one_is_none(tmp_path: Path):
    assert load_calibration(tmp_path) == Calibration()
    (tmp_path / FILE).write_text("{")
    with pytest.raises(Correctable, match="cannot be read"):
        load_calibration(tmp_path)


def test_what_is_saved_is_read_again(tmp_path: Path):
    corrected = Calibration(fits=refit([pair(1, 2)]), points=(pair(1, 2),))
    save_calibration(tmp_path / "new", corrected)
    assert load_calibration(tmp_path / "new") == corrected


def test_servers_are_named_by_what_computes():
    here = offer()
    gpu = here.model_copy(update={"cloud": "x", "accelerator": "L4", "accelerator_count": 2})
    assert hardware_name(here, engine_of(here)) == "this machine, ctranslate2"
    assert hardware_name(gpu, engine_of(gpu)) == "2 x L4, vllm"
    assert hardware_name(here.model_copy(update={"cloud": "x"}), "full") == "cloud CPU, full"


def test_a_correction_that_was_shown_is_not_counted_twice(recorded: Recorded):
    pairs, _ = journal_pairs({"met": recorded.rows("met")})
    shown = [one for one in pairs if one.kind == "hours"]
    assert len(shown) > 1, "the run was planned again"
    # The second attempt's prediction was corrected by the first; without that, the band's middle and the value differ.
    assert (shown[1].low * shown[1].high) ** 0.5 != pytest.approx(shown[1].predicted, rel=0.05)


def test_calibrate_reads_a_real_journal(recorded: Recorded):
    document = calibrate("--workspace", str(recorded.workspace.path), "--dry-run")
    assert document["written"] is None
    assert not (recorded.workspace.path / FILE).exists()
    measured = {run for run in ("met", "missed", "model", "talked") if run in recorded.runs}
    runs = {recorded.runs[run]: Journal(recorded.workspace).verified_rows(recorded.runs[run]) for run in measured}
    pairs, dropped = journal_pairs(runs)
    assert document["pairs"] == len(pairs) >= 9
    assert dropped == []
    assert {one["kind"] for one in document["fits"]} == {"accuracy", "hours", "latency_p95_ms"}  # pyright: ignore


def test_calibrate_writes_what_later_predictions_take(recorded: Recorded, tmp_path: Path):
    shutil.copy(recorded.workspace.journal_file, tmp_path)
    document = calibrate("--workspace", str(tmp_path))
    assert document["written"] == str(tmp_path / FILE)
    found = load_calibration(tmp_path)
    latency = next(one for one in found.fits if one.kind == "latency_p95_ms")
    raw = Prediction(value=100, low=50, high=200, source="roofline")
    assert corrected(raw, found.corrections, "latency_p95_ms", latency.hardware).value == pytest.approx(
        100 * latency.fit.bias
    )


def test_own_points_are_kept_and_used(tmp_path: Path):
    points = table(tmp_path, HEADER + GOOD)
    document = calibrate("--workspace", str(tmp_path / "space"), "--points", str(points))
    again = calibrate("--workspace", str(tmp_path / "space"))
    assert again["fits"] == document["fits"]
    assert again["pairs"] == 2  # TPOT and TTFT of the one point


def test_absurd_points_are_told_by_line_and_nothing_is_loaded(tmp_path: Path):
    absurd = (
        "Qwen/Qwen3-32B,h100_sxm,2,vllm,,8,1024,128,200,1.5\n"  # faster than the memory
        "Qwen/Qwen3-32B,h100_sxm,2,vllm,,8,30000,128,10,20\n"  # above the peak
        "Qwen/Qwen3-32B,h100_sxm,2,vllm,,8,1024,128,200,21000\n"  # microseconds
        "Qwen/Qwen3-32B,h100_sxm,1,vllm,fp32,1,1024,128,200,20\n"  # does not fit
    )
    points = table(tmp_path, HEADER + GOOD + absurd)
    asked = ["calibrate", "--workspace", str(tmp_path / "space"), "--points", str(points)]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 2
    said = result.stderr
    for part in ("points.csv line 3: TPOT 1.5 ms: ", "line 4: TTFT 10 ms: ", "line 5: tpot_ms is 21000, ", "line 6: "):
        assert part in said
    assert "line 2" not in said
    assert not (tmp_path / "space" / FILE).exists()


def test_a_model_of_the_users_own_may_be_measured(tmp_path: Path):
    columns = "name,kind,roles,family,instruct,parameters,layers,hidden,heads,kv_heads,head_dim,feed_forward,vocabulary,licence,source\n"
    own = "me/mine,open,student,mine,true,1000000000,16,2048,16,4,128,8192,32000,MIT,test\n"
    (tmp_path / "models.csv").write_text(columns + own, encoding="utf-8")
    points = table(tmp_path, HEADER + "me/mine,h100_sxm,1,vllm,bf16,1,100,10,40,3\n")
    assert calibrate("--workspace", str(tmp_path), "--points", str(points))["pairs"] == 2


def test_a_wrong_table_is_refused_with_all_its_problems(tmp_path: Path):
    points = table(tmp_path, HEADER + "no/model,gpu9,1,vllm,,1,1,1,1,1\n")
    result = CliRunner().invoke(app, ["calibrate", "--workspace", str(tmp_path), "--points", str(points)])
    assert result.exit_code == 2
    assert "no/model" in result.stderr
    assert "gpu9" in result.stderr


def test_nothing_measured_is_said_and_nothing_written(tmp_path: Path):
    result = CliRunner().invoke(app, ["calibrate", "--workspace", str(tmp_path / "none")])
    assert "no pair of prediction and measurement yet" in result.stdout
    assert not (tmp_path / "none").exists()
