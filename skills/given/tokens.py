"""The tokens that given texts are written in: the learned texts' own words, where these are few and no other text has more, else pieces."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..protocol import SPECIAL_TOKENS

MOST_WORDS = 1000
"""Texts of no more different words than that, all of them learned, are symbols, notes or commands: a word is a token."""

PIECES = 4096
"""assumption: pieces for texts of any kind; more would spend a small student's parameters on its embedding."""

LEARNED_FROM = 50_000
"""Texts that pieces are learned from."""

TOKENIZER_FILE = "tokenizer.json"


def shared_words(learned: Iterable[str], others: Iterable[str]) -> list[str] | None:
    """The different words of texts that are learned, in the order of the alphabet; None where they are too many, a text is more
    than its words, or one of the others has another word: who asks will then have others too, and pieces can read them."""
    words = _words(learned)
    of_others = _words(others)
    if words is None or of_others is None or not of_others <= words or words & set(SPECIAL_TOKENS):
        return None
    return sorted(words)


def _words(texts: Iterable[str]) -> set[str] | None:
    words: set[str] = set()
    for text in filter(None, texts):
        parts = text.split(" ")
        if "\n" in text or not all(parts):
            return None
        words.update(parts)
        if len(words) > MOST_WORDS:
            return None
    return words


def token_counts(texts: Sequence[str], tokenizer: Path | None) -> list[int]:
    """How many tokens each text has: its words, or its pieces where there is a tokenizer."""
    if tokenizer is None:
        return [len(text.split()) for text in texts]
    from tokenizers import Tokenizer

    encodings = Tokenizer.from_file(str(tokenizer)).encode_batch_fast(list(texts), add_special_tokens=False)
    return [len(encoding.ids) for encoding in encodings]


def learn_pieces(texts: Sequence[str], whole: Sequence[str], folder: Path) -> list[str]:
    """Writes a byte-level BPE tokenizer for the texts and returns its tokens by id, without the special ones before them. Each of
    `whole` (the choices) has a token of its own, which no merge leads to: an answer is one token, and a question that holds the
    same words is none."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts[:LEARNED_FROM], trainer)
    return _with_whole(tokenizer, whole, folder / TOKENIZER_FILE)


def _with_whole(tokenizer: Any, whole: Sequence[str], path: Path) -> list[str]:
    import json

    document: dict[str, Any] = json.loads(tokenizer.to_str())
    ids: dict[str, int] = document["model"]["vocab"]
    for text in whole:
        ids.setdefault(byte_level(text), len(ids))
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return sorted(ids, key=lambda token: ids[token])[len(SPECIAL_TOKENS) :]


def byte_level(text: str) -> str:
    """A text as byte-level tokenizers write it in their vocabulary."""
    from tokenizers import pre_tokenizers

    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return "".join(piece for piece, _ in level.pre_tokenize_str(text))
