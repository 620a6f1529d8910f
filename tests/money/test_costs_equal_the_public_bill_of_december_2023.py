"""The views equal a public bill to the cent, see december.py."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from tests.money.conftest import Ledger
from tests.money.december import JOBS, put_december


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def test_every_line_of_the_bill_is_equal_to_the_cent(shipped: Ledger) -> None:
    put_december(shipped)
    lines = shipped.read("""
        SELECT
            component,
            CASE WHEN gb_months IS NULL THEN instance_type END AS instance_type,
            sum(instance_hours) AS hours, sum(gb_months) AS gb_months, sum(cost_usd) AS usd,
            list(DISTINCT cost_basis) AS bases
        FROM daily_costs
        WHERE usage_date BETWEEN DATE '2023-12-01' AND DATE '2023-12-31'
        GROUP BY ALL
        ORDER BY ALL
    """)
    assert [
        (line["component"], line["instance_type"], str(cents(line["usd"]))) for line in lines
    ] == [
        ("Training", "ml.g4dn.xlarge", "12.17"),
        ("Training", "ml.g5.xlarge", "4.53"),
        ("Training", "ml.m5.xlarge", "11.31"),
        ("Training", "ml.p3.2xlarge", "17.10"),
        ("Training ML storage", None, "0.30"),
        ("Training Warm Pool", "ml.g4dn.xlarge", "27.62"),
        ("Training Warm Pool", "ml.m5.xlarge", "43.00"),
        ("Training Warm Pool ML storage", None, "1.04"),
    ]
    assert all(line["bases"] == ["settled"] for line in lines)
    measured = {
        (line["component"], line["instance_type"]): round(line["hours"] or line["gb_months"], 3)
        for line in lines
    }
    assert measured["Training Warm Pool", "ml.m5.xlarge"] == Decimal("167.301")
    assert measured["Training Warm Pool ML storage", None] == Decimal("6.746")
    assert measured["Training ML storage", None] == Decimal("1.942")


def test_the_views_per_job_add_up_to_the_bill(shipped: Ledger) -> None:
    put_december(shipped)
    (pools,) = shipped.read("""
        SELECT
            count(*) AS jobs, sum(retained_seconds) AS seconds, sum(cost_usd) AS usd,
            sum(storage_cost_usd) AS storage
        FROM warm_pool_costs
    """)
    (training,) = shipped.read(
        "SELECT count(*) AS jobs, sum(cost_usd) AS usd FROM training_job_costs"
    )
    assert (pools["jobs"], pools["seconds"]) == (2 * JOBS, round(Decimal("200.898") * 3600))
    assert (cents(pools["usd"] - pools["storage"]), cents(pools["storage"])) == (
        Decimal("70.61"),
        Decimal("1.04"),
    )
    assert (training["jobs"], cents(training["usd"])) == (4 * JOBS, Decimal("45.41"))
