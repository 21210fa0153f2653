# pyright: reportUnknownMemberType=false
"""vLLM itself, where its Python is named: a student is served by it, and replaced under load without a refusal."""

import os
import time
from pathlib import Path

import pytest
from stratos.evals.asking import asked_all_the_while
from stratos.tools.serving.deployments import ask, start, stop
from stratos.tools.serving.replacing import replace
from stratos.tools.serving.smoke import SmokeTest
from stratos.tools.serving.vllm import PROGRAM_VARIABLE
from stratos.tools.training.students import TrainJob, shape_named
from stratos.tools.training.train import build_student

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get(PROGRAM_VARIABLE),
        reason=f"no vLLM: {PROGRAM_VARIABLE} names neither its program nor the Python of its environment",
    ),
]
PROMPT = "win 1m 2m 3m 4p 5p 6p 7s 8s 9s 1z 1z 1z 2z 2z"


def untrained(folder: Path, seed: int) -> Path:
    """A student of a shape that vLLM's build for CPUs can run: heads are 32 wide. Its output layer is random and knows no special token:
    with the embeddings for it, an untrained one repeats the question's last, and every seed's answer is an empty text."""
    import torch

    torch.manual_seed(seed)
    job = TrainJob(
        skill="mahjong",
        task="win",
        student=shape_named("scratch-0.35M"),
        target="rationale",
        shards=(folder,),
        tokens=1,
        seed=seed,
    )
    model, tokenizer = build_student(job)
    head = torch.randn_like(model.lm_head.weight)
    head[tokenizer.all_special_ids] = 0
    model.config.tie_word_embeddings, model.lm_head.weight = False, torch.nn.Parameter(head)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_vllm_server_is_replaced_while_it_is_asked(tmp_path: Path) -> None:
    models = [untrained(tmp_path / f"model-{seed}", seed) for seed in range(2)]
    made = start(tmp_path, "vllm", models[0], "run-1", engine="vllm")
    try:
        before = ask(tmp_path, "vllm", PROMPT, max_tokens=8)
        assert before
        test = SmokeTest(prompts=(PROMPT,), is_right=lambda prompt, answer: True, least_right=1, max_tokens=8)
        with asked_all_the_while(made, PROMPT) as counts:
            new = replace(tmp_path, "vllm", models[1], "run-2", test, engine="vllm")
            after = ask(tmp_path, "vllm", PROMPT, max_tokens=8)
            time.sleep(2)
        assert counts.failures == {}
        assert before != after
        assert set(counts.answers) == {before, after, "stream"}
        assert counts.answers[before] > 16
        assert (new.engine, new.base_url) == ("vllm", made.base_url)
    finally:
        stop(tmp_path, "vllm")
