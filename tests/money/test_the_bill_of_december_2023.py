"""A public bill (aws-samples/sagemaker-ssh-helper, Sample_Costs.md) comes out to the cent.

167.301 h of warm pool on ml.m5.xlarge cost 43.00 USD beside 11.31 USD of training. The jobs are
invented, their hours are the bill's: to the second, and many jobs, so that a rounding a job
would show.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.money.conftest import Ledger

#: instance type: (hours of training, hours of pools), as on the bill
HOURS = {
    "ml.m5.xlarge": (Decimal("44.015"), Decimal("167.301")),
    "ml.g4dn.xlarge": (Decimal("14.801"), Decimal("33.597")),
    "ml.g5.xlarge": (Decimal("2.887"), Decimal(0)),
    "ml.p3.2xlarge": (Decimal("4.139"), Decimal(0)),
}
JOBS = 13


def put_december(ledger: Ledger) -> None:
    """Jobs of 30 GB whose seconds add up to the bill's hours."""
    for instance_type, (training, pool) in HOURS.items():
        trained, waited = round(training * 3600), round(pool * 3600)
        for number in range(JOBS):
            billable = trained * (number + 1) // JOBS - trained * number // JOBS
            retained = waited * (number + 1) // JOBS - waited * number // JOBS
            started = datetime(2023, 12, 2 + 2 * number, 18, 30, tzinfo=UTC)
            ended = started + timedelta(seconds=billable)
            pooled: dict[str, Any] = {
                "warm_pool_status": "Terminated",
                "warm_pool_retained_seconds": retained,
            }
            ledger.job(
                f"{instance_type.replace('.', '-')}-{number}",
                created=started - timedelta(minutes=2),
                training_end_time=ended,
                details={
                    "instance_type": instance_type,
                    "instance_count": 1,
                    "volume_size_gb": 30,
                    "training_start_time": started,
                    "billable_seconds": billable,
                },
                **(pooled if waited else {}),
            )


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def test_every_line_of_the_bill_comes_out_to_the_cent(shipped: Ledger) -> None:
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


def test_the_views_of_jobs_add_up_to_the_same(shipped: Ledger) -> None:
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
