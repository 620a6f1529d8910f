"""For any history and parameters, all pages together equal those of the service, in order."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.replica.lister import Lister
from exporter.replica.sources import FileSource, MirrorSource
from exporter.simulator import Behaviour, Clock, JobSpec, JobState, World
from exporter.simulator.service import Service
from exporter.store.database import Database
from exporter.store.scopes import ScopeKey
from exporter.wire import Call
from tests.replica.support import PLAN, REGION, START, Row, on_the_wire, pages, put, row_of
from tests.simulator.support import list_requests

STATUSES = ["InProgress", "Completed", "Failed", "Stopped", "Stopping"]
POOLS = [None, "Available", "Reused", "Terminated", "InUse"]

# Few different times, so many jobs share one or are exactly at a bound; some have milliseconds.
moments = st.sampled_from([0, 1, 2, 2.5, 3, 3.001, 4, 5])
times = moments.map(lambda after: START + timedelta(seconds=after))
names = st.text("abAB-12", min_size=1, max_size=4).map(lambda text: f"j{text}z")
histories = st.dictionaries(
    names,
    st.tuples(moments, moments, st.sampled_from(STATUSES), st.sampled_from(POOLS), st.booleans()),
    max_size=25,
)
requests = list_requests(
    times,
    parts=["1", "a-", "j", "B", "zz"],
    statuses=STATUSES,
    pools=["Available", "Reused", "Terminated", "InUse"],
    plan=PLAN,
)
accounts = count(1)


def key(row: Row, params: Row) -> tuple[Any, ...]:
    """Return the common sort key; the service orders ties in its own way."""
    by = params.get("SortBy", "CreationTime")
    first = {"Name": row["TrainingJobName"], "Status": row["TrainingJobStatus"]}.get(by, "")
    return first, row["CreationTime"]


def in_order(rows: list[Row], params: Row) -> list[Row]:
    """Sort as documented: ties by ARN, and all of it reversed when descending."""
    descending = params.get("SortOrder", "Descending") == "Descending"
    return sorted(
        rows, key=lambda row: (*key(row, params), row["TrainingJobArn"]), reverse=descending
    )


def test_joined_pages_equal_those_of_the_service(database: Database) -> None:
    world = World(Clock(START + timedelta(hours=1)))
    service = Service(world, time.monotonic)
    in_file = Lister(FileSource(database))
    in_memory = Lister(MirrorSource(database.path, lock_timeout=5))

    @settings(
        max_examples=35,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(
        history=histories,
        request=requests,
        size=st.none() | st.integers(1, 12),
        filtered_first=st.booleans(),
    )
    def property_holds(
        history: dict[str, tuple[float, float, str, str | None, bool]],
        request: Row,
        size: int | None,
        filtered_first: bool,
    ) -> None:
        params = request if size is None else {**request, "MaxResults": size}
        world.behaviour = Behaviour(filter_before_cut=filtered_first)
        # Each example has its own account in the common file.
        scope = world.scope(f"{next(accounts):012}", REGION)
        for name, (created, modified, status, pool, planned) in history.items():
            when = START + timedelta(seconds=created)
            state = JobState(
                status,
                "Training",
                when + timedelta(seconds=modified),
                training_end_time=when if pool else None,
                warm_pool_status=pool,
                warm_pool_retained_seconds=int(modified),
                warm_pool_reused_by_job="next" if pool == "Reused" else None,
            )
            spec = replace(JobSpec(), training_plan_arn=PLAN if planned else None)
            scope.add(name, when, spec, state)
        put(database, (row_of(scope, job) for job in scope.jobs()), history=False)

        there: list[Row] = []
        token: dict[str, str] = {}
        while True:
            call = Call(
                "sagemaker",
                "ListTrainingJobs",
                {**params, **token},
                f"AKIA{scope.account_id}",
                REGION,
            )
            page = on_the_wire(service.answer(call))
            there += page["TrainingJobSummaries"]
            if "NextToken" not in page:
                break
            token = {"NextToken": page["NextToken"]}

        key_of = ScopeKey(scope.account_id, REGION)
        here = list(pages(in_file, params, key_of))
        assert list(pages(in_memory, params, key_of)) == here
        joined = [row for page in here for row in page]
        assert [key(row, params) for row in joined] == [key(row, params) for row in there]
        assert joined == in_order(there, params)
        # Pages are full, and a token promises another job.
        assert [len(page) for page in here[:-1]] == [size or 10] * (len(here) - 1)
        assert here[-1] or len(here) == 1

    property_holds()
