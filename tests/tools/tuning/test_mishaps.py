"""The job as a process: killed, out of disk, out of memory, given what it cannot use. What was finished is never lost."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import math
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from stratos.state.errors import ToolFailed
from stratos.tools.tuning.plan import planned
from stratos.tools.tuning.rows import encode
from stratos.tools.tuning.specs import TuneJob
from stratos.tools.tuning.start import begin, learn
from stratos.tools.tuning.tune import trainer_of, tune

from . import tiny


def words(model: Path, shard: Path, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "model": str(model),
        "shards": [str(shard)],
        "method": "full",
        "learning_rate": 3e-3,
        "batch_tokens": 256,
        "max_sequence_tokens": 64,
        "checkpoint_every_s": 0,
    }
    return {**values, **changes}


def ended(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    process = tiny.started(job, folder)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return json.loads((folder / "result.json").read_text())


def killed(folder: Path, job: dict[str, Any], after_steps: int) -> None:
    """Starts the job and kills it for good once it has told of so many steps."""
    process = tiny.started(job, folder)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("done", 0) >= after_steps:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "result.json").exists()


@pytest.mark.parametrize("method", ["full", pytest.param("lora", marks=pytest.mark.slow)])
def test_killed_and_started_again_it_learns_the_same_bit_for_bit(
    model: Path, sums: Path, unseen: Path, tmp_path: Path, method: str
) -> None:
    job = words(model, sums, method=method, adapter={"dropout": 0.1}, epochs=2.0, validation=str(unseen))
    (tmp_path / "whole").mkdir()
    whole = tune(TuneJob(**job), tmp_path / "whole")
    killed(tmp_path / "cut", job, after_steps=10)
    cut = ended(tmp_path / "cut", job)
    assert cut["curve"] == json.loads(json.dumps(whole["curve"]))
    assert cut["validation"] == json.loads(json.dumps(whole["validation"]))
    first, second = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_two_processes_share_each_step_and_one_writes(model: Path, sums: Path, unseen: Path, tmp_path: Path) -> None:
    job = words(model, sums, method="lora", validation=str(unseen))
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "0", "--standalone"]
    process = tiny.started(job, tmp_path / "two", launcher=launcher)
    out, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    two, one = json.loads((tmp_path / "two" / "result.json").read_text()), ended(tmp_path / "one", job)
    assert (two["steps"], two["tokens"]) == (math.ceil(one["steps"] / 2), one["tokens"])
    assert out.count('"validation_loss"') == 10
    assert two["validation"][-1][1] < two["validation"][0][1]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size")
def test_a_disk_that_takes_no_more_is_told_and_gone_on_from(model: Path, sums: Path, tmp_path: Path) -> None:
    job = words(model, sums, max_tokens=3000)
    limited = ["bash", "-c", 'ulimit -f 64; exec "$@"', "bash"]  # KiB a file: the checkpoint's weights are larger
    process = tiny.started(job, tmp_path / "a", prefix=limited)
    process.communicate(timeout=300)
    error = json.loads((tmp_path / "a" / "error.json").read_text())
    assert (process.returncode, error["error"]) == (1, "ToolFailed")
    assert "make room and start the job again in this folder" in error["message"]
    assert not list((tmp_path / "a").glob("checkpoint-*"))
    assert tune(TuneJob(**job), tmp_path / "a")["stopped_by"] == "steps"


def test_a_full_disk_in_the_middle_loses_no_finished_checkpoint(model: Path, sums: Path, tmp_path: Path) -> None:
    job = TuneJob(**words(model, sums, max_tokens=6000))
    tune(TuneJob(**words(model, sums, max_tokens=6000, wall_clock_s=0.3)), tmp_path)
    before = sorted(path.name for path in tmp_path.glob("checkpoint-*"))
    fills = tmp_path / f"checkpoint-{int(before[-1].rpartition('-')[2]) + 1}"
    fills.write_text("")  # a file where the next checkpoint's folder is to be: it cannot be written
    with pytest.raises(ToolFailed, match="it continues after step"):
        tune(job, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == [*before, fills.name]
    fills.unlink()
    assert tune(job, tmp_path)["stopped_by"] == "steps"


def test_out_of_memory_says_what_to_lower(model: Path, sums: Path, tmp_path: Path) -> None:
    class Hungry(torch.nn.Module):
        """Asks for more than any machine has."""

        def forward(self, hidden: Any) -> Any:
            return hidden + torch.empty(2**55, dtype=torch.uint8)[0]

    job = TuneJob(**words(model, sums))
    session = begin(job, tmp_path, batch_tokens=job.batch_tokens)
    session.model.model.norm = Hungry()
    rows = encode(job.shards, session.tokenizer, session.stops, job.max_sequence_tokens).rows
    plan = planned([len(row.ids) for row in rows], batch_tokens=256, epochs=None, max_tokens=None, seed=0)
    trainer, _ = trainer_of(session, rows, plan)
    with pytest.raises(ToolFailed, match=r"out of memory after step 0: .* lower batch_tokens"):
        learn(session, trainer)


def test_a_folder_that_is_no_checkpoint_ends_the_job_with_what_is_missing(sums: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    process = tiny.started(words(tmp_path / "empty", sums), tmp_path / "a")
    process.communicate(timeout=300)
    error = json.loads((tmp_path / "a" / "error.json").read_text())
    assert error["error"] == "Correctable"
    assert all(name in error["message"] for name in ("config.json", "model.safetensors", "tokenizer.json"))
