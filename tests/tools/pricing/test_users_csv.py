"""A user's price file is taken whole, or refused with everything wrong with it by line."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stratos.state.errors import UnusablePrices
from stratos.tools.pricing.accelerators import accelerator_facts
from stratos.tools.pricing.users_csv import UsersCsv

from .files import HEADER, ROW, looked_up, problems, users

LISTED = "aws,p5.48xlarge,H100-80GB-SXM,8,80,192,2048,us-east-1,55.04,,node_on_demand,a listing,2026-11-01"


def test_an_agreed_price_goes_before_a_newer_listed_one_which_is_shown_with_the_reason(tmp_path: Path) -> None:
    found = looked_up(tmp_path, [users(tmp_path, ROW)], LISTED).offers
    assert [(offer.usd_per_hour, offer.price_basis) for offer in found] == [
        (31.0, "negotiated"),
        (55.04, "node_on_demand"),
    ]
    assert found[0].doubts == ()
    assert found[1].doubts == (f"superseded by your prices in {tmp_path / 'prices.csv'} of 2026-10-01",)


def test_an_agreed_price_that_is_dearer_goes_first_too(tmp_path: Path) -> None:
    found = looked_up(tmp_path, [users(tmp_path, ROW.replace("31.00", "99"))], LISTED).offers
    assert [(offer.usd_per_hour, bool(offer.doubts)) for offer in found] == [(99.0, False), (55.04, True)]


def test_an_agreed_price_without_a_region_holds_in_all_of_them(tmp_path: Path) -> None:
    other = LISTED.replace("us-east-1", "eu-west-1")
    found = looked_up(tmp_path, [users(tmp_path, ROW.replace("us-east-1", ""))], LISTED, other).offers
    assert [(offer.region, bool(offer.doubts)) for offer in found] == [
        ("unstated", False),
        ("eu-west-1", True),
        ("us-east-1", True),
    ]


def test_an_agreed_price_of_four_years_ago_is_over_and_the_listed_one_holds_again(tmp_path: Path) -> None:
    found = looked_up(tmp_path, [users(tmp_path, ROW.replace("2026-10-01", "2022-11-01"))], LISTED).offers
    assert [offer.usd_per_hour for offer in found if not offer.doubts] == [55.04]
    assert "agreed more than 36 months ago" in found[1].doubts[0]


def test_what_a_user_calls_an_accelerator_is_understood(tmp_path: Path) -> None:
    rows = [f"mine,box-{n},eu,{name},1,2,2026-01-01" for n, name in enumerate(("h100 sxm", "rtx 4090", "A100-80GB"))]
    found = looked_up(tmp_path, [users(tmp_path, *rows)]).offers
    assert {offer.accelerator for offer in found} == {"H100-80GB-SXM", "RTX4090", "A100-80GB"}


def test_disk_and_egress_and_the_virtual_machine_are_kept(tmp_path: Path) -> None:
    header = f"{HEADER},vm_included,disk_usd_per_gib_month,egress_usd_per_gib"
    (offer,) = looked_up(tmp_path, [users(tmp_path, f"{ROW},no,0.08,0", header=header)]).offers
    assert (offer.vm_included, offer.disk_usd_per_gib_month, offer.egress_usd_per_gib) == (False, 0.08, 0)
    assert "virtual machine" in offer.doubts[0]


def test_everything_wrong_is_told_at_once_with_its_lines_and_nothing_is_taken(tmp_path: Path) -> None:
    rows = [
        ROW,
        "aws,a,us,L4,1,-2,2026-01-01",
        "aws,b,us,L4,1,$3,2026-01-01",
        "aws,c,us,L4,1,inf,2026-01-01",
        "aws,d,us,H1000,1,3,2026-01-01",
        ROW,
        "aws,e,us,L4,1,0,2027-01-01",
        "aws,f,us,L4,1.5,3,01/02/2026",
        "aws,g,us,,0,3,2026-01-01",
        ",h,us,L4,1,3,2026-01-01",
    ]
    said = problems(users(tmp_path, *rows), tmp_path)
    for words in (
        "lines 3, 8: price_usd_per_hour is at or below 0: '-2', '0'",
        "line 4: price_usd_per_hour is no number (written as 1.25, without a sign of currency): '$3'",
        "line 5: price_usd_per_hour is not finite: 'inf'",
        "line 6: unknown accelerator 'H1000' (nearest: ",
        "line 7: priced already on an earlier line",
        "line 8: as_of lies after today, 2026-11-24: '2027-01-01'",
        "line 9: as_of is no date written as 2026-11-24: '01/02/2026'",
        "line 9: accelerator_count is no whole number of 0 to 1024: '1.5'",
        "line 10: a server without an accelerator needs vcpus",
        "line 11: cloud is empty",
    ):
        assert words in said
    assert said.count("\n") == 9


def test_missing_and_unknown_columns_are_named_with_the_valid_ones(tmp_path: Path) -> None:
    said = problems(users(tmp_path, "aws,x,-1", header="cloud,instance,price_usd_per_hour"), tmp_path)
    assert "line 1: missing columns instance_type, region, accelerator, accelerator_count, as_of (needed: cloud" in said
    assert "line 1: unknown columns 'instance' (nearest: instance_type)" in said
    assert "line 2: price_usd_per_hour is at or below 0" in said


def test_another_separator_is_named(tmp_path: Path) -> None:
    said = problems(users(tmp_path, ROW.replace(",", ";"), header=HEADER.replace(",", ";")), tmp_path)
    assert "line 1: its values are separated by ';'" in said


def test_other_currencies_are_refused_with_what_to_do(tmp_path: Path) -> None:
    said = problems(users(tmp_path, f"{ROW},EUR", header=f"{HEADER},currency"), tmp_path)
    assert "line 2: currency is not USD: convert the price" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (HEADER.encode() + b"\n", "a header and no rows"),
        (f"{HEADER}\n{ROW}\n".encode("utf-16"), "line 1: it is UTF-16"),
        (f"{HEADER}\n{ROW}\n".encode("utf-16-le"), "line 1: a zero byte"),
        (f"{HEADER}\n{ROW}\naws,café,".encode("latin-1"), "line 3: byte 0xe9 ('é' in Latin-1)"),
        (f"{HEADER}\n{ROW},more\naws,x\n{ROW}\n".encode(), "lines 2, 3: 2, 8 values where the header has 7"),
        (f'{HEADER}\naws,"open,us,L4,1,2,2026-01-01\n{ROW}\n'.encode(), "line 2: unexpected end of data"),
        (f"cloud,cloud\n{ROW}\n".encode(), "columns named twice: cloud"),
    ],
    ids=["empty", "header only", "utf-16", "utf-16 unmarked", "latin-1", "ragged", "open quote", "twice"],
)
def test_what_is_no_table_is_told_by_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "prices.csv").write_bytes(content)
    assert said in problems(UsersCsv(path=tmp_path / "prices.csv"), tmp_path)


def test_lines_are_the_files_own_where_values_hold_line_ends_or_lines_are_empty(tmp_path: Path) -> None:
    wrong = "aws,x,us,L4,1,nothing,2026-01-01,"
    rows = [f'{ROW},"two\nlines"', "", wrong, "too,few", wrong.replace("x", "y")]
    said = problems(users(tmp_path, *rows, header=f"{HEADER},source"), tmp_path)
    assert "lines 5, 7: price_usd_per_hour is no number" in said
    assert "line 6: 2 values where the header has 8" in said


def test_a_mark_at_its_start_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n{ROW}\r\n".encode())
    assert len(looked_up(tmp_path, [UsersCsv(path=tmp_path / "prices.csv")]).offers) == 1


def test_problems_of_several_files_are_one_report(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    bad = ROW.replace("31.00", "x")
    with pytest.raises(UnusablePrices) as caught:
        looked_up(tmp_path, [users(tmp_path / "a", bad), users(tmp_path / "b", ROW, bad)])
    assert [problem.split(": ")[0][-12:] for problem in caught.value.problems] == [
        "a/prices.csv",
        "b/prices.csv",
        "b/prices.csv",
    ]


WRONG: dict[str, Callable[[str], str]] = {
    "is at or below 0": lambda row: row.replace("2.50", "-2.50"),
    "is no number": lambda row: row.replace("2.50", "much"),
    "as_of is no date": lambda row: row.replace("2026-02-03", "3 Feb"),
    "unknown accelerator": lambda row: row.replace("L4", "Abacus"),
    "without a count": lambda row: row.replace(",1,", ",0,"),
}


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["", *WRONG]), min_size=1, max_size=30))
def test_every_wrong_line_is_told_and_no_other(tmp_path_factory: pytest.TempPathFactory, kinds: list[str]) -> None:
    folder = tmp_path_factory.mktemp("prices")
    good = [f"aws,box-{n},us,L4,1,2.50,2026-02-03" for n in range(len(kinds))]
    source = users(folder, *(WRONG[kind](row) if kind else row for kind, row in zip(kinds, good, strict=True)))
    if not any(kinds):
        assert looked_up(folder, [source]).considered == len(kinds)
        return
    said = problems(source, folder)
    for kind in WRONG:
        lines = [str(n + 2) for n, one in enumerate(kinds) if one == kind][:20]
        expected = f"{'line' if len(lines) == 1 else 'lines'} {', '.join(lines)}"
        assert (f"{expected}: " in said or f"{expected}, ..." in said) == bool(lines)
        assert (kind in said) == bool(lines)


MILLIONS = """
import resource, sys
from pathlib import Path
from stratos.state.errors import UnusablePrices
from stratos.tests.tools.pricing.files import TODAY
from stratos.tools.pricing.look_up import LookUpPrices, look_up_prices
from stratos.tools.pricing.users_csv import UsersCsv
try:
    found = look_up_prices(LookUpPrices(), sources=[UsersCsv(path=Path(sys.argv[1]))], today=TODAY, cheapest_of_each=True)
    print(found.considered)
except UnusablePrices as error:
    print(error)
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_maxrss // 1024, used.ru_utime + used.ru_stime)
"""


@pytest.mark.slow
@pytest.mark.parametrize("bad", [False, True], ids=["taken", "refused"])
def test_ten_million_rows_are_taken_or_refused_in_bounded_memory(tmp_path: Path, bad: bool) -> None:
    names, rows = list(accelerator_facts()), 10_000_000
    path = tmp_path / "prices.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{HEADER}\n")
        for n in range(rows):
            price = "dear" if bad and n % 7 == 3 else f"{1 + n % 977 / 100:.2f}"
            file.write(
                f"cloud{n % 40},box-{n // 40},eu-{n % 13},{names[n % 53]},{1 + n % 8},{price},2026-0{1 + n % 9}-03\n"
            )
    done = subprocess.run([sys.executable, "-c", MILLIONS, str(path)], capture_output=True, text=True, check=True)
    *said, used = done.stdout.splitlines()
    mib, cpu_s = map(float, used.split())
    if bad:
        assert "lines 5, 12, 19, " in said[1]
        assert "(1,428,571 lines): price_usd_per_hour is no number" in said[1]
    else:
        assert int(said[0]) > rows
    assert cpu_s < 120  # taken in 46 CPU-s and 45 s on two cores, refused in 21 and 27
    assert mib < 1536  # 1122 and 756 there
