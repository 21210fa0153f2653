"""What a chat kept of itself can be shown again, whatever was said and however it ended."""

from pathlib import Path

from stratos.agent.transcript import FILE, LINES_SHOWN, Transcript


def test_separators_in_what_was_said_break_no_line(tmp_path: Path) -> None:
    Transcript(tmp_path).add("you", "one\u2028two\u0085three")
    assert Transcript(tmp_path).lines() == ["  you: one\u2028two\u0085three"]


def test_a_line_that_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path)
    transcript.add("you", "before")
    with (tmp_path / FILE).open("ab") as file:
        file.write('{"at": "now", "who": "you", "text": "hä'.encode()[:-1] + b'\n[]\n{"who": "you"}\n')
    transcript.add("you", "after")
    assert transcript.lines() == ["  you: before", "  you: after"]


def test_the_newest_lines_are_shown(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path)
    for number in range(LINES_SHOWN + 5):
        transcript.add("you", str(number))
    assert transcript.lines()[0] == "  you: 5"
    assert len(transcript.lines()) == LINES_SHOWN
