"""botocore's service models: what an operation takes and gives, and saying so.

Loading SageMaker's model takes a quarter of a second and some 50 MB, so each is loaded
once in a process, and only when somebody asks.
"""

import json
from collections.abc import Mapping
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


@cache
def service_model(service: str) -> ServiceModel:
    """Give botocore's model of a service, by botocore's name for it."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


@cache
def operation_model(service: str, operation: str) -> OperationModel | None:
    """Give the model of an operation, None where the service has no such operation."""
    try:
        return service_model(service).operation_model(operation)
    except (OperationNotFoundError, UnknownServiceError):
        return None


@cache
def _constraints(service: str, open_enums: bool) -> Constraints:
    # One for each service: two services may have different shapes of the same name.
    del service
    return Constraints(open_enums=open_enums)


@cache
def _check_of(service: str, path: tuple[str, ...], open_enums: bool) -> Check:
    return _constraints(service, open_enums).check(shape_at(service, *path))


def shape_at(service: str, operation: str, side: str, *members: str) -> Shape:
    """Give a shape by its place: ``("sagemaker", "ListTags", "output", "Tags", "[]")``.

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
    """Give back a record that the model allows at that place.

    Raises:
        ValueError: The model does not allow it, with every violation: whoever made the
            record made a mistake.
    """
    problems = _check_of(service, path, open_enums)(value)
    if problems:
        raise ValueError(f"not what {'.'.join(path)} may hold: {describe(problems)}")
    return value


def encoded(value: Mapping[str, Any], service: str, *path: str, open_enums: bool = False) -> bytes:
    """Check a record as :func:`checked` does and write it as AWS JSON."""
    return to_json(checked(value, service, *path, open_enums=open_enums))


def to_json(value: object) -> bytes:
    """Write any answer as AWS JSON; datetimes become epoch seconds with milliseconds."""
    return _ENCODER.encode(value).encode()


def request_params(shape: Shape | None, raw: Mapping[str, Any], service: str) -> dict[str, Any]:
    """Turn a decoded request body into parameters with datetimes, or refuse it.

    Raises:
        ApiError: SerializationException for a value of the wrong type,
            ValidationException for anything else that the model does not allow. A member
            the model does not know is refused by name: to ignore it, as AWS does, would
            be to ignore a filter.
    """
    if shape is None:
        return {}
    params: dict[str, Any] = _with_datetimes(shape, raw)
    problems = _constraints(service, False).check(shape)(params)
    if not problems:
        return params
    wrong = [each for each in problems if each.kind == "type"]
    if wrong:
        kind = _json_kind(wrong[0].value)
        where = f" (at '{wrong[0].path}')" if wrong[0].path else ""
        raise ApiError(
            "SerializationException",
            f"{kind} can not be converted to {wrong[0].constraint}{where}",
        )
    raise ApiError("ValidationException", describe(problems))


def describe(problems: list[Problem]) -> str:
    """Say what is wrong in the service's words, all problems in one sentence."""
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
    kinds: dict[type, str] = {
        bool: "BOOLEAN_VALUE",
        str: "STRING_VALUE",
        int: "NUMBER_VALUE",
        float: "NUMBER_VALUE",
        dict: "START_OBJECT",
        list: "START_ARRAY",
    }
    return kinds.get(type(value), "NULL_VALUE")


def _with_datetimes(shape: Shape, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        known = shape.members
        return {
            name: _with_datetimes(known[name], each) if name in known else each
            for name, each in value.items()
            # JSON's null is a member that was not sent.
            if each is not None
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_with_datetimes(shape.member, each) for each in value]
    if shape.type_name == "timestamp" and type(value) in (int, float):
        try:
            return from_seconds(value)
        except (OverflowError, ValueError):
            return value
    return value
