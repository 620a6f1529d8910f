"""Typed rows of the API's answers. This is the one place that names a field of the API.

A field of a row carries the name of the column that it fills, its type, and where its value is in
the answer. `read` takes the value by that type: a type without None makes the member mandatory.
To add a field of DescribeTrainingJob, add a line to `DetailRow` here, a column of the same name
to store/schema.py, and a migration with its `SCHEMA_REVISION` (store/revision.py). Every other
layer follows. `sync --full` fills the column for jobs that are known already.

Unknown statuses are kept and unknown members ignored: AWS announces that both may come.

`Record` is the border: no value of an answer passes it that the database or a view cannot hold. A
member of another shape than the API documents is left out, an unstorable character is replaced, a
text that is too long is cut. `Record.odd` names each of these members. A record that does not say
which job it is about is `Unreadable`. Whoever reads records counts both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import NoneType
from typing import Annotated, Any, Final, NamedTuple, TypeVar, get_args, get_type_hints

from exporter.redaction import redact_foreign
from exporter.times import format_time

_Row = TypeVar("_Row", "JobRow", "DetailRow")
#: Operations may round a time by less than this.
_SECOND: Final = timedelta(seconds=1)

#: Characters that no column can hold: halves of surrogate pairs, which also stand for bytes that
#: are not UTF-8 (see `answers`), and NUL, which JSON columns reject.
_UNSTORABLE: Final = re.compile("[\ud800-\udfff\0]")
#: Longest text; the model allows 1,024 characters at most (FailureReason).
_LONGEST: Final = 8_192
#: A text shorter than this needs no cut.
_SHORT: Final = 256
#: Longest list; the model allows 50 tags, and transitions without a limit.
_MOST: Final = 1_000
#: Longest text of a time.
_LONGEST_TIME: Final = 64
#: Largest integer: the model calls all of them `integer`, which has 32 bits. Products of two fit
#: into 64 bits, so no view can overflow.
_LARGEST: Final = 2**31 - 1
#: Times in epoch seconds: from 1970 until readers that count nanoseconds in 64 bits end (2262).
_FIRST_TIME, _LAST_TIME = 0.0, datetime(2262, 1, 1, tzinfo=UTC).timestamp()
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
#: The pattern of TrainingJobName in the model, without its rule about hyphens.
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,63}", re.ASCII)


class Unreadable(Exception):
    """A record does not say which job it is about.

    Attributes:
        member: The member that is missing or has another shape.
    """

    def __init__(self, member: str) -> None:
        super().__init__(member)
        self.member = member


class JobKey(NamedTuple):
    """Identity of a job. The ARN alone is not enough: DeleteTrainingJob frees the name.

    Operations may spell an ARN in another case, and round a creation time to seconds. `is_same`
    decides; the key that was seen first stays.
    """

    training_job_arn: str
    creation_time: datetime

    @property
    def folded_arn(self) -> str:
        """The ARN without case; at most a few keys share one."""
        return self.training_job_arn.lower()

    @property
    def folded(self) -> JobKey:
        """The key as one operation spells it each time: without case, in whole seconds."""
        return JobKey(self.folded_arn, self.creation_time.replace(microsecond=0))

    def is_same(self, other: JobKey) -> bool:
        """Return whether two keys name one job.

        One of two rounded times may be rounded up and the other one down. A name comes again only
        after its job was deleted. If that happens within a second, the two jobs count as one.
        """
        apart = abs(self.creation_time - other.creation_time)
        rounded = self.creation_time.microsecond == other.creation_time.microsecond == 0
        close = apart < _SECOND or (rounded and apart == _SECOND)
        return close and self.folded_arn == other.folded_arn


class Record:
    """One object of an answer, read member by member.

    Args:
        members: The object as JSON has it; times may be datetimes.
        operation: Operation that answered.
        path: Where the object is in the answer, such as `ResourceConfig`; empty = at its top.
        odd: Where to add the members that are not as the API documents them.

    Raises:
        Unreadable: `members` is no object.
    """

    def __init__(
        self, members: object, operation: str, path: str = "", odd: set[str] | None = None
    ) -> None:
        if not isinstance(members, Mapping):
            raise Unreadable(path or "record")
        self.operation = operation
        self.odd: set[str] = set() if odd is None else odd
        self._path = path
        self._members = members
        self._inner: dict[str, Record] = {}

    @property
    def is_empty(self) -> bool:
        """Whether the object is missing or has no member."""
        return not self._members

    def plain(self, parent: str, name: str, kind: type) -> tuple[bool, Any]:
        """Return whether a member needs no check but this one, and its value.

        Nearly all members are missing or plain, and a listing of a million jobs has ten million.

        Args:
            parent: The object that has the member; empty = this one.
            name: The member.
            kind: As for `get`.
        """
        members = self._members.get(parent) if parent else self._members
        if type(members) is not dict:
            return members is None, None
        value = members.get(name)
        if value is None:
            return True, None
        if kind is str:
            return type(value) is str and 0 < len(value) < _SHORT and _is_plain(value), value
        if kind is datetime and type(value) is float and _is_credible(value):
            return True, datetime.fromtimestamp(value, UTC)
        return kind is int and type(value) is int and 0 <= value <= _LARGEST, value

    def has(self, name: str) -> bool:
        """Return whether the object has the member at all."""
        return name in self._members

    def within(self, name: str) -> Record:
        """Return the object in a member; an empty one if there is none, or something else."""
        if name not in self._inner:
            members = self._members.get(name)
            if not isinstance(members, Mapping):
                if members is not None:
                    self._note(name)
                members = {}
            self._inner[name] = Record(members, self.operation, self._where(name), self.odd)
        return self._inner[name]

    def each(self, name: str) -> Iterator[Record]:
        """Yield the objects in a list; what is no object is left out."""
        for item in self.get(name, list) or ():
            if isinstance(item, Mapping):
                yield Record(item, self.operation, self._where(name), self.odd)
            else:
                self._note(name)

    def texts(self, name: str) -> list[str]:
        """Return the texts in a list; what is no text is left out."""
        found = [_text(item) for item in self.get(name, list) or ()]
        if any(odd or text is None for text, odd in found):
            self._note(name)
        return [text for text, _ in found if text is not None]

    def get(self, name: str, kind: type) -> Any:  # noqa: ANN401 - of the kind, or None
        """Return a member of the kind `str`, `int`, `bool`, `datetime` or `list`.

        Empty texts count as missing, and times come as aware UTC. A member of another kind counts
        as missing as well, and is noted as odd.
        """
        value = self._members.get(name)
        if value is None:
            return None
        # Nearly all values are short plain texts, so this saves a third of the time of a page.
        if type(value) is str and kind is str and 0 < len(value) < _SHORT and _is_plain(value):
            return value
        clean, odd = _CLEAN[kind](value)
        if odd:
            self._note(name)
        return clean

    def require(self, name: str, kind: type) -> Any:  # noqa: ANN401 - of the kind
        """Return a member that has to be there.

        Raises:
            Unreadable: The member is missing or of another kind.
        """
        value = self.get(name, kind)
        if value is None:
            raise Unreadable(self._where(name))
        return value

    def _note(self, name: str) -> None:
        self.odd.add(self._where(name))

    def _where(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name


def _is_plain(text: str) -> bool:
    return text.isascii() and "\0" not in text


def _text(value: object) -> tuple[str | None, bool]:
    """Return a text that can be stored, and whether it differs from the value."""
    if type(value) is not str:
        return None, True
    clean = value if _is_plain(value) else _UNSTORABLE.sub("\ufffd", value)
    if len(clean) > _LONGEST:
        head = clean[:_LONGEST]
        # Not within a word: half a secret is not recognised as one.
        clean = f"{head[: head.rfind(' ') + 1 or _LONGEST]}…"
    return clean or None, clean != value


def _whole(value: object) -> tuple[int | None, bool]:
    if type(value) is float and value.is_integer():
        value = int(value)
    fits = type(value) is int and 0 <= value <= _LARGEST
    return (value, False) if fits else (None, True)  # type: ignore[return-value] # checked above


def _flag(value: object) -> tuple[bool | None, bool]:
    return (value, False) if isinstance(value, bool) else (None, True)


def _moment(value: object) -> tuple[datetime | None, bool]:
    """Return a time in UTC: epoch seconds, as SageMaker sends them, or a text of a stand-in."""
    try:
        if isinstance(value, datetime):
            moment = _utc(value)
            return (moment, False) if _is_credible(moment.timestamp()) else (None, True)
        if type(value) is str:
            value = _seconds(value)
        if type(value) not in (float, int) or not _is_credible(value):  # type: ignore[arg-type] # checked
            return None, True
        return datetime.fromtimestamp(value, UTC), False  # type: ignore[arg-type] # checked
    except (ValueError, OverflowError):
        return None, True


def _is_credible(seconds: float) -> bool:
    # A NaN is never in between.
    return _FIRST_TIME <= seconds < _LAST_TIME


def _seconds(text: str) -> float:
    """Return the epoch seconds of a number, or of a time in ISO 8601 or in the format of HTTP.

    Raises:
        ValueError: The text is no time.
        OverflowError: The time is outside of the years that Python knows.
    """
    if len(text) > _LONGEST_TIME:
        raise ValueError("too long for a time")
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return _utc(parse(text)).timestamp()
        except (ValueError, TypeError, IndexError):
            continue
    return float(text)


def _list(value: object) -> tuple[list[Any] | None, bool]:
    if not isinstance(value, list):
        return None, True
    return value[:_MOST], len(value) > _MOST


_CLEAN: Final[Mapping[type, Callable[[object], tuple[Any, bool]]]] = {
    str: _text,
    int: _whole,
    bool: _flag,
    datetime: _moment,
    list: _list,
}


def _job_name(record: Record) -> str:
    """Return a name by which the service can be asked; any other would end a whole lookup."""
    name: str = record.require("TrainingJobName", str)
    if _NAME.fullmatch(name) is None:
        raise Unreadable("TrainingJobName")
    return name


def _job_arn(record: Record) -> str:
    arn: str = record.require("TrainingJobArn", str)
    if arn.endswith("…"):  # it was cut, and half an ARN names no job
        raise Unreadable("TrainingJobArn")
    return arn


@dataclass(frozen=True, slots=True)
class JobRow:
    """One TrainingJobSummary; times are aware UTC.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TrainingJobSummary.html
    """

    training_job_arn: Annotated[str, _job_arn]
    creation_time: Annotated[datetime, "CreationTime"]
    training_job_name: Annotated[str, _job_name]
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


def _groups(resources: Record) -> list[Record]:
    if resources.get("SelectedInstanceType", str):
        return []
    return list(resources.each("InstanceGroups"))


def _instance_groups(record: Record) -> str | None:
    kinds = {"InstanceType": str, "InstanceCount": int, "InstanceGroupName": str}
    groups = [
        {
            name: value
            for name, kind in kinds.items()
            if (value := group.get(name, kind)) is not None
        }
        for group in _groups(record.within("ResourceConfig"))
    ]
    return _json(groups) if groups else None


def _vpc(name: str) -> Callable[[Record], str | None]:
    def read_vpc(record: Record) -> str | None:
        vpc = record.within("VpcConfig")
        return None if vpc.is_empty else _json(sorted(vpc.texts(name)))

    return read_vpc


def _failure_reason(record: Record) -> str | None:
    reason = record.get("FailureReason", str)
    return None if reason is None else redact_foreign(reason)


def _tags(record: Record) -> str | None:
    return tags_json(record.each("Tags")) if record.has("Tags") else None


def _serverless(record: Record) -> bool | None:
    if record.within("ServerlessJobConfig").is_empty:
        # Search lacks the member; Describe decides on a job with neither type nor groups.
        return None if record.operation == "Search" else False
    return True


def _transitions(record: Record) -> str | None:
    # StatusMessage is free text that repeats failure reasons, secrets included.
    kinds = {"Status": str, "StartTime": datetime, "EndTime": datetime}
    transitions = [
        {
            name: format_time(value) if kind is datetime else value
            for name, kind in kinds.items()
            if (value := transition.get(name, kind)) is not None
        }
        for transition in record.each("SecondaryStatusTransitions")
    ]
    return _json(transitions) if transitions else None


@dataclass(frozen=True, slots=True)
class DetailRow:
    """The fields that Describe and Search add; JSON columns are texts.

    Never hyperparameters or environment. `tags` and `serverless` are None if the operation does
    not report them: Describe has no tags, Search has no ServerlessJobConfig.
    """

    training_job_arn: Annotated[str, _job_arn]
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

    def read_member(record: Record) -> Any:  # noqa: ANN401 - of the kind, or None
        is_plain, value = record.plain(parent, name, kind)
        if is_plain and not (mandatory and value is None):
            return value
        return take(record.within(parent) if parent else record, name, kind)

    return read_member


def _readers(row: type) -> list[Callable[[Record], Any]]:
    hints = get_type_hints(row, include_extras=True)
    return [_reader(annotation) for annotation in hints.values()]


_READERS: Final = {row: _readers(row) for row in (JobRow, DetailRow)}


def read(row: type[_Row], answer: object, operation: str) -> _Row:
    """Return a row of a TrainingJobSummary, a TrainingJob of Search or a Describe answer.

    Args:
        row: `JobRow` or `DetailRow`.
        answer: The object of the answer.
        operation: Operation that answered, such as `Search`.

    Raises:
        Unreadable: The object does not say which job it is about.
    """
    return fill(row, Record(answer, operation))


def fill(row: type[_Row], record: Record) -> _Row:
    """Return a row of a record, which notes what is odd about it.

    Raises:
        Unreadable: The record does not say which job it is about.
    """
    return row(*[read_field(record) for read_field in _READERS[row]])


def tags_json(tags: Iterable[Record]) -> str:
    """Return tags (`{Key, Value}`) as the text of one JSON object."""
    return _json({key: tag.get("Value", str) or "" for tag in tags if (key := tag.get("Key", str))})


def _json(value: object) -> str:
    return _ENCODER.encode(value)


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
