"""What a database must say of the jobs of a scope: read from the service itself, field by field.

Nothing here uses the program's own reading of answers, so both cannot be wrong in the same way.
Each function returns one readable line per fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from exporter.simulator import Job, Scope

Row = tuple[Any, ...]
Query = Callable[[str], list[Row]]
Identity = tuple[str, datetime]
Values = Mapping[str, Any]

JOB: Final = (
    "training_job_name",
    "training_job_status",
    "secondary_status",
    "training_end_time",
    "last_modified_time",
    "warm_pool_status",
    "warm_pool_retained_seconds",
    "warm_pool_reused_by_job",
    "training_plan_arn",
)
STATE: Final = (
    "training_job_status",
    "secondary_status",
    "warm_pool_status",
    "warm_pool_retained_seconds",
    "warm_pool_reused_by_job",
    "last_modified_time",
)
DETAILS: Final = (
    "instance_type",
    "instance_count",
    "instance_groups",
    "volume_size_gb",
    "keep_alive_seconds",
    "training_start_time",
    "billable_seconds",
    "training_seconds",
    "managed_spot",
    "tuning_job_arn",
    "role_arn",
    "failure_reason",
    "status_transitions",
    "volume_kms_key_id",
    "subnets",
    "security_group_ids",
    "encrypt_traffic",
    "network_isolation",
    "tags",
)
#: The columns of a job in a SELECT: its key, then those of `JOB`.
COLUMNS: Final = ", ".join(("training_job_arn", "creation_time", *JOB))
_JSON: Final = frozenset(
    {"instance_groups", "status_transitions", "subnets", "security_group_ids", "tags"}
)
_STATUS: Final = {"Completed": 2, "Failed": 2, "Stopped": 2, "Stopping": 1, "Deleting": 3}
_POOL: Final = {None: 0, "InUse": 1, "Available": 2, "Reused": 3, "Terminated": 3}
_SECOND: Final = timedelta(seconds=1)
#: How long Search may not show a new job.
SEARCH_LAG: Final = timedelta(minutes=2)


def identity(arn: str, created: datetime) -> Identity:
    """Return what makes a job the same job, however an operation spells or rounds it."""
    return arn.lower(), created.astimezone(UTC).replace(microsecond=0)


def of(job: Job) -> Identity:
    """Return the identity of a job of the service."""
    return identity(job.arn, job.creation_time)


def differences(query: Query, scope: Scope, unknowable: Collection[str] = ()) -> list[str]:
    """Compare training_jobs with the service as it is now; see `Truth.jobs`.

    Args:
        query: Runs a statement on the database.
        scope: The jobs.
        unknowable: Names of jobs whose stored rows may be wrong or missing.
    """
    lag = scope.behaviour.search_lag_seconds
    return Truth(scope, query, lag, unknowable=unknowable).jobs()


@dataclass(frozen=True)
class Truth:
    """The jobs of a scope as the service has them now, and how exactly the database must agree.

    Attributes:
        scope: The jobs.
        query: Runs a statement on the database.
        lag: Search may have shown the growing seconds of a waiting pool this many seconds late.
        cut: Some operation cuts times to seconds, so either time is right.
        unknowable: Names of jobs whose stored rows may be wrong or missing.
        once_odd: Names of jobs whose records were odd for some time, whatever they are now.
    """

    scope: Scope
    query: Query
    lag: float = 0
    cut: bool = False
    unknowable: Collection[str] = ()
    once_odd: Collection[str] = ()

    def jobs(
        self, *, full: bool = False, but: Collection[str] = (), missing: bool = True
    ) -> list[str]:
        """Compare training_jobs.

        Args:
            full: Every deletion has to be known; otherwise those of open jobs.
            but: Columns that may differ.
            missing: Every job of the service has to be known.
        """
        lines = [f"{key[0]} of {key[1]} is stored twice" for key in self._doubled()]
        stored = self._stored(JOB, "deleted_at, open_reason")
        there = {of(job): job for job in self.scope.jobs()}
        for key, job in there.items():
            if job.name in self.unknowable:
                continue
            if key not in stored:
                lines += [f"{job.name} of {job.creation_time} is missing"] * missing
            else:
                lines += self._job(job, stored[key], but)
        for key, row in stored.items():
            name = row["training_job_name"]
            if key in there or row["deleted_at"] is not None or name in self.unknowable:
                continue
            # A full listing looks for deleted jobs among those created before it began.
            past = full and key[1] < self.scope.clock.now()
            if past or row["open_reason"] is not None:
                lines.append(
                    f"{name} of {key[1]} is deleted, but not marked ({row['open_reason']})"
                )
        return lines

    def details(self, *, all_jobs: bool, tags: bool) -> list[str]:
        """Compare training_job_details of closed jobs, or of all jobs that AWS has."""
        stored = self._stored(
            DETAILS,
            "deleted_at, open_reason, serverless",
            "LEFT JOIN training_job_details USING (training_job_arn, creation_time)",
        )
        lines = []
        for job in self.scope.jobs():
            row = stored.get(of(job))
            if row is None or row["deleted_at"] is not None or job.name in self.unknowable:
                continue
            if not all_jobs and row["open_reason"] is not None:
                continue
            there = described(self.scope, job)
            # An open job may pass on to another secondary status without a trace in a listing.
            but = set() if row["open_reason"] is None else {"status_transitions"}
            # Search shows no job of the future, and the tags of others are read when they end.
            future = job.creation_time > self.scope.clock.now() - SEARCH_LAG
            if not tags or (future and row["open_reason"] is not None):
                but.add("tags")
            # What an answer omits erases nothing, so the text of an odd record stays.
            if there["failure_reason"] is None and job.name in self.once_odd:
                but.add("failure_reason")
            lines += self._unequal(job.name, DETAILS, row, there, but)
            serverless = job.spec.serverless_job_config is not None
            if row["serverless"] not in (None, serverless):
                lines.append(f"{job.name}: serverless stored {row['serverless']}")
        return lines

    def history(self) -> list[str]:
        """Check that the history has each state once, in the order of the service."""
        current = self._stored(("training_job_name", *STATE))
        lines = []
        histories = self.histories()
        for key, states in histories.items():
            name = key[0].rpartition("/")[2]
            now = {column: current[key][column] for column in STATE}
            if self._seen(states[-1]) != self._seen(now):
                lines.append(
                    f"{name}: its history ends with {_shown(states[-1])}, its row is {_shown(now)}"
                )
            for one, following in pairwise(states):
                if self._seen(one) == self._seen(following):
                    lines.append(f"{name}: its history has twice in a row {_shown(one)}")
                back = _goes_back(one, following, key[1], cut=self.cut)
                if back:
                    lines.append(
                        f"{name}: the {back} of its history goes back from {_shown(one)} "
                        f"to {_shown(following)}"
                    )
        return lines + [
            f"{row['training_job_name']} has a row without history"
            for key, row in current.items()
            if key not in histories and row["training_job_name"] not in self.once_odd
        ]

    def ledger(self, *, lies: bool = False) -> list[str]:
        """Check that the ledger counts the rows that are there.

        Args:
            lies: The service claimed that living jobs are gone, so jobs may have come back.
        """
        where = self._where()
        ((jobs, deleted),) = self.query(
            f"SELECT count(*), count(deleted_at) FROM training_jobs WHERE {where}"
        )
        ((inserted, counted),) = self.query(
            "SELECT coalesce(sum(jobs_inserted), 0), coalesce(sum(jobs_deleted), 0) "
            f"FROM sync_runs WHERE {where}"
        )
        lines = []
        if inserted != jobs:
            lines.append(f"the runs inserted {inserted} jobs, there are {jobs}")
        if counted != deleted and not (lies and counted > deleted):
            lines.append(f"the runs counted {counted} deletions, there are {deleted}")
        return lines

    def deletions(self, tolerance: timedelta) -> list[str]:
        """Check that no job is marked as deleted before it was, and only if it was."""
        ends = {of(job): when for job, when in self.scope.deleted}
        lines = []
        for key, row in self._stored(("training_job_name", "deleted_at")).items():
            marked = row["deleted_at"]
            if marked is None or row["training_job_name"] in self.once_odd:
                continue
            if key not in ends:
                lines.append(f"{row['training_job_name']} is marked as deleted, but exists")
            elif marked < ends[key] - tolerance or marked > self.scope.clock.now() + tolerance:
                lines.append(
                    f"{row['training_job_name']} was deleted at {ends[key]}, marked at {marked}"
                )
        return lines

    def _where(self) -> str:
        return f"account_id = '{self.scope.account_id}' AND region = '{self.scope.region}'"

    def _stored(
        self, columns: Sequence[str], more: str = "", join: str = ""
    ) -> dict[Identity, Values]:
        names = [*columns, *(more.split(", ") if more else [])]
        rows = self.query(
            f"SELECT training_job_arn, creation_time, {', '.join(names)} FROM training_jobs {join} "
            f"WHERE {self._where()}"
        )
        return {
            identity(arn, created): {
                name: parsed(value) if name in _JSON else value
                for name, value in zip(names, values, strict=True)
            }
            for arn, created, *values in rows
        }

    def _doubled(self) -> Iterator[Identity]:
        seen = set()
        for row in self.query(
            f"SELECT training_job_arn, creation_time FROM training_jobs WHERE {self._where()}"
        ):
            if identity(*row) in seen:
                yield identity(*row)
            seen.add(identity(*row))

    def histories(self) -> dict[Identity, list[Values]]:
        found: dict[Identity, list[Values]] = {}
        odd = {name.lower() for name in self.once_odd}
        for arn, created, *values in self.query(
            f"SELECT training_job_arn, creation_time, {', '.join(f'c.{name}' for name in STATE)} "
            "FROM training_job_changes AS c JOIN training_jobs USING "
            f"(training_job_arn, creation_time) WHERE {self._where()} ORDER BY c.rowid"
        ):
            if arn.rpartition("/")[2].lower() in odd:
                continue
            states = found.setdefault(identity(arn, created), [])
            states.append(dict(zip(STATE, values, strict=True)))
        return found

    def _seen(self, state: Values) -> Values:
        modified = state["last_modified_time"]
        if self.cut and modified is not None:
            return {**state, "last_modified_time": modified.replace(microsecond=0)}
        return dict(state)

    def _job(self, job: Job, row: Values, but: Collection[str]) -> list[str]:
        there = listed(self.scope, job)
        here = dict(row)
        lines = []
        if here["deleted_at"] is not None:
            lines.append(f"{job.name} exists, but is marked as deleted at {here['deleted_at']}")
        if there["last_modified_time"] is None:
            here["last_modified_time"] = None  # from Describe or Search, if summaries omit it
        if there["warm_pool_status"] is None and here["warm_pool_status"] == "InUse":
            here["warm_pool_status"] = None  # a missing status erases nothing
        ours, theirs = here["warm_pool_retained_seconds"], there["warm_pool_retained_seconds"]
        if there["warm_pool_status"] == "Available" and ours and theirs:
            here["warm_pool_retained_seconds"] = ours + min(max(theirs - ours, 0), int(self.lag))
        return lines + self._unequal(job.name, JOB, here, there, but)

    def _unequal(
        self, name: str, columns: Sequence[str], here: Values, there: Values, but: Collection[str]
    ) -> list[str]:
        return [
            f"{name}: {column} stored {here[column]!r}, served {there[column]!r}"
            for column in columns
            if column not in but and not self._equal(here[column], there[column])
        ]

    def _equal(self, here: Any, there: Any) -> bool:
        if isinstance(here, str) and "[redacted]" in here:
            # Other tests say what is a secret; the rest of the text has to be there.
            pattern = ".*".join(re.escape(part) for part in here.split("[redacted]"))
            return re.fullmatch(pattern, str(there), re.DOTALL) is not None
        if self.cut and isinstance(here, datetime) and isinstance(there, datetime):
            return abs(here - there) < _SECOND
        if self.cut and isinstance(here, list) and isinstance(there, list):
            return [_cut(each) for each in here] == [_cut(each) for each in there]
        return bool(here == there)


def listed(scope: Scope, job: Job) -> dict[str, Any]:
    """Return the row of training_jobs that ListTrainingJobs shows."""
    summary = scope.summary(job)
    pool = summary.get("WarmPoolStatus", {})
    values = (
        summary["TrainingJobName"],
        summary["TrainingJobStatus"],
        summary.get("SecondaryStatus"),
        summary.get("TrainingEndTime"),
        summary.get("LastModifiedTime"),
        pool.get("Status"),
        pool.get("ResourceRetainedBillableTimeInSeconds"),
        pool.get("ReusedByJob"),
        summary.get("TrainingPlanArn"),
    )
    return dict(zip(JOB, values, strict=True))


def described(scope: Scope, job: Job) -> dict[str, Any]:
    """Return the row of training_job_details that DescribeTrainingJob and ListTags show."""
    answer = scope.describe(job)
    resources: dict[str, Any] = answer.get("ResourceConfig", {})
    chosen = resources.get("SelectedInstanceType")
    groups = None if chosen else resources.get("InstanceGroups")
    vpc = answer.get("VpcConfig")
    values = (
        None if groups else chosen or resources.get("InstanceType"),
        None
        if groups
        else resources.get("SelectedInstanceCount") or resources.get("InstanceCount"),
        groups,
        resources.get("VolumeSizeInGB"),
        resources.get("KeepAlivePeriodInSeconds"),
        answer.get("TrainingStartTime"),
        answer.get("BillableTimeInSeconds"),
        answer.get("TrainingTimeInSeconds"),
        answer.get("EnableManagedSpotTraining"),
        answer.get("TuningJobArn"),
        answer.get("RoleArn"),
        answer.get("FailureReason"),
        [_transition(each) for each in answer["SecondaryStatusTransitions"]],
        resources.get("VolumeKmsKeyId"),
        sorted(vpc["Subnets"]) if vpc else None,
        sorted(vpc["SecurityGroupIds"]) if vpc else None,
        answer.get("EnableInterContainerTrafficEncryption"),
        answer.get("EnableNetworkIsolation"),
        dict(job.state.tags),
    )
    return dict(zip(DETAILS, values, strict=True))


def parsed(value: Any) -> Any:
    """Return the value of a JSON column, which comes as text or not."""
    return json.loads(value) if isinstance(value, str) else value


def _transition(shown: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        if isinstance(value, datetime)
        else value
        for name, value in shown.items()
        if name in ("Status", "StartTime", "EndTime")
    }


def _cut(value: Any) -> Any:
    """Return a transition with its times cut to seconds."""
    if not isinstance(value, dict):
        return value
    return {
        name: f"{each[:19]}Z" if name.endswith("Time") else each for name, each in value.items()
    }


def _goes_back(one: Values, following: Values, created: datetime, *, cut: bool) -> str:
    """Return what of a state is behind the state before it; empty if nothing.

    A job that is created in the future is modified before its creation.
    """
    if _STATUS.get(following["training_job_status"], 0) < _STATUS.get(
        one["training_job_status"], 0
    ):
        return "status"
    if _POOL[following["warm_pool_status"]] < _POOL[one["warm_pool_status"]]:
        return "pool status"
    # AWS may report the seconds of a pool later than that it has settled.
    settles = following["warm_pool_status"] != one["warm_pool_status"]
    before, after = one["warm_pool_retained_seconds"], following["warm_pool_retained_seconds"]
    if (after or 0) < (before or 0) and not (settles and after is None):
        return "pool seconds"
    if one["warm_pool_reused_by_job"] and not following["warm_pool_reused_by_job"]:
        return "ReusedByJob"
    before, after = one["last_modified_time"], following["last_modified_time"]
    if before and before.replace(microsecond=0) == created:
        return ""
    if before and after and after < before - (_SECOND if cut else timedelta()):
        return "LastModifiedTime"
    return ""


def _shown(state: Values) -> str:
    return "(" + ", ".join(str(value) for value in state.values()) + ")"
