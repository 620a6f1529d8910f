"""AWS may add statuses: SQL and Python tell alike which of them end a job."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

from exporter.sagemaker.rows import JobRow
from exporter.store import view_files
from exporter.syncing.order import has_ended
from tests.money.conftest import CREATED, Ledger, after, arn

STATUSES = ["InProgress", "Stopping", "Deleting", "Completed", "Failed", "Stopped", "Retired", ""]
SECONDARY = [
    None,
    "Training",
    "Completed",
    "Failed",
    "Stopped",
    "MaxRuntimeExceeded",
    "MaxWaitTimeExceeded",
    "Retiring",
]


def test_sql_and_python_agree_on_every_status(ledger: Ledger) -> None:
    ended: dict[str, bool] = {}
    for status, secondary, end in product(STATUSES, SECONDARY, [None, after(hours=1)]):
        name = f"job-{len(ended)}"
        ledger.job(
            name, training_job_status=status, secondary_status=secondary, training_end_time=end
        )
        ended[name] = has_ended(
            JobRow(arn(name), CREATED, name, status, secondary, training_end_time=end)
        )
    assert {True, False} == set(ended.values())
    sql = view_files.compose("SELECT training_job_name, /*part has_ended*/ AS e FROM training_jobs")
    assert {row["training_job_name"]: row["e"] for row in ledger.read(sql)} == ended


def test_the_training_of_a_job_with_a_new_final_status_is_settled(ledger: Ledger) -> None:
    ledger.price("1")
    details = {
        "instance_type": "ml.m5.xlarge",
        "instance_count": 1,
        "volume_size_gb": 30,
        "training_start_time": CREATED,
        "billable_seconds": 1800,
    }
    for name, secondary in (("old-1", "MaxRuntimeExceeded"), ("new-1", "Training")):
        ledger.job(
            name,
            training_job_status="Retired",
            secondary_status=secondary,
            last_modified_time=after(hours=1),
            verified_at=after(hours=2),
            details=details,
        )
    assert ledger.read(
        "SELECT training_job_name, compute_basis, compute_cost_usd, training_ended_at "
        "FROM training_job_costs ORDER BY ALL DESC"
    ) == [
        {
            "training_job_name": "old-1",
            "compute_basis": "settled",
            "compute_cost_usd": Decimal("0.5"),
            "training_ended_at": after(hours=1),
        },
        {
            "training_job_name": "new-1",
            "compute_basis": "accruing",
            "compute_cost_usd": Decimal(2),
            "training_ended_at": None,
        },
    ]
