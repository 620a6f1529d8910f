"""The reports on jobs: starts, changes, spot, failures, history, teams, coverage."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reports.conftest import Bench

POOL, TRAIN, DISK = "Training Warm Pool", "Training", "Training ML storage"
CREATED = datetime(2026, 10, 3, 12, tzinfo=UTC)
SEPTEMBER, OCTOBER = date(2026, 9, 10), date(2026, 10, 3)


def later(minutes: float) -> datetime:
    return CREATED + timedelta(minutes=minutes)


def transitions(training: datetime) -> str:
    return (
        f'[{{"Status": "Starting", "StartTime": "{CREATED.isoformat()}"}},'
        f' {{"Status": "Training", "StartTime": "{training.isoformat()}"}},'
        f' {{"Status": "Training", "StartTime": "{later(900).isoformat()}"}}]'
    )


def test_warm_starts_show_the_minutes_they_save_and_their_price(bench: Bench) -> None:
    bench.scope()
    bench.job("a-1", status_transitions=transitions(later(5)), training_start_time=later(1))
    bench.job("a-2", training_start_time=later(7), warm_pool_reused_by_job="a-3")
    bench.job("a-3", created=later(60), training_start_time=later(61))
    bench.job("a-4", created=later(70), training_start_time=None)
    bench.job("b-1", training_start_time=later(4))
    bench.cost("a-1", POOL, "0.75")
    bench.cost("a-2", POOL, "0.45")
    bench.cost("a-3", POOL, None, cost_basis="no price")
    bench.cost("a-1", TRAIN, "50")

    result = bench.run("startup-time")

    a = {
        "family": "a",
        "instance_type": "ml.m5.xlarge",
        "cold_starts": 2,
        "cold_seconds": 300,
        "warm_starts": 1,
        "warm_seconds": 60,
        "saved_seconds": 240,
        "minutes_bought": 4,
        "pool_usd": Decimal("1.2"),
        "usd_per_minute": pytest.approx(0.3),
        "unpriced_jobs": 1,
    }
    b = {
        "family": "b",
        "instance_type": "ml.m5.xlarge",
        "cold_starts": 1,
        "cold_seconds": 240,
        "warm_starts": 0,
        "warm_seconds": None,
        "saved_seconds": None,
        "minutes_bought": None,
        "pool_usd": None,
        "usd_per_minute": None,
        "unpriced_jobs": 0,
    }
    assert bench.rows(result) == [a, b]
    assert bench.total(result) == a | {
        "family": None,
        "instance_type": None,
        "cold_starts": 3,
        "saved_seconds": None,
    }


def test_only_the_next_job_of_a_name_is_a_warm_start(bench: Bench) -> None:
    bench.scope()
    bench.job("a-2", created=later(-60), training_start_time=later(-55))
    bench.job("a-1", training_start_time=later(5), warm_pool_reused_by_job="a-2")
    bench.job("a-2", created=later(60), training_start_time=later(61))
    bench.job("a-2", created=later(120), training_start_time=later(130))

    (row,) = bench.rows(bench.run("startup-time"))

    assert (row["cold_starts"], row["warm_starts"], row["warm_seconds"]) == (3, 1, 60)


def test_a_change_splits_into_price_volume_and_new_and_ended_families(bench: Bench) -> None:
    bench.scope()
    lines: list[tuple[str, date, str | None, str, str]] = [
        ("a-1", SEPTEMBER, "10", "10", "ml.m5.xlarge"),  # 10 h at 1.00
        ("a-2", OCTOBER, "24", "20", "ml.m5.xlarge"),  # 20 h at 1.20: price 4, volume 10
        ("a-3", OCTOBER, "7", "1", "ml.g5.xlarge"),  # another type: volume
        ("a-4", OCTOBER, None, "99", "ml.m5.xlarge"),  # unknown: in neither
        ("new-1", OCTOBER, "3", "1", "ml.m5.xlarge"),
        ("old-1", SEPTEMBER, "5", "1", "ml.m5.xlarge"),
        ("older-1", date(2026, 8, 31), "77", "1", "ml.m5.xlarge"),
    ]
    for name, day, usd, hours, instance in lines:
        bench.cost(
            name,
            TRAIN,
            usd,
            usage_date=day,
            instance_hours=Decimal(hours),
            instance_type=instance,
            cost_basis="settled" if usd else "no price",
        )

    result = bench.run("cost-change")

    zero = dict.fromkeys(("price_usd", "volume_usd", "new_usd", "ended_usd"), Decimal(0))
    known = {"unpriced_jobs": None}
    assert bench.rows(result) == [
        zero
        | known
        | {
            "family": "a",
            "before_usd": Decimal(10),
            "now_usd": Decimal(31),
            "change_usd": Decimal(21),
            "price_usd": Decimal(4),
            "volume_usd": Decimal(17),
        },
        zero
        | known
        | {
            "family": "old",
            "before_usd": Decimal(5),
            "now_usd": Decimal(0),
            "change_usd": Decimal(-5),
            "ended_usd": Decimal(-5),
        },
        zero
        | known
        | {
            "family": "new",
            "before_usd": Decimal(0),
            "now_usd": Decimal(3),
            "change_usd": Decimal(3),
            "new_usd": Decimal(3),
        },
    ]
    assert bench.total(result) == {
        "family": None,
        "before_usd": Decimal(15),
        "now_usd": Decimal(34),
        "change_usd": Decimal(19),
        "price_usd": Decimal(4),
        "volume_usd": Decimal(17),
        "new_usd": Decimal(3),
        "ended_usd": Decimal(-5),
        "unpriced_jobs": 1,
    }


def test_failed_jobs_group_by_the_class_of_their_reason(bench: Bench) -> None:
    bench.scope()
    for name, status, reason in (
        ("a-1", "Failed", "AlgorithmError: exit code 1, \x1b[31m"),
        ("a-2", "Failed", "AlgorithmError: another"),
        ("a-3", "Failed", " InternalServerError"),
        ("a-4", "Failed", "?!"),
        ("a-5", "Failed", None),
        ("a-6", "Completed", None),
    ):
        bench.job(name, training_job_status=status, failure_reason=reason)
        bench.cost(name, TRAIN, "1")
    bench.cost("a-1", POOL, "0.25", instance_hours=Decimal("0.25"))
    bench.cost("a-2", DISK, None, cost_basis="no price")

    result = bench.run("failed-jobs")

    rows = bench.rows(result)
    assert rows[0] == {
        "family": "a",
        "reason": "AlgorithmError",
        "jobs": 2,
        "instance_hours": Decimal("2.25"),
        "pool_usd": Decimal("0.25"),
        "cost_usd": Decimal("2.25"),
        "unpriced_jobs": 1,
        "example": "a-2",
    }
    assert [(row["reason"], row["jobs"], row["cost_usd"]) for row in rows[1:]] == [
        ("InternalServerError", 1, 1),
        ("other", 1, 1),
        (None, 1, 1),
    ]
    total = bench.total(result)
    assert (total["jobs"], total["cost_usd"], total["example"]) == (5, Decimal("5.25"), None)


def test_a_history_has_observed_changes_and_reported_transitions(bench: Bench) -> None:
    bench.scope()
    bench.job("a-1", status_transitions=transitions(later(5)))
    bench.job("a-1", created=later(1000))
    bench.job("a-2")
    change = {"training_job_arn": "arn:a-1", "creation_time": CREATED, "run_id": "r"}
    bench.put(
        "training_job_changes",
        change
        | {"observed_at": later(3), "training_job_status": "InProgress", "secondary_status": "S"},
        change
        | {
            "observed_at": later(90),
            "training_job_status": "Completed",
            "warm_pool_status": "Reused",
            "warm_pool_retained_seconds": 300,
            "warm_pool_reused_by_job": "a-2",
        },
        change
        | {
            "creation_time": later(1000),
            "observed_at": later(1001),
            "training_job_status": "Failed",
        },
    )

    by_name = bench.run("job-history", argument="a-1")
    by_arn = bench.run("job-history", argument="arn:a-1")

    rows = bench.rows(by_name)
    assert bench.rows(by_arn) == rows
    names = ("happened_at", "source", "status", "secondary_status", "pool", "retained_seconds",
             "reused_by", "created_at")  # fmt: skip
    assert [tuple(row[name] for name in names) for row in rows] == [
        (CREATED, "reported", None, "Starting", None, None, None, CREATED),
        (later(3), "observed", "InProgress", "S", None, None, None, CREATED),
        (later(5), "reported", None, "Training", None, None, None, CREATED),
        (later(90), "observed", "Completed", None, "Reused", 300, "a-2", CREATED),
        (later(900), "reported", None, "Training", None, None, None, CREATED),
        (later(1001), "observed", "Failed", None, None, None, None, later(1000)),
    ]
    assert {(row["account"], row["region"]) for row in rows} == {("123456789012", "eu-west-1")}


def test_jobs_without_a_team_come_by_cost(bench: Bench) -> None:
    bench.scope()
    bench.job("a-1", role_arn="arn:aws:iam::1:role/path/reader")
    bench.job("a-2", role_arn=None)
    bench.job("bare", training_job_name="bare")
    bench.cost("a-1", TRAIN, "6")
    bench.cost("a-1", POOL, "1")
    bench.cost("a-2", TRAIN, None, cost_basis="no details")
    bench.cost("bare", TRAIN, "2", account_name="prod")
    bench.cost("c-1", TRAIN, "11", team="vision")

    result = bench.run("untagged")

    a, bare = bench.rows(result)
    assert a == {
        "account": "123456789012",
        "account_name": None,
        "family": "a",
        "jobs": 2,
        "bare_jobs": 0,
        "cost_usd": Decimal(7),
        "share": 0.35,
        "roles": ["reader"],
        "unpriced_jobs": 1,
    }
    assert (bare["family"], bare["bare_jobs"], bare["account_name"]) == ("bare", 1, "prod")
    total = bench.total(result)
    assert (total["jobs"], total["cost_usd"], total["share"]) == (3, Decimal(9), 0.45)
    assert total["roles"] is None


def test_coverage_names_each_basis_and_its_remedy(bench: Bench) -> None:
    bench.put(
        "internal.cost_bases",
        {"rank": 1, "cost_basis": "settled"},
        {"rank": 3, "cost_basis": "estimated"},
        {"rank": 4, "cost_basis": "no price"},
    )
    bench.scope()
    error = "AccessDeniedException: not authorized to perform sagemaker:ListTrainingJobs on *"
    bench.put(
        "sync_scopes",
        {"account_id": "2", "region": "us-east-1", "failing_runs": 2, "last_error": error},
        {"account_id": "2", "region": "us-west-2", "failing_runs": 0},
    )
    bench.cost("a-1", TRAIN, None, cost_basis="no price", price_source=None)
    bench.cost("a-2", TRAIN, "3", cost_basis="estimated", price_source="Price List API")
    bench.cost("a-3", TRAIN, "2", price_source="shipped list: 2026-11-01")
    bench.cost("a-4", TRAIN, "1", price_source="contract 2026")
    bench.cost("a-4", TRAIN, "1", price_source="contract 2026", usage_date=date(2026, 10, 4))

    result = bench.run("coverage")

    names = ("basis", "region", "component", "price", "jobs", "instance_hours", "cost_usd",
             "remedy")  # fmt: skip
    assert [tuple(row[name] for name in names) for row in bench.rows(result)] == [
        ("failed scope", "us-east-1", None, None, None, None, None,
         "AccessDeniedException: not authorized to perform sagemaker:ListTrainingJobs on *"),
        ("incomplete scope", "us-west-2", None, None, None, None, None,
         "sync: never read to the end"),
        ("no price", "eu-west-1", TRAIN, None, 1, 1, None, "prices import, or prices refresh"),
        ("estimated", "eu-west-1", TRAIN, "Price List API", 1, 1, 3,
         "prices import with an earlier date"),
        ("settled", "eu-west-1", TRAIN, "imported", 1, 2, 2, None),
        ("settled", "eu-west-1", TRAIN, "list prices", 1, 1, 2,
         "prices import: these are public prices"),
    ]  # fmt: skip
    total = bench.total(result)
    assert (total["jobs"], total["instance_hours"], total["cost_usd"]) == (4, 5, 7)
