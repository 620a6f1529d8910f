"""The jobs of a scope in the orders that the API can sort by.

Creation order is kept at all times, so that a range of creation times is two bisections.
The other orders are sorted when somebody asks, and again after something has changed:
dear for a million jobs (about a second), but right, and nobody pays who does not ask.
"""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from exporter.simulator.job import Job

SortBy = Literal["Name", "CreationTime", "Status"]

SortKey = tuple[Any, int]


class Window(NamedTuple):
    """Part of an order: ``jobs[low:high]``, ascending, and the key it is sorted by."""

    jobs: Sequence[Job]
    low: int
    high: int
    key: Callable[[Job], SortKey]


# The number decides between equals, so that every order is total, and a place in it lasts.
_KEYS: dict[str, Callable[[Job], SortKey]] = {
    "CreationTime": lambda job: (job.creation_time, job.number),
    "Name": lambda job: (job.name, job.number),
    "Status": lambda job: ((job.state.training_job_status, job.creation_time), job.number),
}

# What to sort by, from creation order: sorting keeps it among equals, and names have none.
_SORTS: dict[str, Callable[[Job], str]] = {
    "Name": attrgetter("name"),
    "Status": attrgetter("state.training_job_status"),
}


class JobIndex:
    """Jobs by creation time and, on demand, by name or status; not thread-safe."""

    def __init__(self) -> None:
        """Start empty."""
        self._jobs: list[Job] = []
        self._times: list[datetime] = []
        self._version = 0
        self._sorted: OrderedDict[tuple[str, int, int, int], list[Job]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def jobs(self) -> Sequence[Job]:
        """All of them in creation order; not to be changed, nor kept over a change."""
        return self._jobs

    @property
    def version(self) -> int:
        """A number that grows with every change."""
        return self._version

    def add(self, job: Job) -> None:
        """Put a job in its place: at the end, unless it is dated back."""
        position = bisect_right(self._times, job.creation_time)
        self._jobs.insert(position, job)
        self._times.insert(position, job.creation_time)
        self.touch()

    def extend(self, jobs: Iterable[Job]) -> None:
        """Add many jobs at once, in any order."""
        self._jobs.extend(jobs)
        self._jobs.sort(key=_KEYS["CreationTime"])
        self._times = [job.creation_time for job in self._jobs]
        self.touch()

    def remove(self, job: Job) -> None:
        """Take a job out; all that follow it move up.

        Raises:
            ValueError: It is not here.
        """
        position = bisect_left(self._times, job.creation_time)
        while self._jobs[position] is not job:
            position += 1
            if position == len(self._jobs) or self._times[position] > job.creation_time:
                raise ValueError(f"{job.name} is not in the index")
        del self._jobs[position], self._times[position]
        self.touch()

    def touch(self) -> None:
        """Note that a job has changed, so that orders made before are worth nothing."""
        self._version += 1
        self._sorted.clear()

    def window(
        self,
        sort_by: SortBy,
        after: datetime | None,
        before: datetime | None,
        inclusive: bool,
    ) -> Window:
        """Give the jobs created between two times, each None for no bound, in an order."""
        key = _KEYS[sort_by]
        low, high = self.between(after, before, inclusive)
        if sort_by == "CreationTime":
            return Window(self._jobs, low, high, key)
        wanted = (sort_by, low, high, self._version)
        found = self._sorted.get(wanted)
        if found is None:
            found = self._sorted[wanted] = sorted(self._jobs[low:high], key=_SORTS[sort_by])
            if len(self._sorted) > 4:
                self._sorted.popitem(last=False)
        return Window(found, 0, len(found), key)

    def between(
        self, after: datetime | None, before: datetime | None, inclusive: bool
    ) -> tuple[int, int]:
        """Give the positions, in creation order, of the jobs created between two times."""
        times = self._times
        low, high = 0, len(times)
        if after is not None:
            low = (bisect_left if inclusive else bisect_right)(times, after)
        if before is not None:
            high = (bisect_right if inclusive else bisect_left)(times, before)
        return low, max(low, high)
