"""Jobs, a job, reports and SQL on the site equal what the database and the reports say."""

from __future__ import annotations

import io
import json
import random
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from exporter.reports import catalogue, job, output, running
from exporter.reports.periods import Period
from exporter.store.connections import in_memory
from exporter.store.database import Database
from exporter.web.page import with_code
from exporter.web.site.server import Site, of_file
from tests.web.pages import NOW
from tests.web.site import get

#: One row per job as users would join it by hand.
_BY_HAND = """
CREATE TEMP TABLE by_hand AS
WITH
cost AS (
    SELECT training_job_arn, creation_time, sum(cost_usd) AS cost_usd
    FROM daily_costs GROUP BY ALL
)
SELECT
    job.*, detail.instance_type, detail.tags, cost.cost_usd,
    hash(job.training_job_arn, job.creation_time) AS number,
    specifications.specification
FROM training_jobs AS job
LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
LEFT JOIN internal.job_specifications AS specifications USING (training_job_arn, creation_time)
LEFT JOIN cost USING (training_job_arn, creation_time)
"""


@pytest.fixture(scope="module")
def url(wide_file: Path) -> Iterator[str]:
    with Site(of_file(wide_file), now=lambda: NOW) as site:
        yield site.url


@pytest.fixture(scope="module")
def by_hand(
    wide_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    # DuckDB opens a file in one way per process, and the tests open the other one as well.
    path = Path(shutil.copy(wide_file, tmp_path_factory.mktemp("by-hand") / "copy.duckdb"))
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(_BY_HAND)
        yield connection


#: Parameters -> the same as SQL.
FILTERS: Sequence[tuple[dict[str, Any], str]] = (
    ({}, "TRUE"),
    ({"name_contains": "RESNET"}, "training_job_name ILIKE '%resnet%'"),
    ({"status": "Failed", "team": "vision"}, "training_job_status = 'Failed' AND team = 'vision'"),
    ({"team": "(none)", "account": "444455556666"}, "team IS NULL AND account_id = '444455556666'"),
    (
        {"region": "us-east-1", "created_after": "30d", "deleted": "no"},
        "region = 'us-east-1' AND creation_time > '2026-10-24 18:00:00+00' AND deleted_at IS NULL",
    ),
    (
        {"created_after": "2026-10-01", "created_before": "2026-11-01T00:00:00Z"},
        "creation_time > '2026-10-01 00:00:00+00' AND creation_time < '2026-11-01 00:00:00+00'",
    ),
    (
        {"warm_pool_status": "Terminated", "min_cost": "0.5"},
        "warm_pool_status = 'Terminated' AND cost_usd >= 0.5",
    ),
    (
        {"status": ["Failed", "Stopped"], "team": ["vision", "(none)"]},
        "training_job_status IN ('Failed', 'Stopped') AND (team = 'vision' OR team IS NULL)",
    ),
    ({"max_cost": "0.01", "family": "scratch"}, "cost_usd <= 0.01 AND job_family = 'scratch'"),
    (
        {"instance_type": "ml.m5.xlarge", "tag": "team"},
        "instance_type = 'ml.m5.xlarge' AND json_extract_string(tags, '$.team') IS NOT NULL",
    ),
    (
        {"modified_before": "2026-06-01", "status": "Completed"},
        "last_modified_time < '2026-06-01 00:00:00+00' AND training_job_status = 'Completed'",
    ),
)


@pytest.mark.parametrize(("params", "where"), FILTERS)
def test_a_filter_finds_the_jobs_and_their_cost(
    url: str, by_hand: duckdb.DuckDBPyConnection, params: dict[str, Any], where: str
) -> None:
    expected = by_hand.execute(
        f"SELECT training_job_name, cost_usd FROM by_hand WHERE {where} "
        "ORDER BY creation_time DESC, number DESC"
    ).fetchall()
    assert expected, "the filter chooses some jobs"
    rows = get(url, "/jobs.json", params).json["rows"]
    assert [(row["training_job_name"], row["cost_usd"]) for row in rows] == [
        (name, cost) for name, cost in expected
    ]
    page = get(url, "/jobs", params).page
    number = f"{len(expected):,} training job{'s' if len(expected) != 1 else ''}"
    assert number in page.text
    total = sum((cost for _, cost in expected if cost is not None), Decimal())
    assert Decimal(page.having("data")[0]["value"]) == total
    shown = [row[0] for row in page.tables["Training jobs"][1:]]
    assert len(shown) == min(50, len(expected))
    assert all(cell.startswith(name) for cell, (name, _) in zip(shown, expected, strict=False))


def test_each_choice_says_how_many_jobs_it_leaves(
    url: str, by_hand: duckdb.DuckDBPyConnection
) -> None:
    text = get(url, "/jobs", {"status": "Failed", "name_contains": "res"}).text
    for column, name in (("training_job_status", "status"), ("team", "team")):
        others = "TRUE" if name == "status" else "training_job_status = 'Failed'"
        counts = by_hand.execute(
            f"SELECT coalesce({column}, '(none)'), count(*) FROM by_hand "
            f"WHERE training_job_name ILIKE '%res%' AND {others} GROUP BY ALL"
        ).fetchall()
        for value, jobs in counts:
            assert f'<span>{value}</span> <span class="count">{jobs:,}</span>' in text


@pytest.mark.parametrize("key", ["CreationTime", "Name", "Team", "Cost", "IdleSeconds"])
@pytest.mark.parametrize("order", ["Ascending", "Descending"])
def test_pages_by_key_give_every_job_once_in_order(url: str, key: str, order: str) -> None:
    params = {"sort_by": key, "sort_order": order, "region": "us-east-1"}
    whole = get(url, "/jobs.json", params).json["rows"]
    found: list[Any] = []
    token = None
    for _ in range(20):
        more: dict[str, Any] = {"next_token": token} if token else {}
        page = get(url, "/jobs.json", {**params, "max_results": 37, **more}).json
        found += page["rows"]
        token = page.get("next_token")
        if token is None:
            break
    assert found == whole
    assert len({row["training_job_arn"] for row in found}) == len(found) > 74


def test_downloads_are_the_rows_of_the_page(url: str, tmp_path: Path) -> None:
    params = {"family": "resnet", "sort_by": "Cost"}
    rows = get(url, "/jobs.json", params).json["rows"]
    file = tmp_path / "jobs.parquet"
    got = get(url, "/jobs.parquet", params)
    assert got.headers["content-disposition"] == 'attachment; filename="jobs.parquet"'
    file.write_bytes(got.body)
    with in_memory() as connection:
        names = connection.sql(f"FROM '{file}'").fetchall()
        file.with_suffix(".csv").write_bytes(get(url, "/jobs.csv", params).body)
        lines = connection.sql(
            f"SELECT training_job_name FROM read_csv('{file.with_suffix('.csv')}')"
        ).fetchall()
    expected = [row["training_job_name"] for row in rows]
    assert [row[0] for row in names] == [row[0] for row in lines] == expected


def _reports() -> Iterator[tuple[str, dict[str, Any], running.Request]]:
    """Yield ten reports with random periods and dimensions, and two with parameters."""
    rng = random.Random(17)
    with_period = [
        each
        for each in catalogue.catalogue().values()
        if each.period and not any(one.required for one in each.parameters.values())
    ]
    for report in rng.sample(with_period, 10):
        first = date(2026, rng.randrange(1, 11), rng.randrange(1, 28))
        last = date(2026, 11, rng.randrange(1, 28))
        by = rng.sample(["month", "region", "account", "family", "team"], 2) if report.by else []
        params = {"since": str(first), "until": str(last), "by": by}
        yield report.name, params, running.Request(Period(first, last), by, now=NOW)
    days = Period(date(2026, 10, 1), date(2026, 11, 1))
    yield (
        "warm-pool-jobs",
        {"month": "2026-10", "top": "3"},
        running.Request(days, params={"top": "3"}, now=NOW),
    )
    yield "warm-pool-live", {}, running.Request(now=NOW)


@pytest.mark.parametrize(("name", "params", "request_"), list(_reports()))
def test_a_report_is_that_of_the_command_line(
    url: str, wide_file: Path, name: str, params: dict[str, Any], request_: running.Request
) -> None:
    report = catalogue.find(name)
    with Database(wide_file).reading() as connection:
        result = running.run(connection, report, request_)
    expected = io.BytesIO()
    output.write(result, "json", expected)
    assert get(url, f"/reports/{name}.json", params).body == expected.getvalue()
    got = get(url, f"/reports/{name}", params)
    assert got.status == 200
    rows = list(result.rows)
    if rows and not result.prose:
        table = got.page.tables[result.title]
        assert len(table) == 1 + min(1000, len(rows)) + (result.totals is not None)
    for note in result.notes:
        assert str(with_code(note.text)) in got.text


def test_list_prices_reach_the_report_and_its_sql(url: str) -> None:
    got = get(url, "/reports/training-cost", {"month": "2026-10", "basis": "list"})
    assert "sagemaker-exporter report training-cost --month 2026-10 --basis list" in got.page.text
    assert "CREATE OR REPLACE TEMP TABLE prices" in got.page.text


def test_a_job_is_what_the_command_says(url: str, wide_file: Path) -> None:
    rows = get(url, "/jobs.json", {"warm_pool_status": "Reused", "max_results": 1}).json["rows"]
    account, region, name = (rows[0][key] for key in ("account_id", "region", "training_job_name"))
    with Database(wide_file).reading() as connection:
        (expected,) = job.read(connection, name, account=account, region=region)
    path = f"/jobs/{account}/{region}/{name}"
    found = get(url, f"{path}.json").json
    assert found["jobs"][0]["training_job_name"] == name
    assert found["jobs"][0]["cost_usd"] == expected.costs.totals[-2] if expected.costs.totals else 0
    page = get(url, path).page
    for section in (expected.chain, expected.history, expected.costs):
        rows = list(section.rows)
        if rows:
            assert len(page.tables[section.title]) >= 1 + len(rows)
    links = [link["href"] for link in page.having("a", rel="noopener noreferrer")]
    console = f"https://{region}.console.aws.amazon.com/"
    assert links[0] == f"{console}sagemaker/home?region={region}#/jobs/{name}"
    assert get(url, f"/jobs/{account}/{region}/no-such-job").status == 404


def test_sql_gives_the_rows_and_the_limits_say_so(url: str) -> None:
    params = {"sql": "SELECT range AS number, 1.10 AS money FROM range(1500)"}
    page = get(url, "/sql", params).page
    table = page.tables["Result"]
    assert table[:2] == [["number", "money"], ["0", "1.1"]]
    assert len(table) == 1001
    assert "Only the first 1,000 rows are here." in page.text
    rows = json.loads(get(url, "/sql.json", params).body)["rows"]
    assert [row["number"] for row in rows] == list(range(1500))


def test_an_error_of_a_parameter_names_what_is_known(url: str) -> None:
    for path, params, words in (
        ("/jobs", {"stauts": "Failed"}, "Did you mean 'status'?"),
        ("/jobs", {"created_after": "soon"}, "expected an ISO 8601 time"),
        ("/jobs", {"sort_by": "Size"}, "expected one of CreationTime, Name"),
        ("/jobs", {"next_token": "bm8"}, "next_token belongs to another list"),
        ("/reports/training-cost", {"since": "2026-11-02", "until": "2026-11-01"}, "is empty"),
        ("/sql", {"sql": "SELECT 1; SELECT 2"}, "Expected one SQL statement, found 2."),
    ):
        got = get(url, path, params)
        assert got.status == 400
        assert words in got.page.text
    failed = get(url, "/jobs.json", {"min_cost": "much"})
    assert (failed.status, failed.json["error"]) == (
        400,
        "min_cost='much': expected an amount in USD.",
    )


def test_the_site_knows_how_old_the_data_is(url: str) -> None:
    expected = datetime(2026, 11, 23, 17, 59, tzinfo=UTC)
    assert f"Data as of {expected:%Y-%m-%d %H:%M} UTC" in get(url, "/jobs").page.text
