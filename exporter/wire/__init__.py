"""The AWS protocols over HTTP: a front, behind which any back end answers.

The simulator and `serve` get their rows from different places but speak the same protocols.
This package has the protocols, and imports nothing else of this project. Its modules, each of
which imports only those above it:

    times, calls, server        times on the wire; what back ends get and return; HTTP/1.1
    constraints, tokens         what a shape allows; NextTokens
    model, query                botocore's service models; the query protocol of STS
    front                       from an HTTP request to a call and back
"""

from exporter.wire.calls import Answer, ApiError, Backend, Body, Call, Outcome
from exporter.wire.front import Front
from exporter.wire.server import Limits, Request, Response, Server
from exporter.wire.tokens import Tokens

__all__ = [
    "Answer",
    "ApiError",
    "Backend",
    "Body",
    "Call",
    "Front",
    "Limits",
    "Outcome",
    "Request",
    "Response",
    "Server",
    "Tokens",
]
