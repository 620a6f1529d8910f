"""`web --lake`: the pages of the file, as fresh as the oldest collector, after each publish."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from exporter.publish import following
from exporter.store.database import Database
from exporter.web.site.server import Site, of_file, of_lake
from tests.support.published import NOW, OTHER, Published, publish
from tests.web.site import get

_SQL = (
    "SELECT account_id, region, count(*), sum(cost_usd) FROM daily_costs GROUP BY ALL ORDER BY ALL"
)


@pytest.fixture(scope="module")
def sites(published: Published) -> Iterator[tuple[str, str]]:
    """The addresses of the site of the file and of that of the lake."""
    with ExitStack() as stack:
        sources = (of_file(published.file.path), of_lake(str(published.lake)))
        yield tuple(stack.enter_context(Site(source, now=lambda: NOW)).url for source in sources)  # type: ignore[misc] # two of them


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/.json",
        "/jobs.json",
        "/jobs?status=Failed&status=Stopped&sort_by=Cost",
        f"/jobs?account={OTHER}&name_contains=a&min_cost=0.01",
        "/reports/training-cost?by=family&by=month",
        "/reports/training-cost.json?basis=list",
        "/reports/keep-alive-advice",
        f"/sql.json?sql={quote(_SQL)}",
        "job",
    ],
)
def test_pages_are_the_same(sites: tuple[str, str], path: str) -> None:
    if path == "job":
        job = get(sites[0], "/jobs.json?warm_pool_status=Reused&max_results=1").json["rows"][0]
        path = f"/jobs/{job['account_id']}/{job['region']}/{job['training_job_name']}"
    file, lake = (get(site, path) for site in sites)
    assert (file.status, lake.status) == (200, 200)
    assert _same(lake.text) == _same(file.text)


def _same(text: str) -> str:
    """Return a page without the time at which a fact was stored, which a lake need not have."""
    return re.sub(r"<dt>(First synced|Verified).*?</dd>", "", text)


def test_sql_over_a_lake_reads_nothing_else(sites: tuple[str, str]) -> None:
    for sql in ("FROM read_text('/etc/passwd')", "COPY (SELECT 1) TO '/tmp/x.csv'"):
        assert get(sites[1], "/sql", {"sql": sql}).status == 400


def test_the_pages_follow_publishes_and_name_silent_collectors(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_LOOK_EVERY", 0.05)
    lake = Path(shutil.copytree(published.lake, tmp_path / "lake"))
    database = Database(Path(shutil.copyfile(published.parts["one"].path, tmp_path / "one.duckdb")))
    now = datetime.now(UTC) + timedelta(days=9)  # publishes have the time of the machine
    with Site(of_lake(str(lake)), share=1.0, now=lambda: now) as site:
        before = get(site.url, "/jobs").page.text
        assert "The collector other (444455556666/eu-west-1) has published nothing for" in before
        with database.writing() as connection:
            connection.execute(
                "UPDATE training_jobs SET team = 'late' WHERE training_job_status = 'Failed'"
            )
        publish(database, lake, "one")
        deadline = time.monotonic() + 60
        while not get(site.url, "/jobs.json?team=late&max_results=1").json["rows"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # As fresh as the oldest of the collectors.
        with published.parts["other"].reading() as connection:
            oldest = connection.execute("SELECT min(watermark) FROM sync_scopes").scalar()
        assert f"Data as of {oldest:%Y-%m-%d %H:%M} UTC" in get(site.url, "/jobs").page.text
