"""Known jobs, and the lines that AWS would bill for them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.support.bills import Charge

if TYPE_CHECKING:
    from exporter.bills import Reconciliation
    from tests.money.conftest import Ledger

DAYS = tuple(range(3, 9))


def put_job(
    ledger: Ledger,
    name: str,
    start: datetime,
    *,
    instance_type: str = "ml.g5.xlarge",
    hours: str = "1",
    account: str = "111122223333",
    region: str = "eu-west-1",
    **details: Any,
) -> None:
    seconds = round(Decimal(hours) * 3600)
    ledger.job(
        name,
        created=start,
        account=account,
        region=region,
        training_end_time=start + timedelta(seconds=seconds),
        details={
            "instance_type": instance_type,
            "instance_count": 1,
            "volume_size_gb": 30,
            "training_start_time": start,
            "billable_seconds": seconds,
            **details,
        },
    )


def put_october(ledger: Ledger) -> None:
    """Put a job of one hour on each of six days of October, and one on a day of September."""
    ledger.put("local_storage_families", family="g5")
    ledger.price("1.57", "ml.g5.xlarge")
    for day in DAYS:
        put_job(ledger, f"alpha-{day}", datetime(2026, 10, day, 9, tzinfo=UTC))
    put_job(ledger, "alpha-sep", datetime(2026, 9, 2, 9, tzinfo=UTC), hours="2")


def daily(day: int, **more: Any) -> Charge:
    values: dict[str, Any] = {
        "start": datetime(2026, 10, day, tzinfo=UTC),
        "component": "Training",
        "instance_type": "ml.g5.xlarge",
        "quantity": Decimal(1),
        "usd": Decimal("1.57"),
        "lasts": timedelta(days=1),
        "line_id": f"line-{day}",
    }
    return Charge(**(values | more))


BILL = [daily(day) for day in DAYS]
AGREEING = [
    (date(2026, 10, day), "Training", Decimal(1), Decimal(1), Decimal("1.57"), Decimal("1.57"))
    for day in DAYS
]


def rows(found: Reconciliation) -> list[tuple[Any, ...]]:
    return [
        (line.period, line.component, line.billed, line.ours, line.billed_usd, line.our_usd)
        for line in found.lines
    ]


def put_six_jobs(ledger: Ledger) -> None:
    """Put priced jobs that run past midnight, on a type without a charge for storage."""
    ledger.put("local_storage_families", family="m5")
    ledger.price("0.257")
    for number in range(6):
        start = datetime(2026, 10, 3 + number, 20, 10, tzinfo=UTC)
        ledger.job(
            f"Bert-{number}",
            created=start,
            training_end_time=start + timedelta(hours=2, seconds=number),
            warm_pool_status="Terminated",
            warm_pool_retained_seconds=7200 + number,
            details={
                "instance_type": "ml.m5.xlarge",
                "instance_count": 1 + number % 2,
                "volume_size_gb": 30,
                "training_start_time": start,
                "billable_seconds": 7200 + number,
            },
        )


def by_the_hour(ledger: Ledger, *, resources: bool) -> list[Charge]:
    """Return the hourly lines that AWS would bill for the jobs in the database, to ten decimals."""
    charges = []
    for view, component, start, seconds in (
        ("warm_pool_costs", "Training Warm Pool", "pool_started_at", "retained_seconds"),
        ("training_job_costs", "Training", "training_started_at", "billable_seconds"),
    ):
        for row in ledger.read(f"""
            SELECT training_job_arn AS arn, instance_type, instance_count, usd_per_hour,
                {start} AS start, {seconds} AS seconds
            FROM {view}
        """):
            begin, left = row["start"].astimezone(UTC), row["seconds"]
            while left > 0:
                hour = begin.replace(minute=0, second=0, microsecond=0)
                spent = min(left, (hour + timedelta(hours=1) - begin) // timedelta(seconds=1))
                hours = Decimal(spent * row["instance_count"]) / 3600
                charges.append(
                    Charge(
                        hour,
                        component,
                        row["instance_type"],
                        round(hours, 10),
                        round(hours * row["usd_per_hour"], 10),
                        # Exports with resource ids in lower case exist.
                        row["arn"].lower() if resources else "",
                    )
                )
                begin, left = hour + timedelta(hours=1), left - spent
    return charges
