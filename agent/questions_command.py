"""`stratos questions`: questions and answers of documents, made by a teacher; the command's words, nothing else."""

# pyright: reportUnknownMemberType=false

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..state.errors import Cancelled
from ..state.numbers import dollars
from .options import AsJson, At, figures
from .terminal import FAILED, INTERRUPTED, display, errors, fail, print_json, say, workspace_at

if TYPE_CHECKING:
    from ..state.evidence import Interval
    from ..tools.document_questions import QuestionsMade

APART = (
    "mind: a run judges by questions that it keeps apart, and its student is not taught their facts: a low score there does not say "
    "that it missed those it was taught"
)
"""Each fact is asked once: no question of a held-out split has a twin in other words in the training."""

Price = Annotated[
    tuple[float, float] | None,
    typer.Option(
        metavar="IN OUT",
        callback=figures,
        help="What a million tokens cost, US dollars; the catalogue's unless named, 0 0 for a server of your own.",
    ),
]


def questions(
    documents: Annotated[
        list[Path], typer.Argument(metavar="DOCUMENTS...", help="Text files (.txt, .md), or folders that hold such.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The file to write, as `run --data` takes it: .jsonl.")
    ],
    teacher: Annotated[
        str,
        typer.Option(
            "--teacher",
            metavar="NAME",
            help="Who reads and asks: openai:MODEL at OPENAI_BASE_URL, or a model's folder.",
        ),
    ],
    max_usd: Annotated[
        float | None,
        typer.Option(
            min=0, callback=figures, help="All the money of the work, US dollars; needed where tokens have a price."
        ),
    ] = None,
    teacher_price: Price = None,
    checker: Annotated[
        str | None,
        typer.Option(
            "--checker", metavar="NAME", help="Who answers again as a check; else the teacher, sampled again."
        ),
    ] = None,
    checker_price: Price = None,
    per_passage: Annotated[int, typer.Option(min=1, max=20, help="Questions asked for of a passage, at most.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the teacher's samples.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE where it exists.")] = False,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """Make questions and answers of documents, each checked against its passage; the same call again goes on after a stop."""
    from ..tools.document_questions import Wanted, make_questions
    from ..tools.executor import LocalExecutor

    with errors(as_json):
        at = workspace_at(workspace)
        wanted = Wanted(
            documents=documents,
            out=out,
            teacher=teacher,
            teacher_price=teacher_price,
            checker=checker,
            checker_price=checker_price,
            max_usd=max_usd,
            per_passage=per_passage,
            seed=seed,
            force=force,
        )
        try:
            with display(as_json) as shown:
                shown.begin()
                made = make_questions(
                    wanted, at.path, LocalExecutor(workspace=at.path), lambda event: shown.event("questions", event)
                )
        except (KeyboardInterrupt, Cancelled):
            kept = "what was answered is kept, and paid for once: the same command goes on from there"
            fail(f"stopped; nothing is left running; {kept}", INTERRUPTED, as_json)
    if as_json:
        print_json({**made.model_dump(mode="json", exclude={"result"}), **made.result.model_dump(mode="json")})
    else:
        for line in told(made):
            say(line)
    raise typer.Exit(0 if made.file else FAILED)


def told(made: "QuestionsMade") -> list[str]:
    """What came of it, a line for each thing that somebody has to know."""
    from ..skills.given.freezing import FEWEST_EXAMPLES, HELD_OUT_SHARE

    found = made.result
    by = (
        f"an independent check by {found.checker}"
        if found.checker != found.teacher
        else "another sample of the teacher"
    )
    lines = [
        *(["made before by the same call: nothing was asked now"] if made.made_before else []),
        f"{found.passages:,} passages, {found.made:,} questions made by {found.teacher}: {found.kept:,} kept, "
        f"{sum(found.rejected.values()):,} rejected",
        *(f"  rejected: {count:,}, {reason}" for reason, count in _most_first(found.rejected)),
        *(
            f"  passages of which nothing came: {count:,}, {reason}"
            for reason, count in _most_first(found.silent_passages)
        ),
        f"asked again with the passage, the teacher gives the same answer to {_share(found.round_trip)}",
        f"of these {by} disagrees with {_share(found.disagreement)}",
        f"without the passage the teacher answers {_share(found.known_without)} of those kept{_worth(found.known_without)}",
        *_bill(made),
        *(f"  · {note}" for note in found.notes),
    ]
    if found.stopped_by == "money":
        lines.append(
            "the money for more was at its end: a larger --max-usd asks for the rest, and pays for no answer twice"
        )
    if made.file is None:
        return [*lines, "no question was kept, and no file was written"]
    lines.append(f"{made.file}: {found.kept:,} questions, each with its answer and the sentence that says so")
    if found.kept < FEWEST_EXAMPLES:
        lines.append(
            f"a run needs {FEWEST_EXAMPLES} or more, as it keeps some apart: add documents, or raise --per-passage"
        )
        return lines
    lines.append(APART)
    target = provable_target(round(found.kept * HELD_OUT_SHARE))
    request = f"answer these questions, at least {target} % right"
    return [*lines, f'next: stratos run "{request}" --data {shlex.quote(made.file)}']


def provable_target(items: int) -> int:
    """A target in percent that so many held-out items show where nine in ten of them are right; 80 at most."""
    from ..state.evidence import wilson

    return min(80, math.floor(wilson(9 * items // 10, items).low * 20) * 5)


def _bill(made: "QuestionsMade") -> list[str]:
    """What this call spent, what its earlier starts did, what kept answers saved, and which tokens are no count."""
    found, now, total = made.result, made.spent_now, made.result.spent
    most = "at most " if found.uncounted_calls else ""
    tokens = f", {most}{now.input_tokens:,} tokens read, {now.output_tokens:,} written" if now.calls else ""
    lines = [f"spent by this call: {dollars(now.usd)}, {now.calls:,} calls{tokens}"]
    if total.calls > now.calls:
        lines.append(
            f"spent by the same call before: {dollars(total.usd - now.usd)}, {total.calls - now.calls:,} calls; in all "
            f"{dollars(total.usd)} of the {dollars(made.max_usd)} allowed"
        )
    else:
        lines[0] += f"; allowed {dollars(made.max_usd)}"
    if found.kept_answers and not made.made_before:
        lines.append(
            f"{found.kept_answers:,} answers were kept from earlier calls and cost nothing now; asked for anew they would cost "
            f"{dollars(found.kept_usd)}"
        )
    if found.uncounted_calls:
        lines.append(
            f"  · the tokens of {found.uncounted_calls:,} of {total.calls:,} calls are assumed, not counted: the server did not say, and "
            "the most that each can have taken stands for them, in the dollars too"
        )
    return lines


def _most_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def _share(share: "Interval | None") -> str:
    if share is None:
        return "none, as none was asked about"
    return f"{share.value:.1%} (95 % interval {share.low:.1%} to {share.high:.1%}, n = {share.n:,})"


def _worth(known: "Interval | None") -> str:
    """Whether teaching is worth it, as far as the teacher's own knowledge tells."""
    if known is None:
        return ""
    return (
        ": it knows most of this already" if known.low > 0.5 else f": {1 - known.value:.0%} is what the documents add"
    )
