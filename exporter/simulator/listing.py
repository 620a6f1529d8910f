"""ListTrainingJobs: the jobs of a page, and the position of the next page.

Pure: an index, parameters and a behaviour in, jobs and a position out.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exporter.simulator.behaviour import Behaviour
from exporter.simulator.index import JobIndex, SortKey, Window
from exporter.simulator.job import Job
from exporter.simulator.views import warm_pool
from exporter.wire.times import epoch_seconds, from_seconds

Test = Callable[[Job], bool]


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
        jobs, end = _filled(walk, tests, begin, size)
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
    if (status := params.get("StatusEquals")) is not None:
        tests.append(lambda job: job.state.training_job_status == status)
    if (part := params.get("NameContains")) is not None:
        tests.append(lambda job: part in job.name)
    if (plan := params.get("TrainingPlanArnEquals")) is not None:
        tests.append(lambda job: job.spec.training_plan_arn == plan)
    if (pool := params.get("WarmPoolStatusEquals")) is not None:
        tests.append(lambda job: (warm_pool(job.state, now, behaviour) or {}).get("Status") == pool)
    inclusive = behaviour.inclusive_bounds
    modified = _bounds(params, "LastModifiedTime", inclusive)
    tests.append(lambda job: all(within(job.state.last_modified_time) for within in modified))
    if not behaviour.creation_time_is_range:
        created = _bounds(params, "CreationTime", inclusive)
        tests.append(lambda job: all(within(job.creation_time) for within in created))
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
        jobs, low, high, key = self._window
        if self._descending:
            return high - bisect_left(jobs, _read(position), low, high, key=key)
        return bisect_right(jobs, _read(position), low, high, key=key) - low


def _filled(walk: _Walk, tests: list[Test], begin: int, size: int) -> tuple[list[Job], int]:
    jobs: list[Job] = []
    end = begin
    for step in range(begin, walk.count):
        job = walk.at(step)
        if all(test(job) for test in tests):
            if len(jobs) == size:
                return jobs, end  # another job matches, so the next page is not empty
            jobs.append(job)
            end = step + 1
    return jobs, walk.count


def _bounds(
    params: Mapping[str, Any], name: str, inclusive: bool
) -> list[Callable[[datetime], bool]]:
    after, before = params.get(f"{name}After"), params.get(f"{name}Before")
    bounds = []
    if after is not None:
        bounds.append(after.__le__ if inclusive else after.__lt__)
    if before is not None:
        bounds.append(before.__ge__ if inclusive else before.__gt__)
    return bounds


def _written(key: SortKey) -> Any:  # noqa: ANN401 - JSON
    first, number = key
    if isinstance(first, tuple):
        return [first[0], epoch_seconds(first[1]), number]
    return [epoch_seconds(first) if isinstance(first, datetime) else first, None, number]


def _read(position: Any) -> SortKey:  # noqa: ANN401 - JSON
    first, created, number = position
    if created is not None:
        return (first, from_seconds(created)), number
    return first if isinstance(first, str) else from_seconds(first), number
