"""Price files for tests, and the question asked of them."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from stratos.state.errors import UnusablePrices
from stratos.tools.pricing.look_up import LookUpPrices, Prices, look_up_prices
from stratos.tools.pricing.snapshot import SNAPSHOT_CSV
from stratos.tools.pricing.sources import PriceSource
from stratos.tools.pricing.users_csv import UsersCsv

TODAY = date(2026, 11, 24)
HEADER = "cloud,instance_type,region,accelerator,accelerator_count,price_usd_per_hour,as_of"
ROW = "aws,p5.48xlarge,us-east-1,H100-80GB-SXM,8,31.00,2026-10-01"
SNAPSHOT_HEADER = SNAPSHOT_CSV.read_text(encoding="utf-8").splitlines()[0]


def users(folder: Path, *rows: str, header: str = HEADER) -> UsersCsv:
    """A user's file of these rows."""
    path = folder / "prices.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return UsersCsv(path=path)


def snapshot(folder: Path, *rows: str) -> Path:
    """A snapshot of these rows alone."""
    path = folder / "offers.csv"
    path.write_text("\n".join([SNAPSHOT_HEADER, *rows]) + "\n", encoding="utf-8")
    return path


def looked_up(folder: Path, sources: Sequence[PriceSource], *listed: str, **asked: object) -> Prices:
    """What a look-up says of these sources beside a snapshot of the listed rows."""
    question = LookUpPrices.model_validate(asked)
    return look_up_prices(question, sources=sources, snapshot=snapshot(folder, *listed), today=TODAY)


def problems(source: PriceSource, folder: Path) -> str:
    """Everything said to be wrong with a source."""
    with pytest.raises(UnusablePrices) as caught:
        looked_up(folder, [source])
    return "\n".join(caught.value.problems)
