"""A request of ListTrainingJobs in, pages of the response out.

docs/list-training-jobs.md lists the differences from the service. Most are decided here: filters
apply before a page is cut, so only the last page is short. There is a NextToken only if another
job follows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from exporter.replica.sources import Source
from exporter.replica.summaries import encoded
from exporter.store.listing import Listed, Listing, Mark, Place, StaleMark, place_of
from exporter.store.scopes import ScopeKey
from exporter.wire import ApiError, Body, Tokens

OPERATION: Final = "ListTrainingJobs"
PAGE: Final = 10
"""MaxResults if the request has none, as the service behaves [R]; AWS does not document it."""

Params = Mapping[str, Any]

#: Constant, so that a listing continues after a restart, on another machine, or from a copy of the
#: file. It rejects foreign tokens and protects no secret: a token holds a job's ARN and times.
_KEY: Final = b"sagemaker-exporter ListTrainingJobs 1"
_FILTERS: Final = {
    "created_after": "CreationTimeAfter",
    "created_before": "CreationTimeBefore",
    "modified_after": "LastModifiedTimeAfter",
    "modified_before": "LastModifiedTimeBefore",
    "name_contains": "NameContains",
    "status": "StatusEquals",
    "warm_pool_status": "WarmPoolStatusEquals",
    "training_plan_arn": "TrainingPlanArnEquals",
}


class Lister:
    """Lists the jobs of a source.

    Args:
        source: Returns the rows.
        deleted: Include jobs that AWS has deleted.
        now: Returns the current time, for tokens.
    """

    def __init__(
        self,
        source: Source,
        *,
        deleted: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._source = source
        self._deleted = deleted
        self._now = now
        self._tokens = Tokens(_KEY)

    def page(self, scope: ScopeKey, params: Params) -> Body:
        """Return the page that a request asks for.

        Args:
            scope: The account and region.
            params: The parameters by the names of the model, checked against it.

        Raises:
            ApiError: The NextToken belongs to another listing.
        """
        return next(self.pages(scope, params))[1]

    def pages(
        self, scope: ScopeKey, params: Params, ahead: int = 0
    ) -> Iterator[tuple[Params, Body]]:
        """Yield that page and some that follow, each with the parameters that ask for it.

        Args:
            scope: As for `page`.
            params: As for `page`.
            ahead: The number of further pages to read.

        Raises:
            ApiError: As `page`.
        """
        listing = self.listing(params, *scope)
        size = int(params.get("MaxResults", PAGE))
        jobs, mark = self.jobs(listing, params, size * (1 + ahead) + 1)
        for begin in range(0, max(1, min(len(jobs), size * (1 + ahead))), size):
            shown = jobs[begin : begin + size]
            token = None
            if len(jobs) > begin + size:
                token = self.token(listing, params, shown[-1], mark)
            yield params, _body(shown, token)
            params = {**params, "NextToken": token}

    def listing(self, params: Params, account: str | None, region: str | None) -> Listing:
        """Return the listing that the parameters ask for; None is all accounts, or all regions."""
        filters = {name: params.get(member) for name, member in _FILTERS.items()}
        return Listing(
            account_id=account,
            region=region,
            sort_by=params.get("SortBy", "CreationTime"),
            descending=params.get("SortOrder", "Descending") == "Descending",
            deleted=self._deleted,
            **filters,
        )

    def jobs(
        self, listing: Listing, params: Params, limit: int | None
    ) -> tuple[list[Listed], Mark | None]:
        """Return at most `limit` jobs from the position in the NextToken, and its mark.

        Raises:
            ApiError: As `page`.
        """
        position = self._tokens.open(_bound(listing), params, self._now(), None)
        try:
            return self._source.rows(listing, _place(position), limit)
        except StaleMark:
            raise ApiError(
                "ValidationException", "Invalid NextToken: the listing began in another database."
            ) from None

    def token(self, listing: Listing, params: Params, last: Listed, mark: Mark | None) -> str:
        """Return the NextToken after a job."""
        place = place_of(listing, last, mark)
        return self._tokens.seal(_bound(listing), params, list(place), self._now())


def _bound(listing: Listing) -> tuple[str, ...]:
    """Return what a token is bound to, besides the parameters."""
    jobs = "all" if listing.deleted else "living"
    return OPERATION, listing.account_id or "*", listing.region or "*", jobs


def _place(position: Any) -> Place | None:  # noqa: ANN401 - JSON
    if position is None:
        return None
    key, mark = position
    return Place(tuple(key), mark and Mark(*mark))


def _body(jobs: list[Listed], token: str | None) -> Body:
    rows = ",".join(map(encoded, jobs)).encode()
    end = b"" if token is None else b',"NextToken":' + json.dumps(token).encode()
    return Body(b'{"TrainingJobSummaries":[' + rows + b"]" + end + b"}", len(jobs))
