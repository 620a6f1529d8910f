"""A disk without room, a file system and a folder that may not be written: exit 8, all intact.

The disks are small tmpfs, mounted for the test: without the right to mount, these are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.simulator import Scope, Simulator
from exporter.store import care
from exporter.store.database import Database
from tests.reliability.ordeal import stored
from tests.support.files import content, mode, names
from tests.support.processes import Ended, Zygotes
from tests.support.syncing import differences

NOBODY = 65534

Run = Callable[..., Ended]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=20m", "none", str(folder)]
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no disk could be mounted: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - wherever it is


@pytest.fixture
def on_disk(disk: Path, migrated_file: Path) -> Database:
    """A database on it."""
    path = disk / "jobs.duckdb"
    shutil.copyfile(migrated_file, path)
    return Database(path, lock_timeout=5)


@pytest.fixture
def run(zygotes: Zygotes, simulator: Simulator) -> Run:
    """Runs a command with a database."""

    def run(database: Database, *arguments: str, user: int | None = None) -> Ended:
        return zygotes.run(
            ["--db", str(database.path), *arguments],
            simulator.environment(),
            user=user,
            batch_rows=100,
        )

    return run


def fill(disk: Path, leave: int) -> Path:
    """A file that leaves so many bytes of the disk free."""
    filler = disk / "filler"
    free = os.statvfs(disk)
    filler.write_bytes(b"\1" * (free.f_bavail * free.f_frsize - leave))
    return filler


def jobs(scope: Scope, number: int) -> None:
    for each in range(number):
        scope.create_job(f"job-{len(scope.jobs())}-{each}", lives=False, tags={"n": "x" * 200})
    scope.world.clock.advance(60)


@pytest.mark.parametrize("leave", [0, 300_000])
def test_a_full_disk_ends_a_sync_and_loses_nothing(
    run: Run, disk: Path, on_disk: Database, scope: Scope, leave: int
) -> None:
    jobs(scope, 50)
    assert run(on_disk, "sync", "--max-rps", "0").code == 0
    before = stored(on_disk)
    jobs(scope, 900)
    filler = fill(disk, leave)
    ended = run(on_disk, "sync", "--max-rps", "0")
    assert ended.code == 8
    assert ended.err.splitlines()[-1] == (
        f"sagemaker-exporter: The disk of {on_disk.path} is full. "
        "What was committed is safe; make room, and the next run goes on from there."
    )
    assert "Traceback" not in ended.err
    # It can still be read, and holds what was committed.
    assert run(on_disk, "status").code == 0
    assert stored(on_disk).keys() >= before.keys()

    filler.unlink()
    assert run(on_disk, "sync", "--max-rps", "0").code == 0
    assert differences(stored(on_disk), scope) == []
    assert care.check(on_disk).faults == []


def test_no_room_for_a_new_file(run: Run, disk: Path) -> None:
    filler = fill(disk, 100_000)
    database = Database(disk / "new.duckdb")
    ended = run(database, "sync", "--max-rps", "0")
    assert (ended.code, ended.err.count("\n")) == (8, 1)
    assert names(disk) == ["filler", "new.duckdb.lock"]
    filler.unlink()
    assert run(database, "sync", "--max-rps", "0").code == 0


def test_no_room_for_a_backup_or_a_snapshot(
    run: Run, disk: Path, database: Database, scope: Scope
) -> None:
    jobs(scope, 5)
    target = disk / "snapshot.duckdb"
    options = ("sync", "--max-rps", "0", "--snapshot", str(target))
    assert run(database, *options).code == 0
    snapshot = content(target)
    jobs(scope, 5)
    fill(disk, 100_000)

    ended = run(database, *options)
    assert ended.code == 8
    assert ended.err.splitlines()[-1].endswith(
        "No space left on device. What was there before is unchanged."
    )
    # The sync itself is complete, the readers have what they had, and nothing is left over.
    assert differences(stored(database), scope) == []
    assert content(target) == snapshot
    assert run(database, "db", "backup", str(disk / "backup.duckdb")).code == 8
    assert names(disk) == ["filler", "snapshot.duckdb"]


def test_a_file_system_that_may_not_be_written(
    run: Run, disk: Path, on_disk: Database, scope: Scope
) -> None:
    jobs(scope, 5)
    assert run(on_disk, "sync", "--max-rps", "0").code == 0
    jobs(scope, 5)
    before = on_disk.path.read_bytes()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)  # noqa: S607 - as above
    ended = run(on_disk, "sync", "--max-rps", "0")
    assert (ended.code, ended.err.count("\n")) == (8, 1)
    assert "ead-only file system" in ended.err
    assert run(on_disk, "status").code == 0
    assert run(on_disk, "db", "check").code == 0
    assert on_disk.path.read_bytes() == before


def test_a_folder_and_a_file_of_somebody_else(run: Run, database: Database, scope: Scope) -> None:
    if os.geteuid() != 0:
        pytest.skip("becoming somebody else takes root")
    folder = database.path.parent
    for each in (folder, *folder.parents):
        if not mode(each) & 0o001:
            each.chmod(mode(each) | 0o001)
    jobs(scope, 5)
    assert run(database, "sync", "--max-rps", "0").code == 0
    before = database.path.read_bytes()

    # Ours, for our eyes only.
    database.path.chmod(0o600)
    ended = run(database, "status", user=NOBODY)
    assert (ended.code, ended.err) == (
        8,
        f"sagemaker-exporter: {database.path} cannot be opened: permission denied or read-only.\n",
    )
    # To be read, not to be written: reports work, a sync does not.
    database.path.chmod(0o644)
    assert run(database, "status", user=NOBODY).code == 0
    ended = run(database, "sync", "--max-rps", "0", user=NOBODY)
    assert (ended.code, ended.err.count("\n")) == (8, 1)
    assert "Permission denied" in ended.err
    assert database.path.read_bytes() == before

    # A folder that may not even be looked into.
    before_folder = mode(folder)
    folder.chmod(0o700)
    for command in ("status", "sync"):
        ended = run(database, command, user=NOBODY)
        assert (ended.code, ended.err) == (
            8,
            f"sagemaker-exporter: {database.path} cannot be opened: Permission denied. "
            "Name a file with --db.\n",
        )
    folder.chmod(before_folder)
