"""Every report, with every option, gives the same rows and notes on a server as over a file.

The server is Sail as a cluster. Here each report runs once, with its default period and, if it
groups, with every dimension at once. `python -m tests.spark.compare sail --all` runs all periods
as well, and `make spark` compares on Spark with two worker processes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import boto3
import pytest

from exporter.cli import main
from exporter.errors import ServiceError
from exporter.publish import reading
from exporter.publish.spark import remote
from exporter.reports.catalogue import Report, catalogue, find
from exporter.store.connections import Connection
from tests.publish.test_reports_over_a_lake_equal_those_of_the_file import BY, found, requests
from tests.spark.sail import sail
from tests.support import buckets
from tests.support.published import Published

#: Sail plans these too long. `python -m tests.spark.compare sail` and `make spark` compare them.
SLOW = {"warm-pool-missing", "why-not-reused"}
REPORTS = [each for each in catalogue().values() if each.name not in SLOW]
Both = tuple[Connection, remote.Remote]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with sail() as uri:
        yield uri


@pytest.fixture(scope="module")
def both(published: Published, server: str) -> Iterator[Both]:
    """The file, and the lake on the server."""
    with (
        published.file.reading() as file,
        remote.opened(server, reading.lake(str(published.lake))) as lake,
    ):
        yield file, lake


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_a_report_is_the_same(report: Report, both: Both) -> None:
    file, lake = both
    request = next(requests(report, file))
    if report.by:
        request = replace(request, by=tuple(chain(*BY)))
    assert found(lake, report, request) == found(file, report, request)


def test_the_last_bit_of_a_moment_is_the_same(both: Both) -> None:
    chosen = random.Random(7)
    moments = [str(chosen.randrange(-(10**15), 10**16)) for _ in range(400)]
    # The server computes only what reads a large table.
    sql = f"""
        WITH moment AS (SELECT unnest([{", ".join(moments)}]) AS us),
        first AS (SELECT min(region) AS region FROM training_jobs)
        SELECT region, us, epoch(CAST(make_timestamp(us) AS TIMESTAMPTZ)) AS seconds
        FROM moment
        CROSS JOIN first
        ORDER BY us
    """
    file, lake = both
    assert list(lake.execute(sql, {}).tuples()) == list(file.execute(sql, {}).tuples())


def test_many_quantiles_of_a_group_are_the_same(both: Both) -> None:
    sql = """
        SELECT
            region,
            quantile_disc(
                epoch(creation_time), list_transform(range(10), lambda n: n / 10)
            ) AS tenths,
            quantile_disc(epoch(training_end_time), [0.5])
                FILTER (WHERE deleted_at IS NOT NULL) AS of_deleted
        FROM training_jobs
        GROUP BY region
        ORDER BY region
    """
    file, lake = both
    assert list(lake.execute(sql, {}).tuples()) == list(file.execute(sql, {}).tuples())


def test_the_command_prints_what_it_prints_for_the_file(
    published: Published, server: str, capfd: pytest.CaptureFixture[str]
) -> None:
    wanted = ("report", "warm-pool-cost", "--by", "tag:Project", "--format", "json")
    period = ("--since", "2026-10-01T00:00:00Z", "--until", "2026-11-10T00:00:00Z")
    over_lake = ("--lake", str(published.lake), "--remote", server)
    printed = []
    for source in (("--db", str(published.file.path), *wanted), (*wanted, *over_lake)):
        assert main([*source, *period]) == 0
        out, err = capfd.readouterr()
        assert err == ""
        printed.append(out)
    assert printed[0] == printed[1]


def test_a_job_that_is_not_there_has_neighbours(
    published: Published, server: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with published.file.reading() as file:
        name = file.execute("SELECT min(training_job_name) FROM training_jobs").scalar()
    over_lake = ("--lake", str(published.lake), "--remote", server)
    assert main(["report", "job-history", f"{name}x", *over_lake]) == 2
    _, err = capfd.readouterr()
    assert f"Nearest: {name}" in err


def test_a_lake_in_s3_is_read_by_the_server_itself(
    published: Published, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = find("warm-pool-cost")
    with buckets.moto() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        upload(published.lake, environment["AWS_ENDPOINT_URL_S3"])
        lake = reading.lake(f"s3://{buckets.BUCKET}/lake")
        # The server gets no credentials from us; Sail knows these names.
        its_own = {
            "AWS_ENDPOINT": environment["AWS_ENDPOINT_URL_S3"],
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": environment["AWS_DEFAULT_REGION"],
        }
        with (
            sail(environment=its_own) as uri,
            published.file.reading() as file,
            remote.opened(uri, lake) as opened,
        ):
            request = next(requests(report, file))
            assert found(opened, report, request) == found(file, report, request)
        with remote.opened(server, lake) as opened, pytest.raises(ServiceError) as error:
            found(opened, report, request)
    assert "failed: " in str(error.value)


def upload(lake: Path, endpoint: str) -> None:
    client = boto3.client("s3", endpoint_url=endpoint)
    for path in lake.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), buckets.BUCKET, f"lake/{path.relative_to(lake)}")


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--remote", "sc://127.0.0.1:1"], 2, "--remote needs --lake URI"),
        (["--remote", "http://127.0.0.1:1", "--lake"], 2, "--remote takes the URI of"),
        (
            ["--remote", "sc://127.0.0.1:1/;token=hush", "--lake"],
            7,
            "cannot be reached",
        ),
        (["--remote", "sc://127.0.0.1:1", "--basis", "list", "--lake"], 2, "--basis list needs"),
        (["--remote", "sc://127.0.0.1:1", "--sql", "--lake"], 2, "--sql prints the SQL of DuckDB"),
    ],
)
def test_what_cannot_run_ends_with_its_exit_code(
    published: Published,
    options: list[str],
    code: int,
    said: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    lake = [str(published.lake)] if options[-1] == "--lake" else []
    assert main(["report", "coverage", *options, *lake]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 1
    assert "hush" not in err
