"""Any database gives a correct page: empty, one job, no prices, many jobs, hostile names."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.reports.periods import Period
from exporter.store.database import Database
from tests.web.pages import DashboardPage, Reader, execute, make_page


def test_an_empty_database_gives_a_page_without_charts_or_zeros(
    database: Database, tmp_path: Path
) -> None:
    page = make_page(database.path, tmp_path / "page.html")
    text = Reader(page.markup).text
    assert "nothing has been synced yet" in text
    assert page.figures.by_month.result.notes
    assert all(note.text in text for note in page.figures.by_month.result.notes)
    assert "0.00 USD" not in text
    assert 'class="chart"' not in page.markup
    assert len(page.markup) < 60_000, "without charts, the page needs no library"


def test_one_reused_pool_is_counted_as_one(world_copy: Database, tmp_path: Path) -> None:
    execute(
        world_copy,
        """CREATE TEMP TABLE kept AS SELECT training_job_arn, creation_time FROM training_jobs
           WHERE warm_pool_status = 'Reused' AND creation_time > '2026-10-01'
           ORDER BY creation_time LIMIT 1""",
        """DELETE FROM training_jobs
           WHERE (training_job_arn, creation_time) NOT IN (FROM kept)""",
        """DELETE FROM training_job_details
           WHERE (training_job_arn, creation_time) NOT IN (FROM kept)""",
    )
    page = make_page(world_copy.path, tmp_path / "page.html")
    text = Reader(page.markup).text
    assert "1 of 1 ended pool" in text
    assert "1 training jobs" not in text
    assert "100.0 %" in text
    assert "No pool was idle at the last sync." in text


def test_an_unknown_cost_is_never_shown_as_zero(world_copy: Database, tmp_path: Path) -> None:
    execute(world_copy, "DELETE FROM prices", "DELETE FROM rates")
    page = make_page(world_copy.path, tmp_path / "page.html")
    reader = Reader(page.markup)
    assert "Warm pool cost unknown" in reader.text
    assert "Wasted: never reused unknown" in reader.text
    assert page.figures.by_month.notes
    assert all(note in reader.text for note in page.figures.by_month.notes)
    assert "0.00 USD" not in reader.text
    assert re.search(r"\b0\.00\b", reader.text) is None


def test_the_top_warns_of_scopes_that_failed_or_are_old(
    world_copy: Database, tmp_path: Path
) -> None:
    execute(
        world_copy,
        "UPDATE sync_scopes SET last_error = 'AccessDenied: no', failing_runs = 3",
        "INSERT INTO sync_scopes (account_id, region, watermark, failing_runs) "
        "VALUES ('444455556666', 'us-east-1', '2026-11-20 00:00:00+00', 0)",
        "INSERT INTO sync_scopes (account_id, region, failing_runs) "
        "VALUES ('444455556666', 'us-east-2', 0)",
    )
    text = Reader(make_page(world_copy.path, tmp_path / "page.html").markup).text
    assert "Some data is missing or old" in text
    assert "111122223333/eu-west-1 failed in its last 3 runs: AccessDenied: no" in text
    assert "The data of 444455556666/us-east-1 is 3d 18h old." in text
    assert "444455556666/us-east-2 has never been synced completely." in text


def test_hostile_names_are_escaped(hostile_page: DashboardPage) -> None:
    reader = Reader(hostile_page.markup)
    assert len(reader.having("script")) == 3
    assert not reader.having("img")
    for _, attributes in reader.elements:
        assert not [name for name in attributes if name.startswith("on")]
    assert "\x1b" not in hostile_page.markup
    assert "\u202e" not in hostile_page.markup
    assert hostile_page.markup.count("\\x1b[31m") >= 4, "shown, with the escape visible"
    assert "\\u003c/script\\u003e" in hostile_page.markup, "the charts show it as well"


def test_the_policy_allows_only_the_scripts_of_the_page(world_page: DashboardPage) -> None:
    (policy,) = (
        meta["content"]
        for meta in Reader(world_page.markup).having("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none';")
    script = next(part for part in policy.split(";") if "script-src" in part)
    assert re.fullmatch(r" script-src( 'sha256-[A-Za-z0-9+/=]{44}'){2}", script)


def test_long_lists_are_cut_and_the_rest_is_counted(world_copy: Database, tmp_path: Path) -> None:
    execute(
        world_copy,
        """UPDATE training_jobs
           SET job_family = 'family-' || abs(hash(training_job_name) % 500)::VARCHAR""",
        """UPDATE training_job_details
           SET instance_type = 'ml.x' || abs(hash(training_job_arn) % 80)::VARCHAR || '.large'""",
        """INSERT INTO prices (region, component, instance_type, usd_per_unit, unit,
                effective_from, source)
           SELECT 'eu-west-1', 'Training', 'ml.x' || n || '.large', 1, 'Hrs', '2020-01-01', 'import'
           FROM range(80) AS r (n)""",
        "DELETE FROM rates",
        "INSERT INTO rates BY NAME SELECT * FROM internal.rates_from_prices",
    )
    page = make_page(world_copy.path, tmp_path / "page.html")
    reader = Reader(page.markup)
    assert re.search(r"\+ ?7\d other types", reader.text)
    assert re.search(r"Shown are 15 of \d{3} families", reader.text)
    rows = reader.tables["Reuse by family"]
    assert len(rows) == 1 + 60 + 1 + 1
    assert re.fullmatch(r"… and \d+ more rows, included in the total", rows[-2][0])
    assert len(page.markup) < 1_500_000


def test_the_command_writes_the_whole_page_or_nothing(
    world_copy: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "pools.html"
    assert main(["--db", str(world_copy.path), "dashboard", "--output", str(output)]) == 0
    assert "Wrote" in capfd.readouterr().err
    assert output.read_text().rstrip().endswith("</html>")
    for bad in (str(tmp_path), str(tmp_path / "nowhere" / "page.html")):
        assert main(["--db", str(world_copy.path), "dashboard", "--output", bad]) == 2
    missing = str(tmp_path / "missing.duckdb")
    assert main(["--db", missing, "dashboard", "--output", str(tmp_path / "no.html")]) == 8
    assert not (tmp_path / "no.html").exists()
    assert main(["--db", str(world_copy.path), "dashboard"]) == 2


def test_since_until_and_minute_usd_change_the_page(world_copy: Database, tmp_path: Path) -> None:
    output = tmp_path / "pools.html"
    options = ["--since", "2026-09-01", "--until", "2026-10-01", "--minute-usd", "0.5"]
    assert main(["--db", str(world_copy.path), "dashboard", "--output", str(output), *options]) == 0
    text = Reader(output.read_text()).text
    assert str(Period(date(2026, 9, 1), date(2026, 10, 1))) in text
    assert "Suggested period " in text
    assert "--param minute_usd=0.5" in text
