"""The query protocol, which STS speaks: form fields in, XML out.

Source: botocore, which writes and reads the other side (`QuerySerializer`, `QueryParser`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.model import ListShape, Shape, StructureShape

from exporter.wire.calls import ApiError
from exporter.wire.times import iso


def read_form(body: bytes) -> dict[str, str]:
    """Return the fields of a form.

    Raises:
        ApiError: The body is not a form.
    """
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
    except ValueError as error:
        raise ApiError("MalformedQueryString", f"The body is not a form: {error}") from None


def read_params(shape: Shape | None, form: Mapping[str, str]) -> dict[str, Any]:
    """Return nested parameters from flat fields such as `Tags.member.1.Key`.

    Unknown fields keep their names, so that the front refuses them by name.
    """
    nested: dict[str, Any] = {}
    for name, text in form.items():
        *path, last = name.split(".")
        level = nested
        for part in path:
            level = level.setdefault(part, {})
            if not isinstance(level, dict):
                raise ApiError("MalformedQueryString", f"{name} is not a structure")
        level[last] = text
    params: dict[str, Any] = _typed(shape, nested)
    return {name: value for name, value in params.items() if name not in ("Action", "Version")}


def _typed(shape: Shape | None, value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        if isinstance(shape, StructureShape):
            return {name: _typed(shape.members.get(name), each) for name, each in value.items()}
        if isinstance(shape, ListShape):
            # "10" comes after "9".
            items = sorted(value.get("member", {}).items(), key=lambda item: (len(item[0]), item))
            return [_typed(shape.member, each) for _, each in items]
        return value
    return _scalar(shape.type_name, value) if shape else value


def _scalar(kind: str, text: str) -> str | int:
    """Return the value of a text; the text itself if it has the wrong form, to be refused."""
    if kind in ("integer", "long") and text.lstrip("-").isdecimal():
        return int(text)
    return {"true": True, "false": False}.get(text, text) if kind == "boolean" else text


def write_answer(
    operation: str, shape: Shape | None, answer: Mapping[str, Any], namespace: str, request_id: str
) -> bytes:
    """Return an answer as XML."""
    inner = _write(shape, answer) if shape is not None else ""
    return (
        f'<{operation}Response xmlns="{escape(namespace)}">'
        f"<{operation}Result>{inner}</{operation}Result>"
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        f"</{operation}Response>\n"
    ).encode()


def write_error(error: ApiError, namespace: str, request_id: str) -> bytes:
    """Return an error as XML."""
    fault = "Sender" if error.status < 500 else "Receiver"
    return (
        f'<ErrorResponse xmlns="{escape(namespace)}"><Error><Type>{fault}</Type>'
        f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>\n"
    ).encode()


def _write(shape: Shape, value: Any) -> str:  # noqa: ANN401 - any member
    if isinstance(shape, StructureShape):
        return "".join(
            f"<{name}>{_write(member, value[name])}</{name}>"
            for name, member in shape.members.items()
            if name in value
        )
    if isinstance(shape, ListShape):
        return "".join(f"<member>{_write(shape.member, each)}</member>" for each in value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(str(value))
