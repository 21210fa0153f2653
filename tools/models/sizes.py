"""Model sizes as people write them, '0.5B' or '14B', read and written."""

import re

from ...state.errors import Correctable

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([kmbt]?)", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Number of parameters in '0.5B', '500M', '1.6T' or '494032768'. Raises Correctable for anything else."""
    found = _SIZE.fullmatch(text.strip().replace(",", "").replace("_", ""))
    size = round(float(found[1]) * _UNITS[found[2].lower()]) if found else 0
    if not size:
        raise Correctable(
            f"{text!r} is no model size; valid are a positive number and K, M, B or T: 500M, 0.5B, 14B, 1T"
        )
    return size


def size_text(parameters: int | None) -> str:
    """As people write it, three digits: '494M', '1.54B', '671B'; '?' where it is not published."""
    if parameters is None:
        return "?"
    for unit, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if parameters >= 0.9995 * unit:
            value = parameters / unit
            return f"{value:.{max(0, 2 - len(str(int(value + 0.0005))) + 1)}f}{letter}"
    return str(parameters)


def gigabytes(count: float) -> str:
    """Bytes in decimal gigabytes, or megabytes below one."""
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"
