"""The operations: a call in, an answer of the API out."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from exporter.simulator import views
from exporter.simulator.access import Access, Caller
from exporter.simulator.limits import RateLimits
from exporter.simulator.listing import cut_page
from exporter.simulator.pricing import PriceList
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
}
"""Everything that is served; the simulator answers no write action."""

_TAGS_PAGE = 50


class Service:
    """SageMaker, STS and the Price List API over one world.

    Args:
        world: Whose jobs.
        monotonic: The clock of the rate limits.
    """

    operations = OPERATIONS

    def __init__(self, world: World, monotonic: Callable[[], float]) -> None:
        """Start with full buckets and no role sessions."""
        self._world = world
        self._access = Access()
        self._limits = RateLimits(monotonic)
        self._tokens = Tokens(str(world.seed).encode())
        self._prices = PriceList()

    def caller(self, call: Call) -> Caller:
        """Give who makes a call.

        Raises:
            ApiError: Nobody known, or somebody whose time is up.
        """
        return self._access.caller(call.access_key)

    def answer(self, call: Call) -> Answer:
        """Answer one call.

        Raises:
            ApiError: As the service would refuse it.
        """
        behaviour = self._world.behaviour
        caller = self.caller(call)
        self._access.admit(call, caller, behaviour)
        self._limits.spend((call.operation, caller.account_id, call.region), behaviour)
        if call.operation == "GetCallerIdentity":
            return self._access.identity(caller)
        if call.operation == "AssumeRole":
            return self._access.assume_role(call, caller, behaviour)
        if call.operation == "GetProducts":
            return self._prices.products(call)
        scope = self._world.scope(caller.account_id, call.region)
        answer = {
            "ListTrainingJobs": self._list,
            "DescribeTrainingJob": self._describe,
            "Search": self._search,
            "ListTags": self._list_tags,
        }[call.operation]
        with self._world.lock:
            scope.tidy()
            return answer(scope, call, self._world.clock.now())

    def _list(self, scope: Scope, call: Call, now: datetime) -> Answer:
        behaviour = self._world.behaviour
        place = _place(scope, call)
        position = self._tokens.open(place, call.params, now, behaviour.token_seconds)
        page = cut_page(scope.index, call.params, position, behaviour, now)
        rows = b",".join([scope.fragment(job, now) for job in page.jobs])
        token = self._token(place, call, page.position, now)
        return Body(b'{"TrainingJobSummaries":[' + rows + b"]" + token + b"}", len(page.jobs))

    def _describe(self, scope: Scope, call: Call, now: datetime) -> Answer:
        job = scope.find(call.params["TrainingJobName"])
        if job is None:
            raise self._missing()
        behaviour = self._world.behaviour
        shown = views.description(job, job.state, now, behaviour)
        open_enums = bool(behaviour.new_statuses)
        return Body(encoded(shown, "sagemaker", *views.DESCRIPTION, open_enums=open_enums), 1)

    def _search(self, scope: Scope, call: Call, now: datetime) -> Answer:
        behaviour = self._world.behaviour
        if call.params["Resource"] != "TrainingJob":
            raise ApiError("ValidationException", "Only the resource TrainingJob is served here")
        place = _place(scope, call)
        position = self._tokens.open(place, call.params, now, behaviour.token_seconds)
        seen = seen_at(now, behaviour)
        found = search(scope, call.params, position, seen)
        open_enums = bool(behaviour.new_statuses)
        rows = b",".join(
            encoded(
                {"TrainingJob": views.search_record(job, state, seen, behaviour)},
                "sagemaker",
                *views.SEARCH_RECORD,
                open_enums=open_enums,
            )
            for job, state in found.hits
        )
        token = self._token(place, call, found.position, now)
        return Body(b'{"Results":[' + rows + b"]" + token + b"}", len(found.hits))

    def _list_tags(self, scope: Scope, call: Call, now: datetime) -> Answer:
        arn = str(call.params["ResourceArn"])
        job = scope.find(arn.removeprefix(scope.arn_prefix))
        if job is None:
            raise self._missing()
        place = _place(scope, call)
        begin = self._tokens.open(place, call.params, now, None) or 0
        tags = views.tag_list(job.state.tags)
        answer: dict[str, Any] = {"Tags": tags[begin : begin + _TAGS_PAGE]}
        if begin + _TAGS_PAGE < len(tags):
            end = begin + _TAGS_PAGE
            answer["NextToken"] = self._tokens.seal(place, call.params, end, now)
        return answer

    def _missing(self) -> ApiError:
        return ApiError(self._world.behaviour.missing_job_error, "Requested resource not found.")

    def _token(self, place: tuple[str, ...], call: Call, position: object, now: datetime) -> bytes:
        if position is None:
            return b""
        return b',"NextToken":' + to_json(self._tokens.seal(place, call.params, position, now))


def _place(scope: Scope, call: Call) -> tuple[str, ...]:
    return call.operation, scope.account_id, scope.region
