"""Which way of teaching truly wins on sixteen families, which one was chosen before training, and what the choice lost.

Some families are learned all at once or not at all, which the seed decides: each is drawn, probed and trained under several seeds.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from ...state.evidence import Interval, wilson
from ...tools.controls import WordCounts
from ...tools.teaching.ways import Probe, TeachingChoice, choose_way
from ..reporting import Claim, Report, arguments
from .families import FAMILIES, Family, Questions
from .training import TOKENS, measured

PROBE_ITEMS = 100
QUICK_FAMILIES = ("topic", "parity", "clock", "few, competent teacher")


SEEDS = 3


@dataclass(frozen=True, kw_only=True)
class Result:
    """One family: what was chosen under each seed, and what each way reached there."""

    family: Family
    chosen: list[TeachingChoice]
    reached: list[dict[str, Interval]]

    def pooled(self, way: str) -> Interval:
        """A way's right answers under all seeds together."""
        return _pooled([reached[way] for reached in self.reached])

    @property
    def best(self) -> Interval:
        """Of the way that is best over all seeds."""
        return max(map(self.pooled, self.reached[0]), key=lambda one: one.value)

    @property
    def got(self) -> Interval:
        """Of the ways that were chosen."""
        return _pooled([reached[chosen.way] for reached, chosen in zip(self.reached, self.chosen, strict=True)])

    @property
    def regret(self) -> float:
        """Share of right answers lost against the best way; below 0 where choosing seed by seed did better."""
        return self.best.value - self.got.value

    @property
    def within_noise(self) -> bool:
        """Whether the best way's interval holds what the choices reached. It knows of the questions' noise, not of the seeds'."""
        return self.got.value >= self.best.low


def _pooled(shares: list[Interval]) -> Interval:
    return wilson(round(sum(one.value * one.n for one in shares)), sum(one.n for one in shares))


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
    options = arguments(
        __doc__ or "",
        (
            ("--families", {"nargs": "+", "default": None}),
            (
                "--tokens",
                {"type": int, "default": None, "help": f"read by every student; {TOKENS:,}, with --quick half"},
            ),
            ("--seeds", {"type": int, "default": None, "help": f"seeds from --seed on; {SEEDS}, with --quick 1"}),
        ),
    )
    report = Report(eval="strategies", seed=options.seed, quick=options.quick)
    wanted = options.families or (QUICK_FAMILIES if options.quick else [family.name for family in FAMILIES])
    seeds = range(options.seed, options.seed + (options.seeds or (1 if options.quick else SEEDS)))
    if options.quick:
        report.left_out = f"all families but {', '.join(QUICK_FAMILIES)}; all seeds but one; half of the tokens"
    tokens = options.tokens or (TOKENS // 2 if options.quick else TOKENS)
    results: list[Result] = []
    for family in FAMILIES:
        if family.name in wanted:
            results.append(_result(family, seeds, tokens))
            _add(report, results[-1])
    for held_out in (False, True):
        _sum_up(report, [one for one in results if one.family.held_out == held_out], held_out)
    report.print(options.json)


def _result(family: Family, seeds: range, tokens: int) -> Result:
    chosen: list[TeachingChoice] = []
    reached: list[dict[str, Interval]] = []
    for seed in seeds:
        questions = family.questions(seed)
        chosen.append(choose_way(probe_of(family, questions, seed), tokens))
        with tempfile.TemporaryDirectory(prefix="stratos-eval-") as folder:
            reached.append(measured(family, questions, seed, tokens, Path(folder)))
    return Result(family=family, chosen=chosen, reached=reached)


def _add(report: Report, result: Result) -> None:
    for way in result.reached[0]:
        times = sum(chosen.way == way for chosen in result.chosen)
        mark = f", chosen {times} of {len(result.chosen)}" if times else ""
        each = " ".join(f"{100 * reached[way].value:.0f}" for reached in result.reached)
        share = result.pooled(way)
        report.add(
            Claim(
                name=f"{result.family.name} ({result.family.structure}): {way}{mark} [{each}]",
                value=share.value, unit="share", n=share.n, goal="none", met=None, interval=(share.low, share.high),
            )
        )  # fmt: skip
    report.details[result.family.name] = {
        "held_out": result.family.held_out,
        "regret": result.regret,
        "chosen": [chosen.model_dump(mode="json") for chosen in result.chosen],
        "reached": [{way: share.value for way, share in reached.items()} for reached in result.reached],
    }


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
