"""A tokenizer made for a skill: one token per word of its vocabulary, with a chat template for one question."""

from collections.abc import Sequence
from typing import Any

from .students import SPECIAL_TOKENS

CHAT_TEMPLATE = (
    "{% if messages | length != 1 or messages[0]['role'] != 'user' %}"
    "{{ raise_exception('this model answers exactly one user message and takes no system message or history') }}"
    "{% endif %}"
    "{{ '<bos> ' + messages[0]['content'] | trim }}{% if add_generation_prompt %}{{ ' <answer>' }}{% endif %}"
)


def token_ids(vocabulary: Sequence[str]) -> dict[str, int]:
    """The id of every token: the special ones first, then the skill's vocabulary in its own order."""
    return {token: index for index, token in enumerate((*SPECIAL_TOKENS, *vocabulary))}


def build_tokenizer(vocabulary: Sequence[str], max_tokens: int) -> Any:
    """A PreTrainedTokenizerFast (word level, split at white space) that transformers and vLLM can load from its folder."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel(token_ids(vocabulary), unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<bos>",
        eos_token="<eos>",
        additional_special_tokens=["<answer>"],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=max_tokens,
    )
