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
    """Return nested parameters from flat fields such as `Tags.member.1.Key`."""
    if not isinstance(shape, StructureShape):
        return {}
    flat = {name: value for name, value in form.items() if name not in ("Action", "Version")}
    known = {name: _read(each, name, flat) for name, each in shape.members.items()}
    params = {name: value for name, value in known.items() if value is not None}
    # Unknown fields keep their names, so that the front refuses them by name.
    params |= {name: value for name, value in flat.items() if name.split(".")[0] not in params}
    return params


def _read(shape: Shape, prefix: str, flat: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(shape, StructureShape):
        if not any(name.startswith(f"{prefix}.") for name in flat):
            return None
        known = {
            name: _read(each, f"{prefix}.{name}", flat) for name, each in shape.members.items()
        }
        return {name: value for name, value in known.items() if value is not None}
    if isinstance(shape, ListShape):
        items: list[Any] = []
        while (item := _read(shape.member, f"{prefix}.member.{len(items) + 1}", flat)) is not None:
            items.append(item)
        return items or None
    text = flat.get(prefix)
    if text is None:
        return None
    if shape.type_name in ("integer", "long"):
        return int(text) if text.lstrip("-").isdecimal() else text
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


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
