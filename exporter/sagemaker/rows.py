"""What the service answers, as typed rows: each field of the API is named once, here.

A row carries the names of the table columns it fills. Anything that the API does not promise is
refused whole, because half a page would look like a complete one; unknown statuses and unknown
members are kept or passed over, because AWS says that both may come.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from exporter.errors import ServiceError
from exporter.sagemaker.redact import redact

_LIST = "ListTrainingJobs"


class JobKey(NamedTuple):
    """Identity of a job: the ARN alone may come again after DeleteTrainingJob."""

    training_job_arn: str
    creation_time: datetime


@dataclass(frozen=True, slots=True)
class JobRow:
    """One TrainingJobSummary; times are aware UTC.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TrainingJobSummary.html
    """

    training_job_arn: str
    creation_time: datetime
    training_job_name: str
    training_job_status: str
    secondary_status: str | None = None
    training_end_time: datetime | None = None
    last_modified_time: datetime | None = None
    warm_pool_status: str | None = None
    warm_pool_retained_seconds: int | None = None
    warm_pool_reused_by_job: str | None = None
    training_plan_arn: str | None = None

    @property
    def key(self) -> JobKey:
        """Identity of the job."""
        return JobKey(self.training_job_arn, self.creation_time)


@dataclass(frozen=True, slots=True)
class DetailRow:
    """What Describe or Search adds; JSON columns are texts. Never hyperparameters or environment.

    `tags` and `serverless` are None where the operation does not tell: Describe has no tags,
    Search no ServerlessJobConfig.
    """

    training_job_arn: str
    creation_time: datetime
    instance_type: str | None
    instance_count: int | None
    instance_groups: str | None
    volume_size_gb: int | None
    keep_alive_seconds: int | None
    training_start_time: datetime | None
    billable_seconds: int | None
    training_seconds: int | None
    managed_spot: bool | None
    tuning_job_arn: str | None
    role_arn: str | None
    failure_reason: str | None
    tags: str | None
    status_transitions: str | None
    volume_kms_key_id: str | None
    subnets: str | None
    security_group_ids: str | None
    encrypt_traffic: bool | None
    network_isolation: bool | None
    serverless: bool | None


def job_row(record: Mapping[str, Any], operation: str = _LIST) -> JobRow:
    """A row from a TrainingJobSummary, a TrainingJob of Search or a Describe answer.

    Raises:
        ServiceError: A key field is missing or of another type.
    """
    fields = _Fields(record, operation)
    pool = _Fields(fields.mapping("WarmPoolStatus"), f"{operation} WarmPoolStatus")
    return JobRow(
        training_job_arn=fields.must_text("TrainingJobArn"),
        creation_time=fields.must_time("CreationTime"),
        training_job_name=fields.must_text("TrainingJobName"),
        training_job_status=fields.must_text("TrainingJobStatus"),
        secondary_status=fields.text("SecondaryStatus"),
        training_end_time=fields.time("TrainingEndTime"),
        last_modified_time=fields.time("LastModifiedTime"),
        warm_pool_status=pool.text("Status"),
        warm_pool_retained_seconds=pool.integer("ResourceRetainedBillableTimeInSeconds"),
        warm_pool_reused_by_job=pool.text("ReusedByJob"),
        # Describe and Search have it in ResourceConfig, the summary at its top.
        training_plan_arn=fields.text("TrainingPlanArn")
        or _Fields(fields.mapping("ResourceConfig"), operation).text("TrainingPlanArn"),
    )


def job_rows(records: object) -> list[JobRow]:
    """Rows of one page of ListTrainingJobs.

    Raises:
        ServiceError: It is not the page that the API promises; it is refused whole.
    """
    if not isinstance(records, list):
        raise _broken(_LIST, "TrainingJobSummaries", records)
    return [job_row(record) for record in records]


def detail_row(record: Mapping[str, Any], operation: str) -> DetailRow:
    """Details from a Describe answer or a TrainingJob of Search.

    Billed is what was selected, else what was asked for, else each of the groups
    (API_ResourceConfig: SelectedInstanceType, InstanceType, InstanceGroups).

    Raises:
        ServiceError: A field is of another type than the API promises.
    """
    fields = _Fields(record, operation)
    resources = _Fields(fields.mapping("ResourceConfig"), f"{operation} ResourceConfig")
    vpc = fields.mapping("VpcConfig")
    groups = resources.sequence("InstanceGroups")
    selected = resources.text("SelectedInstanceType")
    in_groups = bool(groups) and selected is None
    return DetailRow(
        training_job_arn=fields.must_text("TrainingJobArn"),
        creation_time=fields.must_time("CreationTime"),
        instance_type=None if in_groups else selected or resources.text("InstanceType"),
        instance_count=(
            None
            if in_groups
            else resources.integer("SelectedInstanceCount") or resources.integer("InstanceCount")
        ),
        instance_groups=_json(groups) if in_groups else None,
        volume_size_gb=resources.integer("VolumeSizeInGB"),
        keep_alive_seconds=resources.integer("KeepAlivePeriodInSeconds"),
        training_start_time=fields.time("TrainingStartTime"),
        billable_seconds=fields.integer("BillableTimeInSeconds"),
        training_seconds=fields.integer("TrainingTimeInSeconds"),
        managed_spot=fields.flag("EnableManagedSpotTraining"),
        tuning_job_arn=fields.text("TuningJobArn"),
        role_arn=fields.text("RoleArn"),
        failure_reason=redact(fields.text("FailureReason")),
        tags=tags_json(fields.sequence("Tags")) if "Tags" in record else None,
        status_transitions=_transitions(fields.sequence("SecondaryStatusTransitions")),
        volume_kms_key_id=resources.text("VolumeKmsKeyId"),
        subnets=_json(sorted(vpc.get("Subnets", []))) if vpc else None,
        security_group_ids=_json(sorted(vpc.get("SecurityGroupIds", []))) if vpc else None,
        encrypt_traffic=fields.flag("EnableInterContainerTrafficEncryption"),
        network_isolation=fields.flag("EnableNetworkIsolation"),
        serverless=_serverless(record, operation),
    )


def tags_json(tags: Sequence[Mapping[str, Any]]) -> str:
    """Tags (`[{Key, Value}]`) as the text of one JSON object."""
    return _json({str(tag.get("Key", "")): str(tag.get("Value", "")) for tag in tags})


def same_job(key: JobKey, row: JobRow | DetailRow) -> bool:
    """Whether an answer by name is this job, and not a later one of the same name.

    Operations may give the creation time with other precision; a name cannot come again within
    a second, since the job before it has to be deleted first.
    """
    apart = abs((row.creation_time - key.creation_time).total_seconds())
    return row.training_job_arn == key.training_job_arn and apart < 1


def _serverless(record: Mapping[str, Any], operation: str) -> bool | None:
    if record.get("ServerlessJobConfig"):
        return True
    # Search does not carry the member; a job with neither type nor groups is left to Describe.
    return None if operation == "Search" else False


def _transitions(transitions: Sequence[Mapping[str, Any]]) -> str | None:
    if not transitions:
        return None
    return _json(
        [
            {
                name: _utc(value).isoformat().replace("+00:00", "Z")
                if isinstance(value, datetime)
                else value
                for name, value in transition.items()
                # StatusMessage is free text that repeats failure reasons, secrets included.
                if name in ("Status", "StartTime", "EndTime")
            }
            for transition in transitions
        ]
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _broken(operation: str, field: str, value: object) -> ServiceError:
    return ServiceError(
        f"{operation} answered {field} as {type(value).__name__}, which the API does not promise.",
        "The answer was refused whole and nothing of it stored. Is the endpoint really SageMaker?",
    )


class _Fields:
    """Reads members of a record by type; botocore does not check what it parses."""

    def __init__(self, record: Mapping[str, Any], operation: str) -> None:
        if not isinstance(record, Mapping):
            raise _broken(operation, "a record", record)
        self._record = record
        self._operation = operation

    def text(self, name: str) -> str | None:
        value = self._record.get(name)
        if value is None or isinstance(value, str):
            return value or None
        raise _broken(self._operation, name, value)

    def must_text(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise _broken(self._operation, name, value)
        return value

    def time(self, name: str) -> datetime | None:
        value = self._record.get(name)
        if value is None:
            return None
        if isinstance(value, datetime):
            return _utc(value)
        raise _broken(self._operation, name, value)

    def must_time(self, name: str) -> datetime:
        value = self.time(name)
        if value is None:
            raise _broken(self._operation, name, value)
        return value

    def integer(self, name: str) -> int | None:
        value = self._record.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise _broken(self._operation, name, value)

    def flag(self, name: str) -> bool | None:
        value = self._record.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise _broken(self._operation, name, value)

    def mapping(self, name: str) -> Mapping[str, Any]:
        value = self._record.get(name)
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return value
        raise _broken(self._operation, name, value)

    def sequence(self, name: str) -> Sequence[Mapping[str, Any]]:
        value = self._record.get(name)
        if value is None:
            return []
        if isinstance(value, list):
            return value
        raise _broken(self._operation, name, value)
