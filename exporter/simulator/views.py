"""What the API shows of a job: pure functions of its state, the time and the behaviour."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from botocore.model import StructureShape

from exporter.simulator.behaviour import Behaviour
from exporter.simulator.job import Job, JobSpec, JobState, Transition
from exporter.simulator.life import transitions
from exporter.wire.model import service_model

SUMMARY = ("ListTrainingJobs", "output", "TrainingJobSummaries", "[]")
"""The place of a summary in botocore's model."""

DESCRIPTION = ("DescribeTrainingJob", "output")
"""The place of a description in botocore's model."""

SEARCH_RECORD = ("Search", "output", "Results", "[]")
"""The place of a result of Search in botocore's model."""


def warm_pool(state: JobState, now: datetime, behaviour: Behaviour) -> dict[str, Any] | None:
    """Return `WarmPoolStatus` as the API shows it; None while it shows nothing."""
    if state.warm_pool_status is None or _status_is_late(state, now, behaviour):
        return None
    return _present(
        {
            "Status": state.warm_pool_status,
            "ResourceRetainedBillableTimeInSeconds": _retained_seconds(state, now, behaviour),
            "ReusedByJob": state.warm_pool_reused_by_job,
        }
    )


def may_change_by_itself(state: JobState, now: datetime, behaviour: Behaviour) -> bool:
    """Return whether the API will show a state differently later, though nothing happens."""
    if state.warm_pool_status is None:
        return False
    growing = (
        state.warm_pool_status == "Available"
        and state.warm_pool_retained_seconds is None
        and behaviour.pool_seconds_while_available == "growing"
    )
    return (
        growing
        or _status_is_late(state, now, behaviour)
        or _seconds_are_late(state, now, behaviour)
    )


def summary(job: Job, state: JobState, now: datetime, behaviour: Behaviour) -> dict[str, Any]:
    """Return a `TrainingJobSummary` with aware datetimes."""
    modified = state.last_modified_time if behaviour.last_modified_in_summaries else None
    return _present(
        {
            "TrainingJobName": job.name,
            "TrainingJobArn": job.arn,
            "CreationTime": job.creation_time,
            "TrainingJobStatus": state.training_job_status,
            "SecondaryStatus": state.secondary_status,
            "TrainingEndTime": state.training_end_time,
            "LastModifiedTime": modified,
            "WarmPoolStatus": warm_pool(state, now, behaviour),
            "TrainingPlanArn": job.spec.training_plan_arn,
        }
    )


def description(job: Job, state: JobState, now: datetime, behaviour: Behaviour) -> dict[str, Any]:
    """Return a `DescribeTrainingJobResponse` with aware datetimes."""
    spec, place = job.spec, job.place
    bucket = f"s3://sagemaker-{place.region}-{place.account_id}"
    runtime = spec.max_runtime_seconds
    stopping = {
        "MaxRuntimeInSeconds": runtime,
        "MaxWaitTimeInSeconds": 2 * runtime if spec.managed_spot else None,
    }
    vpc = {"SecurityGroupIds": list(spec.security_group_ids), "Subnets": list(spec.subnets)}
    role = spec.role_arn or f"arn:aws:iam::{place.account_id}:role/SageMakerExecutionRole"
    shown: dict[str, Any] = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "TuningJobArn": spec.tuning_job_arn,
        "ModelArtifacts": {"S3ModelArtifacts": f"{bucket}/{job.name}/output/model.tar.gz"},
        "TrainingJobStatus": state.training_job_status,
        "SecondaryStatus": state.secondary_status,
        "FailureReason": state.failure_reason,
        "HyperParameters": dict(spec.hyperparameters),
        "AlgorithmSpecification": {
            "TrainingImage": spec.training_image,
            "TrainingInputMode": "File",
        },
        "RoleArn": role,
        "OutputDataConfig": {"S3OutputPath": f"{bucket}/"},
        "ResourceConfig": _resource_config(spec),
        "WarmPoolStatus": warm_pool(state, now, behaviour),
        "VpcConfig": vpc if spec.subnets else None,
        "StoppingCondition": _present(stopping),
        "CreationTime": job.creation_time,
        "TrainingStartTime": state.training_start_time,
        "TrainingEndTime": state.training_end_time,
        "LastModifiedTime": state.last_modified_time,
        "SecondaryStatusTransitions": [
            _transition(each) for each in transitions(job.creation_time, state)
        ],
        "EnableNetworkIsolation": spec.network_isolation,
        "EnableInterContainerTrafficEncryption": spec.encrypt_traffic,
        "EnableManagedSpotTraining": spec.managed_spot,
        "TrainingTimeInSeconds": state.training_seconds,
        "BillableTimeInSeconds": state.billable_seconds,
        "Environment": dict(spec.environment) or None,
        "ServerlessJobConfig": spec.serverless_job_config,
    }
    return _known(_present(shown), "DescribeTrainingJobResponse")


def search_record(job: Job, state: JobState, now: datetime, behaviour: Behaviour) -> dict[str, Any]:
    """Return the `TrainingJob` of a SearchRecord: a description with tags.

    Search does not show what that shape lacks, such as ServerlessJobConfig. [D]
    """
    record = _known(description(job, state, now, behaviour), "TrainingJob")
    return {**record, "Tags": tag_list(state.tags)}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as the API lists them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _status_is_late(state: JobState, now: datetime, behaviour: Behaviour) -> bool:
    return _is_late(state.training_end_time, now, behaviour.pool_status_late_seconds)


def _seconds_are_late(state: JobState, now: datetime, behaviour: Behaviour) -> bool:
    settled = state.warm_pool_status in ("Reused", "Terminated")
    late = behaviour.pool_seconds_late_seconds
    return settled and _is_late(state.warm_pool_changed_at, now, late)


def _is_late(since: datetime | None, now: datetime, seconds: float) -> bool:
    # In seconds: a timedelta cannot hold an infinite delay.
    return bool(seconds) and since is not None and (now - since).total_seconds() < seconds


def _retained_seconds(state: JobState, now: datetime, behaviour: Behaviour) -> int | None:
    if _seconds_are_late(state, now, behaviour):
        return None
    if state.warm_pool_status != "Available" or state.warm_pool_retained_seconds is not None:
        return state.warm_pool_retained_seconds
    if behaviour.pool_seconds_while_available == "absent":
        return None
    if behaviour.pool_seconds_while_available == "zero" or state.training_end_time is None:
        return 0
    return max(0, (now - state.training_end_time) // timedelta(seconds=1))


def _resource_config(spec: JobSpec) -> dict[str, Any] | None:
    if spec.serverless_job_config is not None:
        return None
    config = {
        "InstanceType": spec.instance_type,
        "InstanceCount": spec.instance_count,
        "VolumeSizeInGB": spec.volume_size_gb,
        "VolumeKmsKeyId": spec.volume_kms_key_id,
        "KeepAlivePeriodInSeconds": spec.keep_alive_seconds,
        "InstanceGroups": [dict(each) for each in spec.instance_groups] or None,
        "TrainingPlanArn": spec.training_plan_arn,
        "SelectedInstanceType": spec.selected_instance_type,
        "SelectedInstanceCount": spec.selected_instance_count,
    }
    return _known(_present(config), "ResourceConfig")


def _transition(transition: Transition) -> dict[str, Any]:
    shown = {
        "Status": transition.status,
        "StartTime": transition.start,
        "EndTime": transition.end,
        "StatusMessage": transition.message or None,
    }
    return _present(shown)


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _known(members: Mapping[str, Any], shape: str) -> dict[str, Any]:
    """Return the members that the installed botocore knows; an older one has fewer."""
    known = _members(shape)
    return {name: value for name, value in members.items() if name in known}


@cache
def _members(shape_name: str) -> frozenset[str]:
    shape = service_model("sagemaker").shape_for(shape_name)
    return frozenset(shape.members) if isinstance(shape, StructureShape) else frozenset()
