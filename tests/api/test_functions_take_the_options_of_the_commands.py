"""Each function takes the options of its command, in types of Python, and speaks of them."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest

import exporter
from exporter import dashboard, job, jobs, reconcile, report, status, sync
from exporter.api.arguments import SyncArguments
from exporter.cli.entry import main
from exporter.cli.root import root
from exporter.config.model import SyncOptions
from exporter.errors import CredentialsError, ExporterError, PartialError, UsageError
from exporter.simulator import Fault, Scope, Simulator
from tests.support import bills

#: Options that say how to print, or where the database and the configuration are.
PRINTING = {
    "_click_default_help",
    "format",
    "json",
    "output",
    "help",
    "db",
    "config",
    "verbose",
    "quiet",
    "log_format",
}
#: Options of commands that their functions do not have, and arguments that only functions have.
DIFFERENT = {
    # Parameters are a mapping, not texts; a program reads SQL from the command, and sends itself.
    "report": ({"param", "sql", "notify"}, {"params"}),
    # The table always has the jobs; `every` is the key of --all in the configuration file.
    "reconcile": ({"jobs", "every"}, {"all", "notify"}),
    "status": (set(), {"config"}),
    "jobs": (set(), set()),
    "job": (set(), set()),
    # A notebook opens the page itself.
    "dashboard": ({"open"}, {"output"}),
}


def options_of(name: str) -> set[str]:
    context = root.make_context("sagemaker-exporter", [], resilient_parsing=True)
    command = root.get_command(context, name)
    assert command is not None
    # With its parent: a command keeps the help option of the first context that asks for it.
    own = click.Context(command, parent=context, info_name=name)
    return {str(each.name) for each in command.get_params(own)}


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_function_has_the_options_of_its_command(name: str) -> None:
    only_command, only_function = DIFFERENT[name]
    taken = set(inspect.signature(getattr(exporter, name)).parameters) - {"db"}
    wanted = options_of(name) - PRINTING - only_command
    assert taken == wanted | only_function


def test_sync_has_the_options_of_its_command() -> None:
    assert set(SyncArguments.__annotations__) == {
        each.name for each in fields(SyncOptions) if each.name != "prices"
    }


def test_one_dimension_needs_no_list(filled: Path) -> None:
    for by in ("family", ["family"], ("family",)):
        assert report(filled, "training-cost", month="2026-10", by=by).columns[0].name == "family"
    names = [each.name for each in report(filled, "training-cost", by=["family", "region"]).columns]
    assert names[:2] == ["family", "region"]


def test_periods_are_dates_times_ages_or_texts(filled: Path) -> None:
    def days(**given: Any) -> str:
        return str(report(filled, "training-cost", **given).period)

    october = "2026-10-01 to 2026-10-31 (UTC days)"
    for month in ("2026-10", date(2026, 10, 7), datetime(2026, 10, 7, tzinfo=UTC)):
        assert days(month=month) == october
    for since, until in (
        ("2026-10-01", "2026-11-01"),
        (date(2026, 10, 1), date(2026, 11, 1)),
        (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)),
    ):
        assert days(since=since, until=until) == october
    assert days(since=timedelta(days=30)) == days(since="30d")


def test_report_takes_parameters_a_basis_and_a_limit(filled: Path) -> None:
    (top,) = report(filled, "warm-pool-jobs", month="2026-10", params={"top": 1})
    assert top["job"] == "bert-1"
    with pytest.raises(PartialError, match=r"cost_usd is 5\.52 USD, over the limit of 5\.00 USD"):
        report(filled, "training-cost", month="2026-10", fail_over=5)
    listed = report(filled, "training-cost", month="2026-10", basis="list")
    assert listed.totals is not None
    assert listed.totals["cost_usd"] != Decimal("5.520161290323")
    names = [row["report"] for row in report(filled)]
    assert "warm-pool-cost" in names


def test_jobs_are_those_of_the_command(filled: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = jobs(filled, sort_by="Name", sort_order="ascending", created_after=date(2026, 10, 3))
    assert [row["training_job_name"] for row in found] == ["bert-1", "resnet-1"]
    args = ["jobs", "--sort-by", "Name", "--sort-order", "Ascending", "--format", "json"]
    assert main([*args, "--db", str(filled)]) == 0
    printed = json.loads(capfd.readouterr().out)["rows"]
    assert [list(row) for row in found] == [list(row) for row in printed]

    first = jobs(filled, max_results=1)
    (note,) = first.notes
    assert note.text == f"There are more jobs: next_token={first.more['next_token']!r}"
    rest = jobs(filled, next_token=first.more["next_token"])
    assert [row["training_job_name"] for row in [*first, *rest]] == ["resnet-1", "bert-1"]
    assert "deleted_at" in [column.name for column in jobs(filled, deleted=True).columns]


def test_a_job_is_whole(filled: Path) -> None:
    (bert,) = job(filled, "bert-1")
    assert bert.facts["instance_type"] == "ml.m5.xlarge"
    assert bert.cost_usd == Decimal("3.312096774194")
    assert [row["component"] for row in bert.costs] == [
        "Training",
        "Training ML storage",
        "Training Warm Pool",
        "Training Warm Pool ML storage",
    ]
    assert bert.chain.rows[0]["job"] == "bert-1"
    assert "What it cost" in repr(bert)
    assert bert._repr_html_().count("<table>") == 3


def test_status_raises_if_the_data_is_too_old(filled: Path, tmp_path: Path) -> None:
    found = status(filled, max_age=timedelta(days=9999))
    assert [(each.name, each.jobs) for each in found.scopes] == [("123456789012/eu-west-1", 2)]
    with pytest.raises(PartialError, match=r"Older than 2h: 123456789012/eu-west-1 is .* old"):
        status(filled, max_age="2h")
    elsewhere = tmp_path / "sagemaker-exporter.toml"
    elsewhere.write_text("[[source]]\nregions = ['us-east-1']\n[sync]\nregion = 'us-east-1'\n")
    assert status(filled, config=elsewhere, max_age=timedelta(days=9999)).scopes[0].is_configured


def test_a_bill_is_compared_kept_and_checked(filled: Path, tmp_path: Path) -> None:
    db = tmp_path / "jobs.duckdb"
    shutil.copyfile(filled, db)
    day = datetime(2026, 10, 3, 12, tzinfo=UTC)
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/bert-1"
    charge = bills.Charge(
        day,
        "Training Warm Pool",
        "ml.m5.xlarge",
        Decimal("0.75"),
        Decimal("0.825"),
        resource=arn,
        account="123456789012",
    )
    bill = bills.cur(tmp_path / "cur.parquet", [charge])
    found = reconcile(db, bill)
    (pool,) = [row for row in found if row["component"] == "Training Warm Pool"]
    assert (pool["billed"], pool["ours"]) == (Decimal("0.75"), 1)
    assert [each["training_job_name"] for each in pool["jobs"]] == ["bert-1"]
    with pytest.raises(PartialError, match="of the bill and the database differ"):
        reconcile(db, str(bill), check=True)

    rates = tmp_path / "rates.csv"
    kept = reconcile(db, bill, keep=True, rates=rates, all=True)
    assert kept.more["kept"]["rates"] == 1
    assert "Training Warm Pool,ml.m5.xlarge,1.1" in rates.read_text()
    assert len(kept) >= len(found)


def test_the_dashboard_is_a_file(filled: Path, tmp_path: Path) -> None:
    page = dashboard(filled, tmp_path / "pools.html", since=date(2026, 10, 1), minute_usd=0.5)
    assert page == tmp_path / "pools.html"
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda db: report(db, "training-cost", month="2026-10", since="30d"),
            "month= excludes since= and until=. Use one or the other.",
        ),
        (
            lambda db: report(db, "training-cost", since="2026-10-02", until="2026-10-01"),
            "The period from 2026-10-02 to 2026-10-01 is empty. "
            "until= is exclusive: use a later end date.",
        ),
        (
            lambda db: report(db, "training-cost", month="October"),
            "month='October' is not a month such as 2026-10, this or last.",
        ),
        (
            lambda db: report(db, "trainingcost"),
            "There is no report 'trainingcost'. Did you mean 'training-cost'? "
            "`report()` lists the reports.",
        ),
        (
            lambda db: report(db, "training-cost", by="famly"),
            "by='famly': there is no such dimension. Did you mean 'family'? Known: day, month, "
            "instance_type, region, account, family, team, tag:KEY.",
        ),
        (
            lambda db: report(db, "job-history", "bert-1", by="family"),
            "The report job-history takes no by=.",
        ),
        (
            lambda db: report(db, "warm-pool-jobs", params={"top": "few"}),
            "params={'top': 'few'}: expected a whole number of at least 0. "
            "top: Number of jobs to show",
        ),
        (
            lambda db: report(db, "training-cost", "bert-1"),
            "The report training-cost takes no argument: 'bert-1'. "
            "Use params={NAME: VALUE} for its parameters.",
        ),
        (
            lambda db: report(db, "job-history", "bert-1", fail_over=1),
            "The report job-history has no total for fail_over=.",
        ),
        (
            lambda db: job(db, "bertt"),
            "The database has no job 'bertt'. Nearest: bert-1, resnet-1. "
            "`jobs(name_contains=TEXT)` lists more.",
        ),
        (
            lambda db: jobs(db, status="Complete"),
            "status='Complete' is not one of InProgress, Completed, Failed, Stopping, Stopped, "
            "Deleting. Did you mean 'Completed'?",
        ),
        (
            lambda db: status("no.duckdb"),
            "There is no database at no.duckdb. Run `sync()` first, or name the file with db=.",
        ),
        (lambda db: status(":memory:"), "db=':memory:' is not a file. Give a path."),
        (
            lambda db: reconcile(db, "cur.csv", credits=True),
            "credits=True needs keep=True.",
        ),
        (
            lambda db: sync(db, metrics_file="/nowhere/out.prom"),
            "metrics_file='/nowhere/out.prom' cannot be written. Its directory must exist and be "
            "writable for this user.",
        ),
    ],
)
def test_errors_name_arguments_not_flags(
    filled: Path, call: Callable[[Path], object], message: str
) -> None:
    with pytest.raises(UsageError if "no database" not in message else ExporterError) as caught:
        call(filled)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda db: report(db, "training-cost", month=5),  # type: ignore[arg-type]  # wrong
            "month must be a month such as 2026-10, this or last, not 5",
        ),
        (
            lambda db: report(db, "training-cost", since=datetime(2026, 10, 1)),
            "since must be an aware datetime, not datetime.datetime(2026, 10, 1, 0, 0)",
        ),
        (
            lambda db: jobs(db, max_results=True),
            "max_results must be a whole number of at least 1, not True",
        ),
        (
            lambda db: jobs(db, deleted=1),  # type: ignore[arg-type]  # wrong
            "deleted must be true or false, not 1",
        ),
        (
            lambda db: status(db, max_age=2),  # type: ignore[arg-type]  # wrong
            "max_age must be an age such as 90m, 12h, 30d or 2w, not 2",
        ),
        (
            lambda db: reconcile(db, 5),  # type: ignore[arg-type]  # wrong
            "file must be a path, not 5",
        ),
    ],
)
def test_values_of_a_wrong_type_are_named(
    filled: Path, call: Callable[[Path], object], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        call(filled)
    assert str(caught.value) == message


def test_the_warnings_and_errors_of_a_sync_name_arguments(
    tmp_path: Path, scope: Scope, simulator: Simulator
) -> None:
    scope.create_job("bert-1")
    heard: list[str] = []
    sync(tmp_path / "jobs.duckdb", max_rps=0, since=timedelta(days=2), notify=heard.append)
    # It comes from a thread of the sync.
    assert any(line.endswith("An earlier since= lists them.") for line in heard)
    simulator.inject(Fault("denied_by_policy", "ListTrainingJobs"))
    with pytest.raises(CredentialsError, match="or use exclude_regions="):
        sync(tmp_path / "other.duckdb", max_rps=0)
