"""Whatever the jobs, prices, discounts and the zone of the session: the views equal plain Python.

Row by row, to the last of twelve places; see plain.py for the rules in their plain form.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.prices import rows
from exporter.prices.rows import Price
from exporter.store import rates
from exporter.store.connections import Connection, connect
from exporter.store.schema import Table, training_job_details, training_jobs
from tests.money.conftest import arn
from tests.money.plain import Books, Daily, Total, costs
from tests.support.rows import taken_back

T = TypeVar("T")

ACCOUNTS = ("111122223333", "444455556666")
REGIONS = ("eu-west-1", "us-east-1")
TYPES = ("ml.m5.xlarge", "ml.g5.xlarge", "ml.p5.48xlarge", "ml.new.large")
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "Pacific/Marquesas")
#: Among these: ends of months, a leap day, a change to summer time, the end of a year.
FIRST = datetime(2027, 12, 29, tzinfo=UTC)

moments = st.integers(0, 70 * 86_400_000).map(lambda ms: FIRST + timedelta(milliseconds=ms))
#: Seconds: often none, often a round number, rarely more than a day.
spans = st.one_of(
    st.just(0),
    st.integers(1, 7200),
    st.sampled_from([3600, 21600, 86400, 86401]),
    st.integers(1, 3 * 86400),
    st.integers(1, 40 * 86400),
)
BILLS = ["bill: a", "bill: b"]
SOURCES = ["shipped list: a", "Price List API", "ours", "theirs", *BILLS]
#: Days after 20 December 2027: around the jobs, and half a year before them.
price_days = st.one_of(st.integers(0, 60), st.integers(-200, -140))
money = st.one_of(
    st.sampled_from(["0.257", "0.154", "113.068", "0.000000000001", "1", "0"]).map(Decimal),
    st.decimals("0.000000000001", "500", places=12),
)


@st.composite
def jobs(draw: st.DrawFn, number: int) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Draw a job and usually its details: late, partial or contradictory, as AWS sends them."""

    def maybe(strategy: st.SearchStrategy[T]) -> T | None:
        return draw(st.one_of(st.none(), strategy))

    account, region = draw(st.sampled_from(ACCOUNTS)), draw(st.sampled_from(REGIONS))
    name, created = f"job-{number}", draw(moments)
    status = draw(st.sampled_from(["Completed", "Completed", "Failed", "InProgress", "Odd"]))
    start = maybe(spans.map(lambda wait: created + timedelta(seconds=min(wait, 90000))))
    span = draw(spans)
    lasted = maybe(st.integers(-500, 500))
    end = None
    if lasted is not None and (status != "InProgress" or draw(st.booleans())):
        end = max((start or created) + timedelta(seconds=span, milliseconds=lasted), created)
    key = {"training_job_arn": arn(name, region, account), "creation_time": created}
    job = {
        **key,
        "account_id": account,
        "region": region,
        "training_job_name": name,
        "training_job_status": status,
        "training_end_time": end,
        "last_modified_time": maybe(st.just((end or created) + timedelta(seconds=1))),
        "warm_pool_status": maybe(
            st.sampled_from(["Available", "InUse", "Reused", "Terminated", "Melting"])
        ),
        "warm_pool_retained_seconds": maybe(st.one_of(spans, st.just(-7))),
        "training_plan_arn": draw(st.sampled_from([None] * 9 + ["arn:plan"])),
        "verified_at": maybe(st.integers(0, 200_000).map(lambda s: created + timedelta(seconds=s))),
        "updated_at": created + timedelta(seconds=draw(st.integers(0, 9000))),
        "deleted_at": draw(st.sampled_from([None] * 4 + [created + timedelta(hours=30)])),
        "first_synced_at": created,
        "job_family": "job",
        "family_rule": "counter",
    }
    if draw(st.integers(0, 6)) == 0:
        return job, None
    groups = None
    if draw(st.integers(0, 4)) == 0:
        members = st.fixed_dictionaries(
            {"InstanceType": st.sampled_from(TYPES), "InstanceCount": st.integers(1, 4)}
        )
        groups = json.dumps(draw(st.lists(members, min_size=1, max_size=3)))
    known = groups is None
    return job, {
        **key,
        "instance_type": maybe(st.sampled_from(TYPES)) if known else None,
        "instance_count": maybe(st.integers(1, 2000)) if known else None,
        "instance_groups": groups,
        "volume_size_gb": maybe(st.sampled_from([1, 30, 16384])),
        "keep_alive_seconds": maybe(st.sampled_from([-7, 0, 600, 3600, 21600])),
        "training_start_time": start,
        "billable_seconds": maybe(st.one_of(st.just(span), spans, st.just(-7))),
        "managed_spot": maybe(st.booleans()),
        "serverless": draw(st.sampled_from([None] * 9 + [True])),
        "fetched_at": created,
        "final": draw(st.booleans()),
    }


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Any], Books]:
    """Draw jobs, and prices of every kind around their days."""
    many = [draw(jobs(number)) for number in range(draw(st.integers(1, 8)))]
    listed: dict[tuple[Any, ...], Price] = {}
    for _ in range(draw(st.integers(0, 14))):
        component = draw(st.sampled_from(sorted(rows.UNITS)))
        price = Price(
            region=draw(st.sampled_from(REGIONS)),
            component=component,
            instance_type="" if component.endswith("storage") else draw(st.sampled_from(TYPES)),
            usd_per_unit=draw(money),
            unit=rows.UNITS[component],
            effective_from=date(2027, 12, 20) + timedelta(days=draw(price_days)),
            source=draw(st.sampled_from(SOURCES)),
            account_id=draw(st.sampled_from(["", "", ACCOUNTS[0]])),
            currency=draw(st.sampled_from(["USD", "USD", "USD", "CNY"])),
        )
        key = (price.region, component, price.instance_type, price.effective_from, price.source)
        listed[*key, price.account_id] = price
    percents = st.sampled_from(["5", "12.5", "33.333333", "100", "0.000001"]).map(Decimal)
    discounts = draw(
        st.dictionaries(
            st.tuples(
                st.sampled_from(["", ACCOUNTS[0]]), st.sampled_from(["", *sorted(rows.UNITS)])
            ),
            percents,
            max_size=3,
        )
    )
    scopes = st.dictionaries(
        st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(REGIONS)), moments, max_size=2
    )
    families = frozenset(draw(st.sets(st.sampled_from(["g5", "p5", "m5"]))))
    return many, Books(list(listed.values()), discounts, families, draw(scopes))


def fill(connection: Connection, many: list[Any], books: Books) -> None:
    """Put jobs and prices into an empty database, one table at a time."""
    put(connection, training_jobs, [job for job, _ in many])
    put(connection, training_job_details, [detail for _, detail in many if detail])
    billed = [price for price in books.prices if price.source in BILLS]
    rows.write(connection, billed, one_day=True)
    rows.write(connection, [price for price in books.prices if price.source not in BILLS])
    for (account, component), percent in books.discounts.items():
        connection.raw.execute(
            "INSERT INTO discounts VALUES (?, ?, ?)", [account, component, percent]
        )
    rates.refresh(connection)
    for family in books.local_families:
        connection.raw.execute("INSERT INTO local_storage_families VALUES (?)", [family])
    for (account, region), watermark in books.watermarks.items():
        connection.execute(
            """
                INSERT INTO sync_scopes (account_id, region, watermark, failing_runs)
                VALUES (:account, :region, :watermark, 0)
            """,
            {"account": account, "region": region, "watermark": watermark},
        )


def put(connection: Connection, table: Table, found: list[dict[str, Any]]) -> None:
    if not found:
        return
    types = {"TIMESTAMP": pa.timestamp("us", tz="UTC"), "BIGINT": pa.int64(), "BOOLEAN": pa.bool_()}
    fields = [(name, types.get(table.types[name].split()[0], pa.string())) for name in found[0]]
    raw = connection.raw
    raw.register("fuzzed", pa.Table.from_pylist(found, schema=pa.schema(fields)))
    raw.execute(f"INSERT INTO {table.name} BY NAME SELECT * FROM fuzzed")
    raw.unregister("fuzzed")


def read(connection: duckdb.DuckDBPyConnection, prefix: str) -> tuple[list[Daily], list[Total]]:
    """Return the rows of the views in the form of the reference."""
    daily = connection.execute(f"""
        SELECT
            training_job_name, epoch_us(creation_time), usage_date, component, instance_type,
            coalesce(instance_hours, gb_months), usd_per_unit, cost_usd, cost_basis,
            currency, cost
        FROM {prefix}daily_costs
    """).fetchall()
    totals = [
        row
        for component, view, seconds in (
            ("Training", "training_job_costs", "billable_seconds"),
            ("Training Warm Pool", "warm_pool_costs", "retained_seconds"),
        )
        for row in connection.execute(f"""
            SELECT
                training_job_name, epoch_us(creation_time), '{component}', instance_type,
                {seconds}, compute_cost_usd, storage_cost_usd, cost_usd,
                [compute_basis, storage_basis, cost_basis]
            FROM {prefix}{view}
        """).fetchall()
    ]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return (
        [Daily(row[0], epoch + timedelta(microseconds=row[1]), *row[2:]) for row in daily],
        [
            Total(*[row[0], epoch + timedelta(microseconds=row[1]), *row[2:8], tuple(row[8])])
            for row in totals
        ],
    )


def normal(found: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the rows sorted, every decimal with twelve places."""
    written = (
        tuple(f"{value:.12f}" if isinstance(value, Decimal) else value for value in row)
        for row in found
    )
    return sorted(written, key=repr)


@pytest.fixture
def file(empty_file: Path, tmp_path: Path) -> Path:
    path = tmp_path / "fuzz.duckdb"
    shutil.copyfile(empty_file, path)
    return path


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(world=worlds(), zone=st.sampled_from(ZONES))
def test_every_row_equals_plain_python(
    file: Path, world: tuple[list[Any], Books], zone: str
) -> None:
    many, books = world
    details = {
        (detail["training_job_arn"], detail["creation_time"]): detail
        for _, detail in many
        if detail
    }
    expected_daily, expected_totals = costs([job for job, _ in many], details, books)
    with closing(connect(file)) as connection, taken_back(connection):
        fill(connection, many, books)
        raw = connection.raw
        raw.execute(f"SET TimeZone = '{zone}'")
        daily, totals = read(raw, "")
    assert normal(daily) == normal(expected_daily)
    assert normal(totals) == normal(expected_totals)
