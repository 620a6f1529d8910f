"""Any database gives a correct page: empty, one job, no prices, many names, hostile names."""

from __future__ import annotations

import re
import stat
from datetime import date
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.reports.periods import Period
from exporter.store.database import Database
from exporter.web import cells, view
from exporter.web.cells import OTHERS, Key, Sums
from exporter.web.page import with_code
from tests.web.pages import NOW, DashboardPage, Reader, execute, make_page


def test_a_database_without_a_sync_says_what_to_run(database: Database, tmp_path: Path) -> None:
    page = make_page(database.path, tmp_path / "page.html")
    reader = Reader(page.markup)
    assert "Nothing has been synced yet" in reader.text
    assert "sagemaker-exporter sync" in reader.text
    assert "0.00" not in reader.text
    assert not reader.having("script")
    assert not reader.having("table")


def test_a_scope_without_a_job_gives_a_page_without_zeros(
    database: Database, tmp_path: Path
) -> None:
    execute(
        database,
        "INSERT INTO sync_scopes (account_id, region, watermark, failing_runs) "
        "VALUES ('111122223333', 'eu-west-1', '2026-11-23 17:00:00+00', 0)",
    )
    reader = Reader(make_page(database.path, tmp_path / "page.html").markup)
    assert reader.words("headline") == "No job ran in this selection"
    assert "No other keep-alive period is suggested." in reader.text
    assert "No pool was idle at the last sync." in reader.text


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
    reader = Reader(make_page(world_copy.path, tmp_path / "page.html").markup)
    assert reader.words("headline").startswith("No money for warm pools was wasted: other jobs")
    assert reader.words("tile-reuse") == "100.0 %"
    assert reader.words("note-reuse") == "1 of 1 ended pool"
    assert "1 training jobs" not in reader.text


def test_an_unknown_cost_is_never_shown_as_zero(world_copy: Database, tmp_path: Path) -> None:
    execute(world_copy, "DELETE FROM prices", "DELETE FROM rates")
    page = make_page(world_copy.path, tmp_path / "page.html")
    reader = Reader(page.markup)
    assert reader.words("headline") == "What the warm pools cost is not known"
    for tile in ("all", "pools", "wasted"):
        assert reader.words(f"tile-{tile}") == "unknown"
    months = reader.tables["Cost of ended warm pools in USD by month"]
    assert {row[1] for row in months[1:]} == {"unknown"}
    assert [note.code for note in page.figures.notes][:1] == ["unpriced"]
    assert str(with_code(page.figures.notes[0].text)) in page.markup
    for name in ("tile-all", "note-all", "month-all", "heading-all", "month-wasted"):
        assert "0.00" not in reader.words(name), name


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
    assert len(reader.having("script")) == 2
    assert not reader.having("img")
    for _, attributes in reader.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert "\x1b" not in hostile_page.markup
    assert "\u202e" not in hostile_page.markup
    assert hostile_page.markup.count("\\x1b[31m") >= 4, "shown, with the escape visible"
    assert "\\u003c/script\\u003e" in hostile_page.markup, "the filters have it as well"


def test_the_policy_allows_only_the_script_and_the_style_of_the_page(
    world_page: DashboardPage,
) -> None:
    (policy,) = (
        meta["content"]
        for meta in Reader(world_page.markup).having("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    digest = "'sha256-[A-Za-z0-9+/=]{44}'"
    assert re.fullmatch(
        rf"default-src 'none'; script-src {digest}; style-src {digest}; base-uri 'none'; "
        "form-action 'none'",
        policy,
    )


def test_many_names_become_one_and_no_money_is_lost(world_copy: Database, tmp_path: Path) -> None:
    execute(
        world_copy,
        "UPDATE training_jobs SET job_family = training_job_name, team = 'a'",
    )
    page = make_page(world_copy.path, tmp_path / "page.html")
    reader = Reader(page.markup)
    assert len(page.markup.split('name="family"')[1].split("</select>")[0].split("<option")) > 300
    assert "other families" in reader.text
    assert len(page.figures.cells) < cells.MOST_CELLS
    families = reader.tables["By family, most wasted money first"]
    assert len(families) == 1 + view.MOST_ROWS + 1 + 1
    assert re.fullmatch(r"\d+ more families", families[-2][0])
    teams = reader.tables["By team, most wasted money first"]
    assert families[-1][2:] == teams[-1][2:] == teams[1][2:]
    assert len(page.markup.encode()) < 3_000_000


def test_cells_fold_until_they_fit_and_keep_their_sums() -> None:
    made = {
        (
            Key(f"a{n % 7}", "r", f"f{n % 50}", f"t{n % 11}", f"m{n % 13}"),
            date(2026, 10, day),
        ): Sums(training=n, wasted=n * n, pools=1)
        for n in range(400)
        for day in range(1, 29)
    }
    for most in (10_000, 3_000, 28):
        found = cells.folded(made, most)
        assert len(found) <= most
        assert sum(sums.wasted for sums in found.values()) == 28 * sum(n * n for n in range(400))
        assert sum(sums.pools for sums in found.values()) == 28 * 400
    families = {key.family for key, _ in cells.folded(made, 10_000)}
    assert OTHERS in families
    # Of all others, it is the cheapest that become one: the most expensive keep their names.
    assert families - {OTHERS} <= {f"f{n}" for n in range(50)}
    assert {key for key, _ in cells.folded(made, 28)} == {Key(*[OTHERS] * 5)}


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, ["2026-01-15 2026-04-10"]),
        (2, ["2026-01-15 2026-03-01", "2026-03-01 2026-04-10"]),
        (9, ["2026-01-15 2026-02-01", "2026-02-01 2026-03-01", "2026-03-01 2026-04-01",
             "2026-04-01 2026-04-10"]),
    ],
)  # fmt: skip
def test_parts_are_whole_months(number: int, expected: list[str]) -> None:
    period = Period(date(2026, 1, 15), date(2026, 4, 10))
    assert [f"{part.since} {part.until}" for part in cells.parts(period, number)] == expected


def test_the_command_writes_the_whole_page_or_nothing(
    world_copy: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "pools.html"
    command = ["--db", str(world_copy.path), "dashboard", "--output"]
    assert main([*command, str(output)]) == 0
    assert "Wrote" in capfd.readouterr().err
    assert output.read_text().rstrip().endswith("</html>")
    for bad in (str(tmp_path), str(tmp_path / "nowhere" / "page.html")):
        assert main([*command, bad]) == 2
    missing = str(tmp_path / "missing.duckdb")
    assert main(["--db", missing, "dashboard", "--output", str(tmp_path / "no.html")]) == 8
    assert not (tmp_path / "no.html").exists()
    assert main(["--db", str(world_copy.path), "dashboard"]) == 2


def test_a_dash_is_standard_output(world_copy: Database, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["--db", str(world_copy.path), "dashboard", "--output", "-"]
    assert main(command) == 0
    page = capfd.readouterr().out
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert main([*command, "--open"]) == 2
    assert "--open needs a file" in capfd.readouterr().err


def test_open_shows_the_page_in_the_browser(
    world_copy: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = tmp_path / "opened"
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > "{opened}"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("BROWSER", f"{script} %s")
    output = tmp_path / "pools.html"
    command = ["--db", str(world_copy.path), "dashboard", "--output", str(output), "--open"]
    assert main(command) == 0
    assert opened.read_text() == output.as_uri()


def test_since_until_and_minute_usd_change_the_page(world_copy: Database, tmp_path: Path) -> None:
    output = tmp_path / "pools.html"
    options = ["--since", "2026-09-01", "--until", "2026-10-01", "--minute-usd", "0.5"]
    assert main(["--db", str(world_copy.path), "dashboard", "--output", str(output), *options]) == 0
    reader = Reader(output.read_text())
    assert str(Period(date(2026, 9, 1), date(2026, 10, 1))) in reader.text
    assert reader.words("month-all").startswith("September 2026: ")
    assert "counts as 0.50 USD" in reader.text
    assert "--param minute_usd=0.5" in reader.text


def test_a_month_that_just_ended_is_compared_whole() -> None:
    period = Period(date(2025, 12, 1), date(2026, 12, 1))
    last = view.last_months(period, period, date(2026, 11, 1))
    assert last.now == Period(date(2026, 10, 1), date(2026, 11, 1))
    assert last.before == Period(date(2026, 9, 1), date(2026, 10, 1))
    assert (last.label, last.label_before, last.until) == ("October 2026", "September", None)


def test_a_month_before_the_page_is_not_compared() -> None:
    period = Period(date(2026, 11, 1), date(2026, 12, 1))
    last = view.last_months(period, period, NOW.date())
    assert last.now == Period(date(2026, 11, 1), date(2026, 11, 23))
    assert last.before is None
    assert last.until == date(2026, 12, 1)
