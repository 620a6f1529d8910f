"""A training job: what was asked for, what has become of it, and what it was before.

A million of these are held in memory, hence the slots, the shared specifications, and
states that are replaced rather than changed: a state that was true a minute ago is kept
as it was, for a Search index that lags.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exporter.simulator.scope import Scope

FINAL_STATUSES = frozenset({"Completed", "Failed", "Stopped"})
"""The statuses in which a job is at its end."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What CreateTrainingJob was given; shared by all jobs of a family.

    Attributes:
        instance_type: Such as ``ml.m5.xlarge``; None with groups or serverless.
        instance_count: How many of them.
        instance_groups: ``InstanceGroups`` as the API has them, else empty.
        selected_instance_type: ``SelectedInstanceType``, what was got of several preferences.
        selected_instance_count: How many of them.
        volume_size_gb: Storage for each instance.
        keep_alive_seconds: ``KeepAlivePeriodInSeconds``, None when not asked for.
        role_arn: The execution role; None is a role of the account's own.
        managed_spot: ``EnableManagedSpotTraining``.
        tuning_job_arn: The tuning job that made it.
        training_plan_arn: The plan whose reserved capacity it uses.
        subnets: VPC subnets, empty without a VPC.
        security_group_ids: VPC security groups.
        volume_kms_key_id: The key of the volumes.
        encrypt_traffic: ``EnableInterContainerTrafficEncryption``.
        network_isolation: ``EnableNetworkIsolation``.
        max_runtime_seconds: ``MaxRuntimeInSeconds``.
        training_image: The container image.
        hyperparameters: ``HyperParameters``, where people leave secrets.
        environment: ``Environment``, where they leave more.
        serverless_job_config: ``ServerlessJobConfig``; such a job has no instances.
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

    @property
    def can_have_pool(self) -> bool:
        """Whether a warm pool may stay behind: asked for, without groups or spot [D]."""
        return bool(self.keep_alive_seconds) and not (self.instance_groups or self.managed_spot)


@dataclass(frozen=True, slots=True)
class Transition:
    """One of ``SecondaryStatusTransitions``."""

    status: str
    start: datetime
    end: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class JobState:
    """What is true of a job from one moment to another; times are aware, UTC.

    What the API *shows* of it may differ: see :mod:`exporter.simulator.views`.

    Attributes:
        training_job_status: The primary status.
        secondary_status: The secondary status.
        last_modified_time: When it last changed, as the service would say.
        training_start_time: When training began.
        training_end_time: When the job ended, and any pool's idle time began.
        warm_pool_status: None without a pool.
        warm_pool_retained_seconds: ``ResourceRetainedBillableTimeInSeconds``; None leaves it
            to the behaviour while the pool is Available.
        warm_pool_reused_by_job: The next job's name.
        warm_pool_changed_at: When the pool's status last changed.
        billable_seconds: ``BillableTimeInSeconds``.
        training_seconds: ``TrainingTimeInSeconds``.
        failure_reason: Why it failed.
        tags: Its tags.
        transitions: Its secondary statuses so far; None lets the view work them out from
            the times, which is enough for a history nobody watched.
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


class Job:
    """One training job of one scope; made by :meth:`Scope.create_job` only.

    Attributes:
        scope: Where it runs.
        name: ``TrainingJobName``; its ARN follows from it.
        creation_time: With the ARN, the job's identity: a name can be used again.
        number: Its place among all jobs ever made in its scope; decides ties.
        spec: What was asked for.
        state: What is true of it now.
        past: Earlier states, each with the moment at which it ceased to be true.
        fragment: Its summary as JSON, kept by the listing while it cannot change.
        lives: Whether ``World.advance`` may move it.
    """

    __slots__ = ("creation_time", "fragment", "lives", "name", "number", "past", "scope", "spec",
                 "state")  # fmt: skip

    def __init__(
        self,
        scope: "Scope",
        name: str,
        creation_time: datetime,
        number: int,
        spec: JobSpec,
        state: JobState,
        lives: bool = True,
    ) -> None:
        """Hold the parts together."""
        self.scope = scope
        self.name = name
        self.creation_time = creation_time
        self.number = number
        self.spec = spec
        self.state = state
        self.past: tuple[tuple[datetime, JobState], ...] = ()
        self.fragment: bytes | None = None
        self.lives = lives

    @property
    def arn(self) -> str:
        """``TrainingJobArn``."""
        return self.scope.arn_prefix + self.name

    def state_at(self, when: datetime) -> JobState:
        """Give the state that was true at a moment, as far back as states are kept."""
        for until, state in self.past:
            if when < until:
                return state
        return self.state

    def summary(self) -> dict[str, Any]:
        """Give what ListTrainingJobs returns of it now, with aware UTC datetimes."""
        return self.scope.summary(self)

    def describe(self) -> dict[str, Any]:
        """Give what DescribeTrainingJob returns of it now, with aware UTC datetimes."""
        return self.scope.describe(self)

    def __repr__(self) -> str:
        """Name it, with its status."""
        return f"<Job {self.name} {self.state.training_job_status} {self.creation_time}>"
