"""The command as people run it: in this process if that is enough, else in its own."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.cli.app import App
from exporter.cli.entry import main
from exporter.store.database import Database
from tests.support.processes import ROOT
from tests.support.rows import CREATED, insert, put_job


@dataclass
class Answer:
    """How a run ended."""

    code: int
    out: str
    err: str


@dataclass
class Command:
    """`sagemaker-exporter` in an empty directory, with only the configuration of the test."""

    directory: Path
    env: dict[str, str] = field(default_factory=dict)
    capture: pytest.CaptureFixture[str] | None = None

    def __call__(self, *args: str, app: App | None = None) -> Answer:
        """Run it in this process."""
        assert self.capture is not None
        self.capture.readouterr()
        code = main(list(args), app)
        out, err = self.capture.readouterr()
        return Answer(code, out, err)

    def process(self, *args: str, stdin: str = "", **env: str) -> Answer:
        """Run it in its own process; the standard streams are pipes."""
        done = subprocess.run(
            [sys.executable, "-m", "exporter", *args],
            cwd=self.directory,
            env=self.environment(**env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def at_terminal(self, *args: str, **env: str) -> Answer:
        """Run it with all streams at a terminal of 80 columns; `out` is what that shows."""
        main, side = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "exporter", *args],
            cwd=self.directory,
            env=self.environment(TERM="xterm-256color", COLUMNS="80", **env),
            stdin=side, stdout=side, stderr=side,
        ) as process:  # fmt: skip
            os.close(side)
            shown = b""
            while True:
                try:
                    chunk = os.read(main, 65536)
                except OSError:  # Linux ends a pty this way
                    break
                if not chunk:
                    break
                shown += chunk
        os.close(main)
        return Answer(process.returncode, shown.decode().replace("\r\n", "\n"), "")

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of its own process."""
        return {**os.environ, "PYTHONPATH": str(ROOT), **self.env, **more}


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(home))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return Command(work, capture=capfd)


@pytest.fixture
def made(command: Command, migrated_file: Path) -> None:
    """Make the database of the working directory: a first sync spends half of its time on it."""
    shutil.copyfile(migrated_file, command.directory / "sagemaker.duckdb")


@pytest.fixture
def filled(database: Database) -> Database:
    """Two jobs, one of which retained its pool for an hour; no price for storage."""
    with database.writing() as connection:
        put_job(connection, "bert-1", hours=2, pool=3600)
        put_job(connection, "resnet-1", hours=3, pool=None)
        insert(
            connection,
            "prices",
            region="eu-west-1",
            component="Training",
            instance_type="ml.m5.xlarge",
            usd_per_unit=Decimal(1),
            unit="Hrs",
            effective_from=CREATED.date(),
            source="contract",
        )
        insert(
            connection,
            "sync_scopes",
            account_id="123456789012",
            region="eu-west-1",
            watermark=CREATED + timedelta(days=1),
            last_complete_at=CREATED + timedelta(days=1),
            failing_runs=0,
        )
    return database
