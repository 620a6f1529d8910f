"""The jobs of one account in one region: create, change, delete and find them."""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from exporter.simulator import life, views
from exporter.simulator.behaviour import Behaviour
from exporter.simulator.clock import Clock, to_millisecond
from exporter.simulator.index import JobIndex
from exporter.simulator.job import SPEC_FIELDS, STATE_FIELDS, Job, JobSpec, JobState, Place
from exporter.wire.model import checked, encoded

_KEEP_PAST = timedelta(minutes=15)
_FRAGMENTS = 500_000


@dataclass(slots=True)
class Shared:
    """What all scopes of a world share.

    Attributes:
        clock: The world's time.
        behaviour: How the service behaves.
        lock: Held by everyone who reads or changes jobs.
    """

    clock: Clock
    behaviour: Behaviour
    lock: threading.RLock = field(default_factory=threading.RLock)


class Scope:
    """The jobs of one account and region; thread-safe. `World.scope` makes it.

    Args:
        shared: What it shares with the other scopes of its world.
        place: The account and region.

    Attributes:
        place: As passed in.
        clock: The world's time.
        index: The live jobs, for listings.
        deleted: The deleted jobs, each with the time of its deletion.
        quotas: The service quotas of SageMaker by name, such as `ml.g5.xlarge for training warm
            pool usage`, as ListServiceQuotas answers them.
        keep_alive: The keep-alive period in seconds of the generated jobs that will be created,
            by the base of their family; a family without one keeps its own.
        last_search: The key and the ordered hits of the last search, for its next page.
    """

    def __init__(self, shared: Shared, place: Place) -> None:
        self.place = place
        self.clock = shared.clock
        self.index = JobIndex()
        self.deleted: list[tuple[Job, datetime]] = []
        self.quotas: dict[str, float] = {}
        self.keep_alive: dict[str, int] = {}
        self.last_search: tuple[object, list[tuple[Job, JobState]]] | None = None
        self._shared = shared
        self._by_name: dict[str, Job] = {}
        self._deleting: deque[tuple[datetime, Job]] = deque()
        self._numbers = 0
        self._by_hand: dict[Job, None] = {}
        self._cached: deque[Job] = deque()

    @property
    def account_id(self) -> str:
        """Twelve digits."""
        return self.place.account_id

    @property
    def region(self) -> str:
        """Such as `eu-west-1`."""
        return self.place.region

    @property
    def behaviour(self) -> Behaviour:
        """How the service behaves now; `World.behaviour` sets it."""
        return self._shared.behaviour

    def create_job(
        self,
        name: str,
        *,
        created_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        lives: bool = True,
        **spec: Any,  # noqa: ANN401 - the fields of JobSpec, each checked below
    ) -> Job:
        """Create a job, InProgress and Starting.

        Args:
            name: At most 63 letters, digits and hyphens.
            created_at: None is now.
            tags: Its tags.
            lives: Whether `World.advance` may start, finish and settle it.
            spec: Fields of `JobSpec`.

        Raises:
            ValueError: The name is in use, perhaps by a job that is still `Deleting`, or
                botocore's model does not allow the job.
            TypeError: JobSpec has no such field.
        """
        unknown = set(spec) - SPEC_FIELDS
        if unknown:
            raise TypeError(f"a job has no {', '.join(sorted(unknown))}")
        for plural in ("instance_groups", "subnets", "security_group_ids"):
            if plural in spec:
                spec[plural] = tuple(spec[plural])
        if spec.get("instance_groups") or spec.get("serverless_job_config"):
            spec = {"instance_type": None, "instance_count": None, **spec}
        with self._shared.lock:
            created = to_millisecond(created_at or self.clock.now())
            known = life.with_transition((), "Starting", created)
            state = JobState(
                "InProgress", "Starting", created, tags=dict(tags or {}), transitions=known
            )
            job = self.add(name, created, JobSpec(**spec), state, lives=lives)
            try:
                self.check(job)
            except ValueError:
                self._drop(job)
                raise
            self._by_hand[job] = None
            return job

    def add(
        self, name: str, created: datetime, spec: JobSpec, state: JobState, *, lives: bool = True
    ) -> Job:
        """Add a job in any state, unchecked until the API shows it.

        Raises:
            ValueError: The name is in use.
        """
        with self._shared.lock:
            self.tidy()
            job = self._made(name, created, spec, state, lives)
            self.index.add(job)
            return job

    def add_all(self, rows: Iterable[tuple[str, datetime, JobSpec, JobState]]) -> None:
        """Add many jobs at once, as `add` does.

        Raises:
            ValueError: A name is in use.
        """
        with self._shared.lock:
            self.index.extend([self._made(*row, lives=True) for row in rows])

    def update(
        self,
        job: Job,
        *,
        silent: bool = False,
        at: datetime | None = None,
        **changes: Any,  # noqa: ANN401 - the fields of JobState, each checked below
    ) -> Job:
        """Change the state of a job and keep its earlier state for the lag of Search.

        Args:
            job: The job.
            silent: Leave LastModifiedTime as it is.
            at: When it changed; None is now.
            changes: Fields of `JobState`. A secondary status adds a transition, and the
                status of a pool sets `warm_pool_changed_at`.

        Raises:
            ValueError: botocore's model does not allow the result.
            TypeError: JobState has no such field.
        """
        unknown = set(changes) - STATE_FIELDS
        if unknown:
            raise TypeError(f"a job's state has no {', '.join(sorted(unknown))}")
        with self._shared.lock:
            when = to_millisecond(at or self.clock.now())
            for name, value in changes.items():
                if isinstance(value, datetime):
                    changes[name] = to_millisecond(value)
            if not silent:
                changes.setdefault("last_modified_time", when)
            if "warm_pool_status" in changes:
                changes.setdefault("warm_pool_changed_at", when)
            before = job.state
            if "secondary_status" in changes:
                known = life.transitions(job.creation_time, before)
                known = life.with_transition(known, changes["secondary_status"], when)
                changes.setdefault("transitions", known)
            self.set_state(job, replace(before, **changes), when)
            try:
                self.check(job)
            except ValueError:
                job.state, job.past = before, job.past[:-1]
                raise
            self._by_hand[job] = None
            return job

    def set_state(self, job: Job, state: JobState, when: datetime) -> None:
        """Replace the state of a job from a moment on, unchecked until the API shows it."""
        with self._shared.lock:
            lag = timedelta(seconds=self.behaviour.search_lag_seconds)
            kept = tuple(each for each in job.past if each[0] > when - max(_KEEP_PAST, lag))
            job.past = (*kept, (when, job.state))
            job.state = state
            job.fragment = None
            self.index.touch()

    def start(self, job: Job, **changes: Any) -> Job:  # noqa: ANN401 - as for update
        """Begin training now; see `life.started`. `changes` are further fields of the state."""
        pool = life.gets_pool(job.spec, self.behaviour)
        begun = life.started(self.clock.now(), pool, self.behaviour)
        silent = not self.behaviour.secondary_moves_last_modified
        return self.update(job, silent=silent, **{**begun, **changes})

    def finish(
        self,
        job: Job,
        status: str = "Completed",
        billable_seconds: int | None = None,
        failure_reason: str | None = None,
        pool: bool | None = None,
    ) -> Job:
        """End a job now, as Completed, Failed or Stopped; see `life.finished`.

        `pool` tells whether its instances stay. None follows the rules: they stay if it requested
        a pool, may have one, and ended in a way that keeps one.
        """
        began = job.state.training_start_time
        if pool is None:
            pool = life.gets_pool(job.spec, self.behaviour) and life.keeps_pool(
                status, began, failure_reason
            )
        now = self.clock.now()
        changes = life.finished(
            began, now, status, pool, self.behaviour, billable_seconds, failure_reason
        )
        return self.update(job, **changes)

    def settle_pool(
        self,
        job: Job,
        status: str = "Terminated",
        *,
        seconds: int | None = None,
        reused_by: Job | str | None = None,
        silent: bool | None = None,
    ) -> Job:
        """End the Available pool of a job now, as Reused or Terminated; see `life.settled`.

        `reused_by` is the next job or its name. `silent` leaves LastModifiedTime as it is; None
        follows the behaviour.

        Raises:
            ValueError: The job has no pool.
        """
        ended = job.state.training_end_time
        if job.state.warm_pool_status is None or ended is None:
            raise ValueError(f"{job.name} has no pool to settle")
        if silent is None:
            silent = not self.behaviour.pool_moves_last_modified
        following = reused_by.name if isinstance(reused_by, Job) else reused_by
        changes = life.settled(ended, self.clock.now(), status, seconds, following)
        return self.update(job, silent=silent, **changes)

    def delete_job(self, name: str) -> Job:
        """Delete a job; it is `Deleting` for a while if the behaviour says so.

        Raises:
            KeyError: There is no such job.
        """
        with self._shared.lock:
            self.tidy()
            job = self._by_name[name]
            now = self.clock.now()
            seconds = self.behaviour.deleting_seconds
            if seconds:
                self.update(job, training_job_status="Deleting")
                self._deleting.append((now + timedelta(seconds=seconds), job))
            else:
                self._forget(job, now)
            return job

    def jobs(self) -> list[Job]:
        """Return the live jobs in creation order, including those that are `Deleting`."""
        with self._shared.lock:
            self.tidy()
            return list(self.index.jobs)

    def find(self, name: str) -> Job | None:
        """Return the live job of a name, or None."""
        with self._shared.lock:
            self.tidy()
            return self._by_name.get(name)

    def job(self, name: str) -> Job:
        """Return the live job of a name.

        Raises:
            KeyError: There is no such job.
        """
        found = self.find(name)
        if found is None:
            raise KeyError(name)
        return found

    def summary(self, job: Job) -> dict[str, Any]:
        """Return what ListTrainingJobs shows of a job now, with aware UTC datetimes."""
        return views.summary(job, job.state, self.clock.now(), self.behaviour)

    def describe(self, job: Job) -> dict[str, Any]:
        """Return what DescribeTrainingJob shows of a job now, with aware UTC datetimes."""
        return views.description(job, job.state, self.clock.now(), self.behaviour)

    def fragment(self, job: Job, now: datetime) -> bytes:
        """Return a job's summary as JSON, checked against the model and cached if it lasts."""
        if job.fragment is not None:
            return job.fragment
        shown = views.summary(job, job.state, now, self.behaviour)
        new = bool(self.behaviour.new_statuses)
        written = encoded(shown, "sagemaker", *views.SUMMARY, open_enums=new)
        if not views.may_change_by_itself(job.state, now, self.behaviour):
            job.fragment = written
            self._cached.append(job)
            if len(self._cached) > _FRAGMENTS:
                self._cached.popleft().fragment = None
        return written

    def check(self, job: Job) -> None:
        """Check what the API shows of a job against botocore's model.

        Raises:
            ValueError: The model does not allow it.
        """
        new = bool(self.behaviour.new_statuses)
        checked(self.summary(job), "sagemaker", *views.SUMMARY, open_enums=new)
        checked(self.describe(job), "sagemaker", *views.DESCRIPTION, open_enums=new)

    def clear_cache(self) -> None:
        """Drop everything cached, because the behaviour has changed."""
        self.last_search = None
        while self._cached:
            self._cached.pop().fragment = None

    def taken_by_hand(self) -> list[Job]:
        """Return the live jobs created or changed by hand since the previous call."""
        with self._shared.lock:
            taken, self._by_hand = self._by_hand, {}
            return [job for job in taken if job.lives and self.find(job.name) is job]

    def tidy(self) -> None:
        """Delete the jobs whose time as `Deleting` is over."""
        now = self.clock.now() if self._deleting else None
        while now is not None and self._deleting and self._deleting[0][0] <= now:
            when, job = self._deleting.popleft()
            self._forget(job, when)

    def _made(
        self, name: str, created: datetime, spec: JobSpec, state: JobState, lives: bool
    ) -> Job:
        if name in self._by_name:
            raise ValueError(f"ResourceInUse: {name} exists in {self.account_id} {self.region}")
        job = Job(self.place, name, created, self._numbers, spec, state, lives)
        self._numbers += 1
        self._by_name[name] = job
        return job

    def _forget(self, job: Job, when: datetime) -> None:
        self._drop(job)
        self.deleted.append((job, when))

    def _drop(self, job: Job) -> None:
        self.index.remove(job)
        del self._by_name[job.name]
