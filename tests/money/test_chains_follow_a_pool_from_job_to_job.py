"""Chains: a pool from its cold start to its end, and how it ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.money.conftest import ACCOUNT, REGION, Ledger, after, arn

M5 = {"instance_type": "ml.m5.xlarge", "instance_count": 2, "volume_size_gb": 30}


def put(
    ledger: Ledger,
    name: str,
    start: float,
    *,
    wait: int | None = None,
    to: str | None = None,
    keep_alive: int | None = 3600,
    kind: dict[str, Any] = M5,
    **more: Any,
) -> None:
    """Put a job with an hour of training after `start` hours, then idle time of these seconds."""
    began = after(hours=start)
    pool: dict[str, Any] = {}
    if wait is not None:
        pool = {
            "warm_pool_status": "Reused" if to else "Terminated",
            "warm_pool_retained_seconds": wait,
            "warm_pool_reused_by_job": to,
        }
    ledger.job(
        name,
        created=began - timedelta(minutes=1),
        training_end_time=began + timedelta(hours=1),
        **(pool | more),
        details={
            **kind,
            "keep_alive_seconds": keep_alive,
            "training_start_time": began,
            "billable_seconds": 3600,
        },
    )


def test_three_jobs_on_one_pool_are_one_row(ledger: Ledger) -> None:
    ledger.price("1")
    ledger.put("local_storage_families", family="m5")
    put(ledger, "bert-1", 1, wait=600, to="bert-2")
    put(ledger, "bert-2", 3, wait=1200, to="bert-3")
    put(ledger, "bert-3", 5, wait=3595)
    assert ledger.read("SELECT * FROM warm_pool_chains") == [
        {
            "chain_id": f"{arn('bert-1')}@{int((after(hours=1).timestamp() - 60) * 1000)}",
            "account_id": ACCOUNT,
            "region": REGION,
            "job_family": "bert",
            "instance_type": "ml.m5.xlarge",
            "instance_count": 2,
            "jobs": 3,
            "job_names": ["bert-1", "bert-2", "bert-3"],
            "started_at": after(hours=1),
            "ended_at": after(hours=6, seconds=3595),
            "busy_seconds": 10800,
            "idle_seconds": 5395,
            "training_cost_usd": Decimal(6),
            "idle_cost_usd": Decimal("2.997222222222"),
            "ended_by": "expired",
            "specification": "ml.m5.xlarge × 2 · role ? · 30 GB",
        }
    ]


def test_contradictory_instances_are_the_same_in_any_order_of_the_rows(ledger: Ledger) -> None:
    jobs: dict[str, dict[str, Any]] = {
        "bert-1": {"start": 1, "wait": 600, "to": "bert-2"},
        "bert-2": {"start": 3, "wait": 60, "kind": {**M5, "instance_type": "ml.g5.xlarge"}},
    }
    found = []
    for names in (("bert-1", "bert-2"), ("bert-2", "bert-1")):
        for table in ("training_jobs", "training_job_details"):
            ledger.connection.execute(f"DELETE FROM {table}")
        for name in names:
            put(ledger, name, **jobs[name])
        columns = "job_names, instance_type, instance_count, specification"
        found += ledger.read(f"SELECT {columns} FROM warm_pool_chains")
    assert found == 2 * [
        {
            "job_names": ["bert-1", "bert-2"],
            "instance_type": "ml.m5.xlarge",
            "instance_count": 2,
            "specification": "ml.m5.xlarge × 2 · role ? · 30 GB",
        }
    ]


def _chains(ledger: Ledger) -> list[tuple[Any, ...]]:
    rows = ledger.read("""
        SELECT job_names, ended_by, idle_seconds FROM warm_pool_chains ORDER BY started_at
    """)
    return [tuple(row.values()) for row in rows]


@pytest.mark.parametrize(
    ("wait", "keep_alive", "ended_by"),
    [
        (3600, 3600, "expired"),
        (3590, 3600, "expired"),
        (3589, 3600, "ended early"),
        (1, 3600, "ended early"),
        (60, None, "terminated"),
    ],
)
def test_a_pool_without_reuse_says_how_it_ended(
    ledger: Ledger, wait: int, keep_alive: int | None, ended_by: str
) -> None:
    put(ledger, "a-1", 1, wait=wait, keep_alive=keep_alive)
    assert _chains(ledger) == [(["a-1"], ended_by, wait)]


def test_a_job_whose_own_pool_was_never_kept_ends_the_chain(ledger: Ledger) -> None:
    """Terminated without seconds: SageMaker could not keep the pool."""
    ledger.price("1")
    put(ledger, "a-1", 1, wait=600, to="a-2")
    put(ledger, "a-2", 3, warm_pool_status="Terminated")
    put(ledger, "b-1", 5, warm_pool_status="Terminated")
    assert _chains(ledger) == [(["a-1", "a-2"], "not kept", 600)]
    # Until the jobs are closed, the seconds can be late.
    ledger.connection.execute("UPDATE training_jobs SET open_reason = 'pool late'")
    assert _chains(ledger) == [
        (["a-1", "a-2"], "terminated", 600),
        (["b-1"], "terminated", None),
    ]


def test_an_idle_or_busy_pool_is_open(ledger: Ledger) -> None:
    waiting: dict[str, Any] = {"warm_pool_status": "Available", "verified_at": after(hours=2.5)}
    put(ledger, "a-1", 1, **waiting)
    put(ledger, "b-1", 2, wait=60, to="b-2")
    ledger.job(
        "b-2",
        created=after(hours=3),
        training_job_status="InProgress",
        warm_pool_status="InUse",
        details={**M5, "training_start_time": after(hours=3)},
    )
    put(ledger, "c-1", 4, deleted_at=after(hours=5.5), **waiting)
    put(ledger, "d-1", 6, wait=60, to="d-2")
    ledger.job(
        "d-2",
        created=after(hours=7.5),
        training_job_status="InProgress",
        warm_pool_status="InUse",
        deleted_at=after(hours=8),
        details={**M5, "training_start_time": after(hours=7.5)},
    )
    assert _chains(ledger) == [
        (["a-1"], "open", 1800),
        (["b-1", "b-2"], "open", 60),
        (["c-1"], "unknown", None),
        (["d-1", "d-2"], "unknown", 60),
    ]


def test_a_last_job_without_keep_alive_ends_the_chain_as_not_kept(ledger: Ledger) -> None:
    put(ledger, "a-1", 1, wait=60, to="a-2")
    put(ledger, "a-2", 3, keep_alive=None)
    assert _chains(ledger) == [(["a-1", "a-2"], "not kept", 60)]


def test_a_name_links_to_the_next_job_of_that_name_only(ledger: Ledger) -> None:
    put(ledger, "next", 0.5, wait=3600)
    put(ledger, "a-1", 1, wait=60, to="next")
    put(ledger, "next", 3, wait=3600)
    put(ledger, "next", 9, wait=3600)
    assert _chains(ledger) == [
        (["next"], "expired", 3600),
        (["a-1", "next"], "expired", 3660),
        (["next"], "expired", 3600),
    ]


def test_accounts_and_regions_share_no_pools(ledger: Ledger) -> None:
    put(ledger, "a-1", 1, wait=60, to="a-2")
    put(ledger, "a-2", 3, wait=3600, region="us-east-1")
    put(ledger, "a-2", 4, wait=3600, account="999988887777")
    assert _chains(ledger) == [
        (["a-1"], "reuse unknown", 60),
        (["a-2"], "expired", 3600),
        (["a-2"], "expired", 3600),
    ]


def test_jobs_that_name_each_other_make_no_circle(ledger: Ledger) -> None:
    put(ledger, "a-1", 1, wait=60, to="a-2")
    put(ledger, "a-2", 3, wait=60, to="a-1")
    put(ledger, "self", 5, wait=60, to="self")
    assert _chains(ledger) == [
        (["a-1", "a-2"], "reuse unknown", 120),
        (["self"], "reuse unknown", 60),
    ]


def test_the_later_of_two_jobs_that_name_one_job_counts(ledger: Ledger) -> None:
    put(ledger, "a-1", 1, wait=60, to="b")
    put(ledger, "a-2", 2, wait=60, to="b")
    put(ledger, "b", 4, wait=3600)
    assert _chains(ledger) == [
        (["a-1"], "reuse unknown", 60),
        (["a-2", "b"], "expired", 3660),
    ]


def test_a_chain_of_hundreds_of_jobs_is_complete(ledger: Ledger) -> None:
    for number in range(300):
        put(ledger, f"a-{number}", number * 2.0, wait=60, to=f"a-{number + 1}")
    (chain,) = ledger.read("SELECT jobs, idle_seconds, ended_by FROM warm_pool_chains")
    assert chain == {"jobs": 300, "idle_seconds": 18000, "ended_by": "reuse unknown"}


def test_a_job_without_a_pool_has_no_chain(ledger: Ledger) -> None:
    put(ledger, "a-1", 1, keep_alive=None)
    assert _chains(ledger) == []


def test_data_is_as_fresh_as_the_last_complete_listing(ledger: Ledger) -> None:
    seen: datetime = after(hours=2)
    ledger.put("accounts", account_id=ACCOUNT, account_name="research")
    common = {"failing_runs": 0, "account_id": ACCOUNT}
    ledger.put(
        "sync_scopes", **common, region=REGION, watermark=seen, last_complete_at=after(hours=3)
    )
    ledger.put(
        "sync_scopes", **common, region="us-east-1", discovered_to=seen, last_error="stopped"
    )
    assert ledger.read("SELECT * FROM data_as_of ORDER BY region") == [
        {
            "account_id": ACCOUNT,
            "account_name": "research",
            "region": REGION,
            "data_as_of": seen,
            "discovered_from": None,
            "discovered_to": None,
            "last_complete_at": after(hours=3),
            "last_error": None,
        },
        {
            "account_id": ACCOUNT,
            "account_name": "research",
            "region": "us-east-1",
            "data_as_of": None,
            "discovered_from": None,
            "discovered_to": seen,
            "last_complete_at": None,
            "last_error": "stopped",
        },
    ]
