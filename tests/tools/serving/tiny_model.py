# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportPrivateImportUsage=false, reportAttributeAccessIssue=false
"""Makes tiny random checkpoints in the form the training job leaves them, and answers from them with transformers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

SPECIAL = ["<pad>", "<bos>", "<eos>", "<unk>", "<user>", "<assistant>"]
WORDS = [f"w{i}" for i in range(58)]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role not in ['user', 'assistant'] %}{{ raise_exception('only user and assistant speak') }}{% endif %}"
    " <{{ m.role }}> {{ m.content }}{% endfor %}{% if add_generation_prompt %} <assistant>{% endif %}"
)
CONTEXT = 20_000
"""Long enough that an answer without a limit takes seconds."""


def make(folder: Path, *, kind: Literal["llama", "qwen3"] = "llama", endless: bool = False, seed: int = 0) -> Path:
    """A model of 30 thousand parameters; an endless one practically never writes its end token."""
    import torch
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    ids: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "vocab_size": len(SPECIAL + WORDS)}
    # A wide initialisation: near-ties between logits would make greedy answers depend on rounding.
    rest = {"max_position_embeddings": CONTEXT, "initializer_range": 0.4, "num_key_value_heads": 2}
    config: dict[str, Any] = {**sizes, **ids, **rest}
    if kind == "llama":
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config))
    else:
        model = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(head_dim=8, **config))
    if endless:
        model.lm_head.weight.data[2] = 0
    model.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return folder


def reference(folder: Path, prompts: Sequence[Sequence[int]], max_tokens: int) -> list[list[int]]:
    """Greedy answers of transformers' own `generate`, one prompt at a time."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    answers: list[list[int]] = []
    for prompt in prompts:
        given = torch.tensor([list(prompt)])
        mask = torch.ones_like(given)
        written = model.generate(given, attention_mask=mask, max_new_tokens=max_tokens, do_sample=False)
        answers.append(written[0, len(prompt) :].tolist())
    return answers


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(SPECIAL + WORDS)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names: dict[str, Any] = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, extra_special_tokens=SPECIAL[4:], **names)
    tokenizer.chat_template = TEMPLATE
    return tokenizer
