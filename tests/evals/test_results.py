"""The results table: a row a claim, missed goals marked, written between the README's markers and nowhere else."""

from pathlib import Path

from stratos.evals.reporting import Claim, Report, figure
from stratos.evals.results import BEGIN, END, table, write


def report() -> Report:
    found = Report(eval="speed", seed=3, quick=True)
    interval = (0.9, 0.97)
    found.add(Claim(name="right", value=0.94567, unit="share", n=1000, goal=">= 0.9", met=True, interval=interval))
    found.add(Claim(name="rate", value=1234.5, unit="1/s", n=5, goal=">= 2000", met=False))
    found.add(Claim(name="time", value=6.0512, unit="s", n=3, goal="none", met=None))
    return found


def test_figures_have_three_digits_and_thousands_are_whole() -> None:
    assert [figure(value) for value in (0.94567, 12.345, 999.4, 1234.5, 0.0)] == ["0.946", "12.3", "999", "1,234", "0"]


def test_every_claim_is_a_row_and_a_missed_goal_stands_out() -> None:
    rows = table([report().document()]).splitlines()
    assert rows[2] == "| speed | right | 0.946 share [0.9, 0.97], n=1,000 | >= 0.9: met |"
    assert rows[3] == "| speed | rate | 1,234 1/s, n=5 | >= 2000: **missed** |"
    assert rows[4] == "| speed | time | 6.05 s, n=3 | no goal |"
    assert "seed 3, commit " in rows[-1]


def test_only_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write("new", readme)
    write("newer", readme)
    assert readme.read_text() == f"before\n{BEGIN}\nnewer\n{END}\nafter\n"
