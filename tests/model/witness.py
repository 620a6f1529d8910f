"""A stand-in that remembers what it has shown: the database may hold that and nothing else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.simulator import Simulator
from exporter.wire import Call, Outcome, Response
from tests.support.truth import STATE, Identity, Values, identity

_PATHS: Mapping[str, tuple[str, ...]] = {
    "training_job_status": ("TrainingJobStatus",),
    "secondary_status": ("SecondaryStatus",),
    "warm_pool_status": ("WarmPoolStatus", "Status"),
    "warm_pool_retained_seconds": ("WarmPoolStatus", "ResourceRetainedBillableTimeInSeconds"),
    "warm_pool_reused_by_job": ("WarmPoolStatus", "ReusedByJob"),
    "last_modified_time": ("LastModifiedTime",),
}


@dataclass
class Shown:
    """What the answers have shown so far.

    Attributes:
        values: The values of each column of the history, by job.
        listed: The jobs that List has shown since the last `forget`.
        detailed: The jobs whose details Describe or Search has shown since the last `forget`.
    """

    values: dict[Identity, dict[str, set[Any]]] = field(default_factory=dict)
    listed: set[Identity] = field(default_factory=set)
    detailed: set[Identity] = field(default_factory=set)

    def forget(self) -> None:
        """Begin the record of another sync."""
        self.listed, self.detailed = set(), set()

    def add(self, operation: str, record: Mapping[str, Any]) -> None:
        """Note a record of an answer."""
        arn, created = record.get("TrainingJobArn"), record.get("CreationTime")
        if not isinstance(arn, str) or created is None or "TrainingJobName" not in record:
            return
        key = identity(arn, _time(created))
        (self.listed if operation == "ListTrainingJobs" else self.detailed).add(key)
        values = self.values.setdefault(key, {name: {None} for name in STATE})
        for name, path in _PATHS.items():
            value: Any = record
            for member in path:
                value = value.get(member) if isinstance(value, Mapping) else None
            values[name].add(_comparable(name, value))

    def never(self, histories: Mapping[Identity, Iterable[Values]], *, cut: bool) -> Iterator[str]:
        """Yield a line per stored value that no answer has shown."""
        for key, states in histories.items():
            shown = self.values.get(key)
            if shown is None:
                yield f"{key[0]} of {key[1]} is stored, but no answer has shown it"
                continue
            for state in states:
                for name, value in state.items():
                    if not _was_shown(value, shown[name], cut=cut):
                        yield f"{key[0]}: no answer has shown {name} {value!r}"


class Witness(Simulator):
    """Serves a world and remembers what it has shown of each job."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.shown = Shown()
        self._noting = threading.Lock()
        super().__init__(*args, **options)

    def _finish(self, call: Call, outcome: Outcome, response: Response) -> Response:
        finished = super()._finish(call, outcome, response)
        whole = finished.send is None and not finished.reset
        if call.service == "sagemaker" and finished.status == 200 and whole:
            with self._noting:
                for record in _records(call.operation, finished.body):
                    self.shown.add(call.operation, record)
        return finished


def _records(operation: str, body: bytes) -> Iterator[Mapping[str, Any]]:
    try:
        answer = json.loads(body.decode(errors="replace"))
    except ValueError:
        return  # the page of a proxy
    rows: Any = []
    if operation == "ListTrainingJobs":
        rows = answer.get("TrainingJobSummaries", [])
    elif operation == "Search":
        rows = [result.get("TrainingJob") for result in answer.get("Results", []) if result]
    elif operation == "DescribeTrainingJob":
        rows = [answer]
    if isinstance(rows, list):
        yield from (row for row in rows if isinstance(row, Mapping))


def _time(seconds: Any) -> datetime:
    if not isinstance(seconds, int | float):
        return datetime.min.replace(tzinfo=UTC)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=round(1000 * seconds))


def _comparable(name: str, value: Any) -> Any:
    if value is None or isinstance(value, Mapping | list):
        return None
    return _time(value) if name == "last_modified_time" else value


def _was_shown(value: Any, shown: set[Any], *, cut: bool) -> bool:
    if value in shown:
        return True
    if not cut or not isinstance(value, datetime):
        return False
    whole = value.replace(microsecond=0)
    return any(each is not None and each.replace(microsecond=0) == whole for each in shown)
