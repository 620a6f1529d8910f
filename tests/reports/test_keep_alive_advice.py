"""keep-alive-advice matches each end with one job, and suggests a period from the curve."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.reports import running
from exporter.reports.catalogue import find
from exporter.reports.periods import Period

if TYPE_CHECKING:
    from tests.reports.conftest import Bench

CREATED = datetime(2026, 10, 3, 12, tzinfo=UTC)
#: Average days of a month ÷ days of October.
MONTHS = Decimal("365.25") / 12 / 31


def later(minutes: float) -> datetime:
    return CREATED + timedelta(minutes=minutes)


def price(bench: Bench, usd: str) -> None:
    bench.put(
        "rates",
        {
            "account_id": "",
            "region": "eu-west-1",
            "component": "Training Warm Pool",
            "instance_type": "ml.m5.xlarge",
            "valid_from": date(2026, 1, 1),
            "valid_to": date(9999, 12, 31),
            "usd_per_unit": Decimal(usd),
        },
    )


def run_from(bench: Bench, name: str, created: float, ended: float, **more: object) -> None:
    """Put a job that runs between these minutes after CREATED."""
    times = {"training_start_time": later(created + 1), "training_end_time": later(ended)}
    bench.job(name, created=later(created), **(times | more))


def curve(bench: Bench, **params: str) -> dict[int, dict[str, object]]:
    result = bench.run("keep-alive-advice", params=params)
    return {row["keep_alive_seconds"]: row for row in bench.rows(result)}


def test_the_worked_example_of_the_report(bench: Bench) -> None:
    bench.scope()
    price(bench, "3.60")
    run_from(bench, "a-1", -300, 0)
    run_from(bench, "a-2", -299, 6)
    run_from(bench, "a-3", -298, 18, warm_pool_reused_by_job="b-1")
    run_from(bench, "a-4", 5, 5, training_start_time=None)
    run_from(bench, "a-5", 28, 28, training_start_time=None)
    # Cold starts take 5 minutes and warm ones 1, as other jobs of the type show.
    for number in range(5):
        run_from(bench, f"c-{number}", 100 + number, 0, training_start_time=later(105 + number))
    run_from(bench, "b-1", 50, 0, training_start_time=later(51))
    bench.connection.exec_driver_sql(
        "UPDATE training_job_details SET training_start_time = creation_time + INTERVAL 5 MINUTE "
        "WHERE training_job_arn LIKE 'arn:a-_' AND training_start_time IS NOT NULL"
    )
    bench.connection.exec_driver_sql(
        "UPDATE training_jobs SET training_end_time = NULL WHERE job_family IN ('b', 'c')"
    )

    found = curve(bench, family="a", minute_usd="0.20", longest="600")
    assert {row["saved_minutes"] for row in found.values()} == {None}  # without family b

    found = curve(bench, minute_usd="0.20", longest="600")

    assert found[300]["reuses"] == 1
    assert found[600]["reuses"] == 2
    assert found[300]["ends"] == 3
    for seconds, idle, saved, net in ((300, "0.90", 4, "-0.10"), (600, "1.50", 8, "0.10")):
        row = found[seconds]
        assert row["idle_usd"] == pytest.approx(Decimal(idle) * MONTHS, abs=Decimal("0.00001"))
        assert row["saved_minutes"] == pytest.approx(saved * MONTHS, abs=Decimal("0.001"))
        assert row["net_usd"] == pytest.approx(Decimal(net) * MONTHS, abs=Decimal("0.00001"))
    assert found[600]["usd_per_minute"] == pytest.approx(Decimal("0.15"))
    assert found[0]["mark"] == "current"
    assert found[600]["mark"] == "suggested"
    assert found[600]["gain_usd"] == found[600]["net_usd"]


def test_one_job_reuses_one_of_ten_pools(bench: Bench) -> None:
    bench.scope()
    price(bench, "1")
    for number in range(10):
        run_from(bench, f"a-{number}", -100, 0, keep_alive_seconds=1800)
    run_from(bench, "a-next", 10, 20, keep_alive_seconds=600)

    found = curve(bench, longest="3600")

    assert (found[600]["ends"], found[600]["reuses"]) == (11, 1)
    assert found[1800]["mark"] == "current"
    # Ten pools are idle for 30 minutes, one for 10 minutes.
    idle = Decimal(10 * 30 + 10) / 60 * MONTHS
    assert found[1800]["idle_usd"] == pytest.approx(idle, abs=Decimal("0.00001"))
    assert found[1800]["net_usd"] is None
    assert {row["mark"] for row in found.values()} == {"", "current"}


def test_only_jobs_that_sagemaker_would_match_are_matched(bench: Bench) -> None:
    bench.scope()
    price(bench, "1")
    run_from(bench, "a-1", -100, 0)
    others: tuple[dict[str, object], ...] = (
        {"instance_count": 2},
        {"role_arn": "other"},
        {"volume_size_gb": 31},
        {"volume_kms_key_id": "k"},
        {"subnets": '["s"]'},
        {"security_group_ids": '["g"]'},
        {"encrypt_traffic": True},
        {"network_isolation": True},
        {"managed_spot": True},
        {"region": "us-east-1"},
        {"account_id": "2"},
        {"job_family": "b"},
        {"training_plan_arn": "arn:plan"},
        {"instance_type": None},
    )
    for number, more in enumerate(others):
        run_from(bench, f"a-other{number}", 5, 5, training_start_time=None, **more)
    assert curve(bench)[600]["reuses"] == 0
    run_from(bench, "a-2", 5, 5, training_start_time=None)
    assert curve(bench)[600]["reuses"] == 1


def test_failed_instances_leave_no_pool_and_unknown_figures_are_null(bench: Bench) -> None:
    bench.scope()
    run_from(
        bench, "a-1", -9, 0, training_job_status="Failed", failure_reason="InternalServerError: x"
    )
    run_from(bench, "a-2", -9, 0, training_job_status="InProgress")
    assert curve(bench) == {}
    run_from(bench, "a-3", -9, 0, training_job_status="Failed", failure_reason="AlgorithmError: x")
    row = curve(bench)[600]
    assert row["ends"] == 1
    assert row["idle_usd"] is None  # no price
    assert row["saved_minutes"] is None  # no warm start was ever seen


def test_a_family_with_an_unpriced_pool_gets_no_suggestion(bench: Bench) -> None:
    bench.scope()
    price(bench, "3.60")
    run_from(bench, "a-1", -9, 0)
    run_from(bench, "a-2", -9, 0, region="us-east-1")  # there is no price there

    found = curve(bench, minute_usd="1")

    assert (found[600]["ends"], found[600]["reuses"]) == (2, 0)
    assert {(row["idle_usd"], row["net_usd"]) for row in found.values()} == {(None, None)}
    assert {row["mark"] for row in found.values()} == {"", "current"}


def test_the_suggestion_stops_where_a_minute_costs_more_than_it_is_worth(bench: Bench) -> None:
    """Two ends of 2 instances at 1.80 USD each an hour: 0.06 USD a minute for both instances.

    The gaps are 4 and 25 minutes. With a period of 5 minutes, pools are idle for 4 + 5 minutes,
    0.54 USD, for one warm start. With 30 minutes it is 4 + 25 minutes, 1.74 USD, for two. A warm
    start saves 3 minutes. At 0.30 USD a minute the first period is worth 0.90 − 0.54 = 0.36 USD,
    the second 1.80 − 1.74 = 0.06: the 3 minutes more cost 1.20 USD, 0.40 each. The current period
    is 30 minutes.
    """
    bench.scope()
    price(bench, "1.80")
    two: dict[str, object] = {"instance_count": 2}
    for name, ended, followed in (("a-1", 0, 4), ("a-2", 100, 125)):
        run_from(bench, name, ended - 50, ended, keep_alive_seconds=1800, **two)
        run_from(bench, f"{name}-next", followed, 0, training_start_time=None, **two)
    # Cold starts took 4 minutes and a warm one 1, as another family shows; it has no ends.
    run_from(bench, "b-1", 200, 0, warm_pool_reused_by_job="b-2")
    run_from(bench, "b-2", 210, 0)
    bench.connection.exec_driver_sql(
        "UPDATE training_jobs SET training_end_time = NULL WHERE job_family = 'b'"
    )
    bench.connection.exec_driver_sql(
        "UPDATE training_job_details SET training_start_time = creation_time + "
        "to_minutes(CASE training_job_arn WHEN 'arn:b-2' THEN 1 ELSE 4 END) "
        "WHERE training_start_time IS NOT NULL"
    )

    found = curve(bench, minute_usd="0.30", longest="1800")

    for seconds, reuses, idle, saved, net in (
        (0, 0, "0", 0, "0"),
        (300, 1, "0.54", 3, "0.36"),
        (1800, 2, "1.74", 6, "0.06"),
    ):
        row = found[seconds]
        assert (row["ends"], row["reuses"]) == (2, reuses)
        assert row["idle_usd"] == pytest.approx(Decimal(idle) * MONTHS, abs=Decimal("0.00001"))
        assert row["saved_minutes"] == pytest.approx(saved * MONTHS, abs=Decimal("0.001"))
        assert row["net_usd"] == pytest.approx(Decimal(net) * MONTHS, abs=Decimal("0.00001"))
    assert (found[300]["mark"], found[1800]["mark"]) == ("suggested", "current")
    assert found[300]["gain_usd"] == pytest.approx(Decimal("0.30") * MONTHS, abs=Decimal("0.00001"))


def stack(ends: list[int], creations: list[int], keep_alive: int) -> int:
    """Return the reuses, step by step: a creation takes the newest pool that is still idle."""
    idle: list[int] = []
    reuses = 0
    for at, step in sorted([(at, 0) for at in ends] + [(at, 1) for at in creations]):
        if step == 0:
            idle.append(at)
        elif idle and at - idle[-1] <= keep_alive:
            idle.pop()
            reuses += 1
    return reuses


@settings(max_examples=25, deadline=None)
@given(
    ends=st.lists(st.integers(1, 60), max_size=12),
    creations=st.lists(st.integers(1, 60), max_size=12),
)
def test_matching_in_sql_equals_a_stack_step_by_step(
    empty_database: object, ends: list[int], creations: list[int]
) -> None:
    from tests.reports.conftest import Bench as Table

    bench = Table(empty_database)  # type: ignore[arg-type]  # a session's connection
    try:
        for number, minute in enumerate(ends):
            run_from(bench, f"a-e{number:02}", -600, minute)
        for number, minute in enumerate(creations):
            run_from(bench, f"a-s{number:02}", minute, minute, training_start_time=None)
        report = find("keep-alive-advice")
        period = Period(date(2026, 10, 1), date(2026, 11, 1))
        result = running.run(bench.connection, report, running.Request(period=period))
        for row in bench.rows(result):
            if row["keep_alive_seconds"]:
                minutes = row["keep_alive_seconds"] // 60
                assert row["reuses"] == stack(ends, creations, minutes)
    finally:
        bench.connection.rollback()


def test_the_current_period_is_the_one_that_most_jobs_use_or_the_shorter_of_two(
    bench: Bench,
) -> None:
    bench.scope()
    for number, seconds in enumerate((600, 600, 1800, 1800, 300)):
        run_from(bench, f"a-{number}", number, number + 60, keep_alive_seconds=seconds)

    marks = {seconds: row["mark"] for seconds, row in curve(bench).items() if row["mark"]}

    assert marks == {600: "current"}


def test_pools_from_before_the_period_do_not_change_it(bench: Bench) -> None:
    """A job of the period takes the newer pool, whatever was idle before."""
    bench.scope()
    hour = (datetime(2026, 10, 1, tzinfo=UTC) - CREATED).total_seconds() / 60
    run_from(bench, "a-1", hour - 120, hour - 60)
    run_from(bench, "a-2", hour - 120, hour + 5)
    run_from(bench, "a-3", hour + 8, hour + 9, training_start_time=None)
    run_from(bench, "a-4", hour + 11, hour + 12, training_start_time=None)

    rows = curve(bench)

    assert {seconds: (row["ends"], row["reuses"]) for seconds, row in rows.items()} == {
        seconds: (1, int(seconds >= 180)) for seconds in rows
    }
