"""Reads the bodies of answers in the place of botocore's parser, which one odd value stops.

botocore reads an answer member by member as the service model describes it. A time that is none,
a null in a list or a text in the place of an object then ends the whole answer, and a byte that is
not UTF-8 makes it empty. So a successful body is only taken apart as JSON here, and `rows` reads
its records one by one. This takes less time as well.
"""

from __future__ import annotations

import json
import math
from typing import Any

#: Digits of an integer beyond which it is no number that any column could hold.
_DIGITS = 400


def read_bodies(client: Any) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
    """Make a client return the members of successful answers as JSON has them."""
    client.meta.events.register("before-parse", _read_body, unique_id="sagemaker-exporter")


def _read_body(**event: Any) -> None:  # noqa: ANN401 - as botocore calls it
    answer = event["response_dict"]
    if answer["status_code"] >= 300:
        return  # botocore turns errors into exceptions
    members = parse(answer["body"])
    # botocore adds its own metadata, such as the headers.
    members.pop("ResponseMetadata", None)
    event["customized_response_dict"].update(members)
    answer["body"] = b"{}"


def parse(body: bytes) -> dict[str, Any]:
    """Return the members of a body; none if it is no JSON object, such as the page of a proxy.

    Bytes that are not UTF-8 become halves of surrogate pairs, which `rows` replaces and counts.
    """
    text = body.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    try:
        members = _loads(text)
    except (ValueError, RecursionError):
        return {}
    return members if isinstance(members, dict) else {}


def _loads(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python refuses integers of thousands of digits
        return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else math.inf
