"""The site shows each commit, keeps no writer waiting, and stays up whatever readers do."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from exporter import files
from exporter.errors import BusyError, DatabaseError, UsageError
from exporter.store import following
from exporter.store.database import Database
from exporter.store.following import FileSource, Follower, copy_at_rest
from exporter.web.site import limits, server, statement
from exporter.web.site.server import Site, of_file
from tests.support.processes import environment
from tests.web.pages import NOW, execute
from tests.web.site import get

_ADD = """INSERT INTO training_jobs BY NAME
SELECT
    training_job_arn || '-{name}' AS training_job_arn, '{name}' AS training_job_name,
    creation_time, account_id, region, 'Completed' AS training_job_status,
    first_synced_at, updated_at
FROM training_jobs ORDER BY creation_time DESC LIMIT 1"""


@pytest.fixture
def site(world_copy: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(following, "_LOOK_EVERY", 0.02)
    with Site(of_file(world_copy.path), share=1.0, now=lambda: NOW) as running:
        yield running


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def names(site: Site) -> list[str]:
    rows = get(site.url, "/jobs.json", {"name_contains": "added"}).json["rows"]
    return sorted(row["training_job_name"] for row in rows)


def test_fifty_readers_and_a_writer_do_not_disturb_each_other(
    site: Site, world_copy: Database
) -> None:
    # It does not wait at all, so a reader that holds the file would fail it.
    impatient = Database(world_copy.path, lock_timeout=0.0)
    paths = (
        "/jobs?status=Failed",
        "/jobs.csv?max_results=9",
        "/reports",
        "/",
        "/jobs?sort_by=Cost",
    )

    def read(number: int) -> int:
        return get(site.url, paths[number % len(paths)]).status

    with ThreadPoolExecutor(50) as readers:
        answers = [readers.submit(read, number) for number in range(50)]
        for number in range(5):
            execute(impatient, _ADD.format(name=f"added-{number}"))
        assert {answer.result() for answer in answers} == {200}
    until(lambda: names(site) == [f"added-{number}" for number in range(5)])
    # Rows that change or go follow as well.
    execute(
        impatient,
        "UPDATE training_jobs SET training_job_name = 'added-new' "
        "WHERE training_job_name = 'added-0'",
        "DELETE FROM training_jobs WHERE training_job_name = 'added-1'",
    )
    until(lambda: names(site) == ["added-2", "added-3", "added-4", "added-new"])


def test_new_prices_change_the_costs_of_all_jobs(site: Site, world_copy: Database) -> None:
    before = get(site.url, "/jobs.json").json["rows"]
    assert any(row["cost_usd"] for row in before)
    execute(world_copy, "DELETE FROM prices", "DELETE FROM rates")
    until(lambda: not any(row["cost_usd"] for row in get(site.url, "/jobs.json").json["rows"]))
    assert "Their cost is not known." in get(site.url, "/jobs").page.text


def test_a_file_that_cannot_be_read_any_more_leaves_the_last_pages(
    site: Site, world_copy: Database
) -> None:
    kept = world_copy.path.with_suffix(".kept")
    world_copy.path.rename(kept)
    until(lambda: "This is not the newest data" in get(site.url, "/jobs").page.text)
    assert "900 training jobs" in get(site.url, "/jobs").page.text


def test_a_copy_counts_only_if_no_writer_came_in_between(
    world_copy: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target.duckdb"
    os.utime(world_copy.path, ns=(10**18, 10**18))
    assert not copy_at_rest(world_copy.path, target, now_ns=lambda: 10**18 + 10**7)
    assert not target.exists()
    real = files.copy

    def with_a_writer(source: int, to: Path) -> None:
        real(source, to)
        os.utime(world_copy.path, ns=(10**18, 10**18 + 1))

    monkeypatch.setattr(files, "copy", with_a_writer)
    assert not copy_at_rest(world_copy.path, target)
    assert not target.exists()
    monkeypatch.undo()
    assert copy_at_rest(world_copy.path, target)
    assert target.read_bytes() == world_copy.path.read_bytes()


def test_a_writer_that_never_rests_is_followed_under_the_lock(
    world_copy: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "copy_at_rest", lambda *_: False)
    state = FileSource(world_copy.path, tmp_path, sleep=lambda _: None).take()
    with state.reading() as connection:
        assert connection.execute("SELECT count(*) FROM training_jobs").scalar() == 900
    state.close()
    assert list(tmp_path.glob("[0-9]*")) == []


def test_a_commit_in_the_log_is_in_the_copy(world_copy: Database, tmp_path: Path) -> None:
    # A process that is killed after a commit leaves the log.
    script = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute(\"UPDATE training_jobs SET team = 'late'\"); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(world_copy.path)], check=True)
    assert Path(f"{world_copy.path}.wal").exists()
    state = FileSource(world_copy.path, tmp_path).take()
    with state.reading() as connection:
        teams = connection.execute("SELECT DISTINCT team FROM training_jobs").all()
    assert teams == [("late",)]
    state.close()


def test_a_state_stays_until_its_last_reader_leaves(world_copy: Database, tmp_path: Path) -> None:
    with Follower(FileSource(world_copy.path, tmp_path), lambda _: None) as follower:
        with follower.state() as state:
            follower.refresh()
            assert Path(state.place[1]).exists()
            with state.reading() as connection:
                assert connection.execute("SELECT 1").scalar() == 1
        assert not Path(state.place[1]).exists()
        assert follower.number == 2
    assert not any(tmp_path.iterdir()) or not list(tmp_path.glob("*/*.duckdb"))


def test_a_missing_database_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="There is no database at"):
        Site(of_file(tmp_path / "none.duckdb"))


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "DELETE FROM training_jobs",
        "SELECT repeat('x', 200000000)",
    ],
)
def test_sql_reads_nothing_but_the_database(world_file: Path, tmp_path: Path, sql: str) -> None:
    request = statement.Request(
        "db", str(world_file), sql.format(folder=tmp_path), "json", 10, str(tmp_path / "result")
    )
    with pytest.raises(UsageError):
        statement.run(request)
    assert {path.name for path in tmp_path.iterdir()} <= {"result"}


def test_sql_and_reports_end_in_time(
    site: Site, world_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = "SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b"
    request = statement.Request("db", str(world_file), slow, "json", 10, str(tmp_path / "result"))
    with pytest.raises(BusyError, match="longer than 2 s"):
        statement.run(request, seconds=2)
    with (
        Database(world_file).reading() as connection,
        pytest.raises(limits.TooLong),
        limits.Running().limited(connection, 0.2),
    ):
        connection.execute(slow)


@contextmanager
def connected(site: Site) -> Iterator[socket.socket]:
    where = urlsplit(site.url)
    with socket.create_connection((where.hostname, where.port), timeout=60) as found:
        yield found


def test_a_request_that_never_ends_is_hung_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_REQUEST", 0.2)
    for begin in (b"", b"GET /jobs HTTP/1.1\r\nHost: loc"):
        with connected(site) as found:
            found.sendall(begin)
            assert found.recv(1000) == b""
    with connected(site) as found:
        found.sendall(b"GET /jobs HTTP/1.1\r\nA: " + b"x" * (1 << 17))
        assert found.recv(1000).startswith((b"HTTP/1.1 400", b""))
    assert get(site.url, "/reports").status == 200


def test_a_large_form_and_other_methods_are_refused(site: Site) -> None:
    assert get(site.url, "/jobs", method="DELETE").status == 405
    assert get(site.url, "/jobs", method="POST", body="a=b").status == 405
    assert get(site.url, "/sql", {"sql": "x" * 20_001}).status == 400


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_names_its_address_and_ends_at_a_signal(
    world_file: Path, tmp_path: Path, number: int
) -> None:
    path = Path(shutil.copy(world_file, tmp_path / "jobs.duckdb"))
    command = [sys.executable, "-m", "exporter", "--db", str(path), "web", "--port", "0"]
    env: Any = environment({"TMPDIR": str(tmp_path)})
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        assert "900 training jobs" in get(url, "/jobs").page.text
        # A page that is being made, or is not yet, does not keep the server from ending.
        with closing(HTTPConnection(urlsplit(url).netloc, timeout=60)) as waiting:
            waiting.request("GET", "/")
            process.send_signal(number)
            assert process.wait(timeout=60) == 0
    assert [each.name for each in tmp_path.iterdir()] == ["jobs.duckdb"], "nothing is left"
