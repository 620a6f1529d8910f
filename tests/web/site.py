"""Requests to a site, and what its pages hold."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.web.pages import Reader


@dataclass
class Got:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def page(self) -> Reader:
        return Reader(self.text)

    @property
    def json(self) -> Any:
        return json.loads(self.body, parse_float=Decimal)


def get(
    url: str,
    path: str,
    params: Mapping[str, Any] | None = None,
    *,
    method: str = "GET",
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Got:
    """Send one request; header names in the answer are in lower case."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=120)
    target = f"{path}?{urlencode(params, doseq=True)}" if params else path
    try:
        connection.request(method, target, body, dict(headers or {}))
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Got(answer.status, found, answer.read())
    finally:
        connection.close()
