"""What the service might do: every open question about it is a knob with both answers.

Evidence is marked as in the project's notes on the services: [D] documented by AWS or in
botocore's model, [R] reported by users or seen on the wire, [I] inferred. A rule marked
[D] alone is not a knob. Defaults are the answer with the better evidence or, where there
is none, the one that is harder to live with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

SortOrder = Literal["Ascending", "Descending"]
PoolSeconds = Literal["absent", "zero", "growing"]
Denied = tuple[str | None, str | None, str]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One way for the service to behave; seconds are seconds of the world's clock.

    Attributes:
        filter_before_cut: False cuts a page first and filters it afterwards, so that pages
            come short, or empty with a token (documented for StatusEquals, seen for
            NameContains and LastModifiedTimeAfter). True fills each page. [D/R]
        creation_time_is_range: True starts the listing at CreationTimeAfter; False walks
            everything and filters each page. [R]
        inclusive_bounds: Whether a job at exactly CreationTimeAfter, or any other time
            bound, belongs to the answer. [I]
        default_page_size: MaxResults when it is not sent. [R]
        default_sort_order: SortOrder when it is not sent; the documentation says both. [D]
        token_after_last_page: A full last page carries a token to one more, empty page. [I]
        offset_tokens: A token remembers how many rows were passed, so that a deletion in
            between makes the next page skip a job, and a creation repeat one; False
            remembers the last row. [I]
        token_seconds: How long a NextToken is good for; None is for ever. [I]
        list_rps: ListTrainingJobs calls a second for an account and region, shared by all
            who call; None is no limit. The service has 2, not adjustable. [R]
        describe_rps: The same for DescribeTrainingJob; no figure is published.
        search_rps: The same for Search.
        list_tags_rps: The same for ListTags.
        burst_seconds: How many seconds' worth of calls a limit lets through at once.
        last_modified_in_summaries: Whether summaries carry LastModifiedTime, which the
            model does not require. [D]
        pool_moves_last_modified: Whether Available, Reused and Terminated move
            LastModifiedTime. [I]
        secondary_moves_last_modified: Whether a secondary status does. [I]
        pool_in_use_while_running: Whether a running job that asked for a pool shows
            WarmPoolStatus InUse. [I]
        pool_status_late_seconds: How long after a job's end WarmPoolStatus is missing. [R]
        pool_seconds_while_available: ResourceRetainedBillableTimeInSeconds of a pool that
            still waits: absent, zero, or the seconds so far. [I]
        pool_seconds_late_seconds: How long after Reused or Terminated the seconds are
            missing. [I]
        pool_quota_zero: Instance types whose pools the account may not have, ``*`` for
            all: such jobs end without any WarmPoolStatus. [R]
        failed_without_times: A job that fails never gets BillableTimeInSeconds or
            TrainingStartTime. [I]
        new_statuses: Statuses beyond the model's that jobs may be in; the world's own jobs
            pass through the first of them as a secondary status. [D: subject to change]
        deleting_seconds: How long a deleted job is listed as ``Deleting``. [I]
        missing_job_error: What Describe and ListTags say of a job that is not there:
            ValidationException in practice, ResourceNotFound in the documentation. [R/D]
        search_lag_seconds: How old the index behind Search is: it gives every job as it
            was, deleted ones included and new ones left out. [R]
        search_max_filters: How many filters one expression may hold; 20 by the model, but
            nobody has shown so many on the wire. [D/I]
        denied: Denied actions as (account or None, region or None, operation). [D]
        disabled_regions: Regions not enabled, as (account or None, region). [D]
        unassumable_roles: Role ARNs that AssumeRole refuses. [D]
        external_ids: The external id that a role ARN asks for. [D]
        role_session_seconds: How long the keys of a role are good for, by the wall clock,
            because that is what an SDK compares an expiry with. None takes the caller's
            DurationSeconds; chained roles get an hour at most. [D]
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
    burst_seconds: float = 1.0
    last_modified_in_summaries: bool = True
    pool_moves_last_modified: bool = False
    secondary_moves_last_modified: bool = True
    pool_in_use_while_running: bool = True
    pool_status_late_seconds: float = 0.0
    pool_seconds_while_available: PoolSeconds = "growing"
    pool_seconds_late_seconds: float = 0.0
    pool_quota_zero: frozenset[str] = frozenset()
    failed_without_times: bool = False
    new_statuses: tuple[str, ...] = ()
    deleting_seconds: float = 0.0
    missing_job_error: Literal["ValidationException", "ResourceNotFound"] = "ValidationException"
    search_lag_seconds: float = 0.0
    search_max_filters: int = 20
    denied: frozenset[Denied] = frozenset()
    disabled_regions: frozenset[tuple[str | None, str]] = frozenset()
    unassumable_roles: frozenset[str] = frozenset()
    external_ids: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    role_session_seconds: float | None = None

    def denies(self, account_id: str, region: str, operation: str) -> bool:
        """Say whether an operation is denied to an account in a region."""
        return bool(self.denied) and any(
            named == operation and account in (None, account_id) and where in (None, region)
            for account, where, named in self.denied
        )

    def enables(self, account_id: str, region: str) -> bool:
        """Say whether a region is enabled for an account."""
        return (None, region) not in self.disabled_regions and (
            account_id,
            region,
        ) not in self.disabled_regions

    def has_pool_quota(self, instance_type: str) -> bool:
        """Say whether pools of an instance type are allowed at all."""
        return not self.pool_quota_zero & {"*", instance_type}
