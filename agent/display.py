"""Shows a run as it happens: the brief, the servers, the plan, live progress, the figures, the verdicts, the bill."""

import time
from collections.abc import Sequence

from pydantic import BaseModel
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ..state.numbers import dollars
from ..state.run import Choice, RunState
from ..tools.base import Event
from .brief_words import brief_rows, emphasis_words, lessons_words
from .consoles import is_unbroken
from .events import figure
from .front_picture import front_picture
from .front_table import band, excluded_words, front_table
from .judge_sites import TEST
from .planners import Decision
from .printable import printable_record, printable_value
from .score_table import by_family, closest_control, pairs, score_table, tried_words
from .sites_table import attempt_lines, family_table, sites_table

SPARKS = "▁▂▃▄▅▆▇█"
OFFER_ROWS = 8
HEARTBEAT_S = 15.0
CURVE_WIDTH = 48


def sparkline(values: Sequence[float], width: int = CURVE_WIDTH) -> str:
    """Values as a row of bars, thinned to the width."""
    if not values:
        return ""
    step = max(1, -(-len(values) // width))
    kept = values[::step]
    low, high = min(kept), max(kept)
    span = (high - low) or 1.0
    return "".join(SPARKS[round((value - low) / span * (len(SPARKS) - 1))] for value in kept)


def _shown(detail: object) -> object:
    return printable_record(detail) if isinstance(detail, BaseModel) else printable_value(detail)


class RichDisplay:
    """Prints to a rich console; plain lines where the output is no terminal.

    What it shows comes from outside (requests, price sources, jobs, models), so that none of it is read as style.
    """

    def __init__(
        self, console: Console, *, refusals: Console | None = None, whole_record: bool = False, bars: bool = True
    ) -> None:
        """`refusals` is where a request that cannot be used is told of, where that is another place."""
        self._console, self._refusals = console, refusals or console
        self._whole_record = whole_record
        self._bars = bars
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._began = time.monotonic()
        self._told: dict[str, float] = {}
        self._recorded = 0

    def step(self, name: str, run: RunState, *, replayed: bool, **details: object) -> None:
        """Shows one step; of a resumed run's recorded ones only the number."""
        if name == "start":
            if not replayed:
                self._tell_recorded()
                self._start(str(details["call"]))
            return
        self._stop()
        if replayed and name != "report" and not self._whole_record:
            self._recorded += 1
            return
        self._tell_recorded()
        show = getattr(self, f"_show_{name}", None)
        if show is not None:
            told = {key: _shown(value) for key, value in details.items()}
            show(printable_record(run), **told)

    def _tell_recorded(self) -> None:
        """Says how many steps of a resumed run were taken from its record."""
        if self._recorded:
            self._print(f"· {self._recorded} steps taken from the record", "dim")
        self._recorded = 0

    def _print(self, text: str, style: str = "") -> None:
        """A line of text as it is."""
        self._console.print(text, style=style, markup=False, emoji=False)

    def event(self, tool: str, event: Event) -> None:
        """Moves the progress bars of a running job."""
        if self._progress is None:
            return
        event = printable_value(event)
        if event.get("event") == "note":
            self._print(f"  {tool}: {event.get('text')}", "dim")
            return
        label = str(event.get("what") or event.get("job") or tool.replace("_", " "))
        if label not in self._tasks:
            if not figure(event, "total"):  # nothing to show a bar of yet
                return
            self._tasks[label] = self._progress.add_task(label, total=None, unit=str(event.get("unit", "")), extra="")
        extra = f"loss {event['loss']}" if "loss" in event else ""
        self._heartbeat(label, event, extra)
        self._progress.update(
            self._tasks[label],
            completed=figure(event, "done"),
            total=figure(event, "total"),
            extra=extra,
        )

    def _heartbeat(self, label: str, event: Event, extra: str) -> None:
        """A line now and then where no bar can move, such as in a log."""
        now = time.monotonic()
        if self._console.is_terminal or now - self._told.get(label, self._began) < HEARTBEAT_S:
            return
        self._told[label] = now
        done, total = figure(event, "done"), figure(event, "total")
        self._print(f"  {label}: {done:,.0f} of {total:,.0f} {event.get('unit', '')} {extra}".rstrip())

    def close(self) -> None:
        """Ends any bar still shown, so that an error prints on a line of its own."""
        self._stop()

    def show_choice(self, run: RunState) -> None:
        """Shows front and plan once more."""
        self._show_solve_pareto(run)

    def _start(self, call: str) -> None:
        self._stop()
        if call in ("generate_data", "distill", "evaluate", "deploy", "build_family", "customize"):
            self.begin()

    def begin(self) -> None:
        """Has a bar follow what `event` tells from here on."""
        self._stop()
        if self._bars:
            self._progress = Progress(
                TextColumn("  {task.description:<36}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[unit]}", markup=False),
                _Rate(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[extra]}", style="cyan", markup=False),
                console=self._console,
            )
            self._tasks, self._told, self._began = {}, {}, time.monotonic()
            self._progress.start()

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _title(self, text: str) -> None:
        self._console.print()
        if is_unbroken(self._console):
            self._print(text)
        else:
            self._console.rule(Text(text, style="bold"), align="left", style="dim")

    def _show_intake(self, run: RunState) -> None:
        brief = run.known_brief
        table = Table.grid(padding=(0, 2))
        rows = (("run", run.run_id), ("request", brief.request), *brief_rows(brief.model_dump(mode="json")))
        for label, words in rows:
            table.add_row(label, Text(words))
        for assumption in brief.assumptions:
            table.add_row("assumed", Text(assumption, style="yellow"))
        self._title("Brief")
        self._console.print(table)

    def _show_take_data(self, run: RunState) -> None:
        given = run.given
        assert given is not None
        held_out = ", ".join(f"{split.name} {split.n:,}" for split in given.splits)
        answers = f"{given.choices:,} labels" if given.choices else f"metric {given.metric}"
        ways = ", with rationales" if given.with_rationales else ""
        self._title("Your examples")
        self._print(
            f"{given.rows:,} rows: {given.train:,} to learn from{ways}; {answers}; sealed before training: {held_out}"
        )
        for note in given.notes:
            self._print(f"  · {note}")

    def _show_take_checkpoint(self, run: RunState) -> None:
        checkpoint = run.checkpoint
        assert checkpoint is not None
        size = f"{checkpoint.model.parameters:,} parameters" if checkpoint.model.parameters else "of unknown size"
        ways = ", ".join(
            f"{one.training} (about {one.needed_gib:.1f} of {one.available_gib:.1f} GiB)" for one in checkpoint.tunings
        )
        self._title("The model to be taught")
        self._print(f"{checkpoint.source}: {checkpoint.model.name}, {size}, sha256 {checkpoint.sha256[:12]}")
        self._print(
            f"it can be tuned here: {ways}; an example takes {checkpoint.example_tokens:,.0f} tokens with its template, at most "
            f"{checkpoint.longest_tokens:,}"
        )
        for note in checkpoint.notes:
            self._print(f"  · {note}")

    def _show_look_up_prices(self, run: RunState) -> None:
        self._title("Servers")
        self._print(run.offers_note)
        table = Table(box=None, pad_edge=False)
        for column in ("server", "accelerator", "$/hour", "priced", "can run here"):
            table.add_column(column, justify="right" if column == "$/hour" else "left")
        for offer in (run.offers or ())[:OFFER_ROWS]:
            accelerator = f"{offer.accelerator_count} x {offer.accelerator}" if offer.accelerator else "CPU"
            runs = "yes" if offer.executable else "no executor"
            table.add_row(
                Text(offer.id.split("/")[0] + "/" + offer.instance_type),
                Text(accelerator),
                f"{offer.usd_per_hour:,.4f}",
                Text(offer.as_of or "undated"),
                runs,
            )
        self._console.print(table)

    def _show_match_models(self, run: RunState) -> None:
        assert run.match is not None
        students = ", ".join(
            f"{shape.name} ({size:,} parameters)"
            for shape, size in zip(run.match.students, run.match.parameters, strict=True)
        )
        self._title("Teacher and students")
        students = f"students built from scratch: {students}" if students else "; ".join(run.match.rejected)
        self._print(f"teacher {run.match.teacher}; {students}")
        if run.match.hub_students:
            self._print(
                f"{len(run.match.hub_students)} open models of the catalogue are priced beside them; "
                "nothing tells yet how right they would be"
            )

    def _show_classify_complexity(self, run: RunState) -> None:
        assert run.complexity is not None
        self._title("How hard is it?")
        probability = f" (probability {run.complexity.probability:.2f})"
        self._console.print(Text.assemble((run.complexity.verdict, "bold"), probability))
        for line in run.complexity.evidence:
            self._print(f"  · {line}")

    def _show_solve_pareto(self, run: RunState) -> None:
        choice = run.choice
        assert choice is not None
        self._title("Front and plan" if not run.attempts else "New plan")
        for line in tried_words(run):
            self._print(line)
        self._console.print(front_table(choice, self._console.width))
        # Later plans of a run differ by what was tried: their rows tell that, a second picture would not.
        if not run.attempts and (picture := self._picture(run, choice)) is not None:
            self._console.print(picture)
        style = "bold green" if choice.plan else "bold red"
        self._console.print(Text(f"plan: {choice.reason}" if choice.plan else f"no plan: {choice.reason}", style=style))
        if choice.plan:
            if choice.plan.emphasis:
                self._print(f"data: {emphasis_words(choice.plan.emphasis)}")
            for line in excluded_words(choice):
                self._console.print(Text(f"  not {line}", style="dim"))

    def _picture(self, run: RunState, choice: Choice) -> Text | None:
        plain = self._console.options.ascii_only
        return front_picture(choice, run.known_brief, self._console.width, ascii_only=plain)

    def _show_approve(self, run: RunState) -> None:
        approval = run.approval
        assert approval is not None
        self._print(f"approved {approval.by}: up to ${approval.usd:,.4f}, for this plan ({approval.plan_sha256[:12]})")

    def _show_generate_data(self, run: RunState) -> None:
        data = run.data
        assert data is not None
        held_out = ", ".join(f"{split.name} {split.n}" for split in data.splits)
        if run.given is not None:
            if data.lessons is not None:
                self._print(f"data: {lessons_words(data.lessons)}")
            mine = "the given answers of your examples" if run.given.taught_by else f"your {data.examples:,} examples"
            self._print(f"data: {mine}, unchanged since they were sealed; held out: {held_out}")
            return
        own = f" ({data.own_examples:,} of them your own)" if data.own_sha256 else ""
        self._print(
            f"data: {data.examples:,} training examples made in reverse{own}, each verified; {data.rejected_by_verifier:,} rejected, "
            f"{data.dropped_as_leaks:,} dropped because a held-out item equals them under the skill's symmetries; held out: {held_out}"
        )

    def _show_distill(self, run: RunState) -> None:
        attempt = run.attempts[-1]
        losses = [loss for _, loss in attempt.curve]
        if not attempt.candidate.trains:
            self._print(f"attempt {attempt.number}: {attempt.words}; nothing is trained")
            return
        self._print(
            f"attempt {attempt.number}: {attempt.candidate.student}, {attempt.tokens:,} tokens in {attempt.seconds:,.0f} s "
            f"({attempt.cpu_seconds:,.0f} CPU-s), stopped by {attempt.stopped_by}"
        )
        if rewards := [reward for _, reward in attempt.rewards]:
            self._print(
                f"  going on from attempt {attempt.begun_from}: mean reward {rewards[0]:.2f} {sparkline(rewards)} {rewards[-1]:.2f}"
            )
        elif losses:
            self._print(f"  loss {losses[0]:.2f} {sparkline(losses)} {losses[-1]:.3f}")

    def _show_evaluate(self, run: RunState) -> None:
        attempt = run.attempts[-1]
        evaluation = attempt.evaluations[-1]
        self._title(
            f"Measured on {evaluation.split} ({evaluation.student.exact.n} items, sha256 {evaluation.split_sha256[:12]})"
        )
        self._console.print(score_table(evaluation))
        for line in pairs(evaluation):
            self._print(f"  {line}")
        if evaluation.families:
            self._console.print(by_family(evaluation))
        predicted = attempt.candidate.accuracy
        if predicted is not None:
            self._print(f"predicted {predicted.value:.1%} (80 % band {predicted.low:.1%} to {predicted.high:.1%})")
        if evaluation.latency:
            latency = evaluation.latency
            self._print(
                f"latency over HTTP, {latency.n} requests: p50 {latency.p50_ms:,.1f} ms, p95 {latency.p95_ms:,.1f} ms, p99 "
                f"{latency.p99_ms:,.1f} ms (predicted p95 {band(attempt.candidate.latency_p95_ms)}); "
                f"{latency.throughput_rps:,.0f} requests a second with {latency.clients} clients"
                + (f"; {latency.busy}" if latency.busy else "")
            )

    def _show_judge(self, run: RunState) -> None:
        verdict = run.verdicts[-1]
        style = "bold green" if verdict.met else "bold yellow"
        head = "met" if verdict.met else "missed"
        self._console.print(Text(f"verdict on {verdict.split}: {head}; {verdict.reason}", style=style))
        for miss in verdict.misses:
            self._print(f"  {miss.constraint}: what would act on it: {miss.levers}")
        if verdict.next == "replan":
            self._print("  → planning again with this evidence")

    def _show_build_family(self, run: RunState) -> None:
        family = run.family
        assert family is not None
        self._title("Family of models")
        self._print(
            f"a backbone {f'of {family.labels} labels' if family.labels else 'that writes'} from {family.examples:,} public examples, in "
            f"{len(family.cuts)} sizes, each taught and measured here; energy is estimated at {family.watts:g} W"
        )

    def _show_choose_cuts(self, run: RunState) -> None:
        family, plan = run.family, run.sites_plan
        assert family is not None
        assert plan is not None
        self._console.print(family_table(family, plan))
        self._print(plan.reason)
        for site, why in plan.without:
            self._console.print(Text(f"  {site} gets none: {why}", style="yellow"))

    def _show_customize(self, run: RunState) -> None:
        self._title(f"Sites, attempt {run.site_attempts[-1].number}")
        self._console.print(sites_table(run.site_attempts[-1], tested=False))
        for line in attempt_lines(run.site_attempts[-1], tested=False):
            self._print(line)

    def _show_judge_sites(self, run: RunState) -> None:
        if run.verdicts[-1].split == TEST:
            self._console.print(sites_table(run.site_attempts[-1], tested=True))
            for line in attempt_lines(run.site_attempts[-1], tested=True):
                self._print(line)
        self._show_judge(run)

    def _show_deploy(self, run: RunState) -> None:
        deployment = run.deployment
        assert deployment is not None
        self._title("Served")
        self._print(f"{deployment.name} at {deployment.base_url} ({deployment.engine})")
        right = ("the verifier agrees", "") if deployment.verified else ("the verifier does not agree", "red")
        self._print(f"  asked    {deployment.question}")
        self._console.print(Text.assemble(f"  answered {deployment.answer}   (", right, ")"))
        if speed := deployment.speed:
            self._print(
                f"  at its address, {speed.n} requests: p50 {speed.p50_ms:,.1f} ms, p95 {speed.p95_ms:,.1f} ms (predicted "
                f"{band(run.attempts[-1].candidate.latency_p95_ms)}); {speed.throughput_rps:,.0f} requests a second with "
                f"{speed.clients} clients" + (f"; {speed.busy}" if speed.busy else "")
            )
        if deployment.withdrawn:
            self._console.print(Text(f"  withdrawn: {deployment.withdrawn}", style="yellow"))

    def _show_plan(self, run: RunState, *, decision: Decision) -> None:
        for correction in decision.corrections:
            self._console.print(Text(f"{decision.by}: an answer was not usable: {correction}", style="yellow"))

    def _show_take_over(self, run: RunState, *, problem: str) -> None:
        self._console.print(Text(f"the planner gave up: {problem}; the rules plan from here on", style="yellow"))

    def _show_refused(self, run: RunState, *, call: str) -> None:
        self._console.print(Text(f"guard: {call} refused: {run.last_problem}", style="yellow"))

    def _show_report(self, run: RunState) -> None:
        result = run.outcome
        assert result is not None
        bill = Table(box=None, pad_edge=False)
        for column in ("bill", "reserved $", "settled $", "how reckoned"):
            bill.add_column(column)
        for entry in run.bill:
            settled = "" if entry.settled_usd is None else f"{entry.settled_usd:,.4f}"
            bill.add_row(entry.step, f"{entry.reserved_usd:,.4f}", settled, Text(entry.basis))
        use = run.planner_use
        tokens = (
            f"{use.input_tokens:,} tokens in, {use.output_tokens:,} out, longest prompt {use.largest_input_tokens:,}"
        )
        if use.input_tokens:
            bill.add_row("planner", "", f"{use.usd:,.4f}", f"{use.decisions} decisions, {tokens}")
        limit = run.brief.limits.usd if run.brief else None
        total = f"total ${result.spent_usd:,.4f}" + (f" of {dollars(limit)} allowed" if limit is not None else "")
        colour = {"met": "green", "missed": "yellow"}.get(result.status, "red")
        lines: list[RenderableType] = [Text(f"{result.status}: {result.reason}", style=f"bold {colour}")]
        if result.nearest:
            lines.append(Text(f"nearest that can be had: {result.nearest}"))
        if closest := closest_control(run):
            lines.append(Text(f"against the control nearest to it: {closest}"))
        if bill.row_count:
            lines.append(bill)
        lines.append(Text(f"{total}; {60 * run.hours_used:.1f} minutes of work"))
        lines.append(
            Text(
                f"evidence: stratos show {run.run_id} · stratos audit {run.run_id} · stratos replay {run.run_id}",
                style="dim",
            )
        )
        if run.site_attempts and result.status in ("met", "missed"):
            lines.append(Text(f'ask a site\'s model: stratos ask SITE "..." --run {run.run_id}', style="dim"))
        if result.status == "met":
            lines.append(Text(f"take the model away: stratos export {run.run_id} DIR --model", style="dim"))
        to = self._refusals if result.status == "refused" else self._console
        to.print()
        if is_unbroken(to):
            to.print("Outcome")
            to.print(*lines, sep="\n")
        else:
            to.print(Panel(Group(*lines), title="Outcome", title_align="left", border_style=colour))


class _Rate(TextColumn):
    """Units per second, blank until known."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: object) -> Text:
        speed = getattr(task, "finished_speed", None) or getattr(task, "speed", None)
        return Text(f"{speed:,.0f}/s" if speed else "", style="magenta")
