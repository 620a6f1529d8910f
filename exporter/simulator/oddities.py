"""What answers may look like although AWS documents something else: odd orders, spellings, rows.

Pure functions of the `Behaviour` that the world plays: `asked` changes a call before the service
sees it, `shown` changes the finished answer. Both leave the jobs alone, so a test can compare a
database with them.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from exporter.simulator.behaviour import Behaviour, OddRecord
from exporter.simulator.scope import Scope
from exporter.wire import Call, Response
from exporter.wire.model import to_json

Record = dict[str, Any]

_HALF_PAIR: Final = "half a pair: \ud83d"
_PAST_64_BITS: Final = 10**30
_YEAR_33658: Final = 1_000_000_000_000
_TEN_YEARS: Final = 315_360_000
#: A character that stands for the byte until the answer is written, and its escape in JSON.
_BAD_BYTE_MARK: Final = "\ue000"
_BAD_BYTE_ESCAPED: Final = b"\\ue000"
_BAD_BYTE: Final = b"\xff"


def asked(call: Call, scope: Scope, behaviour: Behaviour) -> Call:
    """Return the call as a service with these habits understands it."""
    if behaviour.listing_order is None and not behaviour.other_case:
        return call
    params = dict(call.params)
    if behaviour.listing_order is not None and call.operation == "ListTrainingJobs":
        by, order = behaviour.listing_order
        params |= {"SortBy": by, "SortOrder": order}
    if behaviour.other_case:
        # It finds what it shows, in whatever case it is asked for.
        params = _in_own_case(params, {name.lower(): name for name in _names(scope)})
    return replace(call, params=params)


def shown(call: Call, response: Response, behaviour: Behaviour) -> Response:
    """Return a good answer of SageMaker as a service with these habits writes it."""
    if response.status != 200 or call.service != "sagemaker" or not _is_odd(behaviour):
        return response
    answer: Record = json.loads(response.body)
    if call.operation == "ListTrainingJobs":
        _add_nulls(answer["TrainingJobSummaries"], behaviour)
    for record in _records(call.operation, answer):
        _change(record, call.operation, behaviour)
    return replace(response, body=to_json(answer).replace(_BAD_BYTE_ESCAPED, _BAD_BYTE))


def _change(record: Record, operation: str, behaviour: Behaviour) -> None:
    kind = behaviour.odd_records.get(str(record.get("TrainingJobName")))
    if kind is not None:
        _RECORDS[kind](record)
    if operation in behaviour.whole_seconds:
        _cut_times(record)
    if operation in behaviour.other_case:
        _swap_case(record)


def _add_nulls(rows: list[Any], behaviour: Behaviour) -> None:
    """Add a null to a list with a record that is `null_beside`."""
    kinds = {behaviour.odd_records.get(row["TrainingJobName"]) for row in rows}
    if "null_beside" in kinds:
        rows.append(None)


def _is_odd(behaviour: Behaviour) -> bool:
    return bool(behaviour.odd_records or behaviour.whole_seconds or behaviour.other_case)


def _names(scope: Scope) -> Iterator[str]:
    yield from (job.name for job, _ in scope.deleted)
    yield from (job.name for job in scope.jobs())


def _in_own_case(value: Any, own: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, Mapping):
        return {
            key: each if key == "NextToken" else _in_own_case(each, own)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_in_own_case(each, own) for each in value]
    if not isinstance(value, str):
        return value
    prefix, slash, name = value.rpartition("/")
    names = (own.get(each.lower(), each) for each in name.split(","))
    return prefix + slash + ",".join(names)


def _records(operation: str, answer: Record) -> Iterator[Record]:
    if operation == "ListTrainingJobs":
        yield from (row for row in answer["TrainingJobSummaries"] if row is not None)
    elif operation == "Search":
        yield from (result["TrainingJob"] for result in answer["Results"])
    elif operation == "DescribeTrainingJob":
        yield answer


def _cut_times(value: Any) -> None:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        for name, each in value.items():
            if name.endswith("Time") and isinstance(each, float):
                value[name] = math.floor(each)
            else:
                _cut_times(each)
    elif isinstance(value, list):
        for each in value:
            _cut_times(each)


def _swap_case(record: Record) -> None:
    if isinstance(record.get("TrainingJobArn"), str):
        place, slash, name = record["TrainingJobArn"].rpartition("/")
        record["TrainingJobArn"] = place + slash + name.swapcase()


def _with(name: str, value: object) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        record[name] = value

    return change


def _huge(record: Record) -> None:
    record["BillableTimeInSeconds"] = _PAST_64_BITS
    if isinstance(record.get("WarmPoolStatus"), dict):
        record["WarmPoolStatus"]["ResourceRetainedBillableTimeInSeconds"] = _PAST_64_BITS


def _nulls(record: Record) -> None:
    record["SecondaryStatusTransitions"] = [None]
    if "Tags" in record:
        record["Tags"] = [None]


def _nameless(record: Record) -> None:
    record.pop("TrainingJobName")


def _modified_ahead(record: Record) -> None:
    if "LastModifiedTime" in record:
        record["LastModifiedTime"] += _TEN_YEARS


_RECORDS: Mapping[OddRecord, Callable[[Record], None]] = {
    "half_pair": _with("FailureReason", _HALF_PAIR),
    "half_pair_status": _with("SecondaryStatus", _HALF_PAIR),
    "bad_byte": _with("FailureReason", f"a bad byte: {_BAD_BYTE_MARK}"),
    "nul": _with("FailureReason", "a NUL: \0"),
    "huge": _huge,
    "far_year": _with("TrainingEndTime", _YEAR_33658),
    "nulls": _nulls,
    "null_beside": lambda _: None,
    "wrong_shape": _with("SecondaryStatus", {"unexpected": [1]}),
    "nameless": _nameless,
    "modified_ahead": _modified_ahead,
}
