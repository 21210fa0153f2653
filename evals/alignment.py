"""Few labels, many prompts, a teacher: what its text and its logits each give a student, and what stored logits cost.

The task is *waits* unless another is named. The teacher learned from plenty of labels; every student has less than half its size
and reads the same number of tokens. The teacher's text is greedy and not verified, since a verifier that knows the rules would be a
label. What is distilled reads that text as labels for 65 % of its tokens and learns the logits on it for the rest: from random
weights the divergences other than forward hardly get anywhere (evals/LOG.md).
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..state.evidence import wilson
from ..state.plan import Strategy, StudentShape
from ..tools.training.alignment import (
    Alignment,
    HiddenMatching,
    JensenShannon,
    LiveTeacher,
    LogitAlignment,
    Loss,
    OnPolicyAlignment,
    PlainKL,
    SkewedKL,
    StoredTeacher,
)
from ..tools.training.students import shape_named
from . import alignment_costs as costs
from .alignment_data import (
    TASK,
    Data,
    Sizes,
    Student,
    exact,
    examined,
    make_data,
    paired_difference,
    stored,
    trained,
    written_by,
)
from .reporting import Claim, Report, arguments

FULL = Sizes(
    teacher=shape_named("scratch-0.8M"),
    student=shape_named("scratch-0.35M"),
    labelled=65_000,
    teacher_tokens=4_800_000,
    prompts=20_000,
    student_tokens=1_600_000,
)
QUICK = Sizes(
    teacher=shape_named("scratch-0.35M"),
    student=StudentShape(name="scratch-0.1M", hidden=64, layers=2, heads=2, feed_forward=176),
    labelled=30_000,
    teacher_tokens=1_000_000,
    prompts=10_000,
    student_tokens=800_000,
)

LOSSES: Mapping[str, Loss] = {
    "forward": PlainKL(kind="forward"),
    "reverse": PlainKL(kind="reverse"),
    "js": JensenShannon(),
    "skew_forward": SkewedKL(kind="skew_forward"),
    "skew_reverse": SkewedKL(kind="skew_reverse"),
}
FEW, TEXT, FEW_LOGITS = "500 labels", "teacher's text", "500 labels + logits"
FEW_ANSWERS = "500 labels, answers alone"
GOLD, GOLD_LOGITS, GOLD_BOTH = "all labels", "all labels, logits at equal compute", "all labels, both at equal compute"
HARD_SHARE = 0.5
"""Share of the labels' cross entropy where both are learned."""

RATE_TOKENS = 100_000
"""Read once, to know how much slower learning logits is."""

DISTILLED, FROM_THE_START = f"{TEXT}, then forward", f"{TEXT}, forward from the start"
LIVE = "teacher's text, then live forward"
ON_POLICY, HIDDEN = "teacher's text, then on-policy", "teacher's text, live forward and hidden states"
PARTS = ("few", "other", "all", "speed")


class Experiment:
    """One seed: everything is trained in one folder, and what is there is not trained again."""

    def __init__(self, report: Report, task: str, sizes: Sizes, seed: int, folder: Path) -> None:
        self.report, self.task, self.sizes, self.seed, self.folder = report, task, sizes, seed, folder
        self.data: Data = make_data(task, sizes, seed, folder / "data")
        self.students: dict[str, Student] = {}

    def prepare(self) -> None:
        """The teacher, its text, and its logits on that text, on the few labels and on all of them."""
        made = trained(
            self.task,
            self.folder / "teacher",
            self.data.plenty,
            self.sizes.teacher_tokens,
            self.seed,
            self.sizes.teacher,
        )
        self.teacher = Path(made["model"])
        self.teacher_right = exact(self.task, self.teacher, self.data.held_out)
        self.show(f"teacher, {_size(self.sizes.teacher)}, plenty of labels", self.teacher_right)
        self.text, written = written_by(self.task, self.teacher, self.data.prompts, self.folder / "written")
        logits = self.folder / "logits"
        passes = {
            name: stored(self.task, self.teacher, shards, logits, name)
            for name, shards in (("text", self.text), ("few", self.data.few), ("gold", self.data.prompts))
        }
        again = stored(self.task, self.teacher, self.text, logits, "text-again")
        self.store = logits / "store"
        self.teacher_pass_cpu_s = float(passes["gold"]["cpu_seconds"])
        self.count(
            "second student: tokens the teacher reads again",
            again["read_tokens"],
            "tokens",
            "0",
            again["read_tokens"] == 0,
        )
        share = passes["text"]["share_of_full"]
        self.count("bytes stored, 49 tokens, of full float32", share, "share", "none", None)
        self.report.details |= {"written": written, "passes": passes}

    def teach(
        self,
        name: str,
        shards: tuple[Path, ...],
        tokens: int,
        alignment: Alignment | None = None,
        *,
        after: str | None = None,
        target: Strategy = "rationale",
    ) -> Student:
        """Trains and examines one student, and shows its row. `after`: the student whose training is gone on from."""
        folder, before = self.place(name), self.place(after) if after else None
        result = trained(
            self.task, folder, shards, tokens, self.seed, self.sizes.student, alignment, before, target=target
        )
        student = self.students[name] = examined(self.task, folder, result, self.data.held_out)
        self.show(f"student, {_size(self.sizes.student)}, {name}", student.right)
        return student

    def place(self, name: str) -> Path:
        """A student's job folder."""
        return self.folder / name.replace(" ", "-").replace("'", "").replace(",", "")

    def align(self, loss: Loss, *, written: bool) -> LogitAlignment:
        """Stored logits on the teacher's text or on gold."""
        return LogitAlignment(
            teacher=StoredTeacher(folder=self.store), loss=loss, text="teacher" if written else "gold"
        )

    def show(self, name: str, right: tuple[bool, ...]) -> None:
        """One row of the table."""
        share = wilson(sum(right), len(right))
        interval = (share.low, share.high)
        self.report.add(
            Claim(name=name, value=share.value, unit="share", n=share.n, interval=interval, goal="none", met=None)
        )

    def count(self, name: str, value: float, unit: str, goal: str, met: bool | None) -> None:
        """One figure that is no share of a sample."""
        self.report.add(Claim(name=name, value=value, unit=unit, n=1, goal=goal, met=met))

    def reach(self, name: str, value: float, unit: str, least: float) -> None:
        """One figure with a goal for the pair of the full eval; the quick one's pair is another."""
        goal, met = ("none", None) if self.report.quick else (f">= {least:g}", value >= least)
        self.count(name, value, unit, goal, met)

    def differ(self, name: str, one: str, other: str, *, above: float | None = None) -> None:
        """How much better one student is than another on the same items; `above`: the least that is wished for."""
        value, interval = paired_difference(self.students[one].right, self.students[other].right)
        goal, met = ("none", None) if above is None else (f">= {above:g}", value >= above)
        n = self.sizes.items
        self.report.add(Claim(name=name, value=value, unit="share", n=n, interval=interval, goal=goal, met=met))


def _size(shape: StudentShape) -> str:
    return shape.name.removeprefix("scratch-")


def few_labels(run: Experiment, losses: Sequence[str]) -> None:
    """Students of few labels, of the teacher's text, and of its logits; what each gives."""
    tokens = run.sizes.student_tokens
    run.teach(FEW, run.data.few, tokens)
    # Read so often, few labels may do better when read less: the better of two lengths is what is compared with.
    short = run.teach(f"{FEW}, a quarter of the tokens", run.data.few, tokens // 4)
    run.teach(TEXT, run.text, tokens)
    for name in losses:
        run.teach(f"{TEXT}, then {name}", run.text, tokens, run.align(LOSSES[name], written=True), after=TEXT)
    few = max(run.students[FEW].share, short.share)
    best = run.students[DISTILLED if "forward" in losses else TEXT].share
    run.reach("distilled over 500 labels with worked ways", best / max(few, 1e-9), "ratio", 5)
    if run.task != "win":  # exact there means with the decomposition, which no answer shows
        bare = run.teach(FEW_ANSWERS, run.data.few, tokens, target="answer_only")
        shorter = run.teach(f"{FEW_ANSWERS}, a quarter of the tokens", run.data.few, tokens // 4, target="answer_only")
        run.reach("distilled over 500 labels, answers alone", best / max(bare.share, shorter.share, 1e-9), "ratio", 5)
    teacher = sum(run.teacher_right) / len(run.teacher_right)
    run.reach("distilled, of the teacher's accuracy", best / max(teacher, 1e-9), "share", 0.8)
    run.differ("what the teacher's text gives over 500 labels", TEXT, FEW)
    for name in losses:
        run.differ(f"what {name} logits give over the text alone", f"{TEXT}, then {name}", TEXT)


def logits_alone(run: Experiment) -> None:
    """Logits from the first step on, on the teacher's text and on the few labels."""
    tokens, forward = run.sizes.student_tokens, PlainKL()
    run.teach(FROM_THE_START, run.text, tokens, run.align(forward, written=True))
    run.teach(FEW_LOGITS, run.data.few, tokens, run.align(forward, written=False))
    if FEW in run.students:
        run.differ("what logits give over 500 labels on the same", FEW_LOGITS, FEW)


def other_ways(run: Experiment) -> None:
    """Two ways that need the teacher beside the student all the time."""
    live, tokens = LiveTeacher(folder=run.teacher), run.sizes.student_tokens
    run.teach(ON_POLICY, run.text, tokens, OnPolicyAlignment(teacher=live), after=TEXT)
    hidden = LogitAlignment(teacher=live, text="teacher", hard_label_weight=HARD_SHARE, hidden=HiddenMatching())
    run.teach(HIDDEN, run.text, tokens, hidden)
    for name in (ON_POLICY, HIDDEN):
        run.differ(f"what {name}, give over the text alone", name, TEXT)


def all_labels(run: Experiment) -> None:
    """Every prompt has its label: do logits give more than the same CPU-seconds of labels, in their place or beside them?"""
    hard = run.teach(GOLD, run.data.prompts, run.sizes.student_tokens)
    alignment = run.align(PlainKL(), written=False)
    tried = run.teach(f"{GOLD}, logits, to know the rate", run.data.prompts, RATE_TOKENS, alignment)
    equal = round(hard.cpu_seconds * tried.tokens_per_cpu_second)
    both = alignment.model_copy(update={"hard_label_weight": HARD_SHARE})
    for name, lesson in ((GOLD_LOGITS, alignment), (GOLD_BOTH, both)):
        student = run.teach(name, run.data.prompts, equal, lesson)
        run.count(
            f"CPU-seconds, {name}, over all labels", student.cpu_seconds / hard.cpu_seconds, "ratio", "none", None
        )
        run.differ(f"what {name}, give over all labels", name, GOLD, above=0)
    share = run.teacher_pass_cpu_s / hard.cpu_seconds
    run.count("the teacher's one pass, of one student's CPU-seconds", share, "ratio", "none", None)


def stored_or_live(run: Experiment) -> None:
    """The same training beside the teacher itself: what storing loses, and what it saves."""
    alignment = LogitAlignment(teacher=LiveTeacher(folder=run.teacher), text="teacher")
    run.teach(LIVE, run.text, run.sizes.student_tokens, alignment, after=TEXT)
    run.differ("what stored logits give over live ones", DISTILLED, LIVE, above=-0.01)
    if GOLD in run.students:
        run.differ("what gold text gives over the teacher's", GOLD, TEXT)


def main() -> None:
    """Runs the eval."""
    options = arguments(
        __doc__ or "",
        (
            (
                "--folder",
                {"type": Path, "default": None, "help": "keeps the models here, and takes those that are there"},
            ),
            ("--task", {"choices": ("win", TASK, "discard"), "default": TASK}),
            ("--teacher-tokens", {"type": int, "default": None, "help": "read by the teacher"}),
            ("--student-tokens", {"type": int, "default": None, "help": "read by every student"}),
            (
                "--losses",
                {
                    "nargs": "*",
                    "choices": LOSSES,
                    "default": list(LOSSES),
                    "help": "divergences beside the teacher's text",
                },
            ),
            (
                "--parts",
                {
                    "nargs": "+",
                    "choices": PARTS,
                    "default": PARTS,
                    "help": "few labels, other ways (beside few), all labels, speed",
                },
            ),
        ),
    )
    report = Report(eval="alignment", seed=options.seed, quick=options.quick)
    if options.quick:
        report.left_out = (
            "the teacher of 0.8M and the student of 0.35M, for which smaller ones stand that no goal is set for; "
            "divergences but forward, other ways, logits without the text before, all labels, live against stored logits"
        )
    with tempfile.TemporaryDirectory(prefix="stratos-eval-") as scratch:
        folder = options.folder or Path(scratch)
        costs.measure_bytes(report, options.seed, folder)
        costs.measure_memory(report)
        sizes = QUICK if options.quick else FULL
        chosen = {"student_tokens": options.student_tokens, "teacher_tokens": options.teacher_tokens}
        sizes = replace(sizes, **{name: tokens for name, tokens in chosen.items() if tokens})
        run = Experiment(report, options.task, sizes, options.seed, folder)
        run.prepare()
        if "few" in options.parts:
            few_labels(run, ["forward"] if options.quick else options.losses)
        if "other" in options.parts and TEXT in run.students and not options.quick:
            other_ways(run)
        if "all" in options.parts and not options.quick:
            all_labels(run)
        if "few" in options.parts and not options.quick and "forward" in options.losses:
            logits_alone(run)
            stored_or_live(run)
        if "speed" in options.parts:
            costs.measure_speed(report, run.data, run.store, options.seed, folder)
    report.details["students"] = {
        name: {"exact": one.share, "tokens": one.tokens, "cpu_seconds": one.cpu_seconds, "epochs": one.epochs}
        for name, one in run.students.items()
    }
    report.print(options.json)


if __name__ == "__main__":
    main()
