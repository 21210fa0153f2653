"""Which way of teaching truly wins on sixteen families, which one was chosen before training, and what the choice lost."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from ...state.evidence import Interval, wilson
from ...tools.controls import WordCounts
from ...tools.teaching_choice import Probe, TeachingChoice, choose_way
from ..reporting import Claim, Report, arguments
from .families import FAMILIES, Family, Questions
from .training import TOKENS, measured

PROBE_ITEMS = 100
QUICK_FAMILIES = ("topic", "parity", "clock", "few, competent teacher")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One family: what was chosen, and what each way reached."""

    family: Family
    chosen: TeachingChoice
    reached: dict[str, Interval]

    @property
    def regret(self) -> float:
        """Share of right answers lost against the best way."""
        return max(one.value for one in self.reached.values()) - self.reached[self.chosen.way].value

    @property
    def within_noise(self) -> bool:
        """Whether the best way's interval holds what the chosen one reached."""
        best = max(self.reached.values(), key=lambda one: one.value)
        return self.reached[self.chosen.way].value >= best.low


def probe_of(family: Family, questions: Questions, seed: int) -> Probe:
    """What can be told before training: of the labelled questions a few are the probe, the guesses learn from the others."""
    items = min(PROBE_ITEMS, len(questions.labelled) // 3)
    probe, fit = questions.labelled[:items], questions.labelled[items:]
    answers = [example.answer for example in fit]
    guess = WordCounts(fit)
    right = sum(guess.answer(one.prompt) == one.answer for one in probe)
    said = family.taught(probe, seed + 1)
    agreed = sum(one.answer == other.answer for one, other in zip(said, probe, strict=True))
    lengths = [len(f"{one.prompt} {one.rationale} {one.answer}".split()) + 4 for one in fit]
    return Probe(
        chance=max(map(answers.count, set(answers))) / len(answers),
        guess=wilson(right, items),
        teacher=wilson(agreed, items),
        labelled=len(questions.labelled),
        worked=True,
        unlabelled=len(questions.unlabelled),
        tokens_an_example=sum(lengths) / len(lengths),
    )


def main() -> None:
    """Runs the eval."""
    options = arguments(__doc__ or "", (("--families", {"nargs": "+", "default": None}),))
    report = Report(eval="strategies", seed=options.seed, quick=options.quick)
    wanted = options.families or (QUICK_FAMILIES if options.quick else [family.name for family in FAMILIES])
    if options.quick:
        report.left_out = f"all families but {', '.join(QUICK_FAMILIES)}"
    results: list[Result] = []
    for family in FAMILIES:
        if family.name not in wanted:
            continue
        questions = family.questions(options.seed)
        chosen = choose_way(probe_of(family, questions, options.seed), TOKENS)
        with tempfile.TemporaryDirectory(prefix="stratos-eval-") as folder:
            reached = measured(family, questions, options.seed, TOKENS, Path(folder))
        results.append(Result(family=family, chosen=chosen, reached=reached))
        _add(report, results[-1])
    for held_out in (False, True):
        _sum_up(report, [one for one in results if one.family.held_out == held_out], held_out)
    report.print(options.json)


def _add(report: Report, result: Result) -> None:
    for way, share in result.reached.items():
        mark = ", chosen" if way == result.chosen.way else ""
        report.add(
            Claim(
                name=f"{result.family.name} ({result.family.structure}): {way}{mark}",
                value=share.value, unit="share", n=share.n, goal="none", met=None, interval=(share.low, share.high),
            )
        )  # fmt: skip


def _sum_up(report: Report, results: list[Result], held_out: bool) -> None:
    if not results:
        return
    which, n = "held-out families" if held_out else "families the rules were made with", len(results)
    regret = 100 * sum(one.regret for one in results) / n
    good = sum(one.within_noise for one in results)
    goals = (("<= 2", regret <= 2), (">= 0.8", good / n >= 0.8)) if held_out else (("none", None), ("none", None))
    report.add(Claim(name=f"mean regret, {which}", value=regret, unit="points", n=n, goal=goals[0][0], met=goals[0][1]))
    share = wilson(good, n)
    report.add(
        Claim(
            name=f"chosen best or within the noise, {which}",
            value=share.value, unit="share", n=n, goal=goals[1][0], met=goals[1][1], interval=(share.low, share.high),
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
