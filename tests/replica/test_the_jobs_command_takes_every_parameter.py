"""The `jobs` command has an option for each parameter, and prints in every format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from exporter import client
from exporter.cli import main
from exporter.replica.found import find
from exporter.replica.sources import FileSource
from exporter.store.database import Database
from exporter.store.listing import Listed
from exporter.store.scopes import ScopeKey
from tests.replica.support import ACCOUNT, PLAN, REGION, START, arn, put, row

Jobs = Callable[..., tuple[int, str, str]]
OTHER = ScopeKey("444455556666", "us-east-1")


@pytest.fixture
def jobs(
    filled: Database, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Jobs:
    monkeypatch.chdir(filled.path.parent)

    def run(*options: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(["--db", str(filled.path), "jobs", *options])
        return code, *capfd.readouterr()

    return run


def named(answer: tuple[int, str, str]) -> list[str]:
    code, out, err = answer
    assert (code, err) == (0, "")
    return [job["training_job_name"] for job in json.loads(out)["rows"]]


SECOND = (START + timedelta(seconds=2)).isoformat()
FIFTH = (START + timedelta(seconds=5)).isoformat()


@pytest.mark.parametrize(
    ("options", "params"),
    [
        ([], {}),
        (["--name-contains", "job-1"], {"NameContains": "job-1"}),
        (["--status", "inprogress"], {"StatusEquals": "InProgress"}),
        (["--warm-pool-status", "Reused"], {"WarmPoolStatusEquals": "Reused"}),
        (["--training-plan-arn", PLAN], {"TrainingPlanArnEquals": PLAN}),
        (["--created-after", SECOND], {"CreationTimeAfter": SECOND}),
        (["--created-before", SECOND], {"CreationTimeBefore": SECOND}),
        (["--modified-after", FIFTH], {"LastModifiedTimeAfter": FIFTH}),
        (["--modified-before", FIFTH], {"LastModifiedTimeBefore": FIFTH}),
        (
            ["--sort-by", "name", "--sort-order", "Ascending"],
            {"SortBy": "Name", "SortOrder": "Ascending"},
        ),
        (["--sort-by", "Status"], {"SortBy": "Status"}),
        (["--max-results", "3"], {"MaxResults": 3}),
        (["--region", REGION, "--account", ACCOUNT], {}),
    ],
    ids=str,
)
def test_each_option_is_a_parameter(
    jobs: Jobs, filled: Database, options: list[str], params: dict[str, Any]
) -> None:
    there = client(filled.path).list_training_jobs(**{"MaxResults": 100, **params})
    wanted = [job["TrainingJobName"] for job in there["TrainingJobSummaries"]]
    assert named(jobs("--json", *options)) == wanted
    assert wanted


def test_all_scopes_are_listed_unless_one_is_named(jobs: Jobs, filled: Database) -> None:
    put(filled, [row("far", 3.5, OTHER)])
    assert named(jobs("--json", "--max-results", "10"))[-3:] == ["job-04", "far", "job-03"]
    assert named(jobs("--json", "--region", OTHER.region)) == ["far"]
    assert named(jobs("--json", "--account", OTHER.account_id, "--sort-by", "Name")) == ["far"]
    code, out, err = jobs("--region", "ap-south-1")
    assert (code, out) == (2, "")
    assert f"no jobs of ap-south-1. It holds {ACCOUNT}/{REGION}, {OTHER}." in err


def test_pages_may_have_any_length_and_name_the_next_token(jobs: Jobs) -> None:
    code, out, err = jobs("--format", "csv", "--max-results", "5", "--sort-by", "Status")
    first = [line["training_job_name"] for line in csv.DictReader(io.StringIO(out))]
    assert (code, len(first)) == (0, 5)
    token = err.split("--next-token ")[1].strip()
    rest = named(jobs("--json", "--sort-by", "Status", "--next-token", token))
    assert [*first, *rest] == named(jobs("--json", "--sort-by", "Status"))
    code, _, err = jobs("--next-token", token)
    assert code == 2
    assert "Invalid NextToken" in err


@pytest.mark.parametrize("params", [{}, {"SortBy": "Name"}])
def test_a_long_list_is_read_in_chunks(filled: Database, params: dict[str, str]) -> None:
    def listed(chunk: int) -> list[Listed]:
        found = find(
            FileSource(filled),
            params,
            account=None,
            region=None,
            deleted=False,
            most=None,
            chunk=chunk,
        )
        assert found.token is None
        return list(found.jobs)

    assert listed(5) == listed(100)
    assert len(listed(5)) == 12


def test_deleted_jobs_are_listed_when_asked_for(jobs: Jobs, filled: Database) -> None:
    deleted = datetime(2026, 10, 9, tzinfo=UTC)
    put(filled, [row("job-11", 11.011, deleted_at=deleted)])
    assert "job-11" not in named(jobs("--json"))
    code, out, _ = jobs("--json", "--deleted", "--max-results", "1")
    assert code == 0
    assert json.loads(out)["rows"][0] == {
        "training_job_name": "job-11",
        "training_job_status": "Completed",
        "secondary_status": "Completed",
        "creation_time": "2026-10-01T00:00:11.011000Z",
        "training_end_time": None,
        "last_modified_time": "2026-10-01T00:00:11.011000Z",
        "warm_pool_status": None,
        "warm_pool_retained_seconds": None,
        "warm_pool_reused_by_job": None,
        "training_plan_arn": None,
        "account_id": ACCOUNT,
        "region": REGION,
        "training_job_arn": arn("job-11"),
        "deleted_at": "2026-10-09T00:00:00Z",
    }


def test_jobs_are_printed_in_every_format(jobs: Jobs, tmp_path: Path) -> None:
    _, out, _ = jobs("--max-results", "2", "--format", "markdown")
    assert out.startswith("| training_job_name | training_job_status |")
    _, out, _ = jobs("--max-results", "2", "--sort-order", "Ascending")
    names, _, first = (line.split("  ") for line in out.splitlines()[:3])
    assert [name.strip() for name in names if name][:4] == [
        *("training job name", "training job status", "warm pool status", "creation time"),
    ]
    # To the second, and without what only programs need: ARNs and tokens.
    assert [cell.strip() for cell in first if cell][3] == "2026-10-01T00:00:00Z"
    assert "arn:" not in out
    assert "There are more jobs: raise --max-results, or leave it out." in out
    path = tmp_path / "jobs.parquet"
    assert jobs("--format", "parquet", "--output", str(path)) == (0, "", "")
    rows = pq.read_table(path).to_pylist()
    assert rows[0]["creation_time"] == START + timedelta(seconds=11, milliseconds=11)
    assert [each["training_job_name"] for each in rows] == named(jobs("--json"))


def test_the_aws_format_equals_that_of_the_aws_cli(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    import time

    time.tzset()
    try:
        code, out, err = jobs("--format", "aws", "--name-contains", "03")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (code, err) == (0, "")
    assert (
        out
        == """\
{
    "TrainingJobSummaries": [
        {
            "TrainingJobName": "job-03",
            "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:111122223333:training-job/job-03",
            "CreationTime": "2026-10-01T05:30:03.003000+05:30",
            "TrainingEndTime": "2026-10-01T05:30:04+05:30",
            "LastModifiedTime": "2026-10-01T05:30:03.500000+05:30",
            "TrainingJobStatus": "Completed",
            "SecondaryStatus": "Training",
            "WarmPoolStatus": {
                "Status": "Reused",
                "ResourceRetainedBillableTimeInSeconds": 60,
                "ReusedByJob": "job-09"
            }
        }
    ]
}
"""
    )


def test_the_aws_format_has_the_next_token(jobs: Jobs) -> None:
    _, out, _ = jobs("--format", "aws", "--max-results", "7")
    page = json.loads(out)
    assert list(page) == ["TrainingJobSummaries", "NextToken"]
    assert len(page["TrainingJobSummaries"]) == 7
    _, out, _ = jobs("--format", "aws", "--next-token", page["NextToken"])
    assert len(json.loads(out)["TrainingJobSummaries"]) == 5
    assert jobs("--format", "aws", "--name-contains", "none") == (
        0,
        '{\n    "TrainingJobSummaries": []\n}\n',
        "",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--status", "Runing"], "'Runing' is not one of InProgress"),
        (["--name-contains", "a_b"], "up to 63 letters, digits and hyphens"),
        (["--created-after", "soon"], "'soon' is not an ISO 8601 time"),
        (["--training-plan-arn", "arn"], "trainingPlanArnEquals"),
        (["--max-results", "0"], "'0' is not a whole number of at least 1"),
        (["--next-token", "nonsense"], "Invalid NextToken"),
    ],
    ids=str,
)
def test_an_invalid_option_is_a_usage_error(jobs: Jobs, options: list[str], message: str) -> None:
    code, out, err = jobs(*options)
    assert (code, out) == (2, "")
    assert message in err


def test_a_terminal_of_80_columns_has_a_row_for_each_job(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = jobs("--sort-by", "Name", "--sort-order", "Ascending", "--max-results", "3")
    lines = out.splitlines()
    rule = next(number for number, line in enumerate(lines) if line.startswith("──"))
    assert [line.split()[0] for line in lines[rule + 1 : rule + 4]] == [
        "job-00",
        "job-01",
        "job-02",
    ]
    assert max(map(len, lines)) <= 80
