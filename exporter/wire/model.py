"""botocore's service models: check what an operation receives and returns.

Loading SageMaker's model takes a quarter of a second and some 50 MB, so a process loads each
model once, on first use.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import (
    ListShape,
    OperationModel,
    OperationNotFoundError,
    ServiceModel,
    Shape,
    StructureShape,
)

from exporter.wire.calls import ApiError
from exporter.wire.constraints import Check, Constraints, Problem
from exporter.wire.times import epoch_seconds, from_seconds

_ENCODER = json.JSONEncoder(default=epoch_seconds, separators=(",", ":"))
_JSON_KINDS: Mapping[type, str] = {
    bool: "BOOLEAN_VALUE",
    str: "STRING_VALUE",
    int: "NUMBER_VALUE",
    float: "NUMBER_VALUE",
    dict: "START_OBJECT",
    list: "START_ARRAY",
}


@cache
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


@cache
def operation_model(service: str, operation: str) -> OperationModel | None:
    """Return the model of an operation; None if the service does not have it."""
    try:
        return service_model(service).operation_model(operation)
    except (OperationNotFoundError, UnknownServiceError):
        return None


@cache
def _constraints(service: str, open_enums: bool) -> Constraints:
    # One for each service: shapes of two services may have the same name.
    del service
    return Constraints(open_enums=open_enums)


@cache
def _check_of(service: str, path: tuple[str, ...], open_enums: bool) -> Check:
    return _constraints(service, open_enums).check(shape_at(service, *path))


def shape_at(service: str, operation: str, side: str, *members: str) -> Shape:
    """Return the shape at a place: `("sagemaker", "ListTags", "output", "Tags", "[]")`.

    Raises:
        KeyError: The model has no such place.
    """
    model = operation_model(service, operation)
    shape: Shape | None = None
    if model is not None:
        shape = model.input_shape if side == "input" else model.output_shape
    for member in members:
        if member == "[]" and isinstance(shape, ListShape):
            shape = shape.member
        elif isinstance(shape, StructureShape):
            shape = shape.members[member]
        else:
            shape = None
    if shape is None:
        raise KeyError(".".join((service, operation, side, *members)))
    return shape


def checked(
    value: Mapping[str, Any], service: str, *path: str, open_enums: bool = False
) -> Mapping[str, Any]:
    """Return a record if the model allows it at that place.

    Raises:
        ValueError: The model does not allow it; the message names every violation.
    """
    problems = _check_of(service, path, open_enums)(value)
    if problems:
        raise ValueError(f"{'.'.join(path)} does not allow this: {_described(problems)}")
    return value


def encoded(value: Mapping[str, Any], service: str, *path: str, open_enums: bool = False) -> bytes:
    """Return a record as AWS JSON after checking it as `checked` does."""
    return to_json(checked(value, service, *path, open_enums=open_enums))


def to_json(value: object) -> bytes:
    """Return a value as AWS JSON; datetimes become epoch seconds with milliseconds."""
    return _ENCODER.encode(value).encode()


def request_params(shape: Shape | None, raw: Mapping[str, Any], service: str) -> dict[str, Any]:
    """Return the parameters in a decoded request body, with datetimes.

    Raises:
        ApiError: SerializationException: a value has the wrong type. ValidationException: the
            model does not allow it for another reason. An unknown member is refused by name;
            AWS ignores it, but an ignored filter would return wrong rows.
    """
    if shape is None:
        return {}
    params: dict[str, Any] = _with_datetimes(shape, raw)
    problems = _constraints(service, False).check(shape)(params)
    if not problems:
        return params
    wrong = next((each for each in problems if each.kind == "type"), None)
    if wrong is None:
        raise ApiError("ValidationException", _described(problems))
    where = f" (at '{wrong.path}')" if wrong.path else ""
    raise ApiError(
        "SerializationException",
        f"{_json_kind(wrong.value)} can not be converted to {wrong.constraint}{where}",
    )


def _described(problems: list[Problem]) -> str:
    """Return one sentence about all problems in the words of the service."""
    count = len(problems)
    head = "1 validation error detected" if count == 1 else f"{count} validation errors detected"
    return f"{head}: " + "; ".join(_sentence(each) for each in problems)


def _sentence(problem: Problem) -> str:
    if problem.kind == "unknown":
        return f"Unknown member '{problem.path}'"
    if problem.kind == "type":
        kind = _json_kind(problem.value)
        return f"{kind} at '{problem.path}' can not be converted to {problem.constraint}"
    value = "null" if problem.value is None else f"'{problem.value}'"
    return f"Value {value} at '{problem.path}' failed to satisfy constraint: {problem.constraint}"


def _json_kind(value: object) -> str:
    return _JSON_KINDS.get(type(value), "NULL_VALUE")


def _with_datetimes(shape: Shape | None, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        # AWS treats null as a missing member.
        present = {name: each for name, each in value.items() if each is not None}
        return {
            name: _with_datetimes(shape.members.get(name), each) for name, each in present.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_with_datetimes(shape.member, each) for each in value]
    if shape is not None and shape.type_name == "timestamp" and type(value) in (int, float):
        with suppress(OverflowError, ValueError):
            return from_seconds(value)
    return value
