"""warm-pool-missing: every pool that was denied, no other one, and the quota that suffices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from exporter.reports.periods import Period
from tests.support.cases import ACCOUNT, NOW, OCTOBER, REGION, Record, World, job
from tests.support.rows import insert

START = datetime(2026, 10, 5, 8, tzinfo=UTC)
TYPE = "ml.g5.xlarge"
#: Counts and seconds of a row without any of them.
NOTHING: dict[str, Any] = {
    "job": None,
    "training_quota": None,
    "pool_quota": None,
    "unexplained_jobs": None,
    "held_seconds": 0,
    "delayed_jobs": None,
    "delayed_seconds": None,
    "delayed_names": None,
    "quota_read_at": None,
    "request_command": None,
}


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def quota(world: World, kind: str, instances: int, **more: Any) -> None:
    row = {
        "account_id": ACCOUNT,
        "region": REGION,
        "instance_type": TYPE,
        "kind": kind,
        "instances": instances,
        "quota_code": "L-1",
        "read_at": NOW,
    }
    insert(world.connection, "quotas", **(row | more))


def missing_jobs(world: World, period: Period = OCTOBER) -> set[str]:
    return {row["job"] for row in world.rows("warm-pool-missing", period, params={"jobs": "yes"})}


def test_a_type_without_a_quota_is_one_row_with_the_quota_that_it_needs(world: World) -> None:
    quota(world, "training", 10)
    quota(world, "warm pool", 2)
    world.put(
        [
            # Two instances run until 9:20, when the pool of two instances is still waiting.
            job("big-1", at(0), wait=0, train=4800, keep_alive=1200, count=3),
            job(
                "kept-1",
                at(0),
                wait=0,
                train=3600,
                keep_alive=3600,
                count=2,
                pool=("Terminated", 3600),
            ),
            job("other-1", at(0), wait=0, train=7200, count=1),
        ]
    )
    expected = NOTHING | {
        "account_id": ACCOUNT,
        "region": REGION,
        "instance_type": TYPE,
        "ended_at": at(80),
        "asked_jobs": 2,
        "missing_jobs": 1,
        "running_then": 1,
        "waiting_then": 2,
        "peak_instances": 6,
        "peak_waiting": 2,
        "training_quota": 10,
        "pool_quota": 2,
        "sufficient_quota": 5,
        "unexplained_jobs": 0,
        "quota_read_at": NOW,
        "request_command": "aws service-quotas request-service-quota-increase --region eu-west-1 "
        "--service-code sagemaker --quota-code L-1 --desired-value 5",
    }
    assert world.rows("warm-pool-missing") == [expected]
    assert world.total("warm-pool-missing") == dict.fromkeys(expected) | {
        "asked_jobs": 2,
        "missing_jobs": 1,
        "unexplained_jobs": 0,
        "held_seconds": 0,
    }
    assert world.rows("warm-pool-missing", params={"jobs": "yes"}) == [
        dict.fromkeys(expected)
        | {
            "account_id": ACCOUNT,
            "region": REGION,
            "instance_type": TYPE,
            "job": "big-1",
            "ended_at": at(80),
            "missing_jobs": 1,
            "running_then": 1,
            "waiting_then": 2,
            "training_quota": 10,
            "pool_quota": 2,
            "sufficient_quota": 5,
            "unexplained_jobs": 0,
            "quota_read_at": NOW,
        }
    ]


#: What was missing, and why: changes of a job that asked for a pool.
PLANTED: dict[str, dict[str, Any]] = {
    "no-status": {},
    "no-seconds": {"pool": ("Terminated", None)},
    "zero-seconds": {"pool": ("Terminated", 0)},
    "status-of-the-run": {"pool": ("InUse", None)},
    "stopped": {"TrainingJobStatus": "Stopped"},
    "failed-alone": {"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: exit 1"},
    "failed-client": {"TrainingJobStatus": "Failed", "FailureReason": "ClientError: no data"},
    "failed-without-times": {
        "TrainingJobStatus": "Failed",
        "FailureReason": "AlgorithmError: exit 1",
        "TrainingStartTime": None,
        "BillableTimeInSeconds": None,
    },
}
#: Jobs that could get no pool, got one, or of which nobody knows.
INNOCENT: dict[str, dict[str, Any]] = {
    "asked-for-none": {"keep_alive": None},
    "asked-for-zero": {"keep_alive": 0},
    "asked-for-nonsense": {"keep_alive": -600},
    "spot": {"EnableManagedSpotTraining": True},
    "plan": {"TrainingPlanArn": "arn:aws:sagemaker:eu-west-1:111122223333:training-plan/p"},
    "serverless": {"ServerlessJobConfig": {"BaseModelArn": "x"}, "ResourceConfig": None},
    "groups": {
        "ResourceConfig": {
            "InstanceGroups": [
                {"InstanceType": TYPE, "InstanceCount": 1, "InstanceGroupName": "a"}
            ],
            "VolumeSizeInGB": 30,
            "KeepAlivePeriodInSeconds": 600,
        }
    },
    "failed-inside": {"TrainingJobStatus": "Failed", "FailureReason": "InternalServerError: x"},
    "failed-silently": {"TrainingJobStatus": "Failed"},
    "never-launched": {"TrainingJobStatus": "Stopped", "TrainingStartTime": None},
    "kept": {"pool": ("Terminated", 600)},
    "reused-at-once": {"pool": ("Reused", 0), "taken_by": "x"},
    "waits": {"pool": ("Available", None)},
    "new-status": {"pool": ("Evicted", None)},
    "runs": {"TrainingEndTime": None, "TrainingJobStatus": "InProgress"},
}


def test_all_planted_jobs_are_found_and_no_other_one(world: World) -> None:
    for place, (name, more) in enumerate((PLANTED | INNOCENT).items()):
        world.put([job(name, at(100 * place), **({"keep_alive": 600} | more))])
    # Nobody knows either: seen too early, deleted too early, other months.
    early = at(36)
    world.put([job("too-early", at(0), keep_alive=600)], seen=early)
    world.connection.execute(
        "UPDATE training_jobs SET open_reason = 'pool late' WHERE training_job_name = 'too-early'"
    )
    world.put([job("deleted-early", at(0), keep_alive=600)], seen=early, deleted=NOW)
    world.put([job("deleted-late", at(0), keep_alive=600)], seen=at(200), deleted=NOW)
    border = datetime(2026, 10, 1, tzinfo=UTC)
    world.put([job("september", border - timedelta(seconds=2101), keep_alive=600)])
    world.put([job("october", border - timedelta(seconds=2100), keep_alive=600)])
    world.put([job("november", NOW - timedelta(seconds=2100), keep_alive=600)])

    assert missing_jobs(world) == {*PLANTED, "deleted-late", "october"}
    assert world.total("warm-pool-missing")["missing_jobs"] == len(PLANTED) + 2


def test_without_details_nothing_is_claimed(world: World) -> None:
    world.put([job("a-1", at(0), keep_alive=600)])
    world.connection.execute("DELETE FROM training_job_details")
    assert world.rows("warm-pool-missing") == []
    assert world.total("warm-pool-missing")["missing_jobs"] is None


def test_each_account_region_and_type_is_judged_alone(world: World) -> None:
    records = [job("a-1", at(0), keep_alive=600, count=2), job("a-2", at(5), keep_alive=600)]
    world.put(records)
    world.put(records[:1], account="444455556666")
    world.put(records[:1], region="us-east-1")
    world.put([job("b-1", at(0), keep_alive=600, instance_type="ml.m5.large", count=5)])
    quota(world, "warm pool", 9, account_id="444455556666")
    rows = {
        (row["account_id"], row["region"], row["instance_type"]): (
            row["missing_jobs"],
            row["sufficient_quota"],
            row["pool_quota"],
            row["unexplained_jobs"],
            row["request_command"],
        )
        for row in world.rows("warm-pool-missing")
    }
    assert rows == {
        (ACCOUNT, REGION, TYPE): (2, 3, None, None, None),
        ("444455556666", REGION, TYPE): (1, 2, 9, 1, None),
        (ACCOUNT, "us-east-1", TYPE): (1, 2, None, None, None),
        (ACCOUNT, REGION, "ml.m5.large"): (1, 5, None, None, None),
    }


def test_pools_that_fill_the_training_quota_delay_other_jobs(world: World) -> None:
    quota(world, "training", 3)
    world.put(
        [
            job(
                "pool-1",
                at(0),
                wait=0,
                train=600,
                keep_alive=1800,
                count=2,
                pool=("Terminated", 1800),
            ),
            # From 8:20 to 8:40, the quota is full: two instances wait, and one runs.
            job("busy-1", at(20), wait=0, train=3600),
            # Waits from 8:25 to 8:45, of which 15 minutes are the pool's fault.
            job("late-1", at(25), wait=1200, train=600, count=2, volume=50),
            job("late-2", at(38), wait=300, train=600, volume=50),
            job("spot-1", at(25), wait=1200, train=600, EnableManagedSpotTraining=True),
            job("other-1", at(25), wait=1200, train=600, instance_type="ml.m5.large"),
            job("before-1", at(5), wait=600, train=10, volume=50),
        ]
    )
    (row,) = world.rows("warm-pool-missing")
    assert row == dict.fromkeys(row) | {
        "account_id": ACCOUNT,
        "region": REGION,
        "instance_type": TYPE,
        "asked_jobs": 1,
        "missing_jobs": 0,
        "peak_instances": 4,
        "peak_waiting": 2,
        "training_quota": 3,
        "held_seconds": 1200 + 10,
        "delayed_jobs": 2,
        "delayed_seconds": 900 + 120,
        "delayed_names": "late-1, late-2",
        "quota_read_at": NOW,
    }


@dataclass
class Planted:
    """A job of a world in which every end and creation is fixed."""

    created: int
    train: int
    keep_alive: int
    count: int
    volume: int


def run_world(jobs: Sequence[Planted], quota: int, choice: str) -> tuple[list[Record], set[str]]:
    """Return the jobs with the pools that a quota allows, and the names of those without one."""
    ends = {place: each.created + each.train for place, each in enumerate(jobs)}
    events = sorted(
        [(end, 0, place) for place, end in ends.items()]
        + [(each.created, 1, place) for place, each in enumerate(jobs)]
    )
    waiting: list[int] = []
    pools: dict[int, dict[str, Any]] = {}
    denied: set[str] = set()
    for moment, is_creation, place in events:
        for pool in list(waiting):
            life = jobs[pool].keep_alive
            if ends[pool] + life < moment or (ends[pool] + life == moment and not is_creation):
                waiting.remove(pool)
                pools[pool] = {"pool": ("Terminated", life)}
        if not is_creation:
            used = sum(jobs[pool].count for pool in waiting)
            if not jobs[place].keep_alive:
                continue
            if used + jobs[place].count > quota:
                denied.add(f"job-{place:03}")
            else:
                waiting.append(place)
            continue
        fitting = [
            pool
            for pool in waiting
            if (jobs[pool].volume, jobs[pool].count) == (jobs[place].volume, jobs[place].count)
        ]
        if fitting:
            taken = fitting[-1 if choice == "newest" else 0]
            waiting.remove(taken)
            pools[taken] = {
                "pool": ("Reused", moment - ends[taken]),
                "taken_by": f"job-{place:03}",
            }
    pools |= {pool: {"pool": ("Terminated", jobs[pool].keep_alive)} for pool in waiting}
    records = [
        job(
            f"job-{place:03}",
            START + timedelta(seconds=each.created),
            wait=0,
            train=each.train,
            keep_alive=each.keep_alive or None,
            volume=each.volume,
            count=each.count,
            **pools.get(place, {}),
        )
        for place, each in enumerate(jobs)
    ]
    return records, denied


@pytest.mark.parametrize("choice", ["newest", "oldest"])
@pytest.mark.parametrize("seed", range(3))
def test_the_quota_suffices_and_one_instance_less_does_not(
    world: World, seed: int, choice: str
) -> None:
    random = Random(seed)
    jobs = [
        Planted(
            created=60 * random.randrange(3000),
            train=60 * random.randrange(1, 200),
            keep_alive=random.choice((0, 600, 1800, 3600)),
            count=random.choice((1, 1, 2)),
            volume=random.choice((30, 50)),
        )
        for _ in range(250)
    ]
    little = random.choice((4, 6))
    records, denied = run_world(jobs, little, choice)
    world.put(records)
    (row,) = world.rows("warm-pool-missing")
    suffices = row["sufficient_quota"]

    assert denied
    assert missing_jobs(world) == denied
    assert row["missing_jobs"] == len(denied)
    assert run_world(jobs, suffices, choice)[1] == set()
    assert run_world(jobs, suffices - 1, choice)[1]


def test_observed_reuses_decide_which_pool_a_job_takes(world: World) -> None:
    def ended(name: str, minute: float, **more: Any) -> Record:
        return job(name, at(-90), wait=0, train=60 * (90 + minute), keep_alive=3600, **more)

    # The pools of a-1 and a-2 wait when the job is created. At 62, the one of a-1 has expired, and
    # the one of a-2 has not. Two more jobs end then.
    shared = [
        job("taker", at(20), train=60),
        ended("a-4", 62, pool=("Terminated", 3600)),
        ended("a-5", 62, pool=("Terminated", 3600)),
        ended("lost", 600),
    ]
    newest = [
        ended("a-1", 0, pool=("Terminated", 3600)),
        ended("a-2", 10, pool=("Reused", 600), taken_by="taker"),
    ]
    oldest = [
        ended("a-1", 0, pool=("Reused", 1200), taken_by="taker"),
        ended("a-2", 10, pool=("Terminated", 3600)),
    ]
    silent = [ended("a-1", 0), ended("a-2", 10)]  # none was kept: nobody knows
    found = {}
    for region, records in (("newest", newest), ("oldest", oldest), ("silent", silent)):
        world.put(shared + records, region=region)
    for row in world.rows("warm-pool-missing"):
        found[row["region"]] = (row["missing_jobs"], row["sufficient_quota"])
    assert found == {"newest": (1, 2), "oldest": (1, 3), "silent": (3, 3)}


def test_a_quota_of_zero_gives_no_hint_and_the_answer_is_safe(world: World) -> None:
    random = Random(3)
    jobs = [
        Planted(60 * random.randrange(900), 600, random.choice((600, 3000)), 1, 30)
        for _ in range(150)
    ]
    world.put(run_world(jobs, 0, "newest")[0])
    (row,) = world.rows("warm-pool-missing")
    for choice in ("newest", "oldest"):
        assert run_world(jobs, row["sufficient_quota"], choice)[1] == set()


def test_absurd_values_fail_nothing(world: World) -> None:
    huge = 2**31 - 1  # the largest integer that a sync stores
    quota(world, "training", 1)
    world.put(
        [
            job("a-1", at(0), keep_alive=huge, pool=("Available", None)),
            job("a-2", at(1), keep_alive=600, pool=("Terminated", huge)),
            job("a-3", at(2), keep_alive=600, count=0),
            job("a-4", at(3), keep_alive=600, count=-huge),
            job("a-5", at(4), keep_alive=600, wait=-4000),
            job("a-6", at(5), keep_alive=600, TrainingEndTime=at(-600)),
            job("a-7", at(6), ResourceConfig={"InstanceGroups": [{"InstanceType": TYPE}]}),
            job("a-8", at(7), ResourceConfig={"InstanceType": TYPE, "KeepAlivePeriodInSeconds": 9}),
        ]
    )
    # The same name again, after a deletion.
    world.put([job("a-3", at(500), keep_alive=600)])
    world.put([job("a-9", at(10), TrainingEndTime=None)], deleted=at(20))
    found = {
        (row["job"], row["ended_at"])
        for row in world.rows("warm-pool-missing", params={"jobs": "yes"})
    }
    assert found == {
        ("a-3", at(37)),
        ("a-3", at(535)),
        ("a-4", at(38)),
        ("a-5", at(4) + timedelta(seconds=-2200)),
        ("a-6", at(-600)),
        ("a-8", at(42)),
    }
    (row,) = world.rows("warm-pool-missing")
    assert (row["missing_jobs"], row["sufficient_quota"]) == (6, 2)


def test_what_runs_over_the_border_of_the_month_counts_in_both(world: World) -> None:
    border = datetime(2026, 10, 1, tzinfo=UTC)
    hour = timedelta(hours=1)
    world.put(
        [
            job("long-1", border - 40 * 24 * hour, wait=0, train=60 * 86_400, count=4),
            job(
                "pool-1",
                border - 2 * hour,
                wait=0,
                train=3600,
                keep_alive=7200,
                pool=("Terminated", 7200),
            ),
            job("a-1", border - hour, wait=0, train=5400, keep_alive=600, volume=50),
            job("a-2", border - 2 * hour, wait=0, train=5400, keep_alive=3601, volume=50),
        ]
    )
    september = Period((border - 24 * 30 * hour).date(), border.date())
    rows = {
        name: world.rows("warm-pool-missing", period)[0]
        for name, period in (("september", september), ("october", OCTOBER))
    }
    columns = ("missing_jobs", "running_then", "waiting_then", "peak_instances", "sufficient_quota")
    assert {name: tuple(row[column] for column in columns) for name, row in rows.items()} == {
        "september": (1, 5, 1, 7, 2),
        # At 0:30, the pool of the job that ended at 23:30 would have waited still.
        "october": (1, 4, 1, 6, 3),
    }
