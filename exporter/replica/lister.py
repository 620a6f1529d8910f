"""A request of ListTrainingJobs in, pages of the response out.

The differences from the service are decided here, and told in docs/list-training-jobs.md:
filters apply before a page is cut, so only the last page is short, and a NextToken comes only
when a job follows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from exporter.replica.sources import Source
from exporter.replica.summaries import PLACE, summary
from exporter.store.listing import Listed, Listing, Mark, Place, StaleMark, place_of
from exporter.store.scopes import ScopeKey
from exporter.wire import ApiError, Body, Tokens
from exporter.wire.model import encoded

OPERATION: Final = "ListTrainingJobs"
PAGE: Final = 10
"""MaxResults when it is not sent, as seen of the service; the reference does not say."""

Params = Mapping[str, Any]

#: Whoever has the file can continue a listing of it: after a restart, on another machine, over a
#: copy. The key keeps other tokens out, it keeps no secret: a token holds a job's ARN and times.
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
        source: Where the rows come from.
        deleted: Also jobs that AWS has deleted.
        now: The time, for tokens.
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
        """The page that a request asks for.

        Args:
            scope: Whose jobs.
            params: The request's parameters by the names of the model, checked against it.

        Raises:
            ApiError: A NextToken that is not one of this listing.
        """
        return next(self.pages(scope, params))[1]

    def pages(
        self, scope: ScopeKey, params: Params, ahead: int = 0
    ) -> Iterator[tuple[Params, Body]]:
        """That page and some of those after it, each with the parameters that ask for it.

        Args:
            scope: As for `page`.
            params: As for `page`.
            ahead: How many more to read at once.

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
        """What the parameters ask for; None is every account, or every region."""
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
        """At most `limit` jobs from where the parameters' NextToken says.

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
        """The NextToken after a job."""
        place = place_of(listing, last, mark)
        return self._tokens.seal(_bound(listing), params, list(place), self._now())


def _bound(listing: Listing) -> tuple[str, ...]:
    """What a token belongs to, beside the parameters."""
    jobs = "all" if listing.deleted else "living"
    return OPERATION, listing.account_id or "*", listing.region or "*", jobs


def _place(position: Any) -> Place | None:  # noqa: ANN401 - JSON
    if position is None:
        return None
    key, mark = position
    return Place(tuple(key), mark and Mark(*mark))


def _body(jobs: list[Listed], token: str | None) -> Body:
    # Statuses are an open set: one that botocore does not know yet is shown all the same.
    rows = b",".join(encoded(summary(job), "sagemaker", *PLACE, open_enums=True) for job in jobs)
    end = b"" if token is None else b',"NextToken":' + json.dumps(token).encode()
    return Body(b'{"TrainingJobSummaries":[' + rows + b"]" + end + b"}", len(jobs))
