"""Nobody writes to what another one owns, and no older publish undoes a later one."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from exporter.errors import BusyError, DatabaseError, SchemaNewerError, UsageError
from exporter.publish import identity, layout, plan, run, storage
from exporter.publish.delta import Lake, Writer
from exporter.publish.layout import LAYOUT
from exporter.publish.plan import Claim, Entry, Known, Partition, Scope
from exporter.store.batches import Stream
from exporter.store.database import Database
from tests.support import lakes
from tests.support.lakes import FIRST, Collectors

SCOPE = Scope(*FIRST)
JOBS = layout.table("training_jobs")


def lake_at(folder: Path | str) -> Lake:
    where = storage.place(str(folder))
    return Lake(where, storage.Options(where))


def files_of(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_scope_of_another_collector_is_refused_by_name(three: Collectors, lake: Path) -> None:
    before = files_of(lake)
    with pytest.raises(UsageError, match="collector one owns 111122223333/eu-west-1 in") as error:
        lakes.write(three.one, lake, collector="four")
    assert error.value.exit_code == 2
    assert files_of(lake) == before
    with pytest.raises(UsageError, match=r"The collector one owns .* and 2 more scopes in"):
        lakes.write(three.whole, lake, collector="four")
    with pytest.raises(UsageError, match="The collector one owns the prices in"):
        lakes.write(three.each["two"], lake, collector="two", owns_prices=True)


def test_a_scope_is_taken_over_and_its_former_owner_is_refused(
    three: Collectors, lake: Path
) -> None:
    taken = lakes.write(three.whole, lake, collector="four", take_over=True, owns_prices=True)
    assert taken.owns_prices
    lakes.check(lake, three.whole)
    with pytest.raises(UsageError, match="The collector four owns 111122223333/eu-west-1"):
        lakes.write(three.one, lake, collector="one")
    # It was at work when its scope was taken: its next commit is refused in every table.
    writer = Writer("one", 99, {SCOPE: Claim("one", 1)})
    for table in layout.tables():
        if table.owner is layout.Owner.SCOPE:
            with pytest.raises(UsageError, match="Another collector has taken over 11112222"):
                lake_at(lake).replace(table, [Partition(SCOPE, "2020-01")], no_rows(table), writer)
    # Without the table that names the owners, the mark of the take-over is still there.
    shutil.rmtree(lake / "_published")
    lakes.write(three.whole, lake, collector="four")
    lakes.check(lake, three.whole)


def test_a_scope_that_is_taken_over_has_no_rows_of_its_former_owner(
    three: Collectors, lake: Path
) -> None:
    """The new owner has no jobs of the first month; also after a kill in the midst of it."""
    first = "(SELECT min(creation_time) FROM training_jobs)"
    where = f"date_trunc('month', creation_time) = date_trunc('month', {first})"
    three.change(
        *(
            f"DELETE FROM {table} WHERE {where}"
            for table in ("training_job_details", "training_job_changes", "training_jobs")
        )
    )

    class Killed(Lake):
        def replace(self, *_: Any) -> None:
            raise InterruptedError

    place = storage.place(str(lake))
    options = run.Options("four", take_over=True, owns_prices=True)
    with pytest.raises(InterruptedError):
        run.publish(three.one, place, options, lake=Killed(place, storage.Options(place)))
    lakes.write(three.one, lake, collector="four")
    lakes.check(lake, three.one)


def test_an_older_copy_of_the_database_is_refused(three: Collectors, lake: Path) -> None:
    older = Database(Path(shutil.copy(three.one.path, lake.parent / "older.duckdb")))
    three.change("UPDATE training_jobs SET team = 'newer'")
    lakes.write(three.one, lake)
    before = files_of(lake)
    with pytest.raises(BusyError, match="publish 2 of the collector one, and this database has"):
        lakes.write(older, lake)
    assert files_of(lake) == before
    # The owner of the copy says that it is the one.
    assert lakes.write(older, lake, take_over=True, owns_prices=True).sequence == 3
    with pytest.raises(BusyError, match="publish 3 of the collector one"):
        lakes.write(three.one, lake)


def test_of_two_copies_that_publish_at_once_one_is_refused(three: Collectors, lake: Path) -> None:
    """Both have the same number. Their partitions must not mix."""
    twin = Database(Path(shutil.copy(three.one.path, lake.parent / "twin.duckdb")))
    three.change("UPDATE training_jobs SET team = 'first' WHERE hash(training_job_arn) % 3 = 0")
    with twin.writing() as connection:
        connection.execute("UPDATE training_jobs SET team = 'twin'")

    class Overtaken(Lake):
        """Another copy begins after this one has read the lake, and before it writes."""

        def claim(self, *arguments: Any) -> None:
            lakes.write(twin, lake)
            super().claim(*arguments)

    where = storage.place(str(lake))
    with pytest.raises(BusyError, match="Another copy of the database publishes as the collector"):
        run.publish(three.one, where, run.Options(), lake=Overtaken(where, storage.Options(where)))
    lakes.check(lake, twin)
    # It stays refused, and the other one goes on.
    with pytest.raises(BusyError, match="publish 2 of the collector one, and this database has"):
        lakes.write(three.one, lake)
    assert not any(table.changed for table in lakes.write(twin, lake).tables)
    assert lakes.write(three.one, lake, take_over=True).sequence == 3
    lakes.check(lake, three.one)


def test_another_database_with_the_name_of_a_collector_is_refused(
    three: Collectors, tmp_path: Path
) -> None:
    """Its number is higher, so it would remove what the first one has published."""
    lake = tmp_path / "lake"
    lakes.write(three.one, lake, collector="same")
    other = three.each["two"]
    for number in range(2):
        with other.writing() as connection:
            connection.execute(f"UPDATE training_jobs SET team = '{number}'")
        lakes.write(other, tmp_path / "elsewhere")
    before = files_of(lake)
    with pytest.raises(UsageError, match=r"Another database publishes to this .* same"):
        lakes.write(other, lake, collector="same")
    assert files_of(lake) == before
    lakes.write(other, lake, collector="other")
    lakes.check(lake, three.one)


def test_a_commit_with_an_older_number_is_refused(lake: Path) -> None:
    writer = Writer("one", 0, {SCOPE: Claim("one", 1)})
    with pytest.raises(BusyError, match="A later publish of the collector one has written to"):
        lake_at(lake).replace(JOBS, [Partition(SCOPE, "2026-11")], no_rows(JOBS), writer)
    with pytest.raises(BusyError, match="A later publish of the collector one has written to"):
        lake_at(lake).publish({SCOPE: []}, writer)


def test_rows_outside_of_the_partitions_are_refused(three: Collectors, lake: Path) -> None:
    before = lakes.found(lake)
    rows = DeltaTable(lake / JOBS.name).to_pyarrow_table()

    @contextmanager
    def opened() -> Iterator[Stream]:
        yield Stream.from_stream(rows)

    writer = Writer("one", 9, {SCOPE: Claim("one", 1)})
    with pytest.raises(UsageError, match="belong to no partition that this publish may replace"):
        lake_at(lake).replace(JOBS, [Partition(SCOPE, "2026-11")], opened, writer)
    assert lakes.found(lake) == before


def test_of_twenty_claims_of_one_scope_one_wins_and_none_is_lost(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    claim_at_once(tmp_path / "lake", 20)


def claim_at_once(place: Path | str, writers: int) -> None:
    """Let collectors claim one scope together, each also a scope of its own."""
    start = threading.Barrier(writers)
    won: list[str] = []
    refused: list[str] = []

    def race(number: int) -> None:
        name, own = f"c{number}", Scope(f"{number:012}", "eu-west-1")

        def claim(scopes: set[Scope]) -> None:
            def decide(entries: list[Entry]) -> tuple[Writer, dict[Scope, list[Entry]]]:
                found = plan.known(entries, name, LAYOUT)
                claims = plan.claims(found, scopes, name, owns_prices=False, take_over=False)
                new = plan.new_claims(found, claims)
                return Writer(name, 1, claims), {
                    scope: [plan.claimed(scope, each, Known(), LAYOUT)]
                    for scope, each in new.items()
                }

            lake_at(place).claim(name, decide)

        start.wait()
        try:
            claim({SCOPE, own})
            won.append(name)
        except UsageError:
            refused.append(name)
            claim({own})

    threads = [threading.Thread(target=race, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused)) == (1, writers - 1)
    claims = plan.known(lake_at(place).entries("nobody"), "nobody", LAYOUT).claims
    assert claims.pop(SCOPE).collector == won[0]
    owner = claims.pop(plan.PRICES).collector
    assert owner in {f"c{number}" for number in range(writers)}
    assert claims == {
        Scope(f"{number:012}", "eu-west-1"): Claim(f"c{number}", 1) for number in range(writers)
    }


def test_a_lake_of_a_newer_program_is_refused(three: Collectors, lake: Path) -> None:
    table = DeltaTable(lake / "_published")
    table.update(predicate="account_id = '444455556666'", updates={"layout": str(LAYOUT + 1)})
    three.change("UPDATE training_jobs SET team = 'x'")
    before = files_of(lake)
    with pytest.raises(SchemaNewerError, match=f"layout {LAYOUT + 1}, and this program writes"):
        lakes.write(three.one, lake)
    assert files_of(lake) == before


def test_a_new_column_is_added_beside_rows_of_an_older_program(
    three: Collectors, lake: Path
) -> None:
    """The lake was written by a program that did not know `open_reason`."""
    rows = DeltaTable(lake / "training_jobs").to_pyarrow_table().drop_columns(["open_reason"])
    shutil.rmtree(lake / "training_jobs")
    write_deltalake(
        lake / "training_jobs",
        rows,
        partition_by=list(JOBS.partitions),
        name="sagemaker_exporter.training_jobs",
    )
    three.change("UPDATE training_jobs SET team = 'x', open_reason = 'new'")
    lakes.write(three.one, lake)
    rows = DeltaTable(lake / "training_jobs").to_pyarrow_table()
    found = set(zip(rows["account_id"].to_pylist(), rows["open_reason"].to_pylist(), strict=True))
    assert found == {(FIRST[0], "new"), *((account, None) for account, _ in lakes.OTHERS)}


def test_a_table_that_was_removed_comes_back(three: Collectors, lake: Path) -> None:
    shutil.rmtree(lake / "daily_costs")
    for name in ("one", "two"):
        lakes.write(three.each[name], lake)
        lakes.check(lake, three.each[name])


def test_a_lake_of_the_layout_before_is_refused_with_what_to_do(
    three: Collectors, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    rows = pa.table({"training_job_arn": ["arn"]})
    write_deltalake(old / "training_jobs", rows, name="sagemaker_exporter.training_jobs")
    theirs = tmp_path / "theirs"
    write_deltalake(theirs / "prices", pa.table({"a": [1]}))
    holiday = tmp_path / "holiday"
    holiday.mkdir()
    (holiday / "photo.jpg").write_text("mine")
    file = tmp_path / "file"
    file.write_text("mine")
    wanted = {
        old: "training_jobs has the layout of an earlier version of sagemaker-exporter",
        theirs: "prices is a Delta table of another program",
        holiday: "holds other files, such as photo.jpg",
        file: "is not a folder",
    }
    for place, message in wanted.items():
        before = files_of(place)
        with pytest.raises(UsageError, match=message):
            lakes.write(three.whole, place)
        assert files_of(place) == before
    with pytest.raises(DatabaseError, match="There is no directory"):
        lakes.write(three.whole, tmp_path / "nowhere" / "lake")
    for name in ("a[b]", "a%20b", "a\nb"):
        with pytest.raises(UsageError, match=r"allows no .* in a path"):
            lakes.write(three.whole, tmp_path / name)
    for url, reason in (
        ("ftp://host/x", "No lake can be at ftp://"),
        ("s3:///x", "no bucket"),
        ("", "An empty text names no lake"),
        ("s3://key:secret@bucket/x", "has a password or parameters"),
        ("abfss://box@account.dfs.core.windows.net/x?sig=secret", "has a password or parameters"),
    ):
        with pytest.raises(UsageError, match=reason):
            storage.place(url)


def test_a_conflict_that_stays_is_busy(lake: Path) -> None:
    """Another program deletes the rows at each attempt, after this one has read the table."""
    attempts: list[float] = []

    @contextmanager
    def overtaken() -> Iterator[Stream]:
        rows = DeltaTable(lake / JOBS.name).to_pyarrow_table()
        mine = rows.filter(pa.compute.equal(rows["account_id"], SCOPE.account_id))

        def batches() -> Iterator[Any]:
            theirs = threading.Thread(
                target=lambda: write_deltalake(
                    lake / JOBS.name, mine, mode="overwrite", predicate=where
                )
            )
            theirs.start()
            theirs.join()
            yield from mine.to_batches()

        yield Stream.from_stream(pa.RecordBatchReader.from_batches(mine.schema, batches()))

    where = f"account_id = '{SCOPE.account_id}'"
    months = {each["month"] for each in DeltaTable(lake / JOBS.name).partitions()}
    writer = Writer("one", 9, {SCOPE: Claim("one", 1)})
    slow = Lake(storage.place(str(lake)), dict, sleep=attempts.append)
    with pytest.raises(BusyError, match=r"Other programs write to .* all the time") as error:
        slow.replace(JOBS, [Partition(SCOPE, month) for month in months], overtaken, writer)
    assert error.value.exit_code == 4
    assert len(attempts) == 4
    assert attempts == sorted(attempts)


def test_names_of_collectors(three: Collectors, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="A collector cannot be called"):
        lakes.write(three.whole, tmp_path / "lake", collector="a b")
    for name in ("a'b", "", "-a", "x" * 65):
        with pytest.raises(UsageError):
            identity.check_name(name)
    first = lakes.write(three.each["two"], tmp_path / "lake", collector="named")
    with three.each["two"].reading() as connection:
        found = identity.read(connection)
    assert (found.collector, found.sequence, len(found.database)) == ("named", first.sequence, 32)
    assert lakes.write(three.each["two"], tmp_path / "lake").collector == "named"


def no_rows(table: layout.Table) -> Callable[[], Any]:
    """Open a stream without rows."""
    schema = pa.schema([(each, pa.string()) for each in ("account_id", "region", "month")])

    @contextmanager
    def opened() -> Iterator[Stream]:
        rows = schema.empty_table().select(list(table.partitions))
        yield Stream.from_stream(rows)

    return opened
