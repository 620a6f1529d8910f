"""report, query and status: what they print where, and when they exit 3."""

from __future__ import annotations

import contextlib
import io
import json
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow.parquet as pq
import pytest

from exporter.store.database import Database
from exporter.store.locks import sync_lock
from tests.support.rows import CREATED, insert

if TYPE_CHECKING:
    from tests.cli.conftest import Command

POOLS = ("report", "warm-pool-cost", "--month", "2026-10")


@pytest.fixture(autouse=True)
def at_the_database(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_EXPORTER_DB", str(filled.path))


def test_reports_are_listed_and_each_has_a_help_page(command: Command) -> None:
    assert "warm-pool-cost" in command("report").out
    listed = json.loads(command("report", "--json").out)
    assert {"report", "shows"} == set(listed["rows"][0])
    page = command("report", "warm-pool-cost", "--help").out
    for said in ("What the warm pools cost", "times_training", "--by family", "month, instance_ty"):
        assert said in page


def test_every_format_has_the_same_money(command: Command, tmp_path: Path) -> None:
    table = command(*POOLS).out
    assert "1.00" in table
    assert "Excludes all or part of the cost of 1 job: there is no price" in table
    found = json.loads(command(*POOLS, "--json").out, parse_float=Decimal)
    assert found["rows"][0]["cost_usd"] == 1
    assert found["totals"]["times_training"] == Decimal("0.2")
    assert [note["code"] for note in found["notes"]] == ["unpriced", "as_of"]
    answer = command(*POOLS, "--format", "csv")
    assert answer.out.splitlines()[1] == "2026-10,ml.m5.xlarge,1,1,,1,,1,5,0.2"
    assert "there is no price" in answer.err
    assert command(*POOLS, "--format", "csv", "--quiet").err == ""
    path = tmp_path / "pools.parquet"
    answer = command(*POOLS, "--format", "parquet", "--output", str(path))
    assert (answer.code, answer.out) == (0, "")
    assert pq.read_table(path).to_pylist()[0]["cost_usd"] == Decimal(1)


def test_the_printed_sql_runs_as_it_is(command: Command, filled: Database) -> None:
    sql = command(*POOLS, "--by", "family", "--by", "tag:it's", "--sql").out
    with duckdb.connect(str(filled.path), read_only=True) as connection:
        rows = connection.execute(sql).fetchall()
    assert [row[0] for row in rows] == ["bert", "resnet", None]


def test_a_total_over_the_limit_is_exit_3_after_the_report(command: Command) -> None:
    answer = command(*POOLS, "--fail-over", "0.99")
    assert answer.code == 3
    assert "ml.m5.xlarge" in answer.out
    assert "cost_usd is 1.00 USD, over the limit of 0.99 USD." in answer.err
    # The cost of one pool is not known, so it could be over every limit.
    unknown = command(*POOLS, "--fail-over", "1")
    assert unknown.code == 3
    assert "ml.m5.xlarge" in unknown.out
    assert (
        "cost_usd is 1.00 USD without its unknown parts (no price), which could take it over the "
        "limit of 1.00 USD."
    ) in unknown.err
    empty = command("report", "warm-pool-cost", "--month", "2020-01", "--fail-over", "0")
    assert empty.code == 0


def test_a_report_ignores_a_default_that_it_does_not_take(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (command.directory / "sagemaker-exporter.toml").write_text(
        "[report]\nsince = '30d'\nfail_over = 0.5\nparam = ['minute_usd=0.25']\n"
    )
    monkeypatch.setenv("SAGEMAKER_EXPORTER_REPORT_BY", "family")
    assert command("report", "warm-pool-live").code == 0
    assert command("report", "job-history", "bert-1").code == 0
    # Where they fit they count, and a flag still beats them.
    answer = command(*POOLS, "--format", "csv")
    assert (answer.code, answer.out.splitlines()[1].split(",")[0]) == (3, "bert")
    advice = command("report", "keep-alive-advice", "--fail-over", "99")
    assert "Counts a minute that nobody has to wait as 0.25 USD." in advice.out
    # As flags they are the user's mistake.
    assert command("report", "warm-pool-live", "--param", "minute_usd=1").code == 2
    assert command("report", "warm-pool-live", "--since", "3d").code == 2
    assert command("report", "warm-pool-live", "--by", "family").code == 2


def test_a_query_prints_every_format(command: Command, tmp_path: Path) -> None:
    sql = "SELECT training_job_name AS name, 1.50::DECIMAL(9,2) AS x FROM training_jobs ORDER BY 1"
    assert command("query", sql, "--format", "csv").out == "name,x\nbert-1,1.5\nresnet-1,1.5\n"
    assert json.loads(command("query", sql, "--json").out)["rows"][0] == {
        "name": "bert-1",
        "x": 1.5,
    }
    assert command("query", sql, "--format", "markdown").out.splitlines()[2] == "| bert-1 | 1.5 |"
    out = tmp_path / "x.csv"
    assert command("query", sql, "--format", "csv", "--output", str(out)).out == ""
    assert out.read_text().startswith("name,x\n")
    answer = command("query", "SELECT * FROM jobs", "--output", str(tmp_path / "y.csv"))
    assert (answer.code, answer.out) == (2, "")
    assert not (tmp_path / "y.csv").exists()


class Reader(io.StringIO):
    """Writes into a database when it is given the first line."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database

    def write(self, text: str) -> int:
        with Database(self.database.path, lock_timeout=0).writing() as connection:
            insert(connection, "accounts", account_id=f"{self.tell():012}", account_name="x")
        return super().write(text)


@pytest.mark.parametrize("args", [("query", "FROM training_jobs"), POOLS])
def test_the_database_is_closed_before_the_first_line_is_printed(
    command: Command, filled: Database, args: tuple[str, ...]
) -> None:
    with contextlib.redirect_stdout(Reader(filled)) as reader:
        assert command(*args).code == 0
    assert reader.getvalue()
    with filled.reading() as connection:
        assert connection.execute("SELECT count(*) FROM accounts").scalar() == 1


def test_status_prints_for_people_and_for_programs(command: Command, filled: Database) -> None:
    with filled.writing() as connection:
        connection.execute(
            """
            INSERT INTO sync_scopes (
                account_id, region, failing_runs, last_error, listing_mode, listing_position,
                discovered_from
            ) VALUES (
                '123456789012', 'us-east-1', 3, 'AccessDenied: no', 'backfill',
                '2026-10-01 00:00:00+00', '2026-09-01 00:00:00+00'
            )
            """
        )
        connection.execute(
            """
            INSERT INTO sync_runs (
                run_id, account_id, region, mode, started_at, ended_at, outcome, calls, throttles,
                jobs_seen, jobs_inserted, jobs_changed, jobs_deleted
            ) VALUES (
                'run-1', '123456789012', 'eu-west-1', 'backfill', '2026-10-04 12:00:00+00',
                '2026-10-04 12:01:30+00', 'complete', '{"ListTrainingJobs": 3, "Search": 1}', 1,
                2, 2, 0, 0
            )
            """
        )
    answer = command("status")
    assert answer.code == 0
    assert answer.err == ""
    for said in (
        "123456789012/us-east-1: never synced completely.",
        "no jobs from before 2026-09-01T00:00:00Z",
        "the backfill was interrupted at creation time 2026-10-01T00:00:00Z, with 0 jobs; the",
        "failed in the last 3 runs: AccessDenied: no",
        "backfill  complete",
        "1m 30s",
    ):
        assert said in answer.out
    found = json.loads(command("status", "--json").out)
    assert found["version"] == 1
    west, east = found["scopes"]
    assert west["scope"] == "123456789012/eu-west-1"
    assert (west["jobs"], west["jobs_without_price"], west["jobs_without_details"]) == (2, 0, 0)
    assert east["age_seconds"] is None
    assert len(east["gaps"]) == 3
    assert found["runs"][0]["calls"] == 4
    assert found["runs"][0]["seconds"] == 90


def test_status_says_how_far_an_unfinished_backfill_is(command: Command, filled: Database) -> None:
    """A killed sync could not write its outcome; the lock of a sync says whether it runs."""
    with filled.writing() as connection:
        connection.execute(
            """
            UPDATE sync_scopes
            SET watermark = NULL, listing_mode = 'backfill',
                listing_position = '2026-10-01 00:00:00+00'
            """
        )
        connection.execute(
            "DELETE FROM training_job_details WHERE training_job_arn LIKE '%/bert-1'"
        )
        insert(
            connection, "sync_runs", run_id="run-1", account_id="123456789012",
            region="eu-west-1", mode="backfill", outcome="running", calls="{}",
            started_at=CREATED,
        )  # fmt: skip

    def found() -> tuple[str, str]:
        answer = json.loads(command("status", "--json").out)
        return answer["runs"][0]["outcome"], answer["scopes"][0]["gaps"][-1]

    place = "at creation time 2026-10-01T00:00:00Z, with 2 jobs, 1 of them without details"
    with sync_lock(filled.path, 0):
        assert found() == ("running", f"the backfill is running, {place}")
    assert found() == (
        "interrupted",
        f"the backfill was interrupted {place}; the next sync goes on from there",
    )


def test_output_follows_a_link_and_writes_into_a_pipe(command: Command, tmp_path: Path) -> None:
    real, link, pipe = tmp_path / "real.sql", tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(real)
    assert command(*POOLS, "--sql", "--output", str(link)).out == ""
    assert link.is_symlink()
    assert real.read_text() == command(*POOLS, "--sql").out
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert command(*POOLS, "--format", "csv", "--output", str(pipe)).code == 0
    read = os.read(reader, 2**16).decode()
    os.close(reader)
    assert pipe.is_fifo()
    assert read == command(*POOLS, "--format", "csv").out
    answer = command(*POOLS, "--output", "")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.endswith("Cannot write .: it is a directory.\n")


def test_one_failed_run_is_called_the_last_run(command: Command, filled: Database) -> None:
    with filled.writing() as connection:
        connection.execute("UPDATE sync_scopes SET failing_runs = 1, last_error = 'no'")
    assert "123456789012/eu-west-1: failed in the last run: no" in command("status").out
    notes = json.loads(command("report", "coverage", "--json").out)["notes"]
    assert "123456789012/eu-west-1 failed in its last run: no" in [note["text"] for note in notes]


def test_stale_data_is_exit_3(command: Command, filled: Database) -> None:
    answer = command("status", "--max-age", "2h", "--json")
    assert answer.code == 3
    assert json.loads(answer.out)["scopes"]
    assert "Older than 2h: 123456789012/eu-west-1 is " in answer.err
    with filled.writing() as connection:
        connection.execute(
            f"UPDATE sync_scopes SET watermark = '{datetime.now(UTC) - timedelta(hours=1)}'"
        )
    assert command("status", "--max-age", "2h").code == 0
    with filled.writing() as connection:
        connection.execute(
            "UPDATE training_jobs SET region = 'us-east-1' WHERE training_job_name = 'bert-1'"
        )
    assert command("status", "--max-age", "2h").code == 0


def test_scopes_of_one_off_syncs_are_shown_and_never_stale(
    command: Command, filled: Database
) -> None:
    with filled.writing() as connection:
        connection.execute("DELETE FROM sync_scopes")
    answer = command("status", "--max-age", "2h")
    assert answer.code == 3
    assert answer.err.endswith("Older than 2h: only one-off syncs have run.\n")
    assert "123456789012  eu-west-1  never     2" in answer.out
    assert "123456789012/eu-west-1: only one-off syncs, so" in answer.out
    (scope,) = json.loads(command("status", "--json").out)["scopes"]
    assert (scope["scope"], scope["one_off"], scope["jobs"], scope["age_seconds"]) == (
        "123456789012/eu-west-1", True, 2, None,
    )  # fmt: skip
    notes = json.loads(command("report", "coverage", "--json").out)["notes"]
    assert [note["code"] for note in notes] == ["one_off"]
    with filled.writing() as connection:
        connection.execute("DELETE FROM training_jobs")
    answer = command("status", "--max-age", "2h")
    assert answer.out.startswith("Nothing has been synced into this database yet.")
    assert answer.err.endswith("Older than 2h: nothing has been synced yet.\n")


def test_the_last_runs_name_the_account_if_there_are_several(
    command: Command, filled: Database
) -> None:
    def run_of(account: str) -> None:
        with filled.writing() as connection:
            insert(
                connection, "sync_runs", run_id=account, account_id=account, region="eu-west-1",
                mode="backfill", started_at=CREATED, outcome="complete", calls="{}",
            )  # fmt: skip

    def runs() -> list[list[str]]:
        text = command("status").out.partition("Last runs")[2]
        # Without the age before and the figures behind.
        return [line.partition(" ago ")[2].split()[:-5] for line in text.splitlines()[3:]]

    run_of("123456789012")
    assert runs() == [["eu-west-1", "backfill", "complete"]]
    run_of("210987654321")
    with filled.writing() as connection:
        insert(
            connection, "sync_scopes", account_id="210987654321", region="eu-west-1",
            failing_runs=0,
        )  # fmt: skip
        insert(connection, "accounts", account_id="210987654321", account_name="research")
    assert runs() == [
        ["research", "eu-west-1", "backfill", "complete"],
        ["123456789012", "eu-west-1", "backfill", "complete"],
    ]


def test_status_counts_jobs_without_price_or_details(command: Command, filled: Database) -> None:
    with filled.writing() as connection:
        for name, instance, groups, plan in (
            ("priced-2", "ml.m5.xlarge", None, None),
            ("unpriced-2", "ml.p5.48xlarge", None, None),
            ("plan-2", "ml.p5.48xlarge", None, "arn:plan"),
            (
                "groups-2",
                None,
                '[{"InstanceType": "ml.m5.xlarge"}, {"InstanceType": "ml.x"}]',
                None,
            ),
            ("fine-groups-2", None, '[{"InstanceType": "ml.m5.xlarge"}]', None),
            ("bare-2", None, None, None),
        ):
            connection.execute(
                """
                INSERT INTO training_jobs (
                    training_job_arn, creation_time, account_id, region, training_job_name,
                    training_plan_arn, warm_pool_status, open_reason, first_synced_at, updated_at,
                    details_due, job_family, family_rule
                ) VALUES (:name, now(), '123456789012', 'eu-west-1', :name, :plan, 'Available',
                    'pool',
                    now(), now(), false, 'f', 'r')
                """,
                {"name": name, "plan": plan},
            )
            if name != "bare-2":
                connection.execute(
                    """
                    INSERT INTO training_job_details (
                        training_job_arn, creation_time, instance_type, instance_groups,
                        fetched_at, final
                    ) SELECT training_job_arn, creation_time, :type, :groups, now(), true
                    FROM training_jobs WHERE training_job_arn = :name
                    """,
                    {"name": name, "type": instance, "groups": groups},
                )
    (scope,) = json.loads(command("status", "--json").out)["scopes"]
    assert scope["jobs"] == 8
    assert scope["jobs_without_price"] == 2
    assert scope["jobs_without_details"] == 1
    assert (scope["open_jobs"], scope["open_pools"]) == (6, 6)
