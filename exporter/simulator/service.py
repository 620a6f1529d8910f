"""The operations: a call in, an answer of the API out."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from exporter.simulator import pricing, quotas, views
from exporter.simulator.access import Access, Caller
from exporter.simulator.job import Place
from exporter.simulator.limits import RateLimits
from exporter.simulator.listing import cut_page
from exporter.simulator.scope import Scope
from exporter.simulator.search import search, seen_at
from exporter.simulator.world import World
from exporter.wire import Answer, ApiError, Body, Call
from exporter.wire.model import encoded, to_json
from exporter.wire.tokens import Tokens

OPERATIONS: Mapping[str, frozenset[str]] = {
    "sagemaker": frozenset({"ListTrainingJobs", "DescribeTrainingJob", "Search", "ListTags"}),
    "sts": frozenset({"GetCallerIdentity", "AssumeRole"}),
    "pricing": frozenset({"GetProducts"}),
    "service-quotas": frozenset({"ListServiceQuotas"}),
}
"""The operations that the simulator answers; none of them writes."""

_TAGS_PAGE = 50


class Service:
    """SageMaker, STS, Service Quotas and the Price List API over one world.

    Args:
        world: The jobs.
        monotonic: The clock of the rate limits, in seconds.
    """

    operations = OPERATIONS

    def __init__(self, world: World, monotonic: Callable[[], float]) -> None:
        self._world = world
        self._access = Access()
        self._limits = RateLimits(monotonic)
        self._tokens = Tokens(str(world.seed).encode())

    def caller(self, call: Call) -> Caller:
        """Return who makes a call.

        Raises:
            ApiError: Nobody known, or a role session that has expired.
        """
        return self._access.caller(call.access_key)

    def answer(self, call: Call) -> Answer:
        """Answer one call.

        Raises:
            ApiError: The service would refuse the call.
        """
        behaviour = self._world.behaviour
        caller = self.caller(call)
        self._access.admit(call, caller, behaviour)
        place = Place(caller.account_id, call.region)
        self._limits.spend(call.operation, place, behaviour)
        if call.operation == "GetCallerIdentity":
            return self._access.identity(caller)
        if call.operation == "AssumeRole":
            return self._access.assume_role(call, caller, behaviour)
        if call.operation == "GetProducts":
            return pricing.products(call)
        scope = self._world.scope(*place)
        answer = {
            "ListTrainingJobs": self._list,
            "DescribeTrainingJob": self._describe,
            "Search": self._search,
            "ListTags": self._list_tags,
            "ListServiceQuotas": self._list_quotas,
        }[call.operation]
        with self._world.lock:
            scope.tidy()
            return answer(scope, call, self._world.clock.now())

    def _list(self, scope: Scope, call: Call, now: datetime) -> Answer:
        position = self._position(scope, call, now)
        page = cut_page(scope.index, call.params, position, scope.behaviour, now)
        rows = [scope.fragment(job, now) for job in page.jobs]
        return self._page("TrainingJobSummaries", rows, scope, call, page.position, now)

    def _describe(self, scope: Scope, call: Call, now: datetime) -> Answer:
        job = scope.find(call.params["TrainingJobName"])
        if job is None:
            raise self._missing()
        shown = views.description(job, job.state, now, scope.behaviour)
        return Body(self._encoded(shown, views.DESCRIPTION), 1)

    def _search(self, scope: Scope, call: Call, now: datetime) -> Answer:
        if call.params["Resource"] != "TrainingJob":
            raise ApiError("ValidationException", "Only the resource TrainingJob is served here")
        position = self._position(scope, call, now)
        seen = seen_at(now, scope.behaviour)
        found = search(scope, call.params, position, seen)
        records = (
            {"TrainingJob": views.search_record(job, state, seen, scope.behaviour)}
            for job, state in found.hits
        )
        rows = [self._encoded(record, views.SEARCH_RECORD) for record in records]
        total = _total_hits(found.total, scope.behaviour.search_counts_to)
        return self._page("Results", rows, scope, call, found.position, now, total)

    def _list_tags(self, scope: Scope, call: Call, now: datetime) -> Answer:
        arn = str(call.params["ResourceArn"])
        job = scope.find(arn.removeprefix(scope.place.arn("training-job/")))
        if job is None:
            raise self._missing()
        begin = self._tokens.open(_bound(scope, call), call.params, now, None) or 0
        tags = views.tag_list(job.state.tags)
        answer: dict[str, Any] = {"Tags": tags[begin : begin + _TAGS_PAGE]}
        if begin + _TAGS_PAGE < len(tags):
            end = begin + _TAGS_PAGE
            answer["NextToken"] = self._tokens.seal(_bound(scope, call), call.params, end, now)
        return answer

    def _list_quotas(self, scope: Scope, call: Call, _now: datetime) -> Answer:
        return quotas.service_quotas(scope, call)

    def _missing(self) -> ApiError:
        return ApiError(self._world.behaviour.missing_job_error, "Requested resource not found.")

    def _encoded(self, record: Mapping[str, Any], path: tuple[str, ...]) -> bytes:
        new = bool(self._world.behaviour.new_statuses)
        return encoded(record, "sagemaker", *path, open_enums=new)

    def _position(self, scope: Scope, call: Call, now: datetime) -> Any:  # noqa: ANN401 - JSON
        lifetime = scope.behaviour.token_seconds
        return self._tokens.open(_bound(scope, call), call.params, now, lifetime)

    def _page(
        self,
        member: str,
        rows: list[bytes],
        scope: Scope,
        call: Call,
        position: object,
        now: datetime,
        more: bytes = b"",
    ) -> Body:
        token = b""
        if position is not None:
            sealed = self._tokens.seal(_bound(scope, call), call.params, position, now)
            token = b',"NextToken":' + to_json(sealed)
        content = b'{"%b":[%b]%b%b}' % (member.encode(), b",".join(rows), token, more)
        return Body(content, len(rows))


def _total_hits(total: int, counts_to: int | None) -> bytes:
    """Return the member TotalHits, with the comma before it; nothing if totals are not counted."""
    if counts_to == 0:
        return b""
    shown = total if counts_to is None else min(total, counts_to)
    relation = b"EqualTo" if shown == total else b"GreaterThanOrEqualTo"
    return b',"TotalHits":{"Value":%d,"Relation":"%b"}' % (shown, relation)


def _bound(scope: Scope, call: Call) -> tuple[str, ...]:
    """Return what a NextToken is bound to, besides the parameters."""
    return call.operation, *scope.place
