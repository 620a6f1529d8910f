"""A file system without permissions, flushing, links, renames or locks: go on, or name it at once.

`refusing.c` is a library that makes these calls fail, as CIFS, gcsfuse and NFS without a lock
daemon do. It is compiled here and preloaded into whole processes.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from exporter.publish import layout
from exporter.publish.delta import PUBLISHED
from exporter.simulator import Scope, Simulator
from exporter.store.check import check
from exporter.store.database import Database
from tests.reliability.ordeal import differences
from tests.support.files import content, names
from tests.support.processes import Ended, environment

SOURCE = Path(__file__).with_name("refusing.c")
#: What CIFS, gcsfuse and NFS answer.
CIFS = {"chmod": errno.EPERM, "link": errno.ENOTSUP, "fsync": errno.EINVAL}
GCSFUSE = {"chmod": errno.ENOSYS, "link": errno.ENOSYS, "fsync": errno.ENOSYS}

Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled library."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("a C compiler on Linux makes the library that refuses")
    built = tmp_path_factory.mktemp("library") / "refusing.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(built), str(SOURCE), "-ldl"], check=True
    )
    return built


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A folder of the file system that refuses."""
    folder = tmp_path / "share"
    folder.mkdir()
    return folder


@pytest.fixture
def run(library: Path, simulator: Simulator, share: Path) -> Run:
    """A function that runs a command with the library."""

    def run(*arguments: str, refuse: dict[str, int] | None = None, **more: str) -> Ended:
        pairs = "".join(f",{name}={number}" for name, number in (refuse or {}).items())
        env = {"LD_PRELOAD": str(library), "REFUSE": pairs, "REFUSE_UNDER": str(share), **more}
        ended = subprocess.run(
            [sys.executable, "-m", "exporter", *arguments],
            env=environment({**simulator.environment(), **env}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in ended.stderr
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.mark.parametrize("refuse", [CIFS, GCSFUSE], ids=["CIFS", "gcsfuse"])
def test_a_sync_and_its_copies_do_without_permissions_links_and_flushing(
    run: Run, database: Database, share: Path, scope: Scope, refuse: dict[str, int]
) -> None:
    """The database itself is on a local disk; what others read is on the share."""
    scope.create_job("job")
    snapshot, metrics = share / "snapshot.duckdb", share / "exporter.prom"
    ended = run(
        "--db", str(database.path), "sync", "--max-rps", "0",
        "--snapshot", str(snapshot), "--metrics-file", str(metrics), refuse=refuse,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert content(snapshot) == content(database.path)
    assert metrics.read_text().startswith("# HELP")
    words = [line for line in ended.err.splitlines() if "refuses" in line]
    answers = {call: os.strerror(number) for call, number in refuse.items()}
    assert [line.partition(" WARNING ")[2] for line in words] == [
        f"The file system of {snapshot} refuses chmod ({answers['chmod']}) and "
        f"fsync ({answers['fsync']}); the file is complete without it.",
        # A new file has the mode that was asked for.
        f"The file system of {metrics} refuses fsync ({answers['fsync']}); "
        "the file is complete without it.",
    ]
    assert names(share) == ["exporter.prom", "snapshot.duckdb"]


def test_a_backup_is_put_back_without_links_and_flushing(
    run: Run, migrated_file: Path, share: Path
) -> None:
    path, saved = share / "jobs.duckdb", share / "saved.duckdb"
    shutil.copyfile(migrated_file, path)
    before = content(path)
    assert run("--db", str(path), "db", "backup", str(saved), refuse=CIFS).code == 0
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE mistake AS SELECT 1 AS one")
    ended = run("--db", str(path), "db", "restore", str(saved), refuse=CIFS)
    assert (ended.code, content(path)) == (0, before), ended.err
    kept = [name for name in names(share) if ".replaced-" in name]
    assert "mistake" in content(share / kept[0])


def test_a_refused_rename_leaves_the_old_file(run: Run, database: Database, share: Path) -> None:
    target = share / "saved.duckdb"
    assert run("--db", str(database.path), "db", "backup", str(target)).code == 0
    before = target.stat().st_ino
    refuse = {"rename": errno.EPERM}
    ended = run("--db", str(database.path), "db", "backup", str(target), refuse=refuse)
    assert (ended.code, ended.err.splitlines()[-1]) == (
        8,
        f"sagemaker-exporter: Cannot write {target}: Operation not permitted. "
        "The previous file is unchanged.",
    )
    assert (names(share), target.stat().st_ino) == (["saved.duckdb"], before)


@pytest.mark.parametrize(
    ("call", "number"),
    [("flock", errno.ENOLCK), ("flock", errno.ENOTSUP), ("fcntl", errno.ENOLCK),
     ("fcntl", errno.ENOTSUP)],
)  # fmt: skip
def test_a_file_system_without_locks_is_named_at_once(
    run: Run, migrated_file: Path, share: Path, simulator: Simulator, call: str, number: int
) -> None:
    path = share / "jobs.duckdb"
    shutil.copyfile(migrated_file, path)
    before = path.read_bytes()
    began = time.monotonic()
    ended = run(
        "--db", str(path), "sync", "--max-rps", "0", "--lock-timeout", "3600",
        refuse={call: number},
    )  # fmt: skip
    assert time.monotonic() - began < 600
    line = ended.err.splitlines()[-1]
    assert ended.code == 8, ended.err
    assert line.startswith(f"sagemaker-exporter: The file system of {path} locks no files (")
    assert "Keep the database on a local disk" in line
    assert path.read_bytes() == before
    # DuckDB reads a file without a lock if that is not supported, and then refuses to write.
    assert {call.operation for call in simulator.calls} <= {"GetCallerIdentity"}


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.ENOLCK])
def test_a_backup_on_a_share_without_locks_is_restored_or_named(
    run: Run, database: Database, share: Path, number: int
) -> None:
    """DuckDB reads a file without the lock if that is not supported, and refuses it on ENOLCK."""
    saved = share / "saved.duckdb"
    shutil.copyfile(database.path, saved)
    ended = run("--db", str(database.path), "db", "restore", str(saved), refuse={"fcntl": number})
    if number == errno.ENOTSUP:
        assert (ended.code, content(database.path)) == (0, content(saved)), ended.err
    else:
        assert ended.code == 8
        assert f"The file system of {saved} locks no files (No locks available)" in ended.err


@pytest.mark.parametrize("tear", range(6, 10))
def test_a_kill_within_any_block_is_recovered(
    run: Run, database: Database, scope: Scope, tear: int
) -> None:
    """The process that writes is a sync, so nothing of the checkpoint is imitated here."""
    for number in range(5):
        scope.create_job(f"job-{number}", tags={"n": str(number)})
    arguments = ("--db", str(database.path), "sync", "--max-rps", "0", "--no-details")
    ended = run(*arguments, TEAR=str(tear))
    assert ended.code in (0, -signal.SIGKILL)
    scope.clock.advance(600)
    ended = run(*arguments)
    assert ended.code == 0, ended.err
    assert differences(database, scope) == []
    assert check(database).faults == []


def test_nothing_needs_a_home_or_a_temporary_folder(
    run: Run, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("deltalake")
    for name in ("TMPDIR", "TEMP", "TMP", "HOME"):
        monkeypatch.delenv(name, raising=False)
    nowhere = {"NOWHERE": f":/tmp:/var/tmp:/usr/tmp:{Path.cwd()}:"}
    lake = tmp_path / "lake"
    large = "SELECT repeat('x', 100) AS text FROM range(200000)"
    csv = run("--db", str(database.path), "query", large, "--format", "csv", **nowhere)
    assert (csv.code, len(csv.out)) == (0, len("text\n") + 200_000 * 101), csv.err
    parquet = run("--db", str(database.path), "query", large, "--format", "parquet", **nowhere)
    assert (parquet.code, parquet.err) == (
        8,
        "sagemaker-exporter: No temporary folder is writable. Set TMPDIR to a writable folder.\n",
    )
    published = run("--db", str(database.path), "publish", str(lake), **nowhere)
    assert published.code == 0, published.err
    assert set(names(lake)) == {PUBLISHED, *(table.name for table in layout.tables())}
