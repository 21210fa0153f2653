"""Numbers written in words, English and Chinese, as values."""

import re
from fractions import Fraction

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "ten twenty thirty forty fifty sixty seventy eighty ninety"
_ENGLISH = {name: at for at, name in enumerate(_SMALL.split())} | {
    name: 10 * at for at, name in enumerate(_TENS.split(), 1)
}
_POWERS = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}

_WORD = "(?:" + "|".join(sorted({*_ENGLISH, *_POWERS}, key=len, reverse=True)) + ")"
_AND = r"(?:(?<=hundred)|(?<=thousand)|(?<=million)|(?<=billion))\s+and\s+"
ENGLISH_NUMBER = rf"\b(?:an?\s+(?=hundred|thousand|million|billion))?{_WORD}(?:(?:[\s-]+|{_AND}){_WORD})*(?:\s+point(?:\s+{_WORD})+)?\b"
"""Fits a number in words; `english_value` says whether it is one."""

_DIGITS = {name: at for at, name in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_CHINESE_POWERS = {"十": 10, "百": 100, "千": 1000}
_MYRIADS = {"万": 10_000, "亿": 100_000_000}
_CHINESE = "[零〇一二两三四五六七八九十百千万亿]"
CHINESE_NUMBER = rf"(?>\d+(?:,\d{{3}}(?!\d))*(?:\.\d+)?\s*[百千万亿]*|{_CHINESE}+(?:点[零〇一二两三四五六七八九]+)?)"
"""Fits digits, digits with 万, or Chinese numerals; `chinese_value` says whether they are one number."""


def plain(value: float) -> str:
    """A value in digits, to nine decimals and without an exponent."""
    return f"{round(value, 9):.9f}".rstrip("0").rstrip(".")


def english_value(words: str) -> float | None:
    """The value of "one hundred and fifty" or "nine point five"; None for words that are no one number."""
    whole, _, decimals = words.lower().partition(" point ")
    total = group = 0
    last = "start"
    for word in re.split(r"[\s-]+", whole):
        if word in ("a", "an", "and"):
            continue
        if word in _POWERS:
            group = (group or 1) * _POWERS[word]
            if _POWERS[word] > 100:
                total, group = total + group, 0
            last = "power"
        elif last == "small" or (last == "tens" and not 0 < _ENGLISH[word] < 10):
            return None
        else:
            group += _ENGLISH[word]
            last = "tens" if _ENGLISH[word] in range(20, 100) else "small"
    digits = [_ENGLISH.get(word, 10) for word in decimals.split()]
    if any(digit > 9 for digit in digits):
        return None
    return float(f"{total + group}.{''.join(map(str, digits)) or '0'}")


def chinese_value(text: str) -> float | None:
    """The value of 一百五十, 零点三, 两百万, 1.5万 or 1,000; None for what is no one number, such as 三四百."""
    text = text.replace(" ", "")
    if match := re.fullmatch(r"(\d[\d,]*(?:\.\d+)?)([百千万亿]*)", text):
        if "," in match[1] and not re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", match[1]):
            return None
        value = Fraction(match[1].replace(",", ""))
        for power in match[2]:
            value *= (_CHINESE_POWERS | _MYRIADS)[power]
        return float(value)
    whole, _, decimals = text.partition("点")
    value = _chinese_whole(whole)
    if value is None or not decimals:
        return value
    return float(f"{value:.0f}.{''.join(str(_DIGITS[digit]) for digit in decimals)}")


def _chinese_whole(text: str) -> float | None:
    total = section = digit = 0
    seen, power, myriad = False, 10_000, 1_000_000_000
    for letter in text:
        if letter in _DIGITS:
            if seen and digit:
                return None
            digit, seen = _DIGITS[letter], True
        elif letter in _CHINESE_POWERS:
            if _CHINESE_POWERS[letter] >= power or (seen and not digit and letter != "十"):
                return None
            power = _CHINESE_POWERS[letter]
            section += (digit or 1) * power
            digit, seen = 0, False
        else:
            if _MYRIADS[letter] >= myriad:
                return None
            myriad = _MYRIADS[letter]
            total = (total + section + digit if section or digit or total else 1) * _MYRIADS[letter]
            section, digit, seen, power = 0, 0, False, 10_000
    if digit and len(text) > 1 and text[-2] in "百千万亿":  # 一百五 is 150, 一万五 is 15,000
        digit *= (_CHINESE_POWERS | _MYRIADS)[text[-2]] // 10
    return float(total + section + digit)
