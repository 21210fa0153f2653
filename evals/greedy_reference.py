"""Greedy answers by transformers beside those of another engine: where they part, and how near a tie the two tokens were.

A program that reads its task from standard input and imports nothing of Stratos: a quantised model is answered by the Python that
has the package of its format, which ours need not.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

import json
import sys
from collections.abc import Sequence
from typing import Any


def compare(model_dir: str, prompts: Sequence[str], others: Sequence[Sequence[int]], max_tokens: int) -> list[Any]:
    """For each prompt the ids of prompt and answer, its text, and where `others` parts from it: position, both tokens, the
    difference of their logits."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    tokenizer: Any = AutoTokenizer.from_pretrained(model_dir)
    model: Any = AutoModelForCausalLM.from_pretrained(model_dir, dtype="auto").eval()
    found: list[Any] = []
    for prompt, other in zip(prompts, others, strict=True):
        chat = [{"role": "user", "content": prompt}]
        given = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        asked = given["input_ids"]
        written = model.generate(
            input_ids=asked,
            attention_mask=torch.ones_like(asked),
            max_new_tokens=max_tokens,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        ids = written.sequences[0, asked.shape[1] :].tolist()
        at = next((i for i, (a, b) in enumerate(zip(ids, other, strict=False)) if a != b), None)
        parted = None
        if at is not None:
            logits = written.logits[at][0]
            gap = float(logits[ids[at]] - logits[other[at]])
            tokens = tokenizer.convert_ids_to_tokens([ids[at], other[at]])
            parted = {"position": at, "transformers": tokens[0], "other": tokens[1], "logit_gap": gap}
        text = tokenizer.decode(ids, skip_special_tokens=True)
        found.append({"prompt_ids": asked[0].tolist(), "ids": ids, "text": text, "parted": parted})
    return found


if __name__ == "__main__":
    task = json.loads(sys.stdin.read())
    answers = compare(**task)
    print(json.dumps(answers))
