"""A student's tokenizer: one token per word of a skill's vocabulary, or the pieces learned from given texts; one question a chat."""

from collections.abc import Callable, Sequence
from typing import Any

from ...skills.given.tokens import byte_level
from ...skills.protocol import SPECIAL_TOKENS, Skill

_ONE_QUESTION = (
    "{% if messages | length != 1 or messages[0]['role'] != 'user' %}"
    "{{ raise_exception('this model answers exactly one user message and takes no system message or history') }}"
    "{% endif %}"
)
WORDS_TEMPLATE = (
    _ONE_QUESTION
    + "{{ '<bos> ' + messages[0]['content'] | trim }}{% if add_generation_prompt %}{{ ' <answer>' }}{% endif %}"
)
PIECES_TEMPLATE = (
    _ONE_QUESTION
    + "{{ '<bos>' + messages[0]['content'] | trim }}{% if add_generation_prompt %}{{ '<answer>' }}{% endif %}"
)
"""Without spaces: of pieces, a space is part of the next one."""

Encode = Callable[[Sequence[str]], list[list[int]]]


def token_ids(vocabulary: Sequence[str]) -> dict[str, int]:
    """The id of every token: the special ones first, then the skill's vocabulary in its own order."""
    return {token: index for index, token in enumerate((*SPECIAL_TOKENS, *vocabulary))}


def text_encoders(skill: Skill) -> tuple[Encode, Encode]:
    """Ids of prompts and of completions, without what frames them. A completion that is a token as a whole is that token."""
    ids = token_ids(skill.vocabulary)
    if skill.tokenizer is None:

        def words(texts: Sequence[str]) -> list[list[int]]:
            return [[ids[word] for word in text.split()] for text in texts]

        return words, words
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(skill.tokenizer))

    def pieces(texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def completions(texts: Sequence[str]) -> list[list[int]]:
        known = {text: ids.get(byte_level(text)) for text in set(texts)}
        return [
            [whole] if (whole := known[text]) is not None else encoded
            for text, encoded in zip(texts, pieces(texts), strict=True)
        ]

    return pieces, completions


def build_tokenizer(skill: Skill, max_tokens: int) -> Any:
    """A PreTrainedTokenizerFast that transformers and vLLM can load from its folder."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    if skill.tokenizer is not None:
        tokenizer = Tokenizer.from_file(str(skill.tokenizer))
    else:
        tokenizer = Tokenizer(models.WordLevel(token_ids(skill.vocabulary), unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<bos>",
        eos_token="<eos>",
        additional_special_tokens=["<answer>"],
        chat_template=WORDS_TEMPLATE if skill.tokenizer is None else PIECES_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=max_tokens,
    )
