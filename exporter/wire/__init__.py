"""The AWS protocols over HTTP: one front, behind which any back end answers.

The simulator and ``serve`` differ in where their rows come from, not in how AWS
talks. This package knows the talking: HTTP/1.1 with keep-alive
(:mod:`exporter.wire.server`), AWS JSON 1.1 and the query protocol
(:mod:`exporter.wire.front`), tokens (:mod:`exporter.wire.tokens`), and the rules of
botocore's service models (:mod:`exporter.wire.model`, :mod:`exporter.wire.constraints`).
"""

from exporter.wire.calls import Answer, ApiError, Backend, Body, Call, Outcome
from exporter.wire.front import Front
from exporter.wire.server import Request, Response, Server
from exporter.wire.tokens import Tokens

__all__ = [
    "Answer",
    "ApiError",
    "Backend",
    "Body",
    "Call",
    "Front",
    "Outcome",
    "Request",
    "Response",
    "Server",
    "Tokens",
]
