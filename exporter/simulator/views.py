"""What the API shows of a job: pure functions of its state, the time and the behaviour."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from botocore.model import StructureShape

from exporter.simulator.behaviour import Behaviour
from exporter.simulator.job import Job, JobSpec, JobState, Transition
from exporter.simulator.life import transitions
from exporter.wire.model import service_model, shape_at

SUMMARY = ("ListTrainingJobs", "output", "TrainingJobSummaries", "[]")
"""The place of a summary in botocore's model."""

DESCRIPTION = ("DescribeTrainingJob", "output")
"""The place of a description in botocore's model."""

SEARCH_RECORD = ("Search", "output", "Results", "[]")
"""The place of a result of Search in botocore's model."""


def warm_pool(state: JobState, now: datetime, behaviour: Behaviour) -> dict[str, Any] | None:
    """Return `WarmPoolStatus` as the API shows it; None while it shows nothing."""
    status = state.warm_pool_status
    if status is None or _status_is_late(state, now, behaviour):
        return None
    shown: dict[str, Any] = {"Status": status}
    seconds = _retained_seconds(state, now, behaviour)
    if seconds is not None:
        shown["ResourceRetainedBillableTimeInSeconds"] = seconds
    if state.warm_pool_reused_by_job is not None:
        shown["ReusedByJob"] = state.warm_pool_reused_by_job
    return shown


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
    shown: dict[str, Any] = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "CreationTime": job.creation_time,
        "TrainingJobStatus": state.training_job_status,
        "SecondaryStatus": state.secondary_status,
    }
    if state.training_end_time is not None:
        shown["TrainingEndTime"] = state.training_end_time
    if behaviour.last_modified_in_summaries:
        shown["LastModifiedTime"] = state.last_modified_time
    pool = warm_pool(state, now, behaviour)
    if pool is not None:
        shown["WarmPoolStatus"] = pool
    if job.spec.training_plan_arn is not None:
        shown["TrainingPlanArn"] = job.spec.training_plan_arn
    return shown


def description(job: Job, state: JobState, now: datetime, behaviour: Behaviour) -> dict[str, Any]:
    """Return a `DescribeTrainingJobResponse` with aware datetimes."""
    spec = job.spec
    account = job.place.account_id
    bucket = f"s3://sagemaker-{job.place.region}-{account}"
    stopping: dict[str, Any] = {"MaxRuntimeInSeconds": spec.max_runtime_seconds}
    if spec.managed_spot:
        stopping["MaxWaitTimeInSeconds"] = 2 * spec.max_runtime_seconds
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
        "RoleArn": spec.role_arn or f"arn:aws:iam::{account}:role/SageMakerExecutionRole",
        "OutputDataConfig": {"S3OutputPath": f"{bucket}/"},
        "ResourceConfig": _resource_config(spec),
        "WarmPoolStatus": warm_pool(state, now, behaviour),
        "VpcConfig": _vpc_config(spec),
        "StoppingCondition": stopping,
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
    known = _members("DescribeTrainingJobResponse")
    return {name: value for name, value in shown.items() if value is not None and name in known}


def search_record(job: Job, state: JobState, now: datetime, behaviour: Behaviour) -> dict[str, Any]:
    """Return the `TrainingJob` of a SearchRecord: a description with tags.

    Search does not show what that shape lacks, such as ServerlessJobConfig. [D]
    """
    known = _members("TrainingJob")
    shown = description(job, state, now, behaviour)
    record = {name: value for name, value in shown.items() if name in known}
    record["Tags"] = tag_list(state.tags)
    return record


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as the API lists them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _status_is_late(state: JobState, now: datetime, behaviour: Behaviour) -> bool:
    late = behaviour.pool_status_late_seconds
    ended = state.training_end_time
    # In seconds: a timedelta cannot hold an infinite delay.
    return bool(late) and ended is not None and (now - ended).total_seconds() < late


def _seconds_are_late(state: JobState, now: datetime, behaviour: Behaviour) -> bool:
    late = behaviour.pool_seconds_late_seconds
    changed = state.warm_pool_changed_at
    settled = state.warm_pool_status in ("Reused", "Terminated")
    return bool(late) and settled and changed is not None and (now - changed).total_seconds() < late


def _retained_seconds(state: JobState, now: datetime, behaviour: Behaviour) -> int | None:
    if state.warm_pool_status != "Available":
        return (
            None if _seconds_are_late(state, now, behaviour) else state.warm_pool_retained_seconds
        )
    if state.warm_pool_retained_seconds is not None:
        return state.warm_pool_retained_seconds
    if behaviour.pool_seconds_while_available == "absent":
        return None
    if behaviour.pool_seconds_while_available == "zero" or state.training_end_time is None:
        return 0
    return max(0, (now - state.training_end_time) // timedelta(seconds=1))


def _resource_config(spec: JobSpec) -> dict[str, Any] | None:
    if spec.serverless_job_config is not None:
        return None
    config: dict[str, Any] = {
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
    known = _members("ResourceConfig")
    return {name: value for name, value in config.items() if value is not None and name in known}


def _vpc_config(spec: JobSpec) -> dict[str, Any] | None:
    if not spec.subnets:
        return None
    return {"SecurityGroupIds": list(spec.security_group_ids), "Subnets": list(spec.subnets)}


def _transition(transition: Transition) -> dict[str, Any]:
    shown: dict[str, Any] = {"Status": transition.status, "StartTime": transition.start}
    if transition.end is not None:
        shown["EndTime"] = transition.end
    if transition.message:
        shown["StatusMessage"] = transition.message
    return shown


@cache
def _members(shape_name: str) -> frozenset[str]:
    # The installed botocore may be older and have fewer members; others would be rejected.
    if shape_name == "DescribeTrainingJobResponse":
        shape = shape_at("sagemaker", "DescribeTrainingJob", "output")
    else:
        shape = service_model("sagemaker").shape_for(shape_name)
    return frozenset(shape.members) if isinstance(shape, StructureShape) else frozenset()
