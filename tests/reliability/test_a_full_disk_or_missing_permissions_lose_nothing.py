"""A full disk or missing permissions end with exit code 8, and leave all data intact.

The full disks are small tmpfs mounts; without permission to mount, their tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.simulator import Scope, Simulator
from exporter.store.check import check
from exporter.store.database import Database
from tests.reliability.ordeal import differences, stored
from tests.support.files import content, names
from tests.support.processes import Ended, Zygotes

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
    """A database on the small disk."""
    path = disk / "jobs.duckdb"
    shutil.copyfile(migrated_file, path)
    return Database(path, lock_timeout=5)


@pytest.fixture
def run(zygotes: Zygotes, simulator: Simulator) -> Run:
    """A function that runs a command with a database."""

    def run(database: Database, *arguments: str, privileged: bool = True) -> Ended:
        return zygotes.run(
            ["--db", str(database.path), *arguments],
            simulator.environment(),
            privileged=privileged,
            batch_rows=100,
        )

    return run


def fill(disk: Path, leave: int) -> Path:
    """Fill the disk except for this many bytes."""
    filler = disk / "filler"
    free = os.statvfs(disk)
    filler.write_bytes(b"\1" * (free.f_bavail * free.f_frsize - leave))
    return filler


def jobs(scope: Scope, number: int) -> None:
    for each in range(number):
        scope.create_job(f"job-{len(scope.jobs())}-{each}", lives=False, tags={"n": "x" * 200})
    scope.clock.advance(60)


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
        "Committed data is safe. Free some space; the next run continues from there."
    )
    assert "Traceback" not in ended.err
    # Reads still work, and find every committed row.
    assert run(on_disk, "status").code == 0
    assert stored(on_disk).keys() >= before.keys()

    filler.unlink()
    assert run(on_disk, "sync", "--max-rps", "0").code == 0
    assert differences(on_disk, scope) == []
    assert check(on_disk).faults == []


def test_a_full_disk_leaves_no_half_built_file(run: Run, disk: Path) -> None:
    filler = fill(disk, 100_000)
    database = Database(disk / "new.duckdb")
    ended = run(database, "sync", "--max-rps", "0")
    assert (ended.code, ended.err.count("\n")) == (8, 1)
    assert names(disk) == ["filler"]
    filler.unlink()
    assert run(database, "sync", "--max-rps", "0").code == 0


def test_a_full_disk_leaves_the_old_snapshot(
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
        "No space left on device. The previous file is unchanged."
    )
    # The sync itself is complete, and readers keep the old snapshot.
    assert differences(database, scope) == []
    assert content(target) == snapshot
    assert run(database, "db", "backup", str(disk / "backup.duckdb")).code == 8
    assert names(disk) == ["filler", "snapshot.duckdb"]


def test_a_read_only_file_system_allows_only_reads(
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


@pytest.mark.skipif(
    os.geteuid() == 0 and sys.platform != "linux",
    reason="only Linux can take root's right to ignore file permissions",
)
def test_missing_permissions_are_named(run: Run, database: Database, scope: Scope) -> None:
    folder, lock = database.path.parent, Path(f"{database.path}.lock")
    jobs(scope, 5)
    assert run(database, "sync", "--max-rps", "0").code == 0
    before = database.path.read_bytes()

    # A file without read permission.
    database.path.chmod(0)
    ended = run(database, "status", privileged=False)
    assert (ended.code, ended.err) == (
        8,
        f"sagemaker-exporter: Cannot open {database.path}: permission denied or read-only.\n",
    )
    # A read-only file: reports work, but a sync fails.
    for path, permissions in ((database.path, 0o444), (lock, 0o444), (folder, 0o555)):
        path.chmod(permissions)
    try:
        assert run(database, "status", privileged=False).code == 0
        ended = run(database, "sync", "--max-rps", "0", privileged=False)
        assert (ended.code, ended.err) == (
            8,
            f"sagemaker-exporter: Cannot create {lock}: Permission denied.\n",
        )
        # A folder without any permission.
        folder.chmod(0)
        for command in ("status", "sync"):
            ended = run(database, command, privileged=False)
            assert (ended.code, ended.err) == (
                8,
                f"sagemaker-exporter: Cannot open {database.path}: Permission denied. "
                "Name a file with --db.\n",
            )
    finally:
        folder.chmod(0o755)
    assert database.path.read_bytes() == before
