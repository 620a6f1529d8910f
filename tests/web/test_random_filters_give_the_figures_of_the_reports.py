"""In Chromium, random filters of every page of the site give the figures of the reports, exactly.

The dashboard has its own test (test_filters_give_the_figures_of_the_reports.py). The number and the
seed of the filters are in `tests.web.chance`.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from exporter.prices.basis import BASES, LIST, use_list_prices
from exporter.reports import catalogue, job, running, values
from exporter.reports.periods import Period
from exporter.reports.result import Result
from exporter.sql import literal
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.text import visible
from exporter.web.site.columns import GROUPS
from exporter.web.site.jobs import job_path
from exporter.web.site.server import Site, of_file
from tests.web.browser import Browser, Page
from tests.web.chance import chance
from tests.web.pages import NOW

#: One row per job as users would join it by hand.
_BY_HAND = """
CREATE OR REPLACE TEMP TABLE by_hand AS
WITH
cost AS (
    SELECT
        training_job_arn, creation_time, sum(cost_usd) AS cost_usd,
        sum(cost_usd) FILTER (WHERE component LIKE 'Training Warm Pool%') AS pool_usd,
        string_agg(DISTINCT instance_type, ', ' ORDER BY instance_type) AS instance_types
    FROM daily_costs
    GROUP BY ALL
)
SELECT
    job.*, coalesce(detail.instance_type, cost.instance_types) AS instance_type,
    cost.cost_usd, cost.pool_usd, specifications.specification,
    CASE WHEN job.deleted_at IS NULL THEN 'no' ELSE 'yes' END AS deleted,
    hash(job.training_job_arn, job.creation_time) AS number
FROM training_jobs AS job
LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
LEFT JOIN internal.job_specifications AS specifications USING (training_job_arn, creation_time)
LEFT JOIN cost USING (training_job_arn, creation_time)
"""
_JOBS = """({
    title: document.querySelector("h1").textContent,
    sums: Array.from(document.querySelectorAll(".sum data"), one => one.value),
    names: Array.from(document.querySelectorAll("table.jobs tbody .name"), one => one.textContent),
    costs: Array.from(document.querySelectorAll("table.jobs tbody tr"),
        row => row.cells[8].querySelector("data")?.value ?? null),
    checked: Array.from(document.querySelectorAll(".facet input:checked"), one => one.value),
})"""
_MONEY = 'Array.from(document.querySelectorAll("main table tbody data"), one => one.value)'
_CELLS = """Array.from(document.querySelectorAll("table.result tbody tr"),
    row => Array.from(row.cells, one => one.textContent))"""


@pytest.fixture(scope="module")
def connection(
    strange_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connection]:
    # DuckDB opens a file in one way per process, and the site opens its own copy.
    path = Path(shutil.copy(strange_file, tmp_path_factory.mktemp("by-hand") / "copy.duckdb"))
    with Database(path).reading() as found:
        found.execute(_BY_HAND)
        yield found


@pytest.fixture(scope="module")
def url(strange_file: Path) -> Iterator[str]:
    with Site(of_file(strange_file), now=lambda: NOW) as site:
        yield site.url


@pytest.fixture(scope="module")
def page(browser: Browser, url: str) -> Iterator[Page]:
    found = browser.open(f"{url}/reports")
    yield found
    assert found.complaints() == []
    assert [one for one in found.requests() if not one.startswith(url)] == []
    assert found.evaluate("window.hacked") is None
    found.close()


@dataclass(frozen=True)
class Filter:
    """A choice of jobs: as parameters, and as SQL."""

    params: Sequence[tuple[str, str]]
    where: str

    @property
    def query(self) -> str:
        return urlencode(self.params)


def filter_of(rng: random.Random, known: Mapping[str, Sequence[str | None]]) -> Filter:
    """Return a random filter of up to three groups, and sometimes times, amounts and names."""
    params: list[tuple[str, str]] = []
    conditions = ["TRUE"]
    for name in rng.sample(list(GROUPS), rng.randrange(4)):
        chosen = rng.sample(known[name], min(len(known[name]), rng.randrange(1, 4)))
        params += [(name, "(none)" if value is None else value) for value in chosen]
        column = GROUPS[name]
        each = [
            f"{column} IS NULL" if value is None else f"{column} = {literal(value)}"
            for value in chosen
        ]
        conditions.append(f"({' OR '.join(each)})")
    if rng.random() < 0.3:
        part = rng.choice(["RES", "nightly", "-2026-0", "<script>", "\u202e", "a b?c"])
        params.append(("name_contains", part))
        conditions.append(f"contains(lower(training_job_name), {literal(part.lower())})")
    if rng.random() < 0.3:
        day = date(2026, 1, 1) + timedelta(days=rng.randrange(320))
        params.append(("created_after", str(day)))
        conditions.append(f"creation_time > TIMESTAMPTZ '{day} 00:00:00+00'")
    if rng.random() < 0.3:
        least = Decimal(rng.randrange(200)) / 100
        params.append(("min_cost", str(least)))
        conditions.append(f"cost_usd >= {least}")
    return Filter(params, " AND ".join(conditions))


def test_jobs(page: Page, url: str, connection: Connection) -> None:
    known: dict[str, list[str | None]] = {
        name: list(
            connection.execute(f"SELECT DISTINCT {column} FROM by_hand ORDER BY ALL").scalars()
        )
        for name, column in GROUPS.items()
    }
    for rng in chance("jobs"):
        wanted = filter_of(rng, known)
        page.go(f"{url}/jobs?{wanted.query}")
        said = page.evaluate(_JOBS)
        jobs, cost, pools = connection.execute(
            f"SELECT count(*), sum(cost_usd), sum(pool_usd) FROM by_hand WHERE {wanted.where}"
        ).one()
        first = connection.execute(
            f"SELECT training_job_name, cost_usd FROM by_hand WHERE {wanted.where} "
            "ORDER BY creation_time DESC, number DESC LIMIT 50"
        ).all()
        assert said["title"] == f"{jobs:,} training job{'s' if jobs != 1 else ''}", wanted
        expected = [] if cost is None else [values.digits(cost), values.digits(pools or Decimal())]
        assert said["sums"] == expected, wanted
        assert said["names"] == [visible(row[0]) for row in first], wanted
        assert said["costs"] == [_digits(row[1]) for row in first], wanted
        chosen = [visible(value) for name, value in wanted.params if name in GROUPS]
        assert sorted(map(visible, said["checked"])) == sorted(chosen), wanted


def _digits(amount: Decimal | None) -> str | None:
    return None if amount is None else values.digits(amount)


def test_a_job(page: Page, url: str, connection: Connection) -> None:
    jobs = connection.execute(
        "SELECT account_id, region, training_job_name FROM by_hand ORDER BY ALL"
    ).all()
    for rng in chance("a job"):
        account, region, name = rng.choice(jobs)
        page.go(url + job_path(account, region, name))
        said = page.evaluate(_MONEY)
        assert page.evaluate("document.querySelector('h1').textContent") == visible(name)
        found = job.read(connection, name, account=account, region=region)
        parts = [part for each in found for part in (each.chain, each.history, each.costs)]
        assert said == [amount for part in parts for amount in _money(part)], name


def _money(result: Result, most: int = 1_000) -> Iterator[str]:
    """Yield the amounts of a result's rows, as the page has them."""
    for row in list(result.rows)[:most]:
        for column, cell in zip(result.columns, row, strict=True):
            if column.unit == "money" and cell is not None:
                yield values.digits(cell)


def test_reports(page: Page, url: str, strange_file: Path) -> None:
    reports = [
        each
        for each in catalogue.catalogue().values()
        if not any(one.required for one in each.parameters.values()) and not each.prose
    ]
    for rng in chance("reports"):
        report = rng.choice(reports)
        params: list[tuple[str, str]] = []
        period, by = None, []
        if report.period:
            first = date(2026, rng.randrange(1, 11), rng.randrange(1, 28))
            period = Period(first, first + timedelta(days=rng.randrange(1, 120)))
            params += [("since", str(period.since)), ("until", str(period.until))]
        if report.by:
            by = rng.sample(["month", "region", "account", "family", "team", "instance_type"], 2)
            params += [("by", name) for name in by]
        basis = rng.choice(BASES)
        params.append(("basis", basis))
        page.go(f"{url}/reports/{report.name}?{urlencode(params)}")
        with Database(strange_file).reading() as connection:
            if basis == LIST:
                use_list_prices(connection)
            result = running.run(connection, report, running.Request(period, by, now=NOW))
        assert page.evaluate(_MONEY) == list(_money(result)), (report.name, params)
        rows = page.evaluate("document.querySelectorAll('table.result tbody tr').length")
        assert rows == min(1_000, len(list(result.rows))), (report.name, params)


def test_sql(page: Page, url: str, connection: Connection) -> None:
    columns = ["account_id", "region", "job_family", "team", "component", "instance_type"]
    for rng in chance("SQL"):
        by = ", ".join(rng.sample(columns, rng.randrange(1, 4)))
        day = date(2026, 1, 1) + timedelta(days=rng.randrange(300))
        sql = (
            f"SELECT {by}, count(*) AS lines, sum(cost_usd) AS usd FROM daily_costs "
            f"WHERE usage_date >= DATE '{day}' GROUP BY ALL ORDER BY ALL"
        )
        page.go(f"{url}/sql?sql={quote(sql)}")
        expected = [
            [
                "NULL" if cell is None else visible(cell) if isinstance(cell, str) else _plain(cell)
                for cell in row
            ]
            for row in connection.execute(sql)
        ]
        assert page.evaluate(_CELLS) == expected, sql


def _plain(number: int | Decimal) -> str:
    return values.digits(number) if isinstance(number, Decimal) else str(number)
