"""Bills that once had false differences, or rates that were averaged, have neither."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.bills import rates_csv, reconcile
from exporter.bills.keeping import keep
from exporter.prices.imports import import_csv
from tests.money.conftest import Ledger
from tests.support.cases import ACCOUNT, World, load_case

CASES = Path(__file__).parents[1] / "fixtures" / "cases"
OTHER = "444455556666"
NOW = datetime(2026, 11, 15, tzinfo=UTC)


@pytest.fixture
def world(shipped: Ledger) -> World:
    """A database with the shipped lists, and the prices of the cases."""
    import_csv(shipped.connection, CASES / "bill_prices.csv", NOW)
    return World(shipped.connection)


@pytest.mark.parametrize(
    ("jobs", "bill"),
    [
        ("bill_jobs_sep", "cur_oct_with_ec2_refund_of_sep.csv"),
        ("bill_jobs_sep", "two_versions"),
        ("bill_jobs", "cur_no_region_column.csv"),
        ("bill_jobs", "focus10_null_text_on_other_lines.csv"),
    ],
)
def test_a_bill_agrees_and_adds_up_when_it_is_kept(world: World, jobs: str, bill: str) -> None:
    world.put(load_case(jobs))
    found = reconcile(world.connection, CASES / bill)
    assert (found.differences, found.usd_differences, found.not_billed) == ([], [], ())
    assert len(found.lines) > 0
    kept = keep(world.connection, found.net, bill, NOW)
    assert kept.net.unexplained == ()
    again = reconcile(world.connection, CASES / bill)
    assert (again.differences, again.usd_differences) == ([], [])


def test_two_accounts_keep_and_import_their_own_rates(world: World, tmp_path: Path) -> None:
    world.put(load_case("two_rates_a"))
    world.put(load_case("two_rates_b"), account=OTHER)
    found = reconcile(world.connection, CASES / "cur_two_accounts_two_rates.csv")
    rates = {price.account_id: price.usd_per_unit for price in found.rates}
    assert rates == {ACCOUNT: Decimal("1.57"), OTHER: Decimal("0.785")}
    keep(world.connection, found.net, "bill", NOW)
    path = tmp_path / "rates.csv"
    path.write_text(rates_csv(found.rates), encoding="utf-8")
    import_csv(world.connection, path, NOW)
    again = reconcile(world.connection, CASES / "cur_two_accounts_two_rates.csv")
    assert (again.differences, again.usd_differences) == ([], [])
