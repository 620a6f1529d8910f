"""Within one process, a writer waits for a reader: DuckDB refuses both at once."""

from __future__ import annotations

import threading

from exporter.store.database import Database
from tests.support.processes import PATIENCE


def test_a_writer_waits_for_a_reader_of_its_own_process(database: Database) -> None:
    reading, waited_for = threading.Event(), threading.Event()
    notes: list[str] = []

    def notify(line: str) -> None:
        notes.append(line)
        waited_for.set()

    def read() -> None:
        with Database(database.path).reading() as connection:
            connection.execute("SELECT 1").all()
            reading.set()
            waited_for.wait(PATIENCE)

    reader = threading.Thread(target=read)
    reader.start()
    assert reading.wait(PATIENCE)
    with Database(database.path, lock_timeout=PATIENCE, notify=notify).writing() as connection:
        connection.execute("INSERT INTO settings VALUES ('written', 'yes')")
    reader.join()
    assert notes == [
        f"Waiting for the database {database.path}, held by another connection of this process."
    ]
    with database.reading() as connection:
        rows = connection.execute("SELECT value FROM settings WHERE name = 'written'")
        assert rows.scalars() == ["yes"]
