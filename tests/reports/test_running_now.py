"""running-now: costs by now and at most that the end of each job proves right."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.running_now import judge
from exporter.prices import rows as prices
from exporter.prices.rows import Price
from tests.support.cases import ACCOUNT, REGION, Record, World, job

SEEN = datetime(2026, 10, 20, 12, tzinfo=UTC)
NOW = SEEN + timedelta(minutes=30)
TYPE = "ml.g5.xlarge"
OTHER = "444455556666"


def ago(hours: float) -> datetime:
    return SEEN - timedelta(hours=hours)


def running(name: str, hours: float | None, limit: int | None = 36_000, **more: Any) -> Record:
    """Return a job that has run for so many hours when it is seen; None = it has not started."""
    created = ago(hours or 0) - timedelta(minutes=5)
    status = {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Training"}
    stopping = {} if limit is None else {"MaxRuntimeInSeconds": limit}
    missing = {"TrainingEndTime": None, "BillableTimeInSeconds": None, "LastModifiedTime": created}
    if hours is None:
        missing["TrainingStartTime"] = None
    return job(name, created, **{**status, **missing, "StoppingCondition": stopping, **more})


def now(world: World, **more: Any) -> list[dict[str, Any]]:
    return world.rows("running-now", now=more.pop("now", NOW), **more)


def by_job(world: World, **more: Any) -> dict[str, dict[str, Any]]:
    return {row["job"]: row for row in now(world, **more)}


def test_a_job_and_a_pool_and_their_totals(world: World) -> None:
    world.price("2")
    runs = [job(f"a-{n}", ago(200 + n), train=3600 * n) for n in range(1, 5)]
    # Runs since 10:00 for at most 10 hours and 2 minutes, and leaves a pool of one hour.
    runs += [running("a-9", 2, keep_alive=3600, count=2)]
    # Ended at 11:00, and waits until 13:00 at most.
    runs += [job("b-1", ago(1.5), wait=0, keep_alive=7200, pool=("Available", None))]
    world.put(runs, seen=SEEN)
    shared = {"account_id": ACCOUNT, "region": REGION, "instance_type": TYPE, "seen_at": SEEN}
    a_job = shared | {
        "kind": "job",
        "job": "a-9",
        "family": "a",
        "instances": 2,
        "status": "Training",
        "since": ago(2),
        "seconds": 9000,
        "median_seconds": 7200,
        "p99_seconds": 14400,
        "runs": 4,
        "mark": None,
        "usd_per_hour": 4,
        "usd_by_now": 10,
        "at_most_usd": Decimal("40.133333") + 4,
        "at_most_basis": "StoppingCondition + keep-alive",
        "month_end_usd": Decimal("40.133333") + 4,
        # It runs for three or four hours, and its pool waits for any time up to one.
        "likely_low_usd": 12 + Decimal("0.7"),
        "likely_high_usd": 16 + Decimal("3.1"),
        "cost_basis": "accruing",
        "unpriced_jobs": 0,
        "ends_by": SEEN + timedelta(hours=9, minutes=2),
    }
    pool = shared | {
        "kind": "pool",
        "job": "b-1",
        "family": "b",
        "instances": 1,
        "status": "Available",
        "since": ago(1),
        "seconds": 5400,
        "median_seconds": None,
        "p99_seconds": None,
        "runs": None,
        "mark": None,
        "usd_per_hour": 2,
        "usd_by_now": 3,
        "at_most_usd": 4,
        "at_most_basis": "keep-alive",
        "month_end_usd": 4,
        "likely_low_usd": Decimal("2.25"),
        "likely_high_usd": Decimal("3.75"),
        "cost_basis": "accruing",
        "unpriced_jobs": 0,
        "ends_by": SEEN + timedelta(hours=1),
    }
    sums = {
        "job": "1 job, 1 pool",
        "instances": 3,
        "seen_at": SEEN,
        "usd_per_hour": 6,
        "usd_by_now": 13,
        "at_most_usd": Decimal("48.133333"),
        "month_end_usd": Decimal("48.133333"),
        "unpriced_jobs": 0,
    }
    rows = now(world)
    likely = [(row.pop("likely_low_usd"), row.pop("likely_high_usd")) for row in rows]
    assert likely[:2] == [
        (a_job.pop("likely_low_usd"), a_job.pop("likely_high_usd")),
        (pool.pop("likely_low_usd"), pool.pop("likely_high_usd")),
    ]
    # The total says all that a row of the one account would say.
    assert rows == [a_job, pool]
    total = world.total("running-now", now=NOW)
    low, high = total.pop("likely_low_usd"), total.pop("likely_high_usd")
    assert total == dict.fromkeys(rows[0]) | sums
    # 16 and 3.5, with all that is uncertain of the four runs, and not less than is spent already.
    assert 10 <= low < 19.5 < high <= Decimal("48.2")


def test_the_month_ends_before_the_limit(world: World) -> None:
    world.price("1")
    seen = datetime(2026, 10, 31, 22, tzinfo=UTC)
    start = seen - timedelta(hours=3)
    world.put(
        [
            job(
                "a-1",
                start,
                wait=0,
                TrainingEndTime=None,
                TrainingJobStatus="InProgress",
                BillableTimeInSeconds=None,
                keep_alive=3600,
                StoppingCondition={"MaxRuntimeInSeconds": 86_400},
            ),
        ],
        seen=seen,
    )
    row = by_job(world, now=seen)["a-1"]
    assert (row["usd_by_now"], row["month_end_usd"]) == (3, 5)
    assert row["at_most_usd"] == 24 + 1 + round(Decimal(120) / 3600, 6)
    # A pool can cost more an hour than training: then the worst is that it waits for its hour.
    prices.write(
        world.connection,
        [Price(REGION, "Training Warm Pool", TYPE, Decimal(3), "Hrs", date(2026, 1, 1), "import")],
    )
    assert by_job(world, now=seen)["a-1"]["month_end_usd"] == 3 + 1 + 3


def test_what_is_not_known_is_never_zero(world: World) -> None:
    world.price("2")
    groups = [
        {"InstanceType": TYPE, "InstanceCount": 2, "InstanceGroupName": "a"},
        {"InstanceType": "ml.g6.xlarge", "InstanceCount": 1, "InstanceGroupName": "b"},
    ]
    world.price("1", "ml.g6.xlarge")
    yuan = Price(
        *(REGION, "Training", "ml.c5.xlarge", Decimal(7), "Hrs", date(2026, 1, 1), "import"),
        currency="CNY",
    )
    prices.write(world.connection, [yuan])
    world.put(
        [
            running("nolimit-1", 1, None),
            running("zero-1", 1, 0),
            running(
                "noprice-1",
                1,
                ResourceConfig={
                    "InstanceType": "ml.x9.large",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 30,
                },
            ),
            running(
                "yuan-1",
                1,
                ResourceConfig={
                    "InstanceType": "ml.c5.xlarge",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 30,
                },
            ),
            running("plan-1", 1, TrainingPlanArn="arn:aws:sagemaker:eu-west-1:1:training-plan/p"),
            running(
                "serverless-1", 1, ResourceConfig=None, ServerlessJobConfig={"BaseModelArn": "x"}
            ),
            running(
                "spot-1",
                1,
                7080,
                EnableManagedSpotTraining=True,
                StoppingCondition={"MaxRuntimeInSeconds": 7080, "MaxWaitTimeInSeconds": 9000},
            ),
            running("groups-1", 1, 7080, ResourceConfig={"InstanceGroups": groups}),
            running("pending-1", None, 7080),
            running("blind-1", 1),
        ],
        seen=SEEN,
    )
    world.connection.execute(
        "DELETE FROM training_job_details WHERE contains(training_job_arn, 'blind')"
    )
    rows = by_job(world, now=SEEN)
    columns = ("usd_by_now", "at_most_usd", "at_most_basis", "cost_basis", "unpriced_jobs")
    told = {name: tuple(row[column] for column in columns) for name, row in rows.items()}
    hours = (SEEN.replace(month=11, day=1, hour=0) - SEEN) / timedelta(hours=1)
    assert told == {
        "nolimit-1": (2, None, "no limit is known", "accruing", 1),
        "zero-1": (2, None, "no limit is known", "accruing", 1),
        "noprice-1": (None, None, "no price", "no price", 1),
        "yuan-1": (None, None, "other currency", "other currency", 1),
        "plan-1": (None, None, "training plan", "training plan", 0),
        "serverless-1": (None, None, "serverless", "serverless", 1),
        "spot-1": (None, 4, "StoppingCondition", "unknown seconds", 1),
        "groups-1": (5, 10, "StoppingCondition", "accruing", 0),
        "pending-1": (0, 4, "StoppingCondition", "accruing", 0),
        "blind-1": (None, None, "no details", "no details", 1),
    }
    total = world.total("running-now", now=SEEN)
    assert tuple(total[column] for column in ("job", *columns)) == (
        *("10 jobs, 0 pools", 9, 18, None, None, 7),
    )
    per_hour = [("plan-1", None), ("serverless-1", None), ("yuan-1", None), ("spot-1", 2)]
    assert [(name, rows[name]["usd_per_hour"]) for name, _ in per_hour] == per_hour
    (note,) = [each for each in world.run("running-now", now=SEEN).notes if each.code == "unpriced"]
    assert set(note.reasons) == {
        "no price",
        "no details",
        "other currency",
        "unknown seconds",
        "serverless",
    }
    # Without a limit, the end of the month is one.
    assert rows["nolimit-1"]["month_end_usd"] == round(2 + Decimal(2 * hours), 6)
    assert rows["pending-1"]["mark"] == "not started"
    assert (rows["pending-1"]["since"], rows["pending-1"]["seconds"]) == (None, None)


def test_only_what_runs_or_waits_is_shown(world: World) -> None:
    world.price("1")
    hour = ago(1)
    gone = [
        job("ended", hour - timedelta(hours=2)),
        job("no-end-time", hour, TrainingEndTime=None, BillableTimeInSeconds=None),
        running("deleting", 1, TrainingJobStatus="Deleting"),
        job("expired", ago(3), wait=0, train=60, keep_alive=600, pool=("Available", None)),
        job("taken", ago(1), wait=0, train=60, keep_alive=7200, pool=("Reused", 60), taken_by="x"),
        job("got-none", ago(1), wait=0, train=60, keep_alive=7200, pool=("InUse", None)),
        job("silent", ago(1), wait=0, train=60, keep_alive=7200),
    ]
    there = [
        running("new-status", 1, TrainingJobStatus="Rebalancing", SecondaryStatus=None),
        running("stopping", 1, TrainingJobStatus="Stopping"),
        job("waits", ago(1), wait=0, train=60, keep_alive=7200, pool=("Available", 0)),
    ]
    world.put(gone + there, seen=SEEN)
    world.put([running("deleted", 1)], seen=SEEN, deleted=SEEN)
    late = job("late-1", ago(1), wait=0, train=3590, keep_alive=7200)
    world.put([late], seen=SEEN)
    world.connection.execute(
        "UPDATE training_jobs SET open_reason = 'pool late' WHERE training_job_name = 'late-1'"
    )
    rows = by_job(world)
    assert set(rows) == {"new-status", "stopping", "waits", "late-1"}
    row = rows["late-1"]
    assert (row["mark"], row["usd_by_now"], row["at_most_usd"]) == ("not reported yet", None, 2)
    assert rows["new-status"]["status"] == "Rebalancing"


def test_marks_compare_with_the_family_of_the_account(world: World) -> None:
    world.price("1")
    runs = [job(f"a-{n}", ago(300), wait=0, train=n) for n in range(100, 300)]
    backwards = job("a-999", ago(400), wait=0, train=-90_000)
    world.put(
        [
            *runs,
            backwards,
            running("a-500", 250 / 3600),
            running("a-501", 298.5 / 3600),
            running("a-502", 1),
            running("a-503", 20, 3600),
            running("b-1", 1),
            running("a-504", -1),
        ],
        seen=SEEN,
    )
    world.put([running("a-1", 1)], account=OTHER, seen=SEEN)
    columns = ("seconds", "median_seconds", "p99_seconds", "runs", "mark")
    rows = {
        (row["account_id"], row["job"]): tuple(row[column] for column in columns)
        for row in now(world, now=SEEN)
        if row["kind"] == "job"
    }
    assert rows == {
        (ACCOUNT, "a-500"): (250, 199, 297, 200, None),
        (ACCOUNT, "a-501"): (298, 199, 297, 200, "longer than 99 % of its family's runs"),
        (ACCOUNT, "a-502"): (3600, 199, 297, 200, "outlived all runs of its family"),
        (ACCOUNT, "a-503"): (72_000, 199, 297, 200, "past its time limit: run sync"),
        (ACCOUNT, "a-504"): (0, 199, 297, 200, None),
        (ACCOUNT, "b-1"): (3600, None, None, 0, None),
        (OTHER, "a-1"): (3600, None, None, 0, None),
    }


def test_accounts_end_the_list_and_the_totals_cover_what_top_leaves_out(world: World) -> None:
    world.price("1")
    world.put([running(f"a-{n}", 1, count=n + 1) for n in range(4)], seen=SEEN)
    world.put([running("b-1", 2)], account=OTHER, seen=SEEN)
    rows = now(world, now=SEEN, params={"top": "2"})
    assert [(row["kind"], row["job"], row["account_id"], row["usd_by_now"]) for row in rows] == [
        ("job", "a-3", ACCOUNT, 4),
        ("job", "a-2", ACCOUNT, 3),
        ("account", "4 jobs, 0 pools", ACCOUNT, 10),
        ("account", "1 job, 0 pools", OTHER, 2),
    ]
    assert world.total("running-now", now=SEEN)["usd_by_now"] == 12


def test_a_clock_behind_the_last_observation_changes_nothing(world: World) -> None:
    world.price("1")
    world.put([running("a-1", 2)], seen=SEEN)
    row = by_job(world, now=SEEN - timedelta(hours=1))["a-1"]
    assert row["usd_by_now"] == 2
    assert row["at_most_usd"] >= by_job(world, now=SEEN)["a-1"]["at_most_usd"]
    # A price that is known for the time to come counts for the most, and not for now.
    world.price("5", since=SEEN.date() + timedelta(days=1))
    dearer = by_job(world, now=SEEN)["a-1"]
    assert (dearer["usd_per_hour"], dearer["usd_by_now"]) == (1, 2)
    assert dearer["at_most_usd"] == round(2 + Decimal(8 * 3600 + 120) / 3600 * 5, 6)


def test_nothing_runs(world: World) -> None:
    assert now(world) == []
    total = world.total("running-now", now=NOW)
    assert {name: value for name, value in total.items() if value is not None} == {
        "job": "0 jobs, 0 pools",
        "instances": 0,
        "unpriced_jobs": 0,
    }


def test_no_cost_is_above_at_most_and_likely_ranges_hold(tmp_path: Path) -> None:
    # 10,000 jobs and 600 months: `python -m benchmarks.running_now`.
    judged = judge(tmp_path / "jobs.duckdb", jobs=300, accounts=60, day=31, seed=2)
    assert judged.rows > 250
    assert judged.broken == []
    assert judged.accounts == 60
    assert 0.65 <= judged.inside / judged.accounts <= 0.95


def test_absurd_values_fail_nothing(world: World) -> None:
    huge = 2**31 - 1  # the largest integer that a sync stores
    world.price("1")
    later = SEEN + timedelta(days=9)
    world.put(
        [
            running("a-1", 1, huge),
            running("a-2", 1, 3480, keep_alive=huge),
            running("a-3", 1, 3480, keep_alive=-5),
            running("a-4", 1, 3480, count=huge),
            job("b-1", ago(1), keep_alive=huge, pool=("Available", 10**9)),
            job("b-2", ago(1), keep_alive=600, pool=("Available", None), TrainingEndTime=later),
        ],
        seen=SEEN,
    )
    rows = by_job(world, now=SEEN)
    assert set(rows) == {"a-1", "a-2", "a-3", "a-4", "b-1", "b-2"}
    assert (rows["a-1"]["at_most_usd"], rows["a-1"]["usd_by_now"]) == (None, 1)
    assert (rows["a-3"]["at_most_usd"], rows["a-3"]["usd_by_now"]) == (1, 1)
    assert rows["a-2"]["month_end_usd"] < 400 < rows["a-2"]["at_most_usd"]
    assert rows["b-2"]["seconds"] == 0
