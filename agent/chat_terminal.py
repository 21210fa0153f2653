"""Reads what a user types in a chat, at a terminal or from a pipe, until they leave."""

import signal
import sys

from ..state.workspace import Workspace
from .chat import Chat


def talk(chat: Chat, workspace: Workspace) -> None:
    """Reads lines until the user leaves: with editing, history and a line of progress at a terminal, plainly elsewhere."""
    ends = (signal.SIGTERM, signal.SIGHUP)  # a chat that is killed leaves no job running
    previous = {number: signal.signal(number, _end) for number in ends}
    try:
        if sys.stdin.isatty():
            _at_a_terminal(chat, workspace)
        else:
            for line in sys.stdin:
                chat.settle()
                if not chat.hear(line):
                    break
            else:
                chat.settle()
    finally:
        chat.leave()
        for number, handler in previous.items():
            signal.signal(number, handler)


def _end(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def _at_a_terminal(chat: Chat, workspace: Workspace) -> None:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory
    from prompt_toolkit.patch_stdout import patch_stdout

    workspace.path.mkdir(parents=True, exist_ok=True)
    prompt: PromptSession[str] = PromptSession(history=FileHistory(str(workspace.path / "chat_history")))
    with patch_stdout(raw=True):
        while True:
            try:
                line = prompt.prompt("you> ", bottom_toolbar=lambda: chat.doing or None, refresh_interval=0.5)
            except (EOFError, KeyboardInterrupt):
                return
            if not chat.hear(line):
                return
