"""Jobs with the hours of a public bill (aws-samples/sagemaker-ssh-helper, Sample_Costs.md).

167.301 h of warm pool on ml.m5.xlarge cost 43.00 USD, compared with 11.31 USD of training. The
jobs are invented, their hours are the bill's to the second. They are many, so that rounding once
per job would show.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.money.conftest import Ledger

#: Instance type: (hours of training, idle hours of pools), as on the bill.
HOURS = {
    "ml.m5.xlarge": (Decimal("44.015"), Decimal("167.301")),
    "ml.g4dn.xlarge": (Decimal("14.801"), Decimal("33.597")),
    "ml.g5.xlarge": (Decimal("2.887"), Decimal(0)),
    "ml.p3.2xlarge": (Decimal("4.139"), Decimal(0)),
}
JOBS = 13


def put_december(ledger: Ledger) -> None:
    """Put jobs of 30 GB whose seconds add up to the hours of the bill."""
    for instance_type, (training, pool) in HOURS.items():
        trained, idle = round(training * 3600), round(pool * 3600)
        for number in range(JOBS):
            billable = trained * (number + 1) // JOBS - trained * number // JOBS
            retained = idle * (number + 1) // JOBS - idle * number // JOBS
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
                **(pooled if idle else {}),
            )
