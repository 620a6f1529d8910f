"""The jobs of one account in one region: made, changed, deleted, looked up."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from exporter.simulator import lifecycle, views
from exporter.simulator.clock import to_millisecond
from exporter.simulator.index import JobIndex
from exporter.simulator.job import SPEC_FIELDS, STATE_FIELDS, Job, JobSpec, JobState, Transition
from exporter.wire.model import checked, encoded

if TYPE_CHECKING:
    from exporter.simulator.world import World

_KEEP_PAST = timedelta(minutes=15)
_FRAGMENTS = 500_000


class Scope:
    """One account and region; made by :meth:`World.scope` only.

    All methods are thread-safe: the world has one lock, and requests take it too.

    Attributes:
        account_id: Twelve digits.
        region: Such as ``eu-west-1``.
        index: The live jobs, for the listing.
        deleted: Jobs that are gone, each with the moment at which it went.
        last_search: The last search's ordered hits, so that its next page is cheap.
    """

    def __init__(self, world: "World", account_id: str, region: str) -> None:
        """Start without jobs."""
        self.world = world
        self.account_id = account_id
        self.region = region
        self.arn_prefix = f"arn:aws:sagemaker:{region}:{account_id}:training-job/"
        self.index = JobIndex()
        self.deleted: list[tuple[Job, datetime]] = []
        self.last_search: tuple[object, list[tuple[Job, JobState]]] | None = None
        self._by_name: dict[str, Job] = {}
        self._deleting: deque[tuple[datetime, Job]] = deque()
        self._numbers = 0
        self._by_hand: dict[Job, None] = {}
        self._cached: deque[Job] = deque()

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
            created_at: Now, unless told otherwise.
            tags: Its tags.
            lives: Whether ``World.advance`` may start, finish and settle it.
            spec: The fields of :class:`~exporter.simulator.job.JobSpec`.

        Raises:
            ValueError: The name is in use, also by a job that is still ``Deleting``, or
                the result is not what botocore's model allows.
            TypeError: A field that JobSpec does not have.
        """
        unknown = set(spec) - SPEC_FIELDS
        if unknown:
            raise TypeError(f"a job has no {', '.join(sorted(unknown))}")
        for plural in ("instance_groups", "subnets", "security_group_ids"):
            if plural in spec:
                spec[plural] = tuple(spec[plural])
        if spec.get("instance_groups") or spec.get("serverless_job_config"):
            spec = {"instance_type": None, "instance_count": None, **spec}
        with self.world.lock:
            created = to_millisecond(created_at or self.world.clock.now())
            state = JobState(
                "InProgress",
                "Starting",
                created,
                tags=dict(tags or {}),
                transitions=(Transition("Starting", created, None, "Starting the training job"),),
            )
            job = self.add(name, created, JobSpec(**spec), state, lives=lives)
            try:
                self._check(job)
            except ValueError:
                self._drop(job)
                raise
            self._by_hand[job] = None
            return job

    def add(
        self, name: str, created: datetime, spec: JobSpec, state: JobState, *, lives: bool = True
    ) -> Job:
        """Put a job in with any state, unchecked until it is shown.

        Raises:
            ValueError: The name is in use.
        """
        with self.world.lock:
            self.tidy()
            if name in self._by_name:
                raise ValueError(f"ResourceInUse: {name} exists in {self.account_id} {self.region}")
            job = self._made(name, created, spec, state, lives)
            self.index.add(job)
            return job

    def add_all(self, rows: Iterable[tuple[str, datetime, JobSpec, JobState]]) -> list[Job]:
        """Put many jobs in at once, as :meth:`add` does, for histories.

        Raises:
            ValueError: A name is in use.
        """
        with self.world.lock:
            made = []
            for name, created, spec, state in rows:
                if name in self._by_name:
                    raise ValueError(f"ResourceInUse: {name}")
                made.append(self._made(name, created, spec, state, True))
            self.index.extend(made)
            return made

    def update(
        self,
        job: Job,
        *,
        silent: bool = False,
        at: datetime | None = None,
        **changes: Any,  # noqa: ANN401 - the fields of JobState, checked below
    ) -> Job:
        """Change what is true of a job; what was true before is kept for the Search lag.

        Args:
            job: The job.
            silent: Leave LastModifiedTime alone.
            at: When it changed, now unless told otherwise.
            changes: The fields of :class:`~exporter.simulator.job.JobState`. A secondary
                status adds a transition; a pool's status notes when it changed.

        Raises:
            ValueError: The result is not what botocore's model allows.
            TypeError: A field that JobState does not have.
        """
        unknown = set(changes) - STATE_FIELDS
        if unknown:
            raise TypeError(f"a job's state has no {', '.join(sorted(unknown))}")
        with self.world.lock:
            when = to_millisecond(at or self.world.clock.now())
            for name, value in changes.items():
                if isinstance(value, datetime):
                    changes[name] = to_millisecond(value)
            if not silent:
                changes.setdefault("last_modified_time", when)
            if "warm_pool_status" in changes:
                changes.setdefault("warm_pool_changed_at", when)
            if "secondary_status" in changes:
                changes.setdefault(
                    "transitions", lifecycle.moved(job, changes["secondary_status"], when)
                )
            before = job.state
            self.set_state(job, replace(before, **changes), when)
            try:
                self._check(job)
            except ValueError:
                job.state, job.past = before, job.past[:-1]
                raise
            self._by_hand[job] = None
            return job

    def set_state(self, job: Job, state: JobState, when: datetime) -> None:
        """Make a state true from a moment on, unchecked until it is shown."""
        with self.world.lock:
            oldest = when - max(_KEEP_PAST, self.world.search_lag)
            kept = tuple(each for each in job.past if each[0] > oldest)
            job.past = (*kept, (when, job.state))
            job.state = state
            job.fragment = None
            self.index.touch()

    def start(self, job: Job, **changes: Any) -> Job:  # noqa: ANN401 - as for update
        """Let a job's training begin; see :func:`lifecycle.start`."""
        return lifecycle.start(self, job, **changes)

    def finish(
        self,
        job: Job,
        status: str = "Completed",
        billable_seconds: int | None = None,
        failure_reason: str | None = None,
        pool: bool | None = None,
    ) -> Job:
        """End a job; see :func:`lifecycle.finish`."""
        return lifecycle.finish(self, job, status, billable_seconds, failure_reason, pool)

    def settle_pool(
        self,
        job: Job,
        status: str = "Terminated",
        *,
        seconds: int | None = None,
        reused_by: Job | str | None = None,
        silent: bool | None = None,
    ) -> Job:
        """End the waiting of a job's pool; see :func:`lifecycle.settle_pool`."""
        return lifecycle.settle_pool(self, job, status, seconds, reused_by, silent)

    def delete_job(self, name: str) -> Job:
        """Delete a job: at once, or ``Deleting`` first if the behaviour says so.

        Raises:
            KeyError: There is no such job.
        """
        with self.world.lock:
            self.tidy()
            job = self._by_name[name]
            now = self.world.clock.now()
            seconds = self.world.behaviour.deleting_seconds
            if seconds:
                self.update(job, training_job_status="Deleting")
                self._deleting.append((now + timedelta(seconds=seconds), job))
            else:
                self._forget(job, now)
            return job

    def jobs(self) -> list[Job]:
        """Give the live jobs in creation order, those that are ``Deleting`` included."""
        with self.world.lock:
            self.tidy()
            return list(self.index.jobs)

    def find(self, name: str) -> Job | None:
        """Give the live job of a name, None without one."""
        with self.world.lock:
            self.tidy()
            return self._by_name.get(name)

    def job(self, name: str) -> Job:
        """Give the live job of a name.

        Raises:
            KeyError: There is no such job.
        """
        found = self.find(name)
        if found is None:
            raise KeyError(name)
        return found

    def summary(self, job: Job) -> dict[str, Any]:
        """Give a job's summary as of now; ``Job.summary`` calls it."""
        return views.summary(job, job.state, self.world.clock.now(), self.world.behaviour)

    def describe(self, job: Job) -> dict[str, Any]:
        """Give a job's description as of now; ``Job.describe`` calls it."""
        return views.description(job, job.state, self.world.clock.now(), self.world.behaviour)

    def fragment(self, job: Job, now: datetime) -> bytes:
        """Give a job's summary as JSON, checked against the model when it was made."""
        if job.fragment is not None:
            return job.fragment
        behaviour = self.world.behaviour
        written = encoded(
            views.summary(job, job.state, now, behaviour),
            "sagemaker",
            *views.SUMMARY,
            open_enums=bool(behaviour.new_statuses),
        )
        if not views.may_change_by_itself(job.state, now, behaviour):
            job.fragment = written
            self._cached.append(job)
            if len(self._cached) > _FRAGMENTS:
                self._cached.popleft().fragment = None
        return written

    def forget_shown(self) -> None:
        """Drop all that is cached: what is shown has come to follow other rules."""
        self.last_search = None
        while self._cached:
            self._cached.pop().fragment = None

    def taken_by_hand(self) -> list[Job]:
        """Give the live jobs made or moved by hand since this was last asked."""
        with self.world.lock:
            taken, self._by_hand = self._by_hand, {}
            return [job for job in taken if job.lives and self.find(job.name) is job]

    def tidy(self) -> None:
        """Let jobs go whose time as ``Deleting`` is up."""
        now = self.world.clock.now() if self._deleting else None
        while now is not None and self._deleting and self._deleting[0][0] <= now:
            when, job = self._deleting.popleft()
            self._forget(job, when)

    def _made(
        self, name: str, created: datetime, spec: JobSpec, state: JobState, lives: bool
    ) -> Job:
        job = Job(self, name, created, self._numbers, spec, state, lives)
        self._numbers += 1
        self._by_name[name] = job
        return job

    def _forget(self, job: Job, when: datetime) -> None:
        self._drop(job)
        self.deleted.append((job, when))

    def _drop(self, job: Job) -> None:
        self.index.remove(job)
        del self._by_name[job.name]

    def _check(self, job: Job) -> None:
        behaviour = self.world.behaviour
        new = bool(behaviour.new_statuses)
        checked(self.summary(job), "sagemaker", *views.SUMMARY, open_enums=new)
        checked(self.describe(job), "sagemaker", *views.DESCRIPTION, open_enums=new)
