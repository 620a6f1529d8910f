"""Typed rows of the API's answers. This is the one place that names a field of the API.

A field of a row carries the name of the column that it fills, its type, and where its value is in
the answer. `read` takes the value by that type: a type without None makes the member mandatory.
To add a field of DescribeTrainingJob, add a line to `DetailRow` here, a column of the same name
to store/schema.py, and a migration with its `SCHEMA_REVISION` (store/revision.py). Every other
layer follows. `sync --full` fills the column for jobs that are known already.

An answer that breaks the API's promise is rejected whole, because half a page would look like a
complete one. Unknown statuses are kept and unknown members ignored: AWS announces that both may
come.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import NoneType
from typing import Annotated, Any, Final, NamedTuple, TypeVar, get_args, get_type_hints

from exporter.errors import ServiceError
from exporter.redaction import redact_foreign

_Row = TypeVar("_Row", "JobRow", "DetailRow")


class JobKey(NamedTuple):
    """Identity of a job. The ARN alone is not enough: DeleteTrainingJob frees the name."""

    training_job_arn: str
    creation_time: datetime


class Record:
    """One object of an answer, read member by member; botocore does not check what it parses.

    Args:
        members: The parsed object.
        operation: Operation that answered.
        path: Where the object is in the answer, such as `ResourceConfig`; empty = at its top.
    """

    def __init__(self, members: object, operation: str, path: str = "") -> None:
        self.operation = operation
        self._path = path
        if not isinstance(members, Mapping):
            raise self._broken("a record", members)
        self._members = members
        self._inner: dict[str, Record] = {}

    @property
    def is_empty(self) -> bool:
        """Whether the object is missing or has no member."""
        return not self._members

    def has(self, name: str) -> bool:
        """Return whether the object has the member at all."""
        return name in self._members

    def within(self, name: str) -> Record:
        """Return the object in a member, an empty one if there is none."""
        if name not in self._inner:
            members = self._members.get(name)
            # One level deep is as deep as the fields of a row are.
            self._inner[name] = Record({} if members is None else members, self.operation, name)
        return self._inner[name]

    def get(self, name: str, kind: type) -> Any:  # noqa: ANN401 - of the kind, or None
        """Return a member of the kind `str`, `int`, `bool`, `datetime` or `list`.

        Empty texts count as missing, and times come as aware UTC.

        Raises:
            ServiceError: The member is of another type than the API promises.
        """
        value = self._members.get(name)
        if value is None:
            return None
        if type(value) is not kind and (isinstance(value, bool) or not isinstance(value, kind)):
            raise self._broken(name, value)
        if isinstance(value, datetime):
            return _utc(value)
        return value if kind is not str else value or None

    def require(self, name: str, kind: type) -> Any:  # noqa: ANN401 - of the kind
        """Return a member that has to be there.

        Raises:
            ServiceError: The member is missing or of another type than the API promises.
        """
        value = self.get(name, kind)
        if value is None:
            raise self._broken(name, value)
        return value

    def _broken(self, name: str, value: object) -> ServiceError:
        where = f"{self._path}.{name}" if self._path else name
        return ServiceError(
            f"{self.operation} returned {where} as {type(value).__name__}, which breaks its API.",
            "The whole answer was rejected and none of it was stored. Is the endpoint SageMaker?",
        )


@dataclass(frozen=True, slots=True)
class JobRow:
    """One TrainingJobSummary; times are aware UTC.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TrainingJobSummary.html
    """

    training_job_arn: Annotated[str, "TrainingJobArn"]
    creation_time: Annotated[datetime, "CreationTime"]
    training_job_name: Annotated[str, "TrainingJobName"]
    training_job_status: Annotated[str, "TrainingJobStatus"]
    secondary_status: Annotated[str | None, "SecondaryStatus"] = None
    training_end_time: Annotated[datetime | None, "TrainingEndTime"] = None
    last_modified_time: Annotated[datetime | None, "LastModifiedTime"] = None
    warm_pool_status: Annotated[str | None, "WarmPoolStatus.Status"] = None
    warm_pool_retained_seconds: Annotated[
        int | None, "WarmPoolStatus.ResourceRetainedBillableTimeInSeconds"
    ] = None
    warm_pool_reused_by_job: Annotated[str | None, "WarmPoolStatus.ReusedByJob"] = None
    # Describe and Search have the plan in ResourceConfig, List has it at the top.
    training_plan_arn: Annotated[
        str | None, "TrainingPlanArn", "ResourceConfig.TrainingPlanArn"
    ] = None

    @property
    def key(self) -> JobKey:
        """Identity of the job."""
        return JobKey(self.training_job_arn, self.creation_time)


def _selected(name: str, kind: type) -> Callable[[Record], Any]:
    """Return the reader of an instance type or count as billed; None for instance groups.

    AWS bills what was selected, else what was requested, else each of the groups
    (API_ResourceConfig: SelectedInstanceType, InstanceType, InstanceGroups).
    """

    def read_selected(record: Record) -> Any:  # noqa: ANN401 - of the kind, or None
        resources = record.within("ResourceConfig")
        if _groups(resources):
            return None
        return resources.get(f"Selected{name}", kind) or resources.get(name, kind)

    return read_selected


def _groups(resources: Record) -> list[Any] | None:
    groups: list[Any] | None = resources.get("InstanceGroups", list)
    return None if resources.get("SelectedInstanceType", str) else groups or None


def _instance_groups(record: Record) -> str | None:
    groups = _groups(record.within("ResourceConfig"))
    return _json(groups) if groups else None


def _vpc(name: str) -> Callable[[Record], str | None]:
    def read_vpc(record: Record) -> str | None:
        vpc = record.within("VpcConfig")
        return None if vpc.is_empty else _json(sorted(vpc.get(name, list) or []))

    return read_vpc


def _failure_reason(record: Record) -> str | None:
    reason = record.get("FailureReason", str)
    return None if reason is None else redact_foreign(reason)


def _tags(record: Record) -> str | None:
    return tags_json(record.get("Tags", list) or []) if record.has("Tags") else None


def _serverless(record: Record) -> bool | None:
    if record.within("ServerlessJobConfig").is_empty:
        # Search lacks the member; Describe decides on a job with neither type nor groups.
        return None if record.operation == "Search" else False
    return True


def _transitions(record: Record) -> str | None:
    transitions = record.get("SecondaryStatusTransitions", list)
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


@dataclass(frozen=True, slots=True)
class DetailRow:
    """The fields that Describe and Search add; JSON columns are texts.

    Never hyperparameters or environment. `tags` and `serverless` are None if the operation does
    not report them: Describe has no tags, Search has no ServerlessJobConfig.
    """

    training_job_arn: Annotated[str, "TrainingJobArn"]
    creation_time: Annotated[datetime, "CreationTime"]
    instance_type: Annotated[str | None, _selected("InstanceType", str)] = None
    instance_count: Annotated[int | None, _selected("InstanceCount", int)] = None
    instance_groups: Annotated[str | None, _instance_groups] = None
    volume_size_gb: Annotated[int | None, "ResourceConfig.VolumeSizeInGB"] = None
    keep_alive_seconds: Annotated[int | None, "ResourceConfig.KeepAlivePeriodInSeconds"] = None
    training_start_time: Annotated[datetime | None, "TrainingStartTime"] = None
    billable_seconds: Annotated[int | None, "BillableTimeInSeconds"] = None
    training_seconds: Annotated[int | None, "TrainingTimeInSeconds"] = None
    managed_spot: Annotated[bool | None, "EnableManagedSpotTraining"] = None
    tuning_job_arn: Annotated[str | None, "TuningJobArn"] = None
    role_arn: Annotated[str | None, "RoleArn"] = None
    failure_reason: Annotated[str | None, _failure_reason] = None
    tags: Annotated[str | None, _tags] = None
    status_transitions: Annotated[str | None, _transitions] = None
    volume_kms_key_id: Annotated[str | None, "ResourceConfig.VolumeKmsKeyId"] = None
    subnets: Annotated[str | None, _vpc("Subnets")] = None
    security_group_ids: Annotated[str | None, _vpc("SecurityGroupIds")] = None
    encrypt_traffic: Annotated[bool | None, "EnableInterContainerTrafficEncryption"] = None
    network_isolation: Annotated[bool | None, "EnableNetworkIsolation"] = None
    serverless: Annotated[bool | None, _serverless] = None
    max_runtime_seconds: Annotated[int | None, "StoppingCondition.MaxRuntimeInSeconds"] = None
    max_wait_seconds: Annotated[int | None, "StoppingCondition.MaxWaitTimeInSeconds"] = None


def _reader(annotation: Any) -> Callable[[Record], Any]:  # noqa: ANN401 - any type may be one
    """Return the reader of a field: the function it names, or one for the members it names."""
    declared, *sources = get_args(annotation)
    if callable(sources[0]):
        reader: Callable[[Record], Any] = sources[0]
        return reader
    kinds = get_args(declared) or (declared,)
    mandatory = NoneType not in kinds
    readers = [_member(source, kinds[0], mandatory=mandatory) for source in sources]
    if len(readers) == 1:
        return readers[0]

    def first_of(record: Record) -> Any:  # noqa: ANN401 - of the field's type
        values = (each(record) for each in readers)
        return next((value for value in values if value is not None), None)

    return first_of


def _member(source: str, kind: type, *, mandatory: bool) -> Callable[[Record], Any]:
    parent, _, name = source.rpartition(".")
    take = Record.require if mandatory else Record.get
    if parent:
        return lambda record: take(record.within(parent), name, kind)
    return lambda record: take(record, name, kind)


def _readers(row: type) -> list[Callable[[Record], Any]]:
    hints = get_type_hints(row, include_extras=True)
    return [_reader(annotation) for annotation in hints.values()]


_READERS: Final = {row: _readers(row) for row in (JobRow, DetailRow)}


def read(row: type[_Row], answer: object, operation: str) -> _Row:
    """Return a row of a TrainingJobSummary, a TrainingJob of Search or a Describe answer.

    Args:
        row: `JobRow` or `DetailRow`.
        answer: The parsed object of the answer.
        operation: Operation that answered, such as `Search`.

    Raises:
        ServiceError: A mandatory member is missing, or a member is of an unexpected type.
    """
    record = Record(answer, operation)
    return row(*[read_field(record) for read_field in _READERS[row]])


def tags_json(tags: Sequence[Mapping[str, Any]]) -> str:
    """Return tags (`[{Key, Value}]`) as the text of one JSON object."""
    return _json({str(tag.get("Key", "")): str(tag.get("Value", "")) for tag in tags})


def same_job(key: JobKey, row: JobRow | DetailRow) -> bool:
    """Return whether an answer by name is about this job, not about a later one of that name.

    Operations may round the creation time differently. A name cannot come again within a second,
    because the job that has it must be deleted first.
    """
    apart = abs((row.creation_time - key.creation_time).total_seconds())
    return row.training_job_arn == key.training_job_arn and apart < 1


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
