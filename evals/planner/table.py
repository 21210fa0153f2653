"""The scores of several planners side by side, and what `rules` missed, for people."""

from collections.abc import Mapping, Sequence

from ...agent.planners import RULES
from .scoring import Case, Scores, Share

FIRST, EACH = 50, 16


def table(scores: Mapping[str, Scores], cases: Mapping[str, Sequence[Case]]) -> str:
    """One column a planner; below, where each happening leads with the first planner, and its misses one by one."""
    columns = list(scores.values())
    lines = [_row("", [one.planner for one in columns])]
    lines += [_row(name, cells) for name, cells in _rows(columns)]
    first = next(iter(cases))
    lines += ["", f"by what happens, {first}: met of what the oracle meets; runs in all"]
    lines += _by_happening(cases[first])
    lines += ["", f"not as the oracle, {first}"]
    lines += _misses(cases[RULES if RULES in cases else first])
    return "\n".join(lines)


def _rows(columns: Sequence[Scores]) -> list[tuple[str, list[str]]]:
    return [
        ("scenarios", [f"{one.scenarios}" for one in columns]),
        ("brief fields exact", [_share(one.fields) for one in columns]),
        ("  of fields that the request gives", [_share(one.fields_given) for one in columns]),
        ("  briefs with every field exact", [_share(one.briefs) for one in columns]),
        ("requests refused for the right reason", [_share(one.refusals) for one in columns]),
        ("targets met where the oracle meets them", [_share(one.met) for one in columns]),
        ("  of those whose brief was read exactly", [_share(one.met_of_read) for one in columns]),
        ("oracle finds nothing: 'cannot be met' answered", [_share(one.impossible) for one in columns]),
        ("'cannot be met' answered: oracle finds nothing", [_share(one.given_up) for one in columns]),
        ("met in several attempts, oracle not in one", [f"{one.beyond}" for one in columns]),
        ("dollar regret, of the brief's limit", [f"{one.regret_of_limit:.2%}" for one in columns]),
        ("dollar regret, of the oracle's own spending", [f"{one.regret_of_oracle:.0%}" for one in columns]),
        ("  scenarios behind both regrets (met by it)", [f"{one.regret_n}" for one in columns]),
        ("deployment score, 0 where missed", [f"{one.score:.3f}" for one in columns]),
        ("  from the figures alone, met or not", [f"{one.score_unzeroed:.3f}" for one in columns]),
        ("attempts a run", [f"{one.attempts:.2f}" for one in columns]),
        ("runs over their dollar limit", [_share(one.overruns) for one in columns]),
        ("calls refused or corrected", [f"{one.invalid_calls} of {one.decisions}" for one in columns]),
        ("planner tokens, all runs", [f"{one.tokens:,}" for one in columns]),
        ("largest prompt, tokens", [f"{one.largest_prompt:,}" for one in columns]),
    ]


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:<{FIRST}}" + "".join(f"{cell:>{max(EACH, len(cell) + 2)}}" for cell in cells)


def _share(share: Share) -> str:
    return f"{share.value:.3f} ({share.hits}/{share.n})" if share.n else "none"


def _by_happening(cases: Sequence[Case]) -> list[str]:
    names = sorted({name for case in cases for name in case.scenario.happens})
    lines: list[str] = []
    for name in names:
        of = [case for case in cases if name in case.scenario.happens]
        possible = [case for case in of if case.best]
        met = sum(case.result.met for case in possible)
        ends = sorted({case.result.status for case in of})
        lines.append(f"  {name:<26} {met}/{len(possible)} of {len(of)}; ended {', '.join(ends)}")
    return lines


def _misses(cases: Sequence[Case]) -> list[str]:
    """Each scenario that ended otherwise than it should, with the reason."""
    lines: list[str] = []
    for case in cases:
        wrong = [name for name, right in case.result.right_fields.items() if not right]
        if case.wrong or wrong:
            read = f"; read wrong: {', '.join(wrong)}" if wrong else ""
            why = " ".join(case.result.reason.split())
            lines.append(f"  {case.scenario.name}: {case.result.status}{read}; {why[:200]}")
    return lines
