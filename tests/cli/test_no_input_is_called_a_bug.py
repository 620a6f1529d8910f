"""Absurd values in any option or argument end in a documented exit code, never in a bug.

`python -m tests.cli.fuzz --runs 2000` is the long run: the whole table, and random combinations.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from exporter.simulator import Simulator
from tests.cli.conftest import Command
from tests.cli.fuzz import DATABASES, Case, Fuzz, chosen, fuzz

SEED = int(os.environ.get("EXPORTER_SEED", "9"))
RUNS, SHARE = 25, 0.005


@pytest.fixture
def runner(migrated_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fuzz:
    monkeypatch.setenv("HOME", str(tmp_path))
    return Fuzz(tmp_path, migrated_file)


def test_a_sample_of_absurd_values_gives_documented_exit_codes(
    runner: Fuzz, simulator: Simulator
) -> None:
    bad: list[str] = []
    count = fuzz(runner, chosen(RUNS, SEED, SHARE), bad.append)
    assert bad == []
    assert count[2] > count.total() / 2


@pytest.mark.parametrize("name", DATABASES)
def test_a_database_may_have_any_name(runner: Fuzz, name: str) -> None:
    for words in (("db", "upgrade"), ("query", "SELECT count(*) FROM training_jobs")):
        outcome = runner.run(Case(("--db", name, *words)))
        assert outcome.is_good, outcome
        assert outcome.code in (0, 8)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("reconcile", "x.csv", "--rates=\ud800"), 2),
        (("db", "backup", "1" * 400), 2),
        (("prices", "list", "--output=" + "x" * 100_000), 2),
        (("db", "backup", "a\0b"), 2),
        (("db", "backup", "/dev/null"), 2),
        (("--db", "a\0b", "status"), 2),
        (("--db", "~nobody-of-that-name/x", "status"), 2),
        (("--config", "~nobody-of-that-name/x", "status"), 2),
        (("prices", "remove", "9" * 30), 2),
        (("sync", "--max-rps=1e400", "--dry-run"), 0),
        (("status", "--runs=" + "9" * 5_000), 2),
        (("jobs", "--created-after=0001-01-01T00:00:00+14:00"), 2),
        (("jobs", "--created-before=9999-12-31T23:59:59-14:00"), 2),
    ],
)
def test_a_value_that_cannot_be_is_refused(
    runner: Fuzz, simulator: Simulator, arguments: tuple[str, ...], code: int
) -> None:
    outcome = runner.run(Case(arguments))
    assert outcome.is_good, outcome
    assert (outcome.code, len(outcome.err) < 1_000) == (code, True), outcome


@pytest.mark.parametrize("value", ["20000-01-01", "290000-12-31"])
def test_a_bill_with_years_past_9999_and_huge_numbers_is_read_or_refused(
    runner: Fuzz, tmp_path: Path, value: str
) -> None:
    year = int(value.partition("-")[0])
    moment = pa.array([(year - 1970) * 31_556_952_000], pa.timestamp("ms"))
    texts = {
        "line_item_usage_account_id": "111122223333",
        "line_item_product_code": "AmazonSageMaker",
        "line_item_line_item_type": "Usage",
        "line_item_usage_type": "EUW1-Train:ml.m5.xlarge",
        "line_item_resource_id": "arn:aws:sagemaker:eu-west-1:111122223333:training-job/x",
        "line_item_currency_code": "USD",
    }
    columns = {
        **{name: pa.array([text]) for name, text in texts.items()},
        "line_item_usage_amount": pa.array([10**37], pa.decimal128(38, 0)),
        "line_item_unblended_cost": pa.array([10**37], pa.decimal128(38, 0)),
        "line_item_usage_start_date": moment,
        "line_item_usage_end_date": moment,
        "bill_billing_period_start_date": moment,
    }
    path = tmp_path / "bill.parquet"
    pa.parquet.write_table(pa.table(columns), path)
    assert runner.run(Case(("reconcile", str(path)))).is_good
    twice = pa.Table.from_arrays([*columns.values()] * 2, [*columns] * 2)
    pa.parquet.write_table(twice, path)
    assert runner.run(Case(("reconcile", str(path)))).is_good


def test_a_configuration_of_the_working_directory_that_leads_elsewhere_is_announced(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "sagemaker-exporter.toml"
    file.write_text('db = "theirs.duckdb"\n[report]\noutput = "theirs.csv"\n')
    line = f"{file}, found in the working directory, sets --db, --output."
    assert line in command("report", "summary").err
    assert line not in command("--config", str(file), "report", "summary").err
    assert "--output" not in command("report", "summary", "--output", "mine.csv").err
    assert "found in" not in command("--db", "mine.duckdb", "config", "show").err
