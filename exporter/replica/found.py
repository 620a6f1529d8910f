"""A listing as the command line asks for it: of any scopes, of any length."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from exporter.errors import UsageError
from exporter.replica.lister import OPERATION, Lister, Params
from exporter.replica.scopes import matching, names
from exporter.replica.sources import FileSource
from exporter.replica.summaries import summary
from exporter.store.database import Database
from exporter.store.listing import Listed
from exporter.wire import ApiError
from exporter.wire.model import request_params, shape_at

#: Rows read at once; the file is closed in between, so that a sync never waits for a pager.
_CHUNK: Final = 20_000


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes:
        jobs: In order; can be walked once, and is read as it is walked.
        token: The NextToken, None where nothing follows.
    """

    jobs: Iterable[Listed]
    token: str | None = None

    def as_the_aws_cli_prints(self) -> Iterator[str]:
        """`aws sagemaker list-training-jobs`, version 2, with `--output json`, in parts.

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
    database: Database,
    params: Params,
    *,
    account: str | None,
    region: str | None,
    deleted: bool,
    most: int | None,
) -> Found:
    """Jobs by the parameters of ListTrainingJobs, but for MaxResults.

    Args:
        database: The file.
        params: By the names of the model.
        account: Only this one's.
        region: Only this one's.
        deleted: Also jobs that AWS has deleted.
        most: At most so many; None gives all, page by page.

    Raises:
        UsageError: A parameter that the service would refuse; no such account or region.
        DatabaseError, BusyError, SchemaNewerError: The file cannot be read.
    """
    source = FileSource(database)
    lister = Lister(source, deleted=deleted)
    try:
        asked = request_params(shape_at("sagemaker", OPERATION, "input"), params, "sagemaker")
        walk = _Walk(lister, asked, account, region, most)
    except ApiError as error:
        raise UsageError(error.message) from None
    if not walk.first:
        _check_scope(source, account, region)
    return Found(walk.jobs(), walk.token)


class _Walk:
    """Reads the first chunk at once, the others when they are wanted."""

    def __init__(
        self,
        lister: Lister,
        params: Mapping[str, Any],
        account: str | None,
        region: str | None,
        most: int | None,
    ) -> None:
        self._lister = lister
        self._params = params
        self._listing = lister.listing(params, account, region)
        size = _CHUNK if most is None else most
        jobs, mark = lister.jobs(self._listing, params, size + 1)
        self.first, self._more = jobs[:size], None
        if len(jobs) > size:
            self._more = lister.token(self._listing, params, self.first[-1], mark)
        self._whole = most is None
        self.token = None if self._whole else self._more

    def jobs(self) -> Iterator[Listed]:
        yield from self.first
        token = self._more if self._whole else None
        while token is not None:
            params = {**self._params, "NextToken": token}
            jobs, mark = self._lister.jobs(self._listing, params, _CHUNK + 1)
            yield from jobs[:_CHUNK]
            token = None
            if len(jobs) > _CHUNK:
                token = self._lister.token(self._listing, params, jobs[_CHUNK - 1], mark)


def _check_scope(source: FileSource, account: str | None, region: str | None) -> None:
    """Nothing found is an answer, but not for what has never been looked at.

    Raises:
        UsageError: No such account or region; it names those that there are.
    """
    scopes = source.scopes()
    if scopes and not matching(scopes, account, region):
        asked = "/".join(part for part in (account, region) if part is not None)
        raise UsageError(f"This database holds no jobs of {asked}.", f"It holds {names(scopes)}.")


def _local(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone().isoformat()
    raise TypeError(f"{value!r} is not in a summary")
