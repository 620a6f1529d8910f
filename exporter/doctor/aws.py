"""Checks of the credentials, the regions, the endpoint, the clock and each permission.

Every check is one read-only call. A call for a job that does not exist tells a permission as well
as any other: AWS checks the permission first, and answers "not found" to those who have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from exporter.config.model import Source
from exporter.doctor.findings import FAILED, OK, WARNING, Finding
from exporter.errors import ExporterError
from exporter.redaction import redact
from exporter.sagemaker.failures import (
    AccessDenied,
    DeniedByPolicy,
    InvalidRequest,
    NotFound,
    NotOffered,
    RegionNotEnabled,
    explain,
)
from exporter.sagemaker.price_list import endpoint_for
from exporter.sagemaker.sessions import Access, Regions, Sessions

#: AWS rejects requests whose clock differs by more than 5 minutes.
_WORRYING_SKEW: Final = timedelta(minutes=1)
#: The name of a job that does not exist.
_NO_JOB: Final = "sagemaker-exporter-doctor"
_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")
#: Optional actions, and what a sync does without each.
_WITHOUT: Final = {
    "sagemaker:Search": "each job is described with a call of its own, a few hundred per sync",
    "sagemaker:DescribeTrainingJob": "details come from Search alone",
    "sagemaker:ListTags": "tags come from Search alone",
    "pricing:GetProducts": "prices come from the shipped list and your imports",
    "servicequotas:ListServiceQuotas": "the quotas of warm pools are not known",
}


@dataclass(frozen=True)
class _Scope:
    """An account and region to check, with the way into it."""

    access: Access
    region: str
    may_be_denied: bool

    @property
    def name(self) -> str:
        return f"{self.access.account_id}/{self.region}"


def check(
    sources: Sequence[Source], *, now: Callable[[], datetime], environment: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield what a sync of these sources would meet at AWS.

    Args:
        sources: The ways into accounts, as a sync would use them.
        now: The clock of this machine, UTC.
        environment: The environment variables.
    """
    sessions = Sessions()
    yield from _of_proxies(environment)
    checked = set()
    for source in sources:
        name = "region"
        try:
            regions = sessions.regions(
                source.profile, source.role_arn, source.regions, source.exclude_regions
            )
            name = "credentials"
            access = sessions.access(source.profile, source.role_arn, source.external_id, regions)
        except ExporterError as error:
            yield _failed(name, error, optional=source.optional)
            continue
        yield from _of_identity(source, access, regions)
        for region in regions.names:
            scope = _Scope(access, region, "all" in source.regions)
            if scope.name not in checked:
                checked.add(scope.name)
                yield from _of_scope(scope, now, optional=source.optional)
        if regions.names and access.account_id not in checked:
            checked.add(access.account_id)
            yield from _of_account(access, regions.names[0])


def _of_proxies(environment: Mapping[str, str]) -> Iterator[Finding]:
    found = {name: environment[name] for name in _PROXIES if environment.get(name)}
    if found:
        words = ", ".join(f"{name}={redact(value)}" for name, value in found.items())
        yield Finding("proxy", OK, words)


def _of_identity(source: Source, access: Access, regions: Regions) -> Iterator[Finding]:
    region = str(regions.names[0] if regions.names else regions.own)
    who = f"{source.name}: account {access.account_id}"
    try:
        arn = access.client("sts", region).get_caller_identity()["Arn"]
    except Exception as error:
        yield Finding("credentials", WARNING, f"{who}; {explain(error, 'sts', who).text}")
    else:
        yield Finding("credentials", OK, f"{who}, {arn}")
    origin = regions.origin or "--region or the configuration"
    if regions.names:
        names = ", ".join(regions.names)
        yield Finding("region", OK, f"{source.name}: {names} (from {origin})")
    else:
        yield Finding(
            "region",
            FAILED,
            f"{source.name}: no region is left to sync.",
            "Every region is excluded: correct --exclude-region.",
            exit_code=2,
        )


def _of_scope(scope: _Scope, now: Callable[[], datetime], *, optional: bool) -> Iterator[Finding]:
    """Yield what the calls of one account and region say."""
    try:
        client = scope.access.client("sagemaker", scope.region)
    except ExporterError as error:
        yield _failed("endpoint", error, optional=optional)
        return
    if not client.meta.endpoint_url.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
        yield Finding("endpoint", OK, f"{scope.name}: {redact(client.meta.endpoint_url)}")
    began = now()
    try:
        answer = client.list_training_jobs(
            MaxResults=1, SortBy="CreationTime", SortOrder="Descending"
        )
    except Exception as error:
        yield _of_list_failure(
            scope, explain(error, "ListTrainingJobs", scope.name), optional=optional
        )
        return
    jobs = answer.get("TrainingJobSummaries", [])
    newest = f"; the newest job is {jobs[0]['TrainingJobName']}" if jobs else "; it has no job"
    yield Finding("ListTrainingJobs", OK, f"{scope.name}: allowed{newest}")
    yield from _of_clock(scope, answer, began)
    name = jobs[0]["TrainingJobName"] if jobs else _NO_JOB
    arn = jobs[0]["TrainingJobArn"] if jobs else _arn(client, scope)
    yield _of_optional(scope, "Search", lambda: client.search(Resource="TrainingJob", MaxResults=1))
    yield _of_optional(
        scope, "DescribeTrainingJob", lambda: client.describe_training_job(TrainingJobName=name)
    )
    yield _of_optional(scope, "ListTags", lambda: client.list_tags(ResourceArn=arn))


def _of_account(access: Access, region: str) -> Iterator[Finding]:
    """Yield what the services beside SageMaker say; one region speaks for the account."""
    home = _Scope(access, endpoint_for(region), may_be_denied=False)

    def prices() -> object:
        return access.price_list(home.region).get_products(
            ServiceCode="AmazonSageMaker", MaxResults=1
        )

    def quotas() -> object:
        return access.client("service-quotas", region).list_service_quotas(
            ServiceCode="sagemaker", MaxResults=1
        )

    yield _of_optional(home, "pricing:GetProducts", prices)
    here = _Scope(access, region, may_be_denied=False)
    yield _of_optional(here, "servicequotas:ListServiceQuotas", quotas)


def _of_list_failure(scope: _Scope, error: ExporterError, *, optional: bool) -> Finding:
    passed_over = (RegionNotEnabled, DeniedByPolicy) if scope.may_be_denied else ()
    if isinstance(error, passed_over):
        return Finding("ListTrainingJobs", OK, f"{scope.name}: passed over: {error.message}")
    return _failed("ListTrainingJobs", error, optional=optional)


def _of_clock(scope: _Scope, answer: Mapping[str, Any], began: datetime) -> Iterator[Finding]:
    text = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if not text:
        return
    # Date has whole seconds and was set while the request was on its way.
    ahead = began - parsedate_to_datetime(text).astimezone(UTC)
    if abs(ahead) < _WORRYING_SKEW:
        yield Finding("clock", OK, f"{scope.name}: the clock of this machine agrees with AWS")
        return
    seconds = abs(round(ahead.total_seconds()))
    side = "ahead of" if ahead > timedelta() else "behind"
    yield Finding(
        "clock",
        WARNING,
        f"{scope.name}: the clock of this machine is {seconds:,} s {side} AWS.",
        "Set it, for example with NTP: AWS rejects requests from 300 s on.",
    )


def _of_optional(scope: _Scope, operation: str, call: Callable[[], object]) -> Finding:
    """Return whether an operation without which a sync goes on is allowed."""
    action = operation if ":" in operation else f"sagemaker:{operation}"
    try:
        call()
    except Exception as raised:
        error = explain(raised, operation, scope.name)
        if isinstance(error, NotFound | InvalidRequest):
            return Finding(operation, OK, f"{scope.name}: allowed")
        without = f"Without it, {_WITHOUT[action]}."
        denied = isinstance(error, AccessDenied) and not isinstance(error, DeniedByPolicy)
        remedy = without if isinstance(error, NotOffered) else f"{error.guidance} {without}"
        return Finding(
            operation,
            WARNING,
            f"{scope.name}: {error.message}",
            remedy.strip(),
            action=action if denied else "",
        )
    return Finding(operation, OK, f"{scope.name}: allowed")


def _failed(name: str, error: ExporterError, *, optional: bool) -> Finding:
    """Return the finding of an error; the failure of an optional source is a warning."""
    text = f"{error.scope}: {error.message}" if error.scope else error.message
    denied = isinstance(error, AccessDenied) and not isinstance(error, DeniedByPolicy)
    return Finding(
        name,
        WARNING if optional else FAILED,
        text,
        error.guidance,
        exit_code=0 if optional else error.exit_code,
        action="sagemaker:ListTrainingJobs" if denied and name == "ListTrainingJobs" else "",
    )


def _arn(client: Any, scope: _Scope) -> str:  # noqa: ANN401 - made at run time
    partition = client.meta.partition
    return (
        f"arn:{partition}:sagemaker:{scope.region}:{scope.access.account_id}:training-job/{_NO_JOB}"
    )
