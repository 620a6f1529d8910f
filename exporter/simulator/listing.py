"""ListTrainingJobs: the jobs of a page, and the position of the next page.

Pure: an index, parameters and a behaviour in, jobs and a position out.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from exporter.simulator.behaviour import Behaviour
from exporter.simulator.index import JobIndex, SortKey, Window
from exporter.simulator.job import Job
from exporter.simulator.views import warm_pool
from exporter.wire.times import from_millis, to_millis

Test = Callable[[Job], bool]
Bound = Callable[[datetime], bool]


@dataclass(frozen=True, slots=True)
class Page:
    """The jobs of a page, and the position of the next page as JSON; None at the end."""

    jobs: list[Job]
    position: Any


def cut_page(
    index: JobIndex,
    params: Mapping[str, Any],
    position: Any,  # noqa: ANN401 - JSON
    behaviour: Behaviour,
    now: datetime,
) -> Page:
    """Return one page of a listing.

    Args:
        index: The live jobs.
        params: The parameters of the request by the names of the model, with datetimes.
        position: The position that the previous page returned; None for the first page.
        behaviour: How the service behaves.
        now: The world's time.
    """
    ranged = behaviour.creation_time_is_range
    window = index.window(
        params.get("SortBy", "CreationTime"),
        params.get("CreationTimeAfter") if ranged else None,
        params.get("CreationTimeBefore") if ranged else None,
        behaviour.inclusive_bounds,
    )
    order = params.get("SortOrder", behaviour.default_sort_order)
    walk = _Walk(window, descending=order == "Descending")
    tests = filters(params, behaviour, now)
    size = int(params.get("MaxResults", behaviour.default_page_size))
    begin = walk.resume(position)
    if behaviour.filter_before_cut:
        jobs, end = _filtered(walk, tests, begin, size)
        full = len(jobs) == size
    else:
        end = min(begin + size, walk.count)
        jobs = [job for job in walk.span(begin, end) if all(test(job) for test in tests)]
        full = end - begin == size
    if end < walk.count or (full and behaviour.token_after_last_page):
        return Page(jobs, walk.position(end, by_offset=behaviour.offset_tokens))
    return Page(jobs, None)


def filters(params: Mapping[str, Any], behaviour: Behaviour, now: datetime) -> list[Test]:
    """Return the tests that the jobs of a page must pass."""
    tests: list[Test] = []
    if "StatusEquals" in params:
        status = params["StatusEquals"]
        tests.append(lambda job: job.state.training_job_status == status)
    if "NameContains" in params:
        part = params["NameContains"]
        tests.append(lambda job: part in job.name)
    if "TrainingPlanArnEquals" in params:
        plan = params["TrainingPlanArnEquals"]
        tests.append(lambda job: job.spec.training_plan_arn == plan)
    if "WarmPoolStatusEquals" in params:
        pool = params["WarmPoolStatusEquals"]
        tests.append(lambda job: _pool_status(job, now, behaviour) == pool)
    modified = _bounds(params, "LastModifiedTime", behaviour.inclusive_bounds)
    tests += [partial(_modified_within, bound) for bound in modified]
    if not behaviour.creation_time_is_range:
        created = _bounds(params, "CreationTime", behaviour.inclusive_bounds)
        tests += [partial(_created_within, bound) for bound in created]
    return tests


class _Walk:
    """A window read in one direction; steps count from its first job in that direction."""

    def __init__(self, window: Window, *, descending: bool) -> None:
        self._window = window
        self._descending = descending
        self.count = window.high - window.low

    def at(self, step: int) -> Job:
        window = self._window
        return window.jobs[window.high - 1 - step if self._descending else window.low + step]

    def span(self, begin: int, end: int) -> list[Job]:
        window = self._window
        if self._descending:
            return list(window.jobs[window.high - end : window.high - begin])[::-1]
        return list(window.jobs[window.low + begin : window.low + end])

    def position(self, step: int, *, by_offset: bool) -> Any:  # noqa: ANN401 - JSON
        """Return the position before a step: a count, or the sort key of the previous job."""
        if by_offset or step == 0:
            return step
        return _written(self._window.key(self.at(step - 1)))

    def resume(self, position: Any) -> int:  # noqa: ANN401 - JSON
        """Return the step of a position in the current list."""
        if position is None:
            return 0
        if isinstance(position, int):
            return min(position, self.count)
        window, key = self._window, _read(position)
        if self._descending:
            return window.high - bisect_left(
                window.jobs, key, window.low, window.high, key=window.key
            )
        return bisect_right(window.jobs, key, window.low, window.high, key=window.key) - window.low


def _filtered(walk: _Walk, tests: list[Test], begin: int, size: int) -> tuple[list[Job], int]:
    jobs: list[Job] = []
    step = end = begin
    while step < walk.count:
        job = walk.at(step)
        if all(test(job) for test in tests):
            if len(jobs) == size:
                return jobs, end  # another job matches, so the next page is not empty
            jobs.append(job)
            end = step + 1
        step += 1
    return jobs, walk.count


def _pool_status(job: Job, now: datetime, behaviour: Behaviour) -> str | None:
    shown = warm_pool(job.state, now, behaviour)
    return None if shown is None else str(shown["Status"])


def _bounds(params: Mapping[str, Any], name: str, inclusive: bool) -> list[Bound]:
    bounds: list[Bound] = []
    if (after := params.get(f"{name}After")) is not None:
        bounds.append(after.__le__ if inclusive else after.__lt__)
    if (before := params.get(f"{name}Before")) is not None:
        bounds.append(before.__ge__ if inclusive else before.__gt__)
    return bounds


def _modified_within(bound: Bound, job: Job) -> bool:
    return bound(job.state.last_modified_time)


def _created_within(bound: Bound, job: Job) -> bool:
    return bound(job.creation_time)


def _written(key: SortKey) -> Any:  # noqa: ANN401 - JSON
    first, number = key
    if isinstance(first, tuple):
        return [first[0], to_millis(first[1]), number]
    return [to_millis(first) if isinstance(first, datetime) else first, None, number]


def _read(position: Any) -> SortKey:  # noqa: ANN401 - JSON
    first, created, number = position
    if created is not None:
        return (first, from_millis(created)), number
    return from_millis(first) if isinstance(first, int) else first, number
