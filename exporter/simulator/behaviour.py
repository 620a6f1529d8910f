"""How the services might behave: each open question is an option with all its answers.

Marks grade the evidence: [D] documented by AWS or in botocore's model, [R] reported by users
or seen on the wire, [I] inferred. A rule marked [D] alone needs no option. The default is the
answer with the better evidence or, without evidence, the one that is harder for clients.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

SortOrder = Literal["Ascending", "Descending"]
PoolTaken = Literal["expires last", "expires first"]
PoolWithoutQuota = Literal["absent", "Terminated"]
PoolSeconds = Literal["absent", "zero", "growing"]
ListingOrder = tuple[Literal["Name", "CreationTime", "Status"], SortOrder]
Denied = tuple[str | None, str | None, str]
OddRecord = Literal[
    "half_pair",
    "half_pair_status",
    "bad_byte",
    "nul",
    "huge",
    "far_year",
    "nulls",
    "null_beside",
    "wrong_shape",
    "nameless",
    "modified_ahead",
]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One way for the services to behave; seconds are seconds of the world's clock.

    Attributes:
        filter_before_cut: False cuts a page first and filters it afterwards, so pages may be
            short, or empty with a token (documented for StatusEquals, seen for NameContains
            and LastModifiedTimeAfter). True fills each page. [D/R]
        creation_time_is_range: True starts the listing at CreationTimeAfter. False reads
            all jobs and filters each page. [R]
        inclusive_bounds: Whether a job exactly at CreationTimeAfter, or at any other time
            bound, matches. [I]
        default_page_size: MaxResults if the request has none. [R]
        default_sort_order: SortOrder if the request has none; AWS documents both. [D]
        token_after_last_page: A full last page has a token for another, empty page. [I]
        offset_tokens: True stores a count of rows in a token: after a deletion the next page
            skips a job, after a creation it repeats one. False stores the last row. [I]
        token_seconds: The lifetime of a NextToken; None is unlimited. [I]
        list_rps: ListTrainingJobs calls a second for an account and region, shared by all
            callers; None is no limit. The service allows 2, not adjustable. [R]
        describe_rps: The same for DescribeTrainingJob; AWS publishes no figure.
        search_rps: The same for Search.
        list_tags_rps: The same for ListTags.
        last_modified_in_summaries: Whether summaries have LastModifiedTime, which the model
            does not require. [D]
        pool_moves_last_modified: Whether Available, Reused and Terminated move
            LastModifiedTime. [I]
        secondary_moves_last_modified: Whether a secondary status moves it. [I]
        pool_in_use_while_running: Whether a running job that requested a pool shows
            WarmPoolStatus InUse. [I]
        pool_status_late_seconds: WarmPoolStatus is missing so long after the end of a job. [R]
        pool_seconds_while_available: ResourceRetainedBillableTimeInSeconds of a pool that
            still waits: absent, zero, or the seconds until now. [I]
        pool_seconds_late_seconds: The seconds are missing so long after Reused or
            Terminated. [I]
        pool_quotas: Instances that may wait in pools, for an account and region, by instance
            type; `*` for all other types. A type without a quota here has no limit. [D]
        pool_without_quota: What a job shows whose pool found no room: no WarmPoolStatus, or
            Terminated without seconds. [R/I]
        pool_taken: Which of several pools that match a job takes. [I]
        failed_without_seconds: A failed job never gets BillableTimeInSeconds or
            TrainingTimeInSeconds. [I]
        new_statuses: Statuses that the model does not have but jobs may show; generated jobs
            show the first as a secondary status. [D: subject to change]
        deleting_seconds: A deleted job is listed as `Deleting` for so long. [I]
        missing_job_error: The error of Describe and ListTags for a missing job:
            ValidationException in practice, ResourceNotFound in the documentation. [R/D]
        search_lag_seconds: The age of the index behind Search. It shows each job as it was,
            still holds deleted jobs and lacks new ones. [R]
        search_max_filters: The most filters in an expression; 20 by the model, but nobody
            has shown so many on the wire. [D/I]
        search_counts_to: The most results that TotalHits counts; of more it shows this number,
            as a lower bound. None counts all, 0 leaves TotalHits out. [D/I]
        listing_order: The SortBy and SortOrder of ListTrainingJobs whatever a request asks for;
            None obeys. Seen at stand-ins and proxies. [R]
        other_case: Operations that spell the name in ARNs in the other case; every operation
            then finds a job by either spelling. Seen at neighbouring lists. [R]
        whole_seconds: Operations whose times are cut to seconds. [I]
        odd_records: How the record of a job, by its name, is odd: `half_pair` (half a surrogate
            pair in FailureReason, which quotes other people's logs [R]) or `half_pair_status`
            (in SecondaryStatus), `bad_byte` (not UTF-8 [R]), `nul`, `huge` (integers past 64
            bits), `far_year` (past 9999), `nulls` (in lists), `null_beside` (a null as a row of
            the listing), `wrong_shape`, `nameless`, `modified_ahead` (LastModifiedTime ten years
            ahead). [I] unless marked.
        denied: Denied actions as (account or None, region or None, operation). [D]
        disabled_regions: Regions that are not enabled, as (account or None, region). [D]
        unassumable_roles: Role ARNs that AssumeRole refuses. [D]
        external_ids: The external id that each role ARN requires. [D]
        role_session_seconds: The lifetime of the keys of a role in real time, since SDKs
            compare an expiry with the system clock. None takes the DurationSeconds of the
            request; chained roles get one hour at most. [D]
    """

    filter_before_cut: bool = False
    creation_time_is_range: bool = True
    inclusive_bounds: bool = False
    default_page_size: int = 10
    default_sort_order: SortOrder = "Descending"
    token_after_last_page: bool = False
    offset_tokens: bool = False
    token_seconds: float | None = None
    list_rps: float | None = None
    describe_rps: float | None = None
    search_rps: float | None = None
    list_tags_rps: float | None = None
    last_modified_in_summaries: bool = True
    pool_moves_last_modified: bool = False
    secondary_moves_last_modified: bool = True
    pool_in_use_while_running: bool = True
    pool_status_late_seconds: float = 0.0
    pool_seconds_while_available: PoolSeconds = "growing"
    pool_seconds_late_seconds: float = 0.0
    pool_quotas: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    pool_without_quota: PoolWithoutQuota = "absent"
    pool_taken: PoolTaken = "expires last"
    failed_without_seconds: bool = False
    new_statuses: tuple[str, ...] = ()
    deleting_seconds: float = 0.0
    missing_job_error: Literal["ValidationException", "ResourceNotFound"] = "ValidationException"
    search_lag_seconds: float = 0.0
    search_max_filters: int = 20
    search_counts_to: int | None = None
    listing_order: ListingOrder | None = None
    other_case: frozenset[str] = frozenset()
    whole_seconds: frozenset[str] = frozenset()
    odd_records: Mapping[str, OddRecord] = field(default_factory=lambda: MappingProxyType({}))
    denied: frozenset[Denied] = frozenset()
    disabled_regions: frozenset[tuple[str | None, str]] = frozenset()
    unassumable_roles: frozenset[str] = frozenset()
    external_ids: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    role_session_seconds: float | None = None

    def denies(self, account_id: str, region: str, operation: str) -> bool:
        """Return whether an operation is denied to an account in a region."""
        return bool(self.denied) and any(
            named == operation and account in (None, account_id) and where in (None, region)
            for account, where, named in self.denied
        )

    def enables(self, account_id: str, region: str) -> bool:
        """Return whether a region is enabled for an account."""
        return self.disabled_regions.isdisjoint({(None, region), (account_id, region)})

    def pool_quota(self, instance_type: str | None) -> int | None:
        """Return how many instances of a type may wait in pools; None is no limit."""
        return self.pool_quotas.get(instance_type or "", self.pool_quotas.get("*"))
