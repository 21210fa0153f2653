"""The chat: a run is asked for, steered and followed in plain language; typing and progress go side by side."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..state.errors import ApprovalNeeded, Cancelled, RequestError, StratosError
from ..state.journal import Journal
from ..state.numbers import shown
from ..state.run import RunState
from ..state.talk import Answer, Question, Word
from ..state.workspace import Workspace
from ..tools.base import Settings
from ..tools.executor import Executor
from . import explaining, session
from .chat_model import reply
from .display import RichDisplay
from .events import Asked, Ended, Heard, Progress, RunEvent, ToolStarted
from .intake import names_a_skill
from .live import LiveRun
from .planners import RULES, Planner, planner_for
from .transcript import Transcript
from .understanding import Intent, understand
from .unheard import Unheard

GREETING = "Say what the model should do, how well, how fast and for how much. `help` lists what else can be said; `quit` leaves."
HELP = """You can say, at any time:
  a request, such as: tell whether 14 mahjong tiles are a winning hand, at least 90 % right, p95 under 200 ms, at most $1
  yes / no                      to a plan and its money
  cheaper, faster, more accurate   what there is, to pick from by number
  at most $2, 92 % is enough    changes the brief; the plan is made again
  why not the H100?             why a server or a student was not chosen
  what if I had $50?            what the plan would be
  use my data in FILE.jsonl     trains on your own questions too
  status, plan                  where the run stands
  stop, go on                   halts the work, and continues it from where it was
  quit                          leaves; `stratos chat --resume RUN` comes back"""

BESIDE_THE_BRIEF = frozenset(
    {"stop", "quit", "help", "status", "plan", "why_not", "what_if", "better", "go_on", "use_data"}
)
"""What can be said while the brief is asked about, and is no answer to that."""

MAY_BE_A_REQUEST = frozenset({"change", "unknown", "what_if", "better", "plan"})
Say = Callable[[str], None]


class Chat:
    """One conversation: it reads lines, and shows what the run it steers does."""

    def __init__(
        self,
        workspace: Workspace,
        settings: Settings,
        display: RichDisplay,
        say: Say,
        *,
        executor: Executor | None = None,
        stream: Say | None = None,
    ) -> None:
        self._workspace, self._settings, self._display, self._say = workspace, settings, display, say
        self._executor, self._stream = executor, stream
        self._run: LiveRun | None = None
        self._state: RunState | None = None
        self._run_id: str | None = None
        self._question: Question | None = None
        self._options: tuple[explaining.Option, ...] = ()
        self._proposed: Word | None = None
        self._doing = ""
        self._quiet = threading.Event()
        """Set while nothing works in the background."""
        self._quiet.set()
        self._transcript: Transcript | None = None
        self._unkept: list[tuple[str, str]] = []
        """What was said before there was a run to keep it with."""
        self._unheard: Unheard | None = None

    @property
    def doing(self) -> str:
        """What goes on, in a line; empty when nothing does."""
        return self._doing

    def begin(self, request: str) -> None:
        """Starts a run of a request; what is known of another one is forgotten."""
        self._halt()
        self._run_id = self._state = self._transcript = self._unheard = None
        self._unkept = [("you", request)]
        self._settings = session.with_own_names(self._settings, self._workspace)
        self._follow(partial(session.start, request, settings=self._settings), planner_for(self._settings))

    def resume(self, run_id: str) -> None:
        """Takes up a run where it was left: the conversation so far, then what comes next; one that was told to stop waits."""
        rows = Journal(self._workspace).verified_rows(run_id)
        header: Any = rows[0].input
        self._settings = Settings.model_validate(header["settings"])
        self._is_of(run_id)
        assert self._transcript is not None
        for line in self._transcript.lines():
            self._say(line)
        if rows[-1].kind != "outcome" and _was_stopped(self._transcript):
            looking = _LastState()
            session.replay(run_id, workspace=self._workspace, shown=looking)
            self._state = looking.state
            self._tell(f"stopped, as you said; `go on` continues {run_id}")
        else:
            self._take_up(run_id)

    def hear(self, line: str) -> bool:
        """Takes one line; False when the user leaves."""
        if not line.strip():
            return True
        intent = understand(line, self._settings.own_names)
        if self._is_a_request(intent):
            self.begin(intent.text)
            return True
        self._note("you", line)
        if intent.does not in ("approve", "pick"):
            self._proposed = None
        figure = intent.does == "what_if" and intent.word is not None
        if self._asked_about("brief") and (figure or intent.does not in BESIDE_THE_BRIEF):
            self._answer(Answer(text="" if intent.does in ("approve", "decline") else line))
            return True
        act = getattr(self, f"_{intent.does}")
        act(intent)
        return intent.does != "quit"

    def leave(self) -> None:
        """Stops what works and says how to come back."""
        self._halt()
        if self._run_id and (self._state is None or self._state.outcome is None):
            self._tell(f"nothing is lost; come back with: stratos chat --resume {self._run_id}")

    def settle(self, timeout_s: float | None = None) -> None:
        """Waits until the run asks, ends or stops: for input that is not typed."""
        self._quiet.wait(timeout_s)

    def _take_up(self, run_id: str) -> None:
        """Goes on where the run's record ends."""
        self._follow(partial(session.resume, run_id, asks=True), session.planner_of(run_id, self._workspace))

    def _follow(self, carry: Callable[..., Any], planner: Planner) -> None:
        self._halt()
        self._question, self._options, self._proposed = None, (), None
        self._quiet.clear()
        carry = partial(carry, workspace=self._workspace, executor=self._executor)
        self._run = run = LiveRun(carry, shown=self._display, planner=planner)
        for word in self._unheard.words if self._unheard else ():
            run.say(word)
        threading.Thread(target=self._watch, args=(run,), name="stratos-chat", daemon=True).start()

    def _watch(self, run: LiveRun) -> None:
        """Shows a run's events until it ends."""
        try:
            for event in run:
                self._state = run.state or self._state
                self._show(event)
        except Cancelled:
            self._tell(f"stopped; `go on` continues {self._run_id}")
        except ApprovalNeeded as error:
            self._tell(str(error))
        except RequestError as error:
            self._tell("\n".join(error.problems))
        except StratosError as error:
            self._tell(f"{error}\n`go on` tries again")
        finally:
            self._state = run.state or self._state
            self._doing = ""
            self._quiet.set()

    def _show(self, event: RunEvent) -> None:
        if event.run_id and event.run_id != self._run_id:
            self._is_of(event.run_id)
        match event:
            case ToolStarted():
                self._doing = event.tool.replace("_", " ")
            case Progress():
                loss = f", loss {shown(event.loss)}" if event.loss is not None else ""
                far = f": {event.done:,.0f} of {event.total:,.0f} {event.unit}{loss}" if event.total else ""
                self._doing = f"{event.what.replace('_', ' ')}{far}"
            case Asked():
                self._ask(event.question)
            case Heard() if not event.replayed:
                if self._unheard:
                    self._unheard.heeded(event.text)
                if event.changes:
                    self._tell(event.problem or f"noted: {event.effect or event.text}")
            case Ended():
                self._doing = ""
                self._tell_what_came_too_late()
            case _:
                pass

    def _is_of(self, run_id: str) -> None:
        """The conversation is about this run from here on; what was said before it had a name is kept with it."""
        folder = self._workspace.run_folder(run_id)
        self._run_id, self._transcript, self._unheard = run_id, Transcript(folder), Unheard(folder)
        for who, text in self._unkept:
            self._transcript.add(who, text)
        self._unkept = []

    def _tell_what_came_too_late(self) -> None:
        late = [word.text for word in self._unheard.words if word.changes] if self._unheard else []
        if self._unheard:
            self._unheard.clear()
        for text in late:
            self._tell(f"the run ended before this counted: {text!r}; say it in a request of its own")

    def _ask(self, question: Question) -> None:
        self._question, self._doing = question, ""
        if question.about == "plan":
            money = f"may bring the run to ${question.usd:,.4f}" if question.usd > 0 else "costs nothing"
            lines = [f"This plan {money}: {question.plan}"]
            lines += [f"  at most: {', '.join(question.parts)}"] if question.parts else []
            lines += [f"  but {doubt}" for doubt in question.doubts]
            self._tell("\n".join([*lines, "Shall I? yes, no, cheaper, or say what should be different."]))
        else:
            for problem in question.problems:
                self._tell(f"I cannot use this: {problem}")
            for missing in question.missing:
                self._tell(f"Still open: {missing}")
            again = "Say it again, mended" if question.problems else "Answer"
            self._tell(f"{again}, or say `ok` to leave it so." if question.missing else f"{again}.")
        self._quiet.set()

    def _answer(self, answer: Answer) -> None:
        assert self._run is not None
        self._question = None
        self._quiet.clear()
        self._run.answer(answer)

    def _approve(self, intent: Intent) -> None:
        if self._question is not None:
            self._answer(Answer(approved=True))
        elif self._proposed is not None:
            word, self._proposed = self._proposed, None
            self._change_to(word)
        else:
            self._tell("there is nothing to approve")

    def _decline(self, intent: Intent) -> None:
        if self._question is not None:
            self._answer(Answer(approved=False))
        else:
            self._proposed = None
            self._tell("as you like; `stop` halts the work")

    def _stop(self, intent: Intent) -> None:
        if self._run is None or not self._run.working:
            self._tell("nothing is at work")
            return
        self._tell("stopping; what was done is kept")
        self._question = None
        self._run.stop()

    def _go_on(self, intent: Intent) -> None:
        if self._run is not None and self._run.working:
            self._tell("it goes on already" if self._question is None else "it waits for your answer")
        elif self._run_id is None:
            self._tell("there is no run yet: say what you want")
        else:
            self._take_up(self._run_id)

    def _quit(self, intent: Intent) -> None:
        """Leaving is the caller's part."""

    def _help(self, intent: Intent) -> None:
        self._tell(HELP)

    def _status(self, intent: Intent) -> None:
        stopped = self._run is None or not self._run.working
        waiting = "waiting for your answer" if self._question else "stopped, `go on` continues it" if stopped else ""
        self._tell(explaining.status(self._state, self._doing or waiting))

    def _plan(self, intent: Intent) -> None:
        if self._state is None or not self._state.has_plan:
            self._tell(explaining.TOO_EARLY)
            return
        self._display.show_choice(self._state)

    def _why_not(self, intent: Intent) -> None:
        if self._state is None:
            self._tell(explaining.TOO_EARLY)
        else:
            self._tell(explaining.why_not_this(self._state, self._settings, intent.about))

    def _what_if(self, intent: Intent) -> None:
        if intent.word is None:
            self._tell(intent.problem or "if what? Give a figure, such as: what if I had $50?")
            return
        if self._state is None:
            self._tell(explaining.TOO_EARLY)
            return
        text, other = explaining.what_if_said(self._state, self._settings, intent.word)
        self._tell(text)
        if other:
            self._proposed = intent.word if self._question is None else None
            self._options = (explaining.Option(says=intent.text, word=intent.word),)
            self._tell("say 1 to change the brief so")

    def _better(self, intent: Intent) -> None:
        if self._state is None:
            self._tell(explaining.TOO_EARLY)
            return
        text, self._options = explaining.options(self._state, self._settings, intent.aim)
        self._tell(text)

    def _pick(self, intent: Intent) -> None:
        if 0 < intent.number <= len(self._options):
            self._change_to(self._options[intent.number - 1].word)
        elif self._options:
            self._tell(f"there are {len(self._options)} options to pick from")
        else:
            self._tell("there is nothing to pick from: `cheaper`, `faster` or `more accurate` shows what there is")

    def _change(self, intent: Intent) -> None:
        if intent.problem or intent.word is None:
            self._tell(intent.problem)
        else:
            self._change_to(intent.word)

    def _use_data(self, intent: Intent) -> None:
        if self._run_id is None or self._ended or self._asked_about("brief"):
            self._tell("say first what the model should do, how well and for how much; then `use my data in FILE`")
            return
        path = Path(intent.about).expanduser()
        if not path.is_file():
            self._tell(f"{path} is not there (looked from {Path.cwd()})")
            return
        self._change_to(Word(text=intent.text, data=str(path.absolute())))

    def _unknown(self, intent: Intent) -> None:
        if self._settings.planner == RULES:
            self._tell(f"I do not understand {intent.text!r}; `help` lists what can be said")
        else:
            self._ask_the_model(intent.text)

    def _ask_the_model(self, line: str) -> None:
        """Has the planner's model answer, or put the line into words that the rules know; what it costs is put on the bill."""
        pieces: list[str] = []
        show = pieces.append if self._stream is None else self._stream
        unbilled_usd = self._unheard.usd if self._unheard else 0.0
        found = reply(planner_for(self._settings), self._state, line, show, unbilled_usd=unbilled_usd)
        if self._stream is not None:
            self._stream("\n")
        self._note("stratos", found.text)
        if found.usd and not self._ended:
            self._say_to_run(Word(text=line, usd=found.usd))
        if found.problem:
            self._tell(found.problem)
        elif pieces:
            self._say("".join(pieces))
        if not found.line:
            return
        intent = understand(found.line, self._settings.own_names)
        if intent.does == "unknown":
            self._tell(f"the model put it as {found.line!r}, which I do not understand; `help` lists what can be said")
            return
        if intent.does in ("approve", "decline", "quit"):
            self._tell(f"the model understood {found.line!r}, which only you can say; `help` lists what can be said")
            return
        self._tell(f"understood as: {found.line}")
        getattr(self, f"_{intent.does}")(intent)

    def _is_a_request(self, intent: Intent) -> bool:
        """Whether a line asks for a model of its own: the first one does; later ones do where nothing works and a skill fits."""
        if intent.does not in MAY_BE_A_REQUEST or (self._run is not None and self._run.working):
            return False
        first = self._run_id is None and intent.does in ("change", "unknown")
        return first or names_a_skill(intent.text)

    def _asked_about(self, what: str) -> bool:
        """Whether the run waits for an answer about this."""
        return self._question is not None and self._question.about == what

    @property
    def _ended(self) -> bool:
        return self._state is not None and self._state.outcome is not None

    def _change_to(self, word: Word) -> None:
        """Hands a change to the run: in the place of an answer where one is awaited, else between two steps."""
        self._options, self._proposed = (), None
        if self._ended:
            self._tell("the run has ended: say in a whole request what you want now")
        elif self._question is not None:
            self._answer(Answer(word=word))
        else:
            self._say_to_run(word)
            working = self._run is not None and self._run.working
            when = "from the next step on (`stop` halts the present one)" if working else "once you say `go on`"
            self._tell(f"taken; it counts {when}")

    def _say_to_run(self, word: Word) -> None:
        """Keeps a word until the run heeds it, and hands it over where the run works."""
        if self._unheard is not None:
            self._unheard.add(word)
        if self._run is not None and self._run.working:
            self._run.say(word)

    def _halt(self) -> None:
        if self._run is not None and self._run.working:
            self._run.close()
            self._quiet.wait(10)

    def _tell(self, text: str) -> None:
        self._say(text)
        self._note("stratos", text)

    def _note(self, who: str, text: str) -> None:
        if self._transcript is not None:
            self._transcript.add(who, text)
        else:
            self._unkept.append((who, text))


def _was_stopped(transcript: Transcript) -> bool:
    """Whether the user halted the work and did not let it go on since."""
    said = [understand(text).does for who, text in transcript.said() if who == "you"]
    return next((does == "stop" for does in reversed(said) if does in ("stop", "go_on")), False)


class _LastState(session.Silent):
    """Keeps the newest state it is shown."""

    state: RunState | None = None

    def step(self, name: str, run: RunState, *, replayed: bool, **details: object) -> None:
        """Keeps it."""
        self.state = run
