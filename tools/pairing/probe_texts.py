"""Texts on which tokenizers differ when they differ at all: what is split in ways of their own by the known families."""

EDGE_TEXTS: tuple[str, ...] = (
    "The quick brown fox doesn't jump; it'll sleep, they've said.",
    "I'VE SEEN IT, YOU'RE RIGHT: CamelCase, snake_case, kebab-case, ALLCAPS",
    # Digits are taken one by one, in threes from the left, in threes from the right, or as words.
    "7 42 365 1024 31415 1000000 3.14159 -17 1,234,567.89 0x1F 1e-9 12:30 2024-02-29",
    "12345678901234567890",
    # White space is merged, kept, given to the next word, or normalised away.
    " leading", "trailing ", "two  three   four    spaces", "\ttab\t\ttabs", "line\nline\n\nline\r\nline\n", "\n\n\n", " ",
    "no-break\u00a0space, thin\u2009space, zero\u200bwidth, ideographic\u3000space",
    'def f(x: int = 0) -> dict[str, int]:\n    """Doc."""\n    return {"a": x ** 2}  # why\n',
    "for (let i = 0; i <= n; ++i) { if (a[i] !== b) continue; }\n\n\treturn `${x}`;",
    "SELECT * FROM t WHERE a >= 10 AND b LIKE '%x%';",
    '{"key": [1, 2.5, null, true], "text": "a\\n\\"b\\""}',
    "<div class=\"a\">&amp; &lt;b&gt;</div> https://example.org/path?q=1&r=%20#top user@example.org",
    "\\frac{a}{b} \\leq \\sum_{i=1}^{n} x_i^2, \\boxed{42}; a ≤ b ≠ c, √2, π, ∑, ∞, x²",
    "café naïve Straße São Łódź",
    "cafe\u0301 nai\u0308ve ﬁ ﬂ Ⅳ ① ½",  # decomposed and compatibility characters: NFC and NFKC change them
    "Привет, мир! Γειά σου Κόσμε. שלום עולם. مرحبا بالعالم",
    "你好，世界。我爱机器学习。", "東京都は日本の首都です。カタカナ", "안녕하세요 세계", "नमस्ते दुनिया", "สวัสดีชาวโลก",
    "🙂 👩‍👩‍👧‍👦 🇩🇪 👍🏽 ❤️ 🀄",
    "…—–“quoted” ‘single’ «guillemets» • · †",
    "a" * 40 + "!" * 20 + "=" * 33 + "-" * 17,
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "\u0000\u0007\u001b[31m\ufeff\ufffd",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\nHello<|im_end|>",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>",
    "<s>[INST] Hi [/INST] Hello</s> <start_of_turn>user\nHi<end_of_turn>\n<bos><eos><pad><unk>",
    '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>',
)  # fmt: skip
"""Prose, numbers, white space, code, mark-up, mathematics, many scripts, emoji, control characters and chat marks."""

CONVERSATIONS: tuple[tuple[dict[str, str], ...], ...] = (
    ({"role": "user", "content": "What is 12 times 11?"},),
    ({"role": "system", "content": "Answer briefly."}, {"role": "user", "content": "What is 12 times 11?"}),
    (
        {"role": "user", "content": "What is 12 times 11?"},
        {"role": "assistant", "content": "132"},
        {"role": "user", "content": "And times 2?"},
    ),
)
"""One question, one with a system message, and one with history."""
