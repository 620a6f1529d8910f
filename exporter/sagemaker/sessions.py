"""Ways into accounts: profiles and roles become sessions, sessions become scopes.

All sessions share one loader of the service models, each profile and role has one session, and a
client is made only when the turn of its scope comes. (204 clients, each from a session of its
own, took 4.6 s and 424 MB.)
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import boto3
import botocore.session
from botocore import exceptions as boto
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    DeferredRefreshableCredentials,
)
from botocore.loaders import Loader
from botocore.utils import parse_timestamp

from exporter.errors import CredentialsError, UsageError
from exporter.sagemaker.failures import explain

_ROLE_SESSION: Final = "sagemaker-exporter"
_CONFIG: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 1},
    connect_timeout=10,
    read_timeout=60,
    user_agent_extra="sagemaker-exporter",
)
#: Calls of STS are rare and come before an account is known, so nothing paces them.
_STS_CONFIG: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=10, read_timeout=30
)
#: Prices are a convenience, so timeouts are short.
_PRICING_CONFIG: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=5, read_timeout=20
)


@dataclass(frozen=True)
class Access:
    """A way into one account: a session of boto3 and the account that it belongs to."""

    session: boto3.Session
    account_id: str

    def client(self, service: str, region: str) -> Any:  # noqa: ANN401 - made at run time
        """Return a client with one attempt per call; `Api` paces and retries.

        Raises:
            UsageError: The configured endpoint is not a URL.
            ExporterError: botocore cannot make the client.
        """
        return self._make(service, region, _CONFIG)

    def price_list(self, region: str) -> Any:  # noqa: ANN401 - made at run time
        """Return a client of the Price List API in one of the regions that have it.

        Raises:
            UsageError: The configured endpoint is not a URL.
            ExporterError: botocore cannot make the client.
        """
        return self._make("pricing", region, _PRICING_CONFIG)

    def regions(self, wanted: Sequence[str], excluded: Sequence[str]) -> list[str]:
        """Return region names: the given ones, `all` of SageMaker, or that of the session.

        Raises:
            UsageError: No region is set anywhere.
        """
        known = self._known_regions()
        if "all" in wanted:
            names = list(known)
        elif wanted:
            names = list(dict.fromkeys(wanted))
        elif self.session.region_name:
            names = [self.session.region_name]
        else:
            raise UsageError("No region is set.", "Use --region, AWS_REGION or the profile.")
        return [name for name in names if name not in excluded]

    def _make(self, service: str, region: str, config: Config) -> Any:  # noqa: ANN401 - made at run time
        try:
            return _client(self.session, service, region, config)
        except boto.BotoCoreError as error:
            raise explain(error, service, region) from error

    def _known_regions(self) -> list[str]:
        partition = "aws"
        if self.session.region_name:
            partition = self.session.get_partition_for_region(self.session.region_name)
        return self.session.get_available_regions("sagemaker", partition_name=partition)


class Sessions:
    """Sessions by profile and role; each is made once."""

    def __init__(self) -> None:
        self._loader = Loader()
        self._profiles: dict[str | None, botocore.session.Session] = {}

    def access(self, profile: str | None, role_arn: str | None, external_id: str | None) -> Access:
        """Return the way into the account of a profile, or of a role that it assumes.

        Raises:
            CredentialsError: Credentials are missing or invalid, or the role rejects them.
            ServiceError: STS cannot be reached, or the endpoint is not STS.
            UsageError: The configured endpoint is not a URL.
        """
        named = profile or "the default profile"
        who = f"{named}, role {role_arn}" if role_arn else named
        operation = "sts:AssumeRole" if role_arn else "sts:GetCallerIdentity"
        try:
            base = self._base(profile)
            core = base if role_arn is None else self._assume(base, role_arn, external_id)
            session = boto3.Session(botocore_session=core, region_name=self._region(base))
            sts = _client(session, "sts", session.region_name or "us-east-1", _STS_CONFIG)
        except boto.ProfileNotFound as error:
            name = profile or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
            raise CredentialsError(f"There is no profile {name!r}.") from error
        except boto.BotoCoreError as error:
            raise explain(error, operation, who) from error
        try:
            return Access(session, str(sts.get_caller_identity()["Account"]))
        except Exception as error:  # botocore raises anything if the answer is not from STS
            raise explain(error, operation, who) from error

    def _base(self, profile: str | None) -> botocore.session.Session:
        if profile not in self._profiles:
            self._profiles[profile] = self._new(botocore.session.Session(profile=profile))
        return self._profiles[profile]

    def _new(self, session: botocore.session.Session) -> botocore.session.Session:
        session.register_component("data_loader", self._loader)
        factory = session.get_component("response_parser_factory")
        factory.set_parser_defaults(timestamp_parser=utc_timestamp)
        return session

    @staticmethod
    def _region(base: botocore.session.Session) -> str | None:
        # Unlike the other SDKs, boto3 ignores AWS_REGION.
        region = base.get_config_variable("region") or os.environ.get("AWS_REGION")
        return str(region) if region else None

    def _assume(
        self, base: botocore.session.Session, role_arn: str, external_id: str | None
    ) -> botocore.session.Session:
        """Return a session that renews its credentials: chained roles last an hour at most."""
        source = base.get_credentials()
        if source is None:
            raise boto.NoCredentialsError
        extra = {"RoleSessionName": _ROLE_SESSION}
        if external_id:
            extra["ExternalId"] = external_id
        region = self._region(base) or "us-east-1"

        def make_client(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as botocore calls it
            kwargs.setdefault("region_name", region)
            return base.create_client(*args, **{**kwargs, "config": _STS_CONFIG})

        fetcher = AssumeRoleCredentialFetcher(
            client_creator=make_client,
            source_credentials=source,
            role_arn=role_arn,
            extra_args=extra,
        )
        session = self._new(botocore.session.Session())
        # botocore has no public way to give a session credentials that are renewed.
        session._credentials = DeferredRefreshableCredentials(  # type: ignore[attr-defined]
            fetcher.fetch_credentials, "assume-role"
        )
        return session


def utc_timestamp(value: Any) -> datetime:  # noqa: ANN401 - whatever the service sent
    """Return a time of an answer in UTC; epoch seconds, as SageMaker sends them, take a shortcut.

    The parser of botocore goes through the time zone of the machine, which takes two thirds of
    the time that reading a page of jobs takes.

    Raises:
        ValueError: The value is not a time.
    """
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return parse_timestamp(value).astimezone(UTC)


#: Two threads must not create clients of one botocore session at the same time.
_making: Final = threading.Lock()


def _client(session: boto3.Session, service: str, region: str, config: Config) -> Any:  # noqa: ANN401 - made at run time
    make: Any = session.client
    try:
        with _making:
            return make(service, region_name=region, config=config)
    except ValueError as error:  # "Invalid endpoint: …"
        raise UsageError(f"{error}.", "Check AWS_ENDPOINT_URL and the profile.") from error
