"""A page by creation time is looked for within a bound first; that changes no page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporter.store.connections import in_memory
from exporter.store.listing import COLUMNS, Listed, Listing, Span, place_of, read_span, rows

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
#: Seconds between two jobs: bursts, lonely jobs, a year without any, and jobs of one moment.
GAPS = [*([0] * 7), 1, 1, 1, 86_400, 3_600, 31_536_000, *([0] * 5), 2, 7_200]


class Table:
    """Jobs in memory, and how many statements ran."""

    def __init__(self) -> None:
        self.statements = 0
        self._connection = in_memory()
        times = {"creation_time", "training_end_time", "last_modified_time", "deleted_at"}
        columns = (f"{name} {'TIMESTAMPTZ' if name in times else 'VARCHAR'}" for name in COLUMNS)
        self._connection.execute(f"CREATE TABLE training_jobs ({', '.join(columns)})")
        created = NOON
        for number, gap in enumerate(GAPS):
            created += timedelta(seconds=gap)
            self._connection.execute(
                "INSERT INTO training_jobs (training_job_name, training_job_arn, creation_time, "
                "training_job_status, account_id, region) VALUES (?, ?, ?, 'Completed', 'a', 'r')",
                [f"job-{number}", f"arn-{number * 7 % len(GAPS):02}", created],
            )

    def execute(self, statement: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        self.statements += 1
        return self._connection.execute(statement, dict(parameters)).fetchall()


def walk(table: Table, listing: Listing, limit: int, span: Span | None) -> list[Listed]:
    """Return the jobs of all pages."""
    found: list[Listed] = []
    after = None
    while page := rows(table.execute, listing, after, limit, span=span).jobs:
        found += page
        after = place_of(listing, page[-1], None)
    return found


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize(
    "bounds",
    [
        {},
        {"created_after": NOON + timedelta(hours=1)},
        {"created_before": NOON + timedelta(days=300)},
        {"created_after": datetime(1, 1, 1, tzinfo=UTC)},
        {"created_before": datetime(9999, 1, 1, tzinfo=UTC)},
    ],
)
def test_pages_are_the_same_with_and_without_a_span(
    bounds: dict[str, datetime], descending: bool
) -> None:
    table = Table()
    span = read_span(table.execute)
    assert span is not None
    assert span.jobs == len(GAPS)
    listing = Listing("a", "r", descending=descending, **bounds)  # type: ignore[arg-type] # times
    for limit in (1, 3, 50):
        without = walk(table, listing, limit, None)
        assert walk(table, listing, limit, span) == without
        assert len(without) > 3


def test_a_full_page_within_the_bound_takes_one_statement() -> None:
    table = Table()
    span = read_span(table.execute)
    table.statements = 0
    assert len(rows(table.execute, Listing("a", "r"), None, 1, span=span).jobs) == 1
    assert table.statements == 1
