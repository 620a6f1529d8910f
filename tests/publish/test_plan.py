"""What a publish replaces and what it refuses, decided without a lake."""

from __future__ import annotations

import pytest

from exporter.errors import BusyError, SchemaNewerError, UsageError
from exporter.publish import plan
from exporter.publish.plan import (
    INPUTS,
    JOBS,
    OWNER,
    PRICES,
    UNKNOWN,
    Change,
    Claim,
    Content,
    Entry,
    Known,
    Partition,
    Scope,
    Span,
)

A, B = Scope("1", "eu-west-1"), Scope("2", "eu-west-1")
OCT, NOV = Partition(A, "2026-10"), Partition(A, "2026-11")


def entry(
    collector: str, scope: Scope, table: str = OWNER, sequence: int = 3, **more: str
) -> Entry:
    month = more.pop("month", "")
    return Entry(collector, sequence, 1, 1, table, Partition(scope, month), **more)  # type: ignore[arg-type]  # texts


def claims(
    found: Known, *scopes: Scope, prices: bool = False, take_over: bool = False
) -> dict[Scope, Claim]:
    return plan.claims(found, scopes, "a", owns_prices=prices, take_over=take_over)


def test_the_lake_says_what_a_collector_has_published() -> None:
    found = plan.known(
        [
            entry("a", A),
            entry("a", A, INPUTS, fingerprint="rates"),
            entry(
                "a", A, JOBS, fingerprint="jobs", month="2026-10", first="2026-10", last="2026-11"
            ),
            entry("a", A, "daily_costs", 4, fingerprint="x", month="2026-10"),
            entry("b", B),
            entry("b", B, "daily_costs", 9, fingerprint="y", month="2026-10"),
        ],
        "a",
        1,
    )
    assert found.sequence == 4
    assert found.claims == {A: Claim("a", 1), B: Claim("b", 1)}
    assert found.scopes("a") == {A}
    assert found.of("daily_costs") == {OCT: Content(0, "x")}
    assert found.inputs == {A: "rates"}
    assert found.jobs == {OCT: Span("jobs", "2026-10", "2026-11")}


def test_entries_are_read_back_as_they_were_written() -> None:
    found = Known(
        contents={
            "daily_costs": {
                OCT: Content(2, "x"),
                NOV: UNKNOWN,
                Partition(B, "2026-10"): Content(1, "b"),
            }
        },
        inputs={A: "rates"},
        jobs={OCT: Span("jobs", "2026-10", "2026-12")},
        published_at=1_000,
        usual_seconds=60,
    )
    again = plan.known(plan.entries(A, Claim("a", 2), found, 7, 1), "a", 1)
    assert again.of("daily_costs") == {OCT: Content(2, "x")}, "only what is known to be there"
    assert (again.inputs, again.jobs) == (found.inputs, found.jobs)
    assert (again.sequence, again.published_at, again.usual_seconds) == (7, 1_000, 60)
    assert again.claims == {A: Claim("a", 2)}
    assert again.unfinished == set()


def test_a_claim_is_unfinished_until_its_first_publish_has_ended() -> None:
    found = plan.known([plan.claimed(A, Claim("a", 1), Known(sequence=5), 1)], "a", 1)
    assert (found.sequence, found.unfinished) == (5, {A})


def test_the_first_collector_owns_the_prices() -> None:
    assert claims(Known(), A) == {A: Claim("a", 1), PRICES: Claim("a", 1)}
    of_b = Known(claims={PRICES: Claim("b", 1)})
    assert claims(of_b, A) == {A: Claim("a", 1)}
    with pytest.raises(UsageError, match="The collector b owns the prices in this lake"):
        claims(of_b, A, prices=True)
    assert claims(of_b, A, prices=True, take_over=True)[PRICES] == Claim("a", 2)
    left = plan.claims(Known(), [A], "a", owns_prices=False, take_over=False, left={A: 3})
    assert left == {A: Claim("a", 4), PRICES: Claim("a", 1)}, "somebody removed _published"


def test_a_foreign_scope_is_refused_and_can_be_taken_over() -> None:
    found = Known(claims={A: Claim("b", 4), B: Claim("b", 1), PRICES: Claim("b", 1)})
    with pytest.raises(UsageError, match="The collector b owns 1/eu-west-1 and 1 more scope in"):
        claims(found, A, B)
    taken = claims(found, A, take_over=True)
    assert taken == {A: Claim("a", 5)}
    assert plan.new_claims(found, taken) == taken
    kept = claims(Known(claims={A: Claim("a", 5), PRICES: Claim("b", 1)}), A)
    assert kept == {A: Claim("a", 5)}


def test_an_older_database_is_refused() -> None:
    plan.check_sequence(Known(sequence=3), 3, "id", "a", take_over=False)
    plan.check_sequence(Known(sequence=3, begun=(4, "id")), 4, "id", "a", take_over=False)
    with pytest.raises(
        BusyError, match="publish 3 of the collector a, and this database has made 2"
    ):
        plan.check_sequence(Known(sequence=3), 2, "id", "a", take_over=False)
    begun = Known(sequence=3, begun=(4, "id"))
    with pytest.raises(BusyError, match="The lake has publish 4 of the collector a"):
        plan.check_sequence(begun, 3, "id", "a", take_over=False)
    with pytest.raises(UsageError, match="Another database publishes to this lake"):
        plan.check_sequence(begun, 9, "", "a", take_over=False)
    plan.check_sequence(begun, 2, "other", "a", take_over=True)
    with pytest.raises(SchemaNewerError):
        plan.known([entry("b", B)], "a", 0)


def test_usage_may_change_where_changed_jobs_have_or_had_it() -> None:
    before, now = Span("x", "2026-10", "2026-10"), Span("y", "2025-12", "2026-01")
    found = Known(jobs={OCT: before, NOV: Span("z", "2026-11", "2026-11")}, inputs={A: "rates"})
    marks = {OCT: "x", NOV: "z"}
    assert plan.changed_jobs(found, {A: "rates"}, marks) == set()
    assert plan.changed_jobs(found, {A: "other"}, marks) == {OCT, NOV}
    assert plan.changed_jobs(found, {A: "rates"}, {NOV: "z"}) == {OCT}, "its jobs are gone"
    changed = plan.changed_jobs(found, {A: "rates"}, {**marks, OCT: "y"})
    assert changed == {OCT}
    assert plan.usage_months(found, {OCT: now}, changed) == {
        Partition(A, month) for month in ("2025-12", "2026-01", "2026-10")
    }


def test_months_that_follow_each_other_are_one_condition() -> None:
    """A job of the year 1 that ended today has 24,000 months."""
    before, now = Span("x", "2026-10", "2026-10"), Span("y", "0001-01", "9999-12")
    found = plan.usage_months(Known(jobs={OCT: before}), {OCT: now}, [OCT])
    assert len(found) == 9999 * 12
    assert list(plan.runs(found)) == [([A], "0001-01", "9999-12")]
    (batch,) = plan.batches(found, {OCT: Content(6, "")}, 10)
    assert set(batch) == found
    other = Partition(B, "2026-11")
    assert list(plan.runs({OCT, NOV, other, Partition(A, "2027-01")})) == [
        ([A], "2026-10", "2026-10"),
        ([A, B], "2026-11", "2026-11"),
        ([A], "2027-01", "2027-01"),
    ]
    assert list(plan.runs([Partition(A), Partition(B)])) == [([A, B], "", "")]


def test_only_what_differs_is_replaced_and_what_vanishes_is_removed() -> None:
    before = {OCT: Content(1, "x"), NOV: Content(1, "y"), Partition(B, "2026-10"): UNKNOWN}
    now = {OCT: Content(1, "x"), NOV: Content(2, "z")}
    found = plan.change(before, now)
    assert found == Change({NOV: Content(2, "z")}, frozenset({Partition(B, "2026-10")}))
    assert plan.change(before, now, [OCT]) == Change({}, frozenset())
    assert not plan.change(before, before)
    assert plan.change({OCT: UNKNOWN}, {OCT: Content(1, "x")}).replaced, "whatever it holds"


def test_commits_are_small_and_complete() -> None:
    partitions = [Partition(A, f"2026-{month:02}") for month in range(1, 6)]
    sizes = dict(zip(partitions, (5, 5, 50, 1, 1), strict=True))
    change = Change({each: Content(rows, "x") for each, rows in sizes.items()}, frozenset({OCT}))
    found = list(plan.commits(change, 10))
    assert [[each.month for each in commit.partitions] for commit in found] == [
        ["2026-01", "2026-02"],
        ["2026-03"],
        ["2026-04", "2026-05", "2026-10"],
    ]
    assert list(plan.commits(Change({}, frozenset()), 10)) == []


def test_months_are_computed_together_if_they_are_small() -> None:
    jobs = {OCT: Content(6, ""), NOV: Content(6, ""), Partition(B, "2026-11"): Content(1, "")}
    months = [NOV, OCT, Partition(B, "2026-11"), Partition(A, "2026-12")]
    assert list(plan.batches(months, jobs, 10)) == [
        [OCT],
        [NOV, Partition(B, "2026-11"), Partition(A, "2026-12")],
    ]


def test_old_files_are_removed_once_in_a_retention() -> None:
    found = Known(cleared=1_000)
    due = {now: plan.must_clear(found, now, 60) for now in (1_000, 1_059, 1_060, 999)}
    assert due == {1_000: False, 1_059: False, 1_060: True, 999: True}, "the clock went back"


def test_the_usual_time_between_publishes() -> None:
    assert plan.usual_seconds(Known(), 100) is None
    assert plan.usual_seconds(Known(published_at=40), 100) == 60
    assert plan.usual_seconds(Known(published_at=40, usual_seconds=100), 100) == 90
    assert plan.usual_seconds(Known(published_at=140), 100) == 0, "the clock went back"
