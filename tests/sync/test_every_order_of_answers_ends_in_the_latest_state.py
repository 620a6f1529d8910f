"""The merge as a property: answers in any order of operations, lags and missing fields.

A job goes through five states. Every pair of answers about it is merged, and every triple, for
each operation, each time of asking and each lag. The stored state never goes back, and it is the
latest state that any of the answers showed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any, Final

import pytest

from exporter.sagemaker.rows import DetailRow, JobRow
from exporter.syncing.merge import Merged, Observed, observe
from tests.sync.builders import NOON, POLICY, after, details, job

END: Final = {"training_end_time": after(0.2), "secondary_status": "Completed"}
#: The states of the job. The pool goes on without a new LastModifiedTime, as it may.
STATES: Final = (
    (job("InProgress", secondary_status="Starting"), details()),
    (
        job("InProgress", secondary_status="Training", warm_pool_status="InUse"),
        details(training_start_time=after(0.1)),
    ),
    (
        job("Completed", **END, warm_pool_status="Available", warm_pool_retained_seconds=0),
        details(training_start_time=after(0.1)),
    ),
    (
        job("Completed", **END, warm_pool_status="Available", warm_pool_retained_seconds=300),
        details(training_start_time=after(0.1), billable_seconds=400, failure_reason="none"),
    ),
    (
        job(
            "Completed",
            **END,
            warm_pool_status="Reused",
            warm_pool_retained_seconds=600,
            warm_pool_reused_by_job="nightly-43",
        ),
        details(training_start_time=after(0.1), billable_seconds=400, failure_reason="none"),
    ),
)
#: Operations with the seconds that their answer is late; List and Describe are never late.
OPERATIONS: Final = (("List", 0), ("Describe", 0), ("Search", 0), ("Search", 61), ("Search", 119))
#: Seconds between two states: all within the lag of an index, some, or none.
GAPS: Final = (1, 61, 600)
LAST: Final = len(STATES) - 1


@dataclass(frozen=True)
class Shown:
    """An answer, the state it shows, and whether it may show an older one than the service has."""

    answer: Observed
    state: int
    operation: str


def modified(row: JobRow, state: int, gap: int) -> JobRow:
    """Return a row with the LastModifiedTime of its state: that of the last change of status."""
    when = NOON + timedelta(seconds=min(state, 2) * gap, milliseconds=250)
    return replace(row, last_modified_time=when)


def same(row: JobRow, _: str) -> JobRow:
    return row


def whole_seconds(row: JobRow, operation: str) -> JobRow:
    moment = row.last_modified_time
    rounded = moment and moment.replace(microsecond=0)
    return row if operation == "Describe" else replace(row, last_modified_time=rounded)


def unmodified(row: JobRow, operation: str) -> JobRow:
    return row if operation == "Describe" else replace(row, last_modified_time=None)


def far_ahead(row: JobRow, operation: str) -> JobRow:
    wrong = row.training_job_status == "InProgress" and operation == "List"
    return replace(row, last_modified_time=after(99_999)) if wrong else row


def without_pool(row: JobRow, operation: str) -> JobRow:
    if operation == "Describe":
        return row
    return replace(
        row,
        warm_pool_status=None,
        warm_pool_retained_seconds=None,
        warm_pool_reused_by_job=None,
    )


def without_figures(row: JobRow, operation: str) -> JobRow:
    if operation != "List":
        return row
    return replace(
        row, warm_pool_retained_seconds=None, warm_pool_reused_by_job=None, training_end_time=None
    )


def answers(gap: int, change: Callable[[JobRow, str], JobRow], now: int) -> Iterator[Shown]:
    """Yield every answer that is asked while the service has the state `now`."""
    asked = NOON + timedelta(seconds=gap * now + gap / 2)
    for operation, late in OPERATIONS:
        state = int((gap * now + gap / 2 - late) // gap)
        if state < 0:
            continue  # the index does not have the job yet
        row, detail = STATES[state]
        yield Shown(
            Observed(
                change(modified(row, state, gap), operation),
                asked - timedelta(seconds=120) if operation == "Search" else asked,
                asked + timedelta(seconds=1),
                None if operation == "List" else detail,
                authoritative=operation != "Search",
            ),
            state,
            operation,
        )


def sequences(
    length: int, gap: int, change: Callable[[JobRow, str], JobRow]
) -> Iterator[Sequence[Shown]]:
    """Yield all sequences of answers; the service never goes back between two of them."""
    by_state = [list(answers(gap, change, now)) for now in range(len(STATES))]
    for moments in product(range(len(STATES)), repeat=length):
        if list(moments) == sorted(moments):
            yield from product(*(by_state[moment] for moment in moments))


def progress(merged: Merged) -> tuple[int, ...]:
    """Return how far each part of a job has come."""
    row, known = merged.stored.job, merged.stored.details
    pools = (None, "InUse", "Available", "Reused")
    return (
        row.training_job_status == "Completed",
        # The seconds of a waiting pool are not those of a settled one.
        10_000 * pools.index(row.warm_pool_status) + (row.warm_pool_retained_seconds or 0),
        row.warm_pool_reused_by_job is not None,
        (known and known.row.billable_seconds) or 0,
        bool(known and known.row.failure_reason),
        bool(known and known.row.training_start_time),
    )


def merge_each(sequence: Sequence[Shown]) -> list[Merged]:
    steps: list[Merged] = []
    for shown in sequence:
        steps.append(observe(steps[-1] if steps else None, shown.answer, POLICY))
    return steps


def describe(sequence: Sequence[Shown]) -> str:
    return " then ".join(f"{shown.operation} of state {shown.state}" for shown in sequence)


CHANGES = (same, whole_seconds, unmodified, far_ahead, without_pool, without_figures)


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("change", CHANGES)
def test_no_second_answer_takes_a_job_back(
    change: Callable[[JobRow, str], JobRow], gap: int
) -> None:
    for sequence in sequences(2, gap, change):
        first, second = map(progress, merge_each(sequence))
        assert all(a <= b for a, b in zip(first, second, strict=True)), describe(sequence)


def merged_by_now(sequence: Sequence[Shown]) -> tuple[JobRow, DetailRow | None]:
    """Return the latest state that the answers showed, and the latest details."""
    latest = max(sequence, key=lambda shown: shown.state)
    detailed = [shown.state for shown in sequence if shown.answer.details]
    return latest.answer.job, STATES[max(detailed)][1] if detailed else None


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_latest_state_that_was_shown_is_stored(length: int, gap: int) -> None:
    """Also seconds after another answer, and whatever the index showed before or after it."""
    for sequence in sequences(length, gap, same):
        stored = merge_each(sequence)[-1].stored
        row, detail = merged_by_now(sequence)
        assert stored.job == row, describe(sequence)
        assert (stored.details and stored.details.row) == detail, describe(sequence)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("gap", GAPS)
def test_whatever_was_shown_a_complete_answer_brings_the_state_of_the_service(
    change: Callable[[JobRow, str], JobRow], gap: int
) -> None:
    [described] = [it for it in answers(gap, same, LAST) if it.operation == "Describe"]
    for sequence in sequences(2, gap, change):
        stored = merge_each([*sequence, described])[-1].stored
        job = described.answer.job
        if change is whole_seconds:
            # The spelling of the first answer stays.
            job = replace(job, last_modified_time=stored.job.last_modified_time)
            assert whole_seconds(stored.job, "List") == whole_seconds(described.answer.job, "List")
        expected: tuple[Any, Any] = (job, described.answer.details)
        assert (stored.job, stored.details and stored.details.row) == expected, describe(sequence)


def test_an_answer_is_never_needed_to_be_later_by_its_own_times() -> None:
    """One answer with a LastModifiedTime of 2096 does not freeze the job for any operation."""
    wrong = replace(STATES[1][0], last_modified_time=datetime(2096, 1, 1, tzinfo=NOON.tzinfo))
    for operation in ("List", "Describe", "Search"):
        [last] = [
            it for it in answers(1, same, LAST) if it.operation == operation and it.state == LAST
        ]
        frozen = observe(None, Observed(wrong, NOON, after(0.01)), POLICY)
        assert observe(frozen, last.answer, POLICY).stored.job == last.answer.job
