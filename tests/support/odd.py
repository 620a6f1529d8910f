"""Changes records on their way from the stand-in service to boto3, in any way that bytes can be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

#: In the place of a value: the member is missing.
MISSING: Final = object()

_RAW: Final = "raw:"
_MARKED: Final = re.compile(rb'"raw:([0-9a-f]*)"')

Changes = Mapping[str, Mapping[str, object]]


def raw(text: str) -> str:
    """Return a value that is written as it stands, such as NaN or an integer of any length.

    A character up to U+00FF stands for the byte of that number.
    """
    return f"{_RAW}{text.encode('latin-1').hex()}"


def editor(changes: Changes) -> Callable[[bytes], bytes]:
    """Return what changes each record, by the name of its job and the paths of its members.

    The path `.` is the whole record. A change of a member that a record lacks adds it, unless its
    parent is missing as well.
    """

    def edit(body: bytes) -> bytes:
        answer = json.loads(body)
        for holder, place, record in list(_records(answer)):
            for path, value in changes.get(record["TrainingJobName"], {}).items():
                if path == ".":
                    holder[place] = value
                else:
                    _set(record, path.split("."), value)
        return written(answer)

    return edit


def written(answer: object) -> bytes:
    """Return JSON with halves of surrogate pairs as escapes, NaN and raw values."""
    text = json.dumps(answer).encode()
    return _MARKED.sub(lambda found: bytes.fromhex(found[1].decode()), text)


def _records(answer: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield where each record is, and the record."""
    if "TrainingJobArn" in answer:
        yield {"": answer}, "", answer
    rows = answer.get("TrainingJobSummaries", [])
    yield from ((rows, number, row) for number, row in enumerate(rows))
    results = answer.get("Results", [])
    yield from ((result, "TrainingJob", result["TrainingJob"]) for result in results)


def _set(record: Any, path: list[str], value: object) -> None:
    for name in path[:-1]:
        record = record.get(name)
        if not isinstance(record, dict):
            return
    if value is MISSING:
        record.pop(path[-1], None)
    else:
        record[path[-1]] = value
