"""SQL for Spark says the same as the original, or there is none."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from exporter.errors import UsageError
from exporter.publish.spark import remote
from exporter.publish.spark.rewriting import rewrite
from tests.spark.queries import statements

RELATIONS = {
    "jobs": {
        "job": "BLOB",
        "name": "VARCHAR",
        "count": "BIGINT",
        "usd": "DECIMAL(38,12)",
        "ratio": "DOUBLE",
        "day": "DATE",
        "at": "TIMESTAMP WITH TIME ZONE",
        "names": "VARCHAR[]",
    }
}


def words(sql: str) -> str:
    """Return SQL in one line."""
    return " ".join(sql.split())


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT approx_quantile(count, 0.5) FROM jobs", "ApproxQuantile"),
        ("SELECT strftime(day, '%d') FROM jobs", "strftime of another format"),
        ("SELECT regexp_replace(name, 'a', 'b') FROM jobs", "regexp_replace without ^"),
        ("SELECT at - at FROM jobs", "− of times"),
        ("SELECT CAST(ratio AS VARCHAR) FROM jobs", "text of DOUBLE"),
        ("SELECT date_trunc('week', day) FROM jobs", "date_trunc of another unit"),
        ("SELECT count(DISTINCT job) + 1 AS n FROM jobs", "count(DISTINCT …) within"),
        ("SELECT count(DISTINCT job) AS a, count(DISTINCT name) AS b FROM jobs", "several columns"),
        ("SELECT list(name ORDER BY name DESC) AS l FROM jobs", "list(… ORDER BY text DESC)"),
        ("SELECT at AT TIME ZONE 'Europe/Berlin' AS t FROM jobs", "AT TIME ZONE"),
        ("SELECT * FROM jobs USING SAMPLE 10", "TableSample"),
        ("SELECT made_up(name) FROM jobs", "made_up"),
        ("SELECT floor(usd) FROM jobs", "floor of other than DOUBLE"),
        ("SELECT epoch(day) FROM jobs", "epoch of other than TIMESTAMPTZ"),
        (
            "WITH RECURSIVE walk AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM walk) "
            "SELECT n FROM walk",
            "the recursion of walk",
        ),
    ],
)
def test_a_construct_without_a_rule_is_named(sql: str, named: str) -> None:
    with pytest.raises(UsageError, match="cannot run on a Spark Connect server") as refused:
        rewrite(sql, RELATIONS)
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("sql", "spark"),
    [
        # Spark would drop the fraction of a second,
        (
            "epoch(at)",
            "( CAST(DIV(UNIX_MICROS(`jobs`.`at`) - PMOD(UNIX_MICROS(`jobs`.`at`), 1000), 1000) "
            "AS DOUBLE) / CAST(1000 AS DOUBLE) "
            "+ CAST(PMOD(UNIX_MICROS(`jobs`.`at`), 1000) AS DOUBLE) / CAST(1000000 AS DOUBLE) )",
        ),
        # truncate,
        ("CAST(ratio AS BIGINT)", "CAST(RINT(`jobs`.`ratio`) AS BIGINT)"),
        # divide decimals as decimals,
        ("usd / count", "CAST(`jobs`.`usd` AS DOUBLE) / CAST(`jobs`.`count` AS DOUBLE)"),
        # overflow,
        ("sum(count)", "SUM(CAST(`jobs`.`count` AS DECIMAL(38, 0)))"),
        # give an interval,
        (
            "day - DATE '2026-01-01'",
            "CAST(DATEDIFF(`jobs`.`day`, CAST('2026-01-01' AS DATE)) AS BIGINT)",
        ),
        # multiply a decimal where DuckDB multiplies doubles,
        (
            "fmod(floor(ratio) * 0.618, 1)",
            "CAST(CAST(FLOOR(`jobs`.`ratio`) AS DOUBLE) * 0.618 AS DOUBLE) % CAST(1 AS DOUBLE)",
        ),
        # take NULL for a value,
        ("any_value(name)", "MAX(`jobs`.`name`)"),
        # and read a backslash and a quote differently.
        ("name = 'it''s \\d'", "`jobs`.`name` = 'it\\'s \\\\d'"),
    ],
)
def test_what_spark_would_understand_differently(sql: str, spark: str) -> None:
    written = rewrite(f"SELECT {sql} AS x FROM jobs", RELATIONS)
    assert words(written.sql) == f"SELECT {spark} AS `x` FROM `jobs` AS `jobs`"


def test_no_query_counts_distinct_values_in_one_level() -> None:
    counting = [text for _, text in statements() if "count(DISTINCT" in text]
    assert counting
    # One query: rewriting all of them is part of `make lint`.
    assert "DISTINCT" not in rewrite(counting[0], remote.relations()).sql


def test_values_are_those_of_duckdb() -> None:
    at = datetime(2026, 10, 1, 12, tzinfo=UTC)
    columns = [
        pa.array([Decimal("1.500"), None]),
        pa.array([Decimal(7), None], pa.decimal128(38, 0)),
        pa.array([at, None], pa.timestamp("us", "Europe/Berlin")),
        pa.array([at, None], pa.timestamp("us", "UTC")),
        pa.array([[{"usd": Decimal("2.0"), "n": 1}], []]),
    ]
    kinds = [
        "DECIMAL(38,12)",
        "HUGEINT",
        "TIMESTAMP WITH TIME ZONE",
        "TIMESTAMP",
        "STRUCT(usd DECIMAL(10,2), n BIGINT)[]",
    ]
    rows: list[Any] = list(remote.converted(columns, kinds))
    assert repr(rows[0]) == repr(
        (
            Decimal("1.500000000000"),
            7,
            at,
            at.replace(tzinfo=None),
            [{"usd": Decimal("2.00"), "n": 1}],
        )
    )
    assert rows[1] == (None, None, None, None, [])


def test_parameters_are_literals() -> None:
    text = remote.bound(
        "SELECT :name, :at, :number, :nothing",
        {
            "name": "it's",
            "at": datetime(2026, 1, 2, tzinfo=UTC),
            "number": Decimal("0.25"),
            "nothing": None,
        },
    )
    assert text == "SELECT 'it''s', '2026-01-02 00:00:00+00:00', 0.25, NULL"


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("sc://spark.example:15009", "spark.example:15009"),
        ("sc://spark.example", "spark.example:15002"),
        ("sc://spark.example:443/;use_ssl=true;token=secret", "spark.example:443"),
        ("sc://[::1]:7", "[::1]:7"),
    ],
)
def test_an_address_has_no_parameters(uri: str, address: str) -> None:
    assert remote.address_of(uri) == address


@pytest.mark.parametrize(
    "uri", ["http://spark.example", "sc://:7", "sc://host/path", "spark.example:1"]
)
def test_another_uri_is_refused_without_its_text(uri: str) -> None:
    with pytest.raises(UsageError) as refused:
        remote.address_of(uri)
    assert uri not in str(refused.value)
