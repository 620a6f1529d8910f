"""Pages may be short or empty, so only a missing NextToken ends a listing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from exporter.simulator import Clock, Scope, Simulator, World


@pytest.fixture
def twenty(scope: Scope, clock: Clock) -> list[str]:
    """The names of twenty jobs; only the third failed."""
    for number in range(20):
        clock.advance(60)
        job = scope.create_job(f"job-{number:02d}")
        if number == 2:
            scope.finish(job, "Failed")
    return [job.name for job in scope.jobs()]


def pages(client: Any, **request: object) -> list[list[str]]:
    paginator = client.get_paginator("list_training_jobs")
    return [
        [row["TrainingJobName"] for row in page["TrainingJobSummaries"]]
        for page in paginator.paginate(MaxResults=5, SortOrder="Ascending", **request)
    ]


def test_a_page_may_be_empty_and_carry_a_token(sagemaker: Any, twenty: list[str]) -> None:
    assert pages(sagemaker, StatusEquals="Failed") == [[twenty[2]], [], [], []]


def test_pages_are_full_if_the_service_filters_first(
    world: World,
    sagemaker: Any,
    twenty: list[str],
) -> None:
    world.behaviour = replace(world.behaviour, filter_before_cut=True)
    assert pages(sagemaker, StatusEquals="Failed") == [[twenty[2]]]


def test_a_modification_bound_alone_reads_the_whole_history(
    sagemaker: Any,
    simulator: Simulator,
    scope: Scope,
    clock: Clock,
    twenty: list[str],
) -> None:
    since = clock.now()
    clock.advance(60)
    scope.update(scope.job(twenty[7]), secondary_status="Training")
    assert pages(sagemaker, LastModifiedTimeAfter=since) == [[], [twenty[7]], [], []]
    floor = scope.job(twenty[7]).creation_time - timedelta(seconds=1)
    before = len(simulator.calls)
    pages(sagemaker, LastModifiedTimeAfter=since, CreationTimeAfter=floor)
    assert len(simulator.calls) - before == 3


def test_creation_time_may_be_a_filter(
    world: World,
    sagemaker: Any,
    clock: Clock,
    twenty: list[str],
) -> None:
    world.behaviour = replace(world.behaviour, creation_time_is_range=False)
    since = clock.now() - timedelta(minutes=4)
    assert pages(sagemaker, CreationTimeAfter=since) == [[], [], [], twenty[-4:]]


def test_a_full_last_page_may_carry_a_token(
    world: World,
    sagemaker: Any,
    twenty: list[str],
) -> None:
    assert len(pages(sagemaker)) == 4
    world.behaviour = replace(world.behaviour, token_after_last_page=True)
    assert pages(sagemaker)[4:] == [[]]
    assert twenty


def test_jobs_may_change_between_two_pages(
    sagemaker: Any, simulator: Simulator, scope: Scope, twenty: list[str]
) -> None:
    simulator.on_answer = lambda call: call.next_token and scope.delete_job(twenty[-1])
    assert pages(sagemaker, CreationTimeAfter=scope.job(twenty[9]).creation_time) == [
        twenty[10:15],
        twenty[15:19],
    ]


def test_the_defaults_of_the_service_are_ten_jobs_newest_first(
    world: World,
    sagemaker: Any,
    twenty: list[str],
) -> None:
    def first() -> list[str]:
        rows = sagemaker.list_training_jobs()["TrainingJobSummaries"]
        return [row["TrainingJobName"] for row in rows]

    assert first() == twenty[:9:-1]
    world.behaviour = replace(world.behaviour, default_sort_order="Ascending", default_page_size=3)
    assert first() == twenty[:3]


def test_summaries_may_lack_their_modification_time(
    world: World,
    sagemaker: Any,
    twenty: list[str],
) -> None:
    assert twenty
    assert "LastModifiedTime" in sagemaker.list_training_jobs()["TrainingJobSummaries"][0]
    world.behaviour = replace(world.behaviour, last_modified_in_summaries=False)
    assert "LastModifiedTime" not in sagemaker.list_training_jobs()["TrainingJobSummaries"][0]
