"""Numbers as people read them: the one way in which figures are written into texts; records keep them as they are."""

from decimal import ROUND_CEILING, Context, Decimal

DIGITS = 3
"""Significant digits of what was predicted or measured: its bands are wider than the fourth."""

AS_SAID = 10
"""Digits of what somebody said, such as a limit: all of them."""


def shown(value: float, digits: int = DIGITS) -> str:
    """A finite number without an exponent: whole with thousands separators from 1,000 on, else to so many significant digits."""
    rounded = Decimal(f"{value:.{digits - 1}e}") + 0  # no minus before a nought
    if abs(rounded) >= 1000:
        return _plain(Decimal(f"{value:.{max(0, digits - 1 - rounded.adjusted())}f}"))
    return _plain(rounded)


def dollars(usd: float) -> str:
    """US dollars, such as $1.00, $0.0123 or $0.0007812: cents where there are only cents, else a hundredth of one or four digits."""
    if abs(usd - round(usd, 2)) < 5e-7 * max(1.0, usd) or usd >= 100:
        return f"${usd:,.2f}"
    return f"${usd:,.4f}" if usd >= 0.01 else f"${shown(usd, 4)}"


def at_least(value: float, digits: int = DIGITS) -> str:
    """As `shown`, never below the number: of what must suffice."""
    return shown(float(Context(prec=digits, rounding=ROUND_CEILING).create_decimal(repr(value))), max(digits, AS_SAID))


def _plain(value: Decimal) -> str:
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
