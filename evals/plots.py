"""A plot as SVG: points on two logarithmic axes, and a line of linear growth beside them."""

import math
from collections.abc import Sequence

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 360, 64, 540, 24, 312


def log_plot(xs: Sequence[float], ys: Sequence[float], *, x_name: str, y_name: str, line: str) -> str:
    """The points joined, with a dashed line of slope 1 through the last, named `line`. Raises ValueError for what has no logarithm."""
    if min(*xs, *ys) <= 0:
        raise ValueError("logarithmic axes have no place for zero or less")
    slope = [ys[-1] * x / xs[-1] for x in xs]
    x_of, y_of = _scale(xs), _scale([*ys, *slope])
    points = [(_place(x_of, x, LEFT, RIGHT), _place(y_of, y, BOTTOM, TOP)) for x, y in zip(xs, ys, strict=True)]
    straight = [(_place(x_of, x, LEFT, RIGHT), _place(y_of, y, BOTTOM, TOP)) for x, y in zip(xs, slope, strict=True)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *(
            f'<line x1="{LEFT}" x2="{RIGHT}" y1="{at}" y2="{at}" stroke="#dfe3e8"/>'
            f'<text x="{LEFT - 6}" y="{at + 4}" text-anchor="end">{label}</text>'
            for at, label in _ticks(y_of, BOTTOM, TOP)
        ),
        *(
            f'<text x="{_place(x_of, x, LEFT, RIGHT)}" y="{BOTTOM + 18}" text-anchor="middle">{x:,.10g}</text>'
            for x in xs
        ),
        f'<polyline points="{_joined(straight)}" fill="none" stroke="#8a94a0" stroke-dasharray="5 4"/>',
        f'<text x="{straight[0][0] + 6}" y="{straight[0][1] - 6}" fill="#5b6570">{line}</text>',
        f'<polyline points="{_joined(points)}" fill="none" stroke="#0b63ce" stroke-width="2"/>',
        *(
            f'<circle cx="{x}" cy="{y}" r="4" fill="#0b63ce"><title>{given:g}: {value:.4g}</title></circle>'
            for (x, y), given, value in zip(points, xs, ys, strict=True)
        ),
        f'<text x="{RIGHT}" y="{BOTTOM + 38}" text-anchor="end">{x_name}</text><text x="{LEFT}" y="{TOP - 8}">{y_name}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """The logarithms at both ends."""
    low, high = math.log10(min(values)), math.log10(max(values))
    margin = 0.05 * (high - low) + 0.02
    return low - margin, high + margin


def _place(scale: tuple[float, float], value: float, start: float, end: float) -> float:
    share = (math.log10(value) - scale[0]) / (scale[1] - scale[0])
    return round(start + (end - start) * share, 1)


def _ticks(scale: tuple[float, float], start: float, end: float) -> list[tuple[float, str]]:
    powers = range(math.ceil(scale[0]), math.floor(scale[1]) + 1)
    return [(_place(scale, 10.0**power, start, end), f"{10.0**power:g}") for power in powers]


def _joined(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)
