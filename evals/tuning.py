"""How the tuning job compares with a loop written by hand: tokens a CPU-second, memory, and whether both learn the same.

Same checkpoint of about 3 million weights, same batches, same precision, one thread, a process each, taking turns; medians.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ..skills import load as load_skill
from ..tools.tuning.specs import TuneJob
from .mahjong import SKILL
from .reporting import Claim, Report, arguments

BATCH_TOKENS, SEQUENCE_TOKENS, RATE = 2048, 512, 1e-3
SPEED_GOAL, MEMORY_GOAL, LOSS_GOAL = 0.95, 1.1, 1e-4
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
QUIET = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def checkpoint(
    folder: Path, texts: list[str], seed: int, *, hidden: int = 192, layers: int = 6, template: str = CHATML
) -> int:
    """A Qwen2, of about 3 million weights if nothing else is said, with a byte-level BPE, in Hugging Face format; returns its weights."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    backend: Any = Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = template
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=1024,
        hidden_size=hidden,
        intermediate_size=hidden * 8 // 3,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 32,
        num_key_value_heads=hidden // 32,
        max_position_embeddings=SEQUENCE_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = Qwen2ForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return sum(weight.numel() for weight in model.parameters())


def examples(folder: Path, count: int, seed: int) -> tuple[Path, list[str]]:
    """A shard of a skill's examples as prompt and completion, and their texts."""
    skill = load_skill(SKILL)
    made = skill.make("win", seed=seed, block=0, count=count)
    rows = [{"prompt": one.prompt, "completion": skill.completion(one, rationale=True)} for one in made]
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path, [f"{row['prompt']} {row['completion']}" for row in rows[:2000]]


def ours(model: Path, shard: Path, folder: Path, seed: int) -> dict[str, float]:
    """Figures of our job."""
    folder.mkdir()
    job = TuneJob(
        model=model,
        shards=(shard,),
        method="full",
        learning_rate=RATE,
        batch_tokens=BATCH_TOKENS,
        max_sequence_tokens=SEQUENCE_TOKENS,
        seed=seed,
    )
    (folder / "job.json").write_text(job.model_dump_json())
    _process("stratos.tools.tuning", str(folder / "job.json"))
    found = json.loads((folder / "result.json").read_text())
    return {
        "tokens": found["tokens"],
        "cpu_seconds": found["cpu_seconds"],
        "peak_mib": 1024 * found["memory"]["peak_gib"],
        "needed_mib": 1024 * found["memory"]["needed_gib"],
        "loss": found["loss"],
    }


def by_hand(model: Path, shard: Path, seed: int) -> dict[str, float]:
    """Figures of the loop written by hand."""
    words = (str(model), str(shard), str(BATCH_TOKENS), str(SEQUENCE_TOKENS), str(seed), str(RATE))
    return json.loads(_process("stratos.evals.tuning_loop", *words).splitlines()[-1])


def _process(module: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", module, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **QUIET},
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed: {done.stderr[-2000:]}")
    return done.stdout


def main() -> None:
    """Runs the eval."""
    options = arguments(__doc__ or "")
    report = Report(eval="tuning", seed=options.seed, quick=options.quick)
    rounds, count = (3, 400) if options.quick else (7, 1600)
    if options.quick:
        report.left_out = "repetitions: 3 instead of 7 rounds, 400 instead of 1,600 examples"
    mine: list[dict[str, float]] = []
    baseline: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="stratos-eval-") as scratch:
        folder = Path(scratch)
        shard, texts = examples(folder, count, options.seed)
        parameters = checkpoint(folder / "model", texts, options.seed)
        for number in range(rounds):
            mine.append(ours(folder / "model", shard, folder / f"ours-{number}", options.seed))
            baseline.append(by_hand(folder / "model", shard, options.seed))
    report.details |= {"parameters": parameters, "ours": mine, "by_hand": baseline}
    _claim(report, mine, baseline)
    report.print(options.json)


def _claim(report: Report, mine: list[dict[str, float]], baseline: list[dict[str, float]]) -> None:
    def median(figures: list[dict[str, float]], name: str) -> float:
        return statistics.median(one[name] for one in figures)

    def rate(figures: list[dict[str, float]]) -> float:
        return statistics.median(one["tokens"] / one["cpu_seconds"] for one in figures)

    def add(name: str, value: float, unit: str, goal: str, met: bool | None) -> None:
        report.add(Claim(name=name, value=value, unit=unit, n=len(mine), goal=goal, met=met))

    speed = rate(mine) / rate(baseline)
    memory = median(mine, "peak_mib") / median(baseline, "peak_mib")
    apart = max(abs(a["loss"] / b["loss"] - 1) for a, b in zip(mine, baseline, strict=True))
    expected = median(mine, "needed_mib") / median(mine, "peak_mib")
    add("tuning, full, 3M, tokens per CPU-second", rate(mine), "1/s", "none", None)
    add("tuning over a loop by hand, tokens per CPU-second", speed, "ratio", f">= {SPEED_GOAL}", speed >= SPEED_GOAL)
    add("tuning over a loop by hand, peak memory", memory, "ratio", f"<= {MEMORY_GOAL}", memory <= MEMORY_GOAL)
    add("tuning over a loop by hand, last loss apart", apart, "share", f"<= {LOSS_GOAL}", apart <= LOSS_GOAL)
    add("tuning, memory told before over peak", expected, "ratio", "0.8 to 1.25", 0.8 <= expected <= 1.25)


if __name__ == "__main__":
    main()
