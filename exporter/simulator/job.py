"""One training job: what was requested, its current state, and its earlier states.

A million of them fit into memory: they have slots and share specifications. A state is
replaced, never changed, so a lagging Search index can show the states of a minute ago.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

FINAL_STATUSES = frozenset({"Completed", "Failed", "Stopped"})
"""The statuses of a job that has ended."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Place(NamedTuple):
    """An account and a region."""

    account_id: str
    region: str

    def arn(self, resource: str) -> str:
        """Return the ARN of a SageMaker resource, such as `training-job/nightly-42`."""
        return f"arn:aws:sagemaker:{self.region}:{self.account_id}:{resource}"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """The request of CreateTrainingJob, its members in snake case; jobs of a session share one.

    Attributes:
        instance_type: None with instance groups or serverless, like `instance_count`.
        instance_groups: `InstanceGroups` as the API writes them, else empty.
        selected_instance_type: The type that a list of preferences got.
        selected_instance_count: The count that a list of preferences got.
        volume_size_gb: The storage of each instance.
        keep_alive_seconds: `KeepAlivePeriodInSeconds`; None if not requested.
        role_arn: None is a role of the job's own account.
        training_plan_arn: The plan whose reserved capacity it uses.
        subnets: Empty without a VPC, like `security_group_ids`.
        hyperparameters: People leave secrets here, as in `environment`.
        serverless_job_config: Such a job has no instances.
    """

    instance_type: str | None = "ml.m5.xlarge"
    instance_count: int | None = 1
    instance_groups: tuple[Mapping[str, Any], ...] = ()
    selected_instance_type: str | None = None
    selected_instance_count: int | None = None
    volume_size_gb: int = 30
    keep_alive_seconds: int | None = None
    role_arn: str | None = None
    managed_spot: bool = False
    tuning_job_arn: str | None = None
    training_plan_arn: str | None = None
    subnets: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    volume_kms_key_id: str | None = None
    encrypt_traffic: bool = False
    network_isolation: bool = False
    max_runtime_seconds: int = 86_400
    training_image: str = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3-gpu"
    hyperparameters: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    environment: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    serverless_job_config: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """One of `SecondaryStatusTransitions`; `end` is None while the status lasts."""

    status: str
    start: datetime
    end: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class JobState:
    """What is true of a job for some time; times are aware, UTC.

    Fields without a note are members of DescribeTrainingJob in snake case. The API may *show*
    something else: see `exporter.simulator.views`.

    Attributes:
        training_end_time: When the job ended and the idle time of any warm pool began.
        warm_pool_status: None without a pool.
        warm_pool_retained_seconds: `ResourceRetainedBillableTimeInSeconds`. None leaves it to
            the behaviour while the pool is Available.
        warm_pool_reused_by_job: The name of the next job.
        warm_pool_changed_at: When the status of the pool last changed.
        billable_seconds: `BillableTimeInSeconds`.
        training_seconds: `TrainingTimeInSeconds`.
        transitions: The secondary statuses up to now. None derives them from the times, to
            save memory in a generated history.
    """

    training_job_status: str
    secondary_status: str
    last_modified_time: datetime
    training_start_time: datetime | None = None
    training_end_time: datetime | None = None
    warm_pool_status: str | None = None
    warm_pool_retained_seconds: int | None = None
    warm_pool_reused_by_job: str | None = None
    warm_pool_changed_at: datetime | None = None
    billable_seconds: int | None = None
    training_seconds: int | None = None
    failure_reason: str | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    transitions: tuple[Transition, ...] | None = None


SPEC_FIELDS = frozenset(each.name for each in fields(JobSpec))
STATE_FIELDS = frozenset(each.name for each in fields(JobState))


@dataclass(eq=False, slots=True)
class Job:
    """One training job; only `Scope` creates it and changes it.

    Attributes:
        place: Its account and region.
        name: `TrainingJobName`.
        creation_time: Identifies the job together with the ARN: names can be used again.
        number: Its position among all jobs ever created in its scope; decides ties.
        spec: What was requested.
        state: What is true now.
        lives: Whether `World.advance` may move it.
        past: Earlier states, each with the moment when it ceased to be true.
        fragment: Its summary as JSON, cached while the summary cannot change.
    """

    place: Place
    name: str
    creation_time: datetime
    number: int
    spec: JobSpec
    state: JobState
    lives: bool = True
    past: tuple[tuple[datetime, JobState], ...] = ()
    fragment: bytes | None = None

    @property
    def arn(self) -> str:
        """`TrainingJobArn`."""
        return self.place.arn(f"training-job/{self.name}")

    def state_at(self, when: datetime) -> JobState:
        """Return the state that was true at a moment, as far back as states are kept."""
        for until, state in self.past:
            if when < until:
                return state
        return self.state
