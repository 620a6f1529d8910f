"""With any parameters and behaviour, all pages together equal a filter and a sort."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.simulator import Behaviour, Job, JobSpec, JobState, Scope, Simulator, World
from tests.simulator.support import list_requests

START = datetime(2026, 10, 1, tzinfo=UTC)
PLAN = "arn:aws:sagemaker:eu-west-1:111122223333:training-plan/reserved"
STATUSES = ["InProgress", "Completed", "Failed", "Stopped"]
POOLS = [None, "Available", "Reused", "Terminated"]

# Few different times, so many jobs share one or are exactly at a bound.
seconds = st.integers(0, 8)
times = seconds.map(lambda after: START + timedelta(seconds=after))
jobs = st.lists(
    st.tuples(seconds, seconds, st.sampled_from(STATUSES), st.sampled_from(POOLS), st.booleans()),
    max_size=25,
)
requests = list_requests(
    times,
    parts=["1", "a-", "job", "zz"],
    statuses=STATUSES,
    pools=["Available", "Reused", "InUse"],
    plan=PLAN,
)
behaviours = st.builds(
    Behaviour,
    filter_before_cut=st.booleans(),
    creation_time_is_range=st.booleans(),
    inclusive_bounds=st.booleans(),
    default_page_size=st.integers(1, 10),
    default_sort_order=st.sampled_from(["Ascending", "Descending"]),
    token_after_last_page=st.booleans(),
    offset_tokens=st.booleans(),
    last_modified_in_summaries=st.booleans(),
)
numbers = count()


def expected(scope: Scope, request: dict[str, Any], behaviour: Behaviour) -> list[dict[str, Any]]:
    """Filter and sort in the simplest way."""

    def within(name: str, when: datetime) -> bool:
        after, before = request.get(f"{name}After"), request.get(f"{name}Before")
        on_bound = behaviour.inclusive_bounds and when in (after, before)
        inside = (after is None or when > after) and (before is None or when < before)
        outside = (after is not None and when < after) or (before is not None and when > before)
        return inside or (on_bound and not outside)

    def wanted(job: Job) -> bool:
        state = job.state
        return (
            within("CreationTime", job.creation_time)
            and within("LastModifiedTime", state.last_modified_time)
            and request.get("NameContains", "") in job.name
            and request.get("StatusEquals") in (None, state.training_job_status)
            and request.get("WarmPoolStatusEquals") in (None, state.warm_pool_status)
            and request.get("TrainingPlanArnEquals") in (None, job.spec.training_plan_arn)
        )

    def key(job: Job) -> tuple[Any, ...]:
        by = request.get("SortBy", "CreationTime")
        first = {"Name": job.name, "Status": job.state.training_job_status}.get(by, "")
        return first, job.creation_time, job.number

    descending = request.get("SortOrder", behaviour.default_sort_order) == "Descending"
    found = sorted((job for job in scope.jobs() if wanted(job)), key=key, reverse=descending)
    return [scope.summary(job) for job in found]


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(made=jobs, request=requests, behaviour=behaviours, size=st.none() | st.integers(1, 12))
def test_joined_pages_are_a_filter_and_a_sort(
    world: World,
    simulator: Simulator,
    connect: Callable[..., Any],
    made: list[tuple[int, int, str, str | None, bool]],
    request: dict[str, Any],
    behaviour: Behaviour,
    size: int | None,
) -> None:
    account = f"{next(numbers):012d}"
    scope = world.scope(account, "eu-west-1")
    world.behaviour = behaviour
    for number, (created, modified, status, pool, planned) in enumerate(made):
        when = START + timedelta(seconds=created)
        state = JobState(
            status,
            status if status != "InProgress" else "Training",
            when + timedelta(seconds=modified),
            training_end_time=when if pool else None,
            warm_pool_status=pool,
            warm_pool_retained_seconds=modified,
        )
        spec = replace(JobSpec(), training_plan_arn=PLAN if planned else None)
        scope.add(f"job-{'ab'[number % 2]}-{number}", when, spec, state)
    sent = request if size is None else {**request, "MaxResults": size}
    pages = []
    client = connect(simulator, account=account)
    token: dict[str, str] = {}
    while True:
        page = client.list_training_jobs(**sent, **token)
        pages.append(page["TrainingJobSummaries"])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    rows = [row for page in pages for row in page]
    assert rows == expected(scope, request, behaviour)
    limit = size or behaviour.default_page_size
    assert all(len(page) <= limit for page in pages)
    if behaviour.filter_before_cut:
        assert all(len(page) == limit for page in pages[:-1])
