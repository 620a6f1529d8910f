"""The commands that take --lake: the same output as over a file, and errors by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, write_deltalake
from moto.server import ThreadedMotoServer

from exporter.cli import main
from exporter.publish import layout, reading
from exporter.publish.delta import PUBLISHED
from exporter.reports import notes, running
from exporter.reports.catalogue import find
from exporter.reports.periods import Period
from exporter.store.database import Database
from exporter.store.schema import TABLES
from exporter.store.view_files import views
from exporter.web import figures, page
from tests.support.published import NOW, OTHER, Published, publish

Command = Callable[..., tuple[int, str, str]]
#: Tables of a file that no lake has, as they say nothing of jobs and costs.
OF_A_FILE = {"settings", "config_sources", "alembic_version"}


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        return main(list(arguments)), *capfd.readouterr()

    return run


@pytest.fixture
def same(command: Command, published: Published) -> Callable[..., str]:
    """Run a command over the file and over the lake, and return what both print."""

    def run(*arguments: str) -> str:
        over_file = command("--db", str(published.file.path), *arguments)
        over_lake = command(*arguments, "--lake", str(published.lake))
        assert over_lake == over_file
        assert over_file[0] == 0
        return over_file[1]

    return run


def test_query_shows_the_same_relations(published: Published) -> None:
    names = [name for name in TABLES if name not in OF_A_FILE]
    names += [view.name for view in views() if not view.is_internal]
    lake = reading.lake(str(published.lake), row_ids=False)
    with published.file.reading() as file, lake.reading() as connection:
        for name in names:
            answers = [each.execute(f"FROM {name}") for each in (file, connection)]
            kinds = [answer.columns for answer in answers]
            rows = [sorted(map(repr, answer)) for answer in answers]
            assert kinds[0] == kinds[1], name
            if name == "rates":  # a lake has those of each scope
                continue
            assert rows[0] == rows[1], name
            assert rows[0] or name == "price_imports", name


def test_query_is_read_only(command: Command, published: Published, tmp_path: Path) -> None:
    before = sorted(published.lake.rglob("*"))
    for sql, message in (
        (f"COPY (SELECT 1) TO '{tmp_path}/x.csv'", "disabled by configuration"),
        ("COPY (SELECT 1 AS a) TO 'lake://x.csv'", "SQL: a lake is read only."),
        ("ATTACH 'lake://x.duckdb'", "SQL: a lake is read only."),
        (f"FROM read_text('{published.lake}/{PUBLISHED}/_delta_log/*.json')", "disabled"),
        ("SELECT nonsense", "SQL: Binder Error"),
    ):
        code, out, err = command("query", sql, "--lake", str(published.lake))
        assert (code, out) == (2, "")
        assert message in err
    assert sorted(published.lake.rglob("*")) == before


@pytest.mark.parametrize(
    "options",
    [
        ["--json"],
        ["--sort-by", "Name", "--sort-order", "Ascending", "--max-results", "7", "--json"],
        ["--sort-by", "Status", "--deleted", "--json"],
        ["--account", OTHER, "--status", "Failed", "--json"],
        ["--region", "us-east-1", "--created-after", "2026-10-10", "--json"],
        ["--warm-pool-status", "Terminated", "--format", "aws"],
    ],
)
def test_jobs_are_the_same(command: Command, published: Published, options: list[str]) -> None:
    code, out, _ = command("--db", str(published.file.path), "jobs", *options)
    over_file = json.loads(out)
    over_lake = json.loads(command("jobs", *options, "--lake", str(published.lake))[1])
    if "--max-results" in options:  # each token is another one
        assert [len(each.pop("notes")) for each in (over_file, over_lake)] == [1, 1]
        assert all(each.pop("next_token") for each in (over_file, over_lake))
    assert code == 0
    assert over_lake == over_file
    assert over_file.get("rows") or over_file.get("TrainingJobSummaries")


def test_a_token_continues_in_the_same_lake_only(
    command: Command, published: Published, tmp_path: Path
) -> None:
    lake = str(shutil.copytree(published.lake, tmp_path / "lake"))
    options = ("jobs", "--lake", lake, "--sort-by", "Status", "--max-results", "5", "--json")
    first = json.loads(command(*options)[1])
    token = first["notes"][0]["text"].rpartition(" ")[2]
    second = json.loads(command(*options, "--next-token", token)[1])
    rows = [
        (row["training_job_arn"], row["creation_time"]) for row in (*first["rows"], *second["rows"])
    ]
    assert len(set(rows)) == 10
    database = Database(Path(shutil.copyfile(published.parts["one"].path, tmp_path / "one.duckdb")))
    with database.writing() as connection:
        connection.execute("UPDATE sync_scopes SET watermark = watermark + INTERVAL 1 HOUR")
    publish(database, Path(lake), "one")
    code, _, err = command(*options, "--next-token", token)
    assert code == 2
    assert "Invalid NextToken" in err


def test_a_job_is_the_same(same: Callable[..., str], published: Published) -> None:
    with published.file.reading() as connection:
        names = connection.execute(
            "SELECT training_job_name FROM training_jobs "
            "WHERE training_job_name LIKE 'nightly-9' OR warm_pool_status = 'Reused' "
            "OR deleted_at IS NOT NULL OR training_end_time IS NULL "
            "ORDER BY hash(training_job_arn) LIMIT 3"
        ).scalars()
        chosen = [*names, "nightly-9"]
    for name in chosen:
        assert json.loads(same("job", name, "--json"))["jobs"]


def test_a_report_and_its_limit_are_the_same(command: Command, published: Published) -> None:
    for options in (
        ["--format", "csv"],
        ["--json"],
        ["--fail-over", "1"],
        ["--format", "markdown"],
    ):
        arguments = [
            "report",
            "warm-pool-cost",
            "--since",
            "2026-10-01",
            "--by",
            "account",
            *options,
        ]
        over_file = command("--db", str(published.file.path), *arguments)
        over_lake = command(*arguments, "--lake", str(published.lake))
        assert over_lake == over_file
        assert over_lake[0] == (3 if "--fail-over" in options else 0)


def test_a_report_reads_the_files_of_its_months_only(published: Published) -> None:
    lake = reading.lake(str(published.lake))
    with lake.reading() as connection:
        assert lake.objects is not None
        lake.objects.opened.clear()
        october = Period(NOW.date().replace(month=10, day=1), NOW.date().replace(day=1))
        request = running.Request(period=october, now=NOW)
        running.run(connection, find("training-cost"), request)
        facts = {path for path in lake.objects.opened if path.startswith("daily_costs/")}
        assert facts
        assert all("/month=2026-10/" in path for path in facts)
        lake.objects.opened.clear()
        connection.execute(
            f"SELECT sum(cost_usd) FROM daily_costs WHERE account_id = '{OTHER}'"
        ).all()
        facts = {path for path in lake.objects.opened if path.startswith("daily_costs/")}
        assert facts
        assert all(f"/account_id={OTHER}/" in path for path in facts)


def test_a_silent_collector_is_named(published: Published) -> None:
    with reading.lake(str(published.lake)).reading() as connection:
        table = connection.execute("SELECT max(published_at) FROM internal.collectors").scalar()
        assert list(notes.of_collectors(connection, table + timedelta(hours=71))) == []
        late = table + timedelta(days=3, hours=2)
        found = [note.text for note in notes.of_collectors(connection, late)]
        assert found == [
            "The collector one (111122223333/eu-west-1, 111122223333/us-east-1) has published "
            "nothing for 3d 2h; usually it does every 1d.",
            "The collector other (444455556666/eu-west-1) has published nothing for 3d 2h; "
            "usually it does every 1d.",
        ]
        only = [note.text for note in notes.of_collectors(connection, late, OTHER)]
        assert only == found[1:]
        # One collector publishes every six hours, the other one has published once.
        connection.execute(
            "UPDATE internal.collectors SET usual_seconds = 21600 WHERE collector = 'one'"
        )
        connection.execute(
            "UPDATE internal.collectors SET published_at = published_at + INTERVAL 10 HOUR "
            "WHERE collector = 'one'"
        )
        found = [note.code for note in notes.of_collectors(connection, table + timedelta(hours=19))]
        assert found == ["silent_collector"]
        report = running.run(
            connection, find("warm-pool-live"), running.Request(now=table + timedelta(hours=19))
        )
        assert "silent_collector" in [note.code for note in report.notes]


def _empty(folder: Path, _: Published) -> None:
    folder.mkdir()


def _other_files(folder: Path, _: Published) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("no lake")


def _a_file(folder: Path, _: Published) -> None:
    folder.write_text("no folder")


def _newer(folder: Path, published: Published) -> None:
    shutil.copytree(published.lake, folder)
    table = DeltaTable(folder / PUBLISHED)
    rows = table.to_pyarrow_table()
    column = rows.column("layout").combine_chunks()
    newer = rows.set_column(
        rows.schema.get_field_index("layout"), "layout", [[layout.LAYOUT + 1] * len(column)]
    )
    write_deltalake(table, newer, mode="overwrite")


def _lost_file(folder: Path, published: Published) -> None:
    shutil.copytree(published.lake, folder)
    for path in (folder / "daily_costs").rglob("*.parquet"):
        path.unlink()


@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (None, 8, "There is no lake at"),
        (_empty, 8, "There is no lake at"),
        (_other_files, 8, "There is no lake at"),
        (_a_file, 8, "There is no lake at"),
        (_newer, 6, "and this program reads layout"),
        (_lost_file, 8, "Cannot read the lake"),
    ],
)
def test_what_is_no_lake_is_said(
    command: Command,
    published: Published,
    tmp_path: Path,
    make: Callable[[Path, Published], None] | None,
    code: int,
    message: str,
) -> None:
    folder = tmp_path / "place"
    if make is not None:
        make(folder, published)
    found, out, err = command("report", "training-cost", "--lake", str(folder))
    assert (found, out) == (code, "")
    assert err.count("\n") == 1
    assert message in err
    assert str(folder) in err


def test_an_old_duckdb_is_named(
    command: Command, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.publish.reading.duckdb.__version__", "1.5.6")
    code, out, err = command("query", "SELECT 1", "--lake", str(published.lake))
    assert (code, out) == (2, "")
    assert "--lake needs DuckDB 2.0 or newer; this is 1.5.6." in err


@pytest.fixture(scope="module")
def bucket(published: Published) -> Iterator[dict[str, str]]:
    """The lake in S3, and the environment that leads there."""
    import boto3

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        client: Any = boto3.client("s3")
        client.create_bucket(Bucket="lakes")
        for path in sorted(published.lake.rglob("*")):
            if path.is_file():
                client.upload_file(path, "lakes", f"team/{path.relative_to(published.lake)}")
    yield environment
    server.stop()


def test_a_lake_in_s3_is_read_alike(
    command: Command,
    published: Published,
    bucket: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in bucket.items():
        monkeypatch.setenv(name, value)
    for arguments in (
        ("report", "warm-pool-cost", "--since", "2026-10-01", "--json"),
        ("report", "keep-alive-advice", "--since", "2026-10-01", "--json"),
        ("query", "SELECT count(*), sum(cost_usd) FROM daily_costs", "--json"),
    ):
        over_file = command("--db", str(published.file.path), *arguments)
        # The server of the test writes its log to standard error.
        assert command(*arguments, "--lake", "s3://lakes/team")[:2] == over_file[:2]
    code, _, err = command("query", "SELECT 1", "--lake", "s3://lakes/other")
    assert code == 8
    assert "There is no lake at s3://lakes/other" in err
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    code, _, err = command("query", "SELECT 1", "--lake", "s3://lakes/team")
    assert code == 5
    assert "no usable AWS credentials" in err
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    code, _, err = command("query", "SELECT 1", "--lake", "s3://lakes/team")
    assert code == 7
    assert "Cannot read the lake" in err


def test_the_dashboard_is_the_same(published: Published) -> None:
    period = Period(NOW.date().replace(month=8, day=1), NOW.date().replace(month=12, day=1))
    with published.file.reading() as file, reading.lake(str(published.lake)).reading() as lake:
        over_file, over_lake = (
            page.render(figures.read(each, period, NOW)) for each in (file, lake)
        )
    assert over_lake == over_file
