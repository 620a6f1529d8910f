"""Commits between two pages make a listing skip no job and repeat none."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.replica.lister import Lister
from exporter.replica.sources import FileSource, MirrorSource
from exporter.simulator import Scope, Simulator
from exporter.store.database import Database
from exporter.store.scopes import ScopeKey
from tests.replica.support import (
    REGION,
    START,
    Row,
    arn,
    on_the_wire,
    put,
    row,
)
from tests.support.syncing import Syncer

STATUSES = ["Completed", "Failed", "InProgress", "Stopped"]

#: A commit. Each change is an action, the number of a job, and a number that chooses a value.
changes = st.lists(
    st.tuples(
        st.sampled_from(["create", "status", "status", "delete"]),
        st.integers(0, 30),
        st.integers(0, 7),
    ),
    max_size=4,
)
parameters = st.fixed_dictionaries(
    {
        "SortBy": st.sampled_from(["Status", "Status", "Name", "CreationTime"]),
        "SortOrder": st.sampled_from(["Ascending", "Descending"]),
    },
    optional={
        "StatusEquals": st.sampled_from(STATUSES),
        "NameContains": st.sampled_from(["1", "2"]),
    },
)
accounts = count(1)


@dataclass
class Jobs:
    """The jobs of an example, and their changes."""

    database: Database
    scope: ScopeKey
    rows: dict[str, Row] = field(default_factory=dict)
    commits: int = 0

    def commit(self, happens: list[tuple[str, int, int]]) -> None:
        self.commits += 1
        changed: dict[str, Row] = {}
        for what, which, number in happens:
            if what == "create" or not self.rows:
                name = f"job-{len(self.rows)}"
                self.rows[name] = row(name, number, self.scope, training_job_status="InProgress")
            else:
                name = list(self.rows)[which % len(self.rows)]
                if what == "delete":
                    self.rows[name] |= {"deleted_at": START}
                else:
                    self.rows[name] |= {"training_job_status": STATUSES[number % len(STATUSES)]}
            # Several commits share a second of the service's clock.
            seen = START + timedelta(hours=1, seconds=self.commits // 3)
            changed[name] = self.rows[name] = {**self.rows[name], "updated_at": seen}
        put(self.database, changed.values())

    def matching(self, params: Row) -> set[str]:
        return {
            name
            for name, job in self.rows.items()
            if job["deleted_at"] is None
            and params.get("StatusEquals") in (None, job["training_job_status"])
            and params.get("NameContains", "") in name
        }


def test_each_job_that_matches_all_the_time_appears_once(database: Database) -> None:
    listers = [
        Lister(FileSource(database)),
        Lister(MirrorSource(database.path, lock_timeout=5)),
    ]

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        first=st.lists(st.tuples(st.just("create"), st.just(0), st.integers(0, 7)), max_size=9),
        then=changes,
        between=st.lists(changes, max_size=5),
        params=parameters,
        size=st.integers(1, 3),
    )
    def property_holds(
        first: list[tuple[str, int, int]],
        then: list[tuple[str, int, int]],
        between: list[list[tuple[str, int, int]]],
        params: Row,
        size: int,
    ) -> None:
        jobs = Jobs(database, ScopeKey(f"{next(accounts):012}", REGION))
        jobs.commit(first)
        jobs.commit(then)
        all_along = jobs.matching(params)
        request: Row = {**params, "MaxResults": size}
        came: list[str] = []
        while True:
            answers = [on_the_wire(each.page(jobs.scope, request)) for each in listers]
            shown = [answer["TrainingJobSummaries"] for answer in answers]
            assert shown[0] == shown[1]
            came += [job["TrainingJobName"] for job in shown[0]]
            # Each job shows its newest status.
            for job in shown[0]:
                stored = jobs.rows[job["TrainingJobName"]]
                assert job["TrainingJobStatus"] == stored["training_job_status"]
            if "NextToken" not in answers[0]:
                break
            request["NextToken"] = answers[0]["NextToken"]
            if between:
                jobs.commit(between.pop())
                all_along &= jobs.matching(params)
        assert len(came) == len(set(came)), came
        assert all_along <= set(came)

    property_holds()


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
def test_a_sync_between_two_pages_skips_and_repeats_nothing(
    database: Database, scope: Scope, simulator: Simulator, order: str
) -> None:
    for number in range(6):
        scope.create_job(f"job-{number}", lives=False)
        scope.clock.advance(1)
    syncer = Syncer(database, scope, simulator)
    syncer.sync()
    lister = Lister(MirrorSource(database.path, lock_timeout=5))
    key = ScopeKey(scope.account_id, scope.region)
    request: Row = {"SortBy": "Status", "SortOrder": order, "MaxResults": 3}
    first = on_the_wire(lister.page(key, request))

    # The shown jobs move forward in the order, and the others back.
    for number in range(6):
        scope.finish(scope.job(f"job-{number}"), "Failed" if number % 2 else "Stopped")
    scope.create_job("late", lives=False)
    scope.clock.advance(60)
    syncer.sync()

    rest = on_the_wire(
        lister.page(key, {**request, "MaxResults": 9, "NextToken": first["NextToken"]})
    )
    came = [
        job["TrainingJobName"]
        for job in (*first["TrainingJobSummaries"], *rest["TrainingJobSummaries"])
    ]
    wanted = [f"job-{number}" for number in range(6)]
    # All had one status when the listing began, and the late job is the newest.
    assert came == ([*wanted, "late"] if order == "Ascending" else wanted[::-1])
    shown = {job["TrainingJobStatus"] for job in rest["TrainingJobSummaries"][:3]}
    assert shown == {"Failed", "Stopped"}


def test_a_reused_name_is_another_job(database: Database) -> None:
    put(database, [row("a", 0), row("b", 1), row("c", 2)])
    lister = Lister(FileSource(database))
    key = ScopeKey("111122223333", REGION)
    request: dict[str, Any] = {"SortBy": "Name", "SortOrder": "Ascending", "MaxResults": 2}
    first = on_the_wire(lister.page(key, request))
    put(database, [row("b", 1, deleted_at=START), row("b", 9), row("c", 2, deleted_at=START)])
    put(database, [row("c", 10)])
    rest = on_the_wire(lister.page(key, {**request, "NextToken": first["NextToken"]}))
    assert [job["TrainingJobArn"] for job in first["TrainingJobSummaries"]] == [arn("a"), arn("b")]
    assert [
        (job["TrainingJobName"], job["CreationTime"]) for job in rest["TrainingJobSummaries"]
    ] == [
        ("b", (START + timedelta(seconds=9)).timestamp()),
        ("c", (START + timedelta(seconds=10)).timestamp()),
    ]
