"""Listings for the command line: of any scopes and of any length."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from exporter.errors import UsageError
from exporter.replica.lister import OPERATION, Lister, Params
from exporter.replica.scopes import matching, no_such_scope
from exporter.replica.sources import Source
from exporter.replica.summaries import summary
from exporter.store.listing import Listed
from exporter.wire import ApiError
from exporter.wire.model import request_params, shape_at

CHUNK: Final = 20_000
"""Rows read at once. The file is closed between two chunks, so no sync waits for a pager."""


@dataclass(frozen=True)
class Found:
    """The result of a listing.

    Attributes:
        jobs: The jobs in order; can be iterated once, and reads the file as it goes.
        token: The NextToken; None at the end.
    """

    jobs: Iterable[Listed]
    token: str | None = None

    def as_the_aws_cli_prints(self) -> Iterator[str]:
        """Yield the output of `aws sagemaker list-training-jobs --output json`, version 2.

        Source: awscli/formatter.py (indent 4) and awscli/customizations/scalarparse.py (times
        in ISO 8601, in the local zone).
        """
        yield '{\n    "TrainingJobSummaries": ['
        separator = "\n"
        for job in self.jobs:
            text = json.dumps(summary(job), indent=4, default=_local, ensure_ascii=False)
            yield separator + "\n".join(f"        {line}" for line in text.splitlines())
            separator = ",\n"
        yield "]" if separator == "\n" else "\n    ]"
        if self.token is not None:
            yield f',\n    "NextToken": {json.dumps(self.token)}'
        yield "\n}\n"


def find(
    source: Source,
    params: Params,
    *,
    account: str | None,
    region: str | None,
    deleted: bool,
    most: int | None,
    chunk: int = CHUNK,
) -> Found:
    """Return jobs by the parameters of ListTrainingJobs, except MaxResults.

    Args:
        source: What to list.
        params: The parameters by the names of the model.
        account: The only account to list; None lists all.
        region: The only region to list; None lists all.
        deleted: Include jobs that AWS has deleted.
        most: The largest number of jobs; None returns all.
        chunk: Rows read at once if `most` is None.

    Raises:
        UsageError: The service would refuse a parameter, or the file has no such scope.
        DatabaseError, BusyError, SchemaNewerError: The file cannot be read.
    """
    lister = Lister(source, deleted=deleted)
    try:
        checked = request_params(shape_at("sagemaker", OPERATION, "input"), params, "sagemaker")
        first, token = _chunk(lister, checked, account, region, chunk if most is None else most)
    except ApiError as error:
        raise UsageError(error.message) from None
    if not first:
        scopes = source.scopes()
        if scopes and not matching(scopes, account, region):
            raise no_such_scope(scopes, account, region)
    if most is not None:
        return Found(first, token)

    def jobs() -> Iterator[Listed]:
        yield from first
        following = token
        while following is not None:
            params = {**checked, "NextToken": following}
            rows, following = _chunk(lister, params, account, region, chunk)
            yield from rows

    return Found(jobs())


def _chunk(
    lister: Lister, params: Mapping[str, Any], account: str | None, region: str | None, size: int
) -> tuple[list[Listed], str | None]:
    """Return the next jobs, and the NextToken if more follow."""
    listing = lister.listing(params, account, region)
    jobs, mark = lister.jobs(listing, params, size + 1)
    if len(jobs) <= size:
        return jobs, None
    return jobs[:size], lister.token(listing, params, jobs[size - 1], mark)


def _local(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone().isoformat()
    raise TypeError(f"{value!r} is not in a summary")
