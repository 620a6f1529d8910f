"""The jobs of a scope in each order of the API.

Creation order is always kept, so a range of creation times takes two bisections. The other
orders are sorted on request, again after each change. That takes about a second for a
million jobs, and only those who request such an order wait for it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from exporter.simulator.job import Job

SortBy = Literal["Name", "CreationTime", "Status"]

SortKey = tuple[Any, int]


class Window(NamedTuple):
    """Part of an order: `jobs[low:high]`, ascending, and its sort key."""

    jobs: Sequence[Job]
    low: int
    high: int
    key: Callable[[Job], SortKey]


# The number decides ties, so every order is total and a position in it stays valid.
_KEYS: dict[str, Callable[[Job], SortKey]] = {
    "CreationTime": lambda job: (job.creation_time, job.number),
    "Name": lambda job: (job.name, job.number),
    "Status": lambda job: ((job.state.training_job_status, job.creation_time), job.number),
}

# The sort keys for jobs in creation order: sorting is stable, and live names are unique.
_SORTS: dict[str, Callable[[Job], str]] = {
    "Name": attrgetter("name"),
    "Status": attrgetter("state.training_job_status"),
}


class JobIndex:
    """Jobs by creation time and, on demand, by name or status; not thread-safe."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._times: list[datetime] = []
        self._version = 0
        self._sorted: dict[tuple[str, int, int], list[Job]] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def jobs(self) -> Sequence[Job]:
        """All jobs in creation order; do not change it, and do not keep it across a change."""
        return self._jobs

    @property
    def version(self) -> int:
        """A number that grows with each change."""
        return self._version

    def add(self, job: Job) -> None:
        """Insert a job in creation order."""
        position = bisect_right(self._times, job.creation_time)
        self._jobs.insert(position, job)
        self._times.insert(position, job.creation_time)
        self.touch()

    def extend(self, jobs: Iterable[Job]) -> None:
        """Insert many jobs, given in any order."""
        self._jobs.extend(jobs)
        self._jobs.sort(key=_KEYS["CreationTime"])
        self._times = [job.creation_time for job in self._jobs]
        self.touch()

    def remove(self, job: Job) -> None:
        """Remove a job.

        Raises:
            ValueError: The index does not hold it.
        """
        position = bisect_left(self._times, job.creation_time)
        while self._jobs[position] is not job:
            position += 1
            if position == len(self._jobs) or self._times[position] > job.creation_time:
                raise ValueError(f"{job.name} is not in the index")
        del self._jobs[position], self._times[position]
        self.touch()

    def touch(self) -> None:
        """Drop the sorted orders, because a job has changed."""
        self._version += 1
        self._sorted.clear()

    def window(
        self, sort_by: SortBy, after: datetime | None, before: datetime | None, inclusive: bool
    ) -> Window:
        """Return the jobs created between two times in an order; None is no bound."""
        key = _KEYS[sort_by]
        low, high = self.between(after, before, inclusive)
        if sort_by == "CreationTime":
            return Window(self._jobs, low, high, key)
        found = self._sorted.get((sort_by, low, high))
        if found is None:
            if len(self._sorted) > 4:
                self._sorted.clear()
            found = sorted(self._jobs[low:high], key=_SORTS[sort_by])
            self._sorted[sort_by, low, high] = found
        return Window(found, 0, len(found), key)

    def between(
        self, after: datetime | None, before: datetime | None, inclusive: bool
    ) -> tuple[int, int]:
        """Return the positions, in creation order, of the jobs created between two times."""
        times = self._times
        low, high = 0, len(times)
        if after is not None:
            low = (bisect_left if inclusive else bisect_right)(times, after)
        if before is not None:
            high = (bisect_right if inclusive else bisect_left)(times, before)
        return low, max(low, high)
