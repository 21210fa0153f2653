"""A tuning loop as one writes it by hand in PyTorch: the baseline of the tuning eval, in a process of its own.

`python -m stratos.evals.tuning_loop MODEL SHARD BATCH_TOKENS SEQUENCE_TOKENS SEED RATE` prints its tokens, CPU-seconds and peak memory
as JSON. It has no checkpoints, no validation and no clock.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import math
import resource
import sys
import time
from pathlib import Path
from typing import Any

from ..tools.tuning.plan import padded, planned
from ..tools.tuning.rows import encode

WARM_UP_SHARE = 0.03
CLIP = 1.0


def learn(
    model_folder: Path, shard: Path, batch_tokens: int, sequence_tokens: int, seed: int, rate: float
) -> dict[str, float]:
    """One epoch of AdamW at a cosine rate, gradients clipped, in float32 on one thread."""
    import torch
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    torch.set_num_threads(1)
    # As the job does: AutoTokenizer would cut the text as the model's family does, and other tokens would be learned.
    tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(model_folder)
    model: Any = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    rows = encode((shard,), tokenizer, frozenset({tokenizer.eos_token_id}), sequence_tokens).rows
    plan = planned([len(row.ids) for row in rows], batch_tokens=batch_tokens, epochs=None, max_tokens=None, seed=seed)
    steps = len(plan.batches)
    warm_up = math.ceil(WARM_UP_SHARE * steps)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: (
            step / warm_up
            if step < warm_up
            else 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))
        ),
    )
    model.train()
    loss = 0.0
    started = time.process_time()
    for batch in plan.batches:
        given = padded([rows[row] for row in batch])
        found = model(**given, use_cache=False).loss
        found.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        loss = found.item()
    seconds = time.process_time() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"tokens": sum(plan.tokens), "cpu_seconds": seconds, "peak_mib": peak_mib, "loss": loss}


if __name__ == "__main__":
    words = sys.argv[1:]
    print(
        json.dumps(learn(Path(words[0]), Path(words[1]), int(words[2]), int(words[3]), int(words[4]), float(words[5])))
    )
