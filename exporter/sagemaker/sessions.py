"""Ways into accounts: profiles and roles become sessions, sessions become scopes.

boto3 would add resources and file transfers to botocore, and the time to import them. Its clients
are those of botocore.

All sessions share one loader of the service models, each profile has one session, and all roles
share one. A client is made when the turn of the first scope of its region comes, and the roles
share it as well: each call is signed with the credentials of its account. (204 clients, each from a
session of its own, took 4.6 s and 424 MB.)
"""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
import threading
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import botocore.session
from botocore import exceptions as boto
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.loaders import Loader

from exporter.errors import CredentialsError, UsageError
from exporter.sagemaker.deadline import bound_answers
from exporter.sagemaker.failures import (
    DeniedByPolicy,
    RegionNotEnabled,
    explain,
    explain_credentials,
    no_region,
)
from exporter.spelling import named
from exporter.text import did_you_mean

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
class Regions:
    """The regions of a source.

    Attributes:
        names: The regions to sync, each once.
        own: The region that the environment or the profile sets.
        origin: What set the only region; None if the caller named the regions.
    """

    names: tuple[str, ...]
    own: str | None = None
    origin: str | None = None


@dataclass(frozen=True)
class Access:
    """A way into one account.

    Attributes:
        session: The session; all roles share one.
        account_id: The account.
        role: The credentials of the role; None = those of the session.
        clients: The clients of the roles by service and region; None = each scope has its own.
    """

    session: botocore.session.Session
    account_id: str
    role: Any = None
    clients: dict[tuple[str, str], Any] | None = None

    def client(self, service: str, region: str) -> Any:  # noqa: ANN401 - made at run time
        """Return a client with one attempt per call; `Api` paces and retries.

        Raises:
            UsageError: The configured endpoint is not a URL.
            ExporterError: botocore cannot make the client.
        """
        if self.clients is None:
            return self._make(service, region, _CONFIG)
        with _sharing:
            if (service, region) not in self.clients:
                self.clients[service, region] = self._make(service, region, _CONFIG)
        return _Signed(self.clients[service, region], self.role)

    def price_list(self, region: str) -> Any:  # noqa: ANN401 - made at run time
        """Return a client of the Price List API in one of the regions that have it.

        Raises:
            UsageError: The configured endpoint is not a URL.
            ExporterError: botocore cannot make the client.
        """
        client = self._make("pricing", region, _PRICING_CONFIG)
        return client if self.role is None else _Signed(client, self.role)

    def sts(self, region: str) -> Any:  # noqa: ANN401 - made at run time
        """Return a client of STS, which retries by itself; raises as `botocore` does."""
        if self.clients is None:
            return _client(self.session, "sts", region, _STS_CONFIG)
        with _sharing:
            if ("sts", region) not in self.clients:
                self.clients["sts", region] = _client(self.session, "sts", region, _STS_CONFIG)
        return _Signed(self.clients["sts", region], self.role)

    def _make(self, service: str, region: str, config: Config) -> Any:  # noqa: ANN401 - made at run time
        try:
            return _client(self.session, service, region, config)
        except boto.BotoCoreError as error:
            raise explain(error, service, region) from error


#: The credentials of the role for which this thread calls.
_caller: ContextVar[Any] = ContextVar("caller")
#: Held to make a client that several scopes share.
_sharing: Final = threading.Lock()


class _OfTheCaller(Credentials):
    """The credentials of whichever role calls."""

    def __init__(self) -> None:
        super().__init__("", "")

    def get_frozen_credentials(self) -> Any:  # noqa: ANN401 - botocore's credentials have no common class
        """Return the keys to sign a request with."""
        return _caller.get().get_frozen_credentials()


class _Signed:
    """A client that roles share, for the calls of one of them.

    Args:
        client: The client.
        role: The credentials.
    """

    def __init__(self, client: Any, role: Any) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self._role = role
        self.meta = client.meta

    def __getattr__(self, operation: str) -> Any:  # noqa: ANN401 - likewise
        call = getattr(self._client, operation)

        def signed(**parameters: Any) -> Any:  # noqa: ANN401 - as boto3 takes
            before = _caller.set(self._role)
            try:
                return call(**parameters)
            finally:
                _caller.reset(before)

        return signed


class _Loader(Loader):
    """Reads the service models of botocore."""

    def list_available_services(self, type_name: str) -> list[str]:
        """Return the names that a service may have, without looking for its files.

        botocore looks into the folders of all 400 services before it reads one, for each type of
        file. That takes as long as reading the model of SageMaker.
        """
        places = [Path(place) for place in self.search_paths]
        found = (place.iterdir() for place in places if place.is_dir())
        return sorted({entry.name for entries in found for entry in entries})


class Sessions:
    """Sessions by profile and role; each is made once."""

    def __init__(self) -> None:
        self._profiles: dict[str | None, botocore.session.Session] = {}
        self._roles: botocore.session.Session | None = None
        self._clients: dict[tuple[str, str], Any] = {}

    def regions(
        self,
        profile: str | None,
        role_arn: str | None,
        wanted: Sequence[str],
        excluded: Sequence[str],
    ) -> Regions:
        """Return the given regions, `all` regions of SageMaker, or the profile's own region.

        AWS_REGION counts before the region of the profile, as in the AWS CLI.

        Raises:
            CredentialsError: There is no such profile.
            UsageError: No region is set, or a region is not one of SageMaker.
        """
        base = self._base(profile)
        own, origin = _own_region(base)
        if own:
            _check_region(base, own, origin)
        if "all" in wanted:
            names = _known_regions(base, _partition(base, role_arn, own))
        elif wanted:
            names = list(dict.fromkeys(wanted))
            for name in names:
                _check_region(
                    base, name, f"{named('regions', flag='--region')} or the configuration"
                )
        elif own:
            names = [own]
        else:
            raise no_region()
        return Regions(
            names=tuple(name for name in names if name not in excluded),
            own=own,
            origin=None if wanted else origin,
        )

    def access(
        self,
        profile: str | None,
        role_arn: str | None,
        external_id: str | None,
        regions: Regions | None = None,
    ) -> Access:
        """Return the way into the account of a profile, or of a role that it assumes.

        Args:
            profile: A profile of the AWS configuration; None is the default session.
            role_arn: A role to assume.
            external_id: The external ID for the role.
            regions: The regions to sync: credentials are valid in one partition only, so STS is
                called in one of these.

        Raises:
            CredentialsError: Credentials are missing or invalid, or the role rejects them.
            ServiceError: STS cannot be reached, or the endpoint is not STS.
            UsageError: The configured endpoint is not a URL.
        """
        base = self._base(profile)
        named = profile or "the default profile"
        who = f"{named}, role {role_arn}" if role_arn else named
        operation = "sts:AssumeRole" if role_arn else "sts:GetCallerIdentity"
        source = _credentials(base, who)
        rejected = None
        for region in _sts_regions(base, regions or Regions((), _own_region(base)[0])):
            access = Access(base, "")
            if role_arn is not None:
                role = self._assume(base, source, role_arn, external_id, region)
                access = Access(self._session_of_roles(), "", role, self._clients)
            try:
                sts = access.sts(region)
                return replace(access, account_id=str(sts.get_caller_identity()["Account"]))
            except Exception as error:  # botocore raises anything if the answer is not from STS
                explained = explain(error, operation, who)
                # A region that is not enabled rejects valid keys; another region may accept them.
                if not isinstance(explained, RegionNotEnabled | DeniedByPolicy):
                    raise explained from error
                rejected = rejected or explained
        if isinstance(rejected, DeniedByPolicy):
            raise rejected
        raise CredentialsError(
            f"{operation} does not accept these credentials in any region that was tried.",
            "Nothing is lost. Check that the keys are valid and that the regions are enabled.",
            scope=who,
        )

    def _base(self, profile: str | None) -> botocore.session.Session:
        if profile not in self._profiles:
            session = self._new(botocore.session.Session(profile=profile))
            try:
                session.get_scoped_config()
                _ask_for_codes_at_terminals_only(session)
            except boto.ProfileNotFound:  # it quotes the name, which can be a secret by mistake
                raise _no_profile(profile) from None
            except boto.BotoCoreError as error:
                raise explain(error, "The AWS configuration", profile or "") from error
            self._profiles[profile] = session
        return self._profiles[profile]

    def _new(self, session: botocore.session.Session) -> botocore.session.Session:
        session.register_component("data_loader", _loader())
        session.register("before-send", _refuse_line_breaks)
        return session

    def _assume(
        self,
        base: botocore.session.Session,
        source: Any,  # noqa: ANN401 - botocore's credentials have no common class
        role_arn: str,
        external_id: str | None,
        region: str,
    ) -> Any:  # noqa: ANN401 - botocore's credentials have no common class
        """Return credentials that renew themselves: chained roles last an hour at most."""
        extra = {"RoleSessionName": _ROLE_SESSION}
        if external_id:
            extra["ExternalId"] = external_id

        def make_client(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as botocore calls it
            kwargs.setdefault("region_name", region)
            return base.create_client(*args, **{**kwargs, "config": _STS_CONFIG})

        fetcher = AssumeRoleCredentialFetcher(
            client_creator=make_client,
            source_credentials=source,
            role_arn=role_arn,
            extra_args=extra,
        )
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")

    def _session_of_roles(self) -> botocore.session.Session:
        """Return the session of all roles, which has none of the settings of a profile."""
        if self._roles is None:
            self._roles = self._new(botocore.session.Session())
            # botocore has no public way to give a session such credentials.
            self._roles._credentials = _OfTheCaller()  # type: ignore[attr-defined]
        return self._roles


@cache
def _loader() -> _Loader:
    """Return the one loader of this process: finding and parsing the models takes longest."""
    return _Loader()


def _own_region(base: botocore.session.Session) -> tuple[str | None, str]:
    """Return the region that the environment or the profile sets, and what set it.

    Unlike the AWS CLI and other SDKs, boto3 ignores AWS_REGION (boto3#3620).
    """
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if value := os.environ.get(name):
            return value, name
    return base.get_scoped_config().get("region"), f"profile {base.profile or 'default'}"


def _check_region(base: botocore.session.Session, name: str, origin: str) -> None:
    if not name.isprintable():
        raise UsageError(f"The region from {origin} contains a line break; it is not shown.")
    known: list[str] = []
    with contextlib.suppress(boto.UnknownRegionError):
        known = _known_regions(base, base.get_partition_for_region(name))
    if name not in known:
        hint = did_you_mean(name, known or _known_regions(base, "aws"))
        raise UsageError(
            f"There is no SageMaker region {name!r} ({origin}).{hint}",
            "If the region is new, upgrade boto3.",
        )


def _known_regions(base: botocore.session.Session, partition: str) -> list[str]:
    names: list[str] = base.get_available_regions("sagemaker", partition_name=partition)
    return names


def _partition(base: botocore.session.Session, role_arn: str | None, own: str | None) -> str:
    """Return the partition of a role, else of a region, else `aws`."""
    if role_arn:
        return role_arn.split(":")[1]
    return str(base.get_partition_for_region(own)) if own else "aws"


def _sts_regions(base: botocore.session.Session, regions: Regions) -> list[str]:
    """Return the regions in which to call STS, in order, until one accepts the credentials.

    The first two are synced. The others help to tell invalid keys from regions that are not
    enabled; they are in the same partition.
    """
    own, names = regions.own, regions.names
    first = [own] if own in names else []
    synced = list(dict.fromkeys([*first, *names]))[:2]
    if not synced:
        return [own or "us-east-1"]
    partition = base.get_partition_for_region(synced[0])
    home = "us-east-1" if partition == "aws" else _known_regions(base, partition)[0]
    others = [own, home]
    return list(
        dict.fromkeys(
            name
            for name in [*synced, *others]
            if name and base.get_partition_for_region(name) == partition
        )
    )


def _credentials(base: botocore.session.Session, who: str) -> Any:  # noqa: ANN401 - botocore's credentials have no common class
    """Return the credentials of a session; reading them here reports what is wrong with them.

    Raises:
        ExporterError: They are missing, cannot be read, or contain a line break.
    """
    try:
        found = base.get_credentials()
        if found is None:
            raise boto.NoCredentialsError
        frozen = found.get_frozen_credentials()
    except Exception as error:  # helpers and files of users fail with exceptions of any class
        raise explain_credentials(error, who) from None
    if not all(value is None or value.isprintable() for value in frozen[:3]):
        raise CredentialsError(
            "A key or token contains a line break or another control character.",
            "It is not shown. Correct it where it is set.",
            scope=who,
        )
    return found


def _refuse_line_breaks(**event: Any) -> None:  # noqa: ANN401 - as botocore calls it
    """Refuse a request whose headers contain a line break: the HTTP library would quote them.

    Raises:
        CredentialsError: A renewed key or token contains one.
    """
    for value in event["request"].headers.values():
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if "\n" in text or "\r" in text:
            raise CredentialsError(
                "A key or token contains a line break.",
                "It is not shown. Correct it where it is set.",
            )


def _ask_for_codes_at_terminals_only(session: botocore.session.Session) -> None:
    """Refuse to ask for an MFA code if nobody can type one; botocore would wait for input."""

    def ask(prompt: str) -> str:
        if not sys.stdin.isatty():
            raise CredentialsError(
                "The role of the profile needs an MFA code, and there is no terminal to ask at.",
                "Use a profile without mfa_serial, or keys that are already assumed.",
            )
        return getpass.getpass(prompt)

    provider = session.get_component("credential_provider").get_provider("assume-role")
    provider._prompter = ask  # botocore has no public way


def _no_profile(profile: str | None) -> CredentialsError:
    name = profile or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or ""
    if not name.isprintable():
        return CredentialsError("The name of the profile contains a line break; it is not shown.")
    known = botocore.session.Session().available_profiles
    return CredentialsError(f"There is no profile {name!r}.{did_you_mean(name, known)}")


#: Two threads must not create clients of one botocore session at the same time.
_making: Final = threading.Lock()


def _client(session: botocore.session.Session, service: str, region: str, config: Config) -> Any:  # noqa: ANN401 - made at run time
    make: Any = session.create_client
    try:
        with _making:
            client = make(service, region_name=region, config=config)
    except ValueError as error:  # "Invalid endpoint: …"
        if not str(error).isprintable():
            raise UsageError("The endpoint URL contains a line break; it is not shown.") from None
        raise UsageError(f"{error}.", "Check AWS_ENDPOINT_URL and the profile.") from error
    bound_answers(client)
    return client
