"""Publishes random changes, and compares the lake: `python -m tests.publish.rounds --rounds 65`.

Each round changes the first collector's database, as commands, a restored backup or an odd sync
could. Then it publishes; one in four publishes dies at a random step and runs again. After each
round, the lake equals the file. With `--pairs N`, it then runs N rounds of two collectors in
processes that are killed at a random moment, while the lake is read: each read shows a whole
publish of each collector.

Each round prints its changes. The exit code is 1 after a difference.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from exporter.cli import main as run_command
from exporter.errors import BusyError
from exporter.publish import layout, reading, run, storage
from exporter.store import migrate
from exporter.store.database import Database
from exporter.store.rates import refresh
from tests.publish.dying import Died, Dying, start
from tests.publish.support import three_collectors
from tests.support import lakes
from tests.support.lakes import FIRST, Collectors
from tests.support.processes import PATIENCE

_KEY: Final = "training_job_arn, creation_time"
#: Some jobs, others in each round.
_SOME: Final = "hash(training_job_arn, {number}) % 7 = 0"
_OF_JOBS: Final = ("training_jobs", "training_job_details", "training_job_changes")
#: What a sync, or an odd record, can change.
STATEMENTS: Final[dict[str, tuple[str, ...]]] = {
    "teams": (f"UPDATE training_jobs SET team = '{{number}}' WHERE {_SOME}",),
    "families": (f"UPDATE training_jobs SET job_family = 'f{{number}}' WHERE {_SOME}",),
    "billed seconds": (
        f"UPDATE training_job_details SET billable_seconds = {{number}} WHERE {_SOME}",
    ),
    "no seconds": (f"UPDATE training_job_details SET billable_seconds = NULL WHERE {_SOME}",),
    "pools": (
        "UPDATE training_jobs SET warm_pool_status = 'Terminated', "
        f"warm_pool_retained_seconds = {{number}} WHERE {_SOME}",
    ),
    "keep-alive": (
        f"UPDATE training_job_details SET keep_alive_seconds = {{number}} WHERE {_SOME}",
    ),
    "contradictory pools": (
        "UPDATE training_jobs SET warm_pool_status = 'Reused', warm_pool_reused_by_job = "
        f"(SELECT max(training_job_name) FROM training_jobs) WHERE {_SOME}",
    ),
    "other instances": (
        f"UPDATE training_job_details SET instance_type = 'ml.g5.xlarge' WHERE {_SOME}",
    ),
    "instance groups": (
        "UPDATE training_job_details SET instance_type = NULL, instance_count = NULL, "
        """instance_groups = '[{{"InstanceType": "ml.m5.large", "InstanceCount": 2}}]' """
        f"WHERE {_SOME}",
    ),
    "tags": (
        "UPDATE training_job_details SET tags = json_object('Project', '{number}') "
        f"WHERE {_SOME}",
    ),
    "deleted jobs": (
        f"UPDATE training_jobs SET deleted_at = updated_at, open_reason = NULL WHERE {_SOME}",
    ),
    "open jobs": (
        "UPDATE training_jobs SET training_job_status = 'InProgress', training_end_time = NULL "
        f"WHERE {_SOME}",
    ),
    "removed jobs": tuple(f"DELETE FROM {table} WHERE {_SOME}" for table in reversed(_OF_JOBS)),
    "removed details": (f"DELETE FROM training_job_details WHERE {_SOME}",),
    "another month": tuple(
        f"UPDATE {table} SET creation_time = creation_time - INTERVAL {{number}} HOUR WHERE {_SOME}"
        for table in _OF_JOBS
    ),
    "an odd year": tuple(
        f"UPDATE {table} SET creation_time = TIMESTAMPTZ '{{year}}-01-01 00:00:00+00' "
        "+ INTERVAL (hash(training_job_arn) % 80000) SECOND "
        "WHERE hash(training_job_arn, {number}) % 40 = 0"
        for table in _OF_JOBS
    ),
    "a later sync": ("UPDATE sync_scopes SET watermark = watermark + INTERVAL {number} HOUR",),
    "an earlier clock": ("UPDATE sync_scopes SET watermark = watermark - INTERVAL {number} HOUR",),
    "no ledger": ("DELETE FROM sync_runs",),
    "a name": ("INSERT OR REPLACE INTO accounts VALUES ('111122223333', 'n{number}')",),
    "no name": ("DELETE FROM accounts WHERE account_id = '111122223333'",),
    "a discount": (
        "INSERT OR REPLACE INTO discounts (account_id, component, percent) "
        "VALUES ('', '', {number} % 90)",
    ),
    "no discount": ("DELETE FROM discounts",),
    "prices": ("UPDATE prices SET usd_per_unit = usd_per_unit * 1.25",),
    "storage": ("DELETE FROM local_storage_families WHERE family < 'g'",),
    "quotas": ("UPDATE quotas SET instances = {number}",),
    "a retired scope": ("UPDATE sync_scopes SET retired_at = watermark",),
    "no jobs": tuple(f"DELETE FROM {table}" for table in reversed(_OF_JOBS)),
}
_STEPS: Final = ("claimed", "committed", "fingerprints", "published")


class Rounds:
    """A lake of three collectors, and random changes.

    Args:
        three: The collectors, which have published to the lake.
        lake: The lake.
        folder: A folder for files of the commands.
        numbers: Where the random numbers come from.
    """

    def __init__(self, three: Collectors, lake: Path, folder: Path, numbers: random.Random) -> None:
        self.three = three
        self.lake = lake
        self.folder = folder
        self.numbers = numbers
        self.backup = Path(shutil.copy(three.one.path, folder / "backup.duckdb"))

    def round(self) -> str:
        """Change, publish and compare; return what was done.

        Raises:
            AssertionError: The lake differs from the file.
        """
        acts: dict[str, Callable[[], object]] = {
            "prune": lambda: self._command("db", "prune"),
            "forget": lambda: self._command("db", "forget", "/".join(FIRST)),
            "import of prices": self._import_prices,
            "rules": self._apply_rules,
            "backup": lambda: shutil.copy(self.three.one.path, self.backup),
            "restore": self._restore,
            "a lost table": self._lose_table,
            "a lost lake": self._lose_lake,
            "old files": self._age,
        }
        acts |= {name: self._changing(name) for name in STATEMENTS}
        chosen = self.numbers.choices(list(acts), k=self.numbers.randint(1, 3))
        for name in chosen:
            acts[name]()
        if self.numbers.random() < 0.25:
            step = self.numbers.choice(_STEPS)
            with suppress(Died):
                self._publish(lake=self._dying(step))
            chosen.append(f"died {step}")
        self._publish()
        lakes.check(self.lake, self.three.one, accounts={FIRST[0]})
        return ", ".join(chosen)

    def _changing(self, name: str) -> Callable[[], None]:
        def change() -> None:
            values = {
                "number": self.numbers.randint(1, 4_000),
                "year": self.numbers.choice(("1970", "2261")),
            }
            with self.three.one.writing() as connection:
                for statement in STATEMENTS[name]:
                    connection.execute(statement.format(**values))
                refresh(connection)

        return change

    def _publish(self, **more: Any) -> None:
        where = storage.place(str(self.lake))
        try:
            run.publish(self.three.one, where, run.Options("one"), **more)
        except BusyError as refused:  # an older copy of the database
            assert "this database has made" in str(refused)  # noqa: PT017 - either may happen
            run.publish(self.three.one, where, run.Options("one", take_over=True), **more)

    def _dying(self, step: str) -> Dying:
        return Dying(storage.place(str(self.lake)), step)

    def _command(self, *arguments: str) -> None:
        code = run_command(["--db", str(self.three.one.path), "-q", *arguments])
        assert code in (0, 2), arguments  # 2: there is no such scope any more

    def _import_prices(self) -> None:
        file = self.folder / "prices.csv"
        usd = self.numbers.randint(1, 900) / 100
        file.write_text(
            "region,component,instance_type,usd_per_unit,unit,effective_from\n"
            f"eu-west-1,Training,ml.m5.xlarge,{usd},Hrs,2026-0{self.numbers.randint(1, 9)}-01\n"
        )
        self._command("prices", "import", str(file))

    def _apply_rules(self) -> None:
        file = self.folder / "rules.toml"
        number = self.numbers.randint(1, 50)
        file.write_text(
            f'[accounts]\n"111122223333" = "renamed {number}"\n\n'
            f'[[team]]\nteam = "team {number}"\nname = "{self.numbers.choice("abcdefr")}"\n'
        )
        self._command("--config", str(file), "config", "apply")

    def _restore(self) -> None:
        shutil.copy(self.backup, self.three.one.path)

    def _lose_table(self) -> None:
        name = self.numbers.choice([table.name for table in layout.tables()])
        shutil.rmtree(self.lake / name, ignore_errors=True)

    def _lose_lake(self) -> None:
        shutil.rmtree(self.lake, ignore_errors=True)

    def _age(self) -> None:
        """Let the owner of the prices remove old files, while somebody reads."""
        if not self.lake.exists():
            return
        lakes.age(self.lake)
        where = storage.place(str(self.lake))
        with reading.lake(str(self.lake)).reading() as connection:
            run.publish(
                self.three.one,
                where,
                run.Options("one", take_over=True),
                now=lambda: time.time() + 90_000,
            )
            for table in layout.tables():
                connection.execute(f"FROM lake.{table.name}").all()


def pair(three: Collectors, lake: Path, numbers: random.Random) -> int:
    """Publish two collectors in processes, kill some, read in between; return the reads.

    Raises:
        AssertionError: A read shows a part of a publish, or the lake differs at the end.
    """
    names = ("one", "two")
    before = content(lake)
    for name in names:
        with three.each[name].writing() as connection:
            number = numbers.randint(1, 10_000)
            for statement in STATEMENTS["billed seconds"] + STATEMENTS["teams"]:
                connection.execute(statement.format(number=number))
    states = [before]
    seen = []
    # "" stops nowhere.
    running = [
        start(numbers.choice(("half", "committed", "")), three.each[name], lake, name)
        for name in names
    ]
    try:
        for process in running:
            if numbers.random() < 0.7:
                time.sleep(numbers.uniform(0, 8))
                process.send_signal(signal.SIGKILL)
            seen.append(content(lake))
    finally:
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate(timeout=PATIENCE)
    seen.append(content(lake))
    for name in names:
        lakes.write(three.each[name], lake, collector=name)
        lakes.check(lake, three.each[name])
    states.append(content(lake))
    for each in seen:
        for account, rows in each.items():
            assert rows in [state[account] for state in states], f"a part of a publish of {account}"
    return len(seen)


def content(lake: Path) -> dict[str, list[str]]:
    """Return what a reader sees, by account."""
    found: dict[str, list[str]] = {account: [] for account, _ in (FIRST, *lakes.OTHERS)}
    with reading.lake(str(lake)).reading() as connection:
        for table in layout.tables():
            if table.partitions:
                for row in connection.execute(f"SELECT account_id, t FROM lake.{table.name} AS t"):
                    found[row[0]].append(repr((table.name, row)))
    return {account: sorted(rows) for account, rows in found.items()}


def main() -> int:
    """Run the rounds; return 1 after a difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.publish.rounds", description=__doc__)
    parser.add_argument("--rounds", type=int, default=65, help="rounds of changes")
    parser.add_argument("--pairs", type=int, default=15, help="rounds of two killed processes")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        empty = folder / "empty.duckdb"
        migrate.upgrade(Database(empty))
        made = three_collectors(empty, folder)
        made.publish(folder / "made")
        failed = 0
        for number in range(options.rounds):
            if number % 8 == 0:
                at = folder / f"{number}"
                at.mkdir()
                lake = Path(shutil.copytree(folder / "made", at / "lake"))
                rounds = Rounds(made.copy(at), lake, at, random.Random(options.seed + number))
            try:
                print(f"round {number}: {rounds.round()}", flush=True)
            except Exception as error:
                failed += 1
                print(f"round {number} of seed {options.seed} FAILED: {error}"[:2_000], flush=True)
        numbers = random.Random(options.seed)
        for number in range(options.pairs):
            try:
                print(f"pair {number}: {pair(made, folder / 'made', numbers)} reads", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"pair {number} of seed {options.seed} FAILED: {error}"[:2_000], flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
