"""Jobs as DescribeTrainingJob gives them, in a database with the real tables and views."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from exporter.config.labels import Labelled, LabelRules, label
from exporter.prices import rows as price_rows
from exporter.prices.rows import Price
from exporter.reports import running
from exporter.reports.catalogue import find
from exporter.reports.periods import Period
from exporter.reports.result import Result
from exporter.sagemaker.rows import DetailRow, JobRow, read
from exporter.store.connections import Connection
from tests.support.rows import insert, insert_all

ACCOUNT: Final = "111122223333"
REGION: Final = "eu-west-1"
#: The time of the last observation, and the clock of every report.
NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)
OCTOBER: Final = Period(date(2026, 10, 1), date(2026, 11, 1))
_FOLDER: Final = Path(__file__).parents[1] / "fixtures" / "cases"

Record = dict[str, Any]


def load_case(name: str) -> list[Record]:
    """Return the jobs of `tests/fixtures/cases/NAME.json`."""
    records: list[Record] = json.loads(_FOLDER.joinpath(f"{name}.json").read_text())
    return records


def job(
    name: str,
    created: datetime,
    *,
    wait: float = 300,
    train: float = 1800,
    pool: tuple[str, int | None] | None = None,
    taken_by: str | None = None,
    keep_alive: int | None = None,
    instance_type: str = "ml.g5.xlarge",
    volume: int = 30,
    count: int = 1,
    **more: Any,
) -> Record:
    """Return a completed job.

    Args:
        name: Name of the job.
        created: When it was created.
        wait: Seconds from its creation to the start of its training.
        train: Seconds of training, all billed.
        pool: Status and retained seconds of its pool.
        taken_by: ReusedByJob.
        keep_alive: KeepAlivePeriodInSeconds.
        instance_type: InstanceType.
        volume: VolumeSizeInGB.
        count: InstanceCount.
        more: Other fields of DescribeTrainingJob; None removes a field.
    """
    start = created + timedelta(seconds=wait)
    end = start + timedelta(seconds=train)
    record: Record = {
        "TrainingJobName": name,
        "CreationTime": created,
        "TrainingStartTime": start,
        "TrainingEndTime": end,
        "LastModifiedTime": end,
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "Completed",
        "BillableTimeInSeconds": int(train),
        "TrainingTimeInSeconds": int(train),
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/train",
        "ResourceConfig": {
            "InstanceType": instance_type,
            "InstanceCount": count,
            "VolumeSizeInGB": volume,
            **({} if keep_alive is None else {"KeepAlivePeriodInSeconds": keep_alive}),
        },
    }
    if pool is not None:
        status, seconds = pool
        told = {
            "Status": status,
            "ResourceRetainedBillableTimeInSeconds": seconds,
            "ReusedByJob": taken_by,
        }
        record["WarmPoolStatus"] = {
            name: value for name, value in told.items() if value is not None
        }
    record |= more
    return {name: value for name, value in record.items() if value is not None}


class World:
    """A database with the real tables and views: tests put jobs into it and run reports."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._scopes: set[tuple[str, str]] = set()

    def put(
        self,
        records: Iterable[Record],
        *,
        account: str = ACCOUNT,
        region: str = REGION,
        seen: datetime = NOW,
        deleted: datetime | None = None,
    ) -> None:
        """Store jobs as a sync would that saw them at `seen`."""
        jobs, details = [], []
        for record in records:
            arn = f"arn:aws:sagemaker:{region}:{account}:training-job/{record['TrainingJobName']}"
            answer = {"TrainingJobArn": arn, **_with_times(record)}
            row = read(JobRow, answer, "DescribeTrainingJob")
            detail = read(DetailRow, answer, "DescribeTrainingJob")
            labels = label(
                Labelled(row.training_job_name, account, None, detail.role_arn, {}), LabelRules()
            )
            jobs.append(
                _columns(row)
                | labels._asdict()
                | {
                    "account_id": account,
                    "region": region,
                    "first_synced_at": seen,
                    "updated_at": seen,
                    "verified_at": seen,
                    "deleted_at": deleted,
                    "details_due": False,
                }
            )
            details.append(_columns(detail) | {"fetched_at": seen, "final": True})
        insert_all(self.connection, "training_jobs", jobs)
        insert_all(self.connection, "training_job_details", details)
        if (account, region) not in self._scopes:
            self._scopes.add((account, region))
            insert(
                self.connection,
                "sync_scopes",
                account_id=account,
                region=region,
                watermark=seen,
                failing_runs=0,
            )

    def price(
        self,
        usd: str,
        instance_type: str = "ml.g5.xlarge",
        *,
        since: date = date(2026, 1, 1),
        region: str = REGION,
    ) -> None:
        """Put a price of training; that of its warm pools is the same."""
        unit = price_rows.UNITS["Training"]
        price = Price(region, "Training", instance_type, Decimal(usd), unit, since, "import")
        price_rows.write(self.connection, [price])

    def run(
        self,
        name: str,
        period: Period = OCTOBER,
        *,
        by: Sequence[str] = (),
        now: datetime = NOW,
        argument: str | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a report, by default for October 2026."""
        report = find(name)
        request = running.Request(
            period=period if report.period else None,
            by=by,
            params=params or {},
            argument=argument,
            now=now,
        )
        return running.run(self.connection, report, request)

    def rows(self, name: str, period: Period = OCTOBER, **more: Any) -> list[dict[str, Any]]:
        """Return the rows of a report, with every column."""
        result = self.run(name, period, **more)
        return [_named(result, row) for row in result.rows]

    def total(self, name: str, period: Period = OCTOBER, **more: Any) -> dict[str, Any]:
        """Return the total of a report."""
        result = self.run(name, period, **more)
        assert result.totals is not None
        return _named(result, result.totals)


def _columns(row: JobRow | DetailRow) -> dict[str, Any]:
    """Return the columns of a row; `dataclasses.asdict` would copy each value."""
    return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}


def _named(result: Result, row: Sequence[Any]) -> dict[str, Any]:
    return dict(zip([column.name for column in result.columns], row, strict=True))


def _with_times(record: Record) -> Record:
    return {
        name: datetime.fromtimestamp(value, UTC)
        if name.endswith("Time") and isinstance(value, int | float)
        else value
        for name, value in record.items()
    }
