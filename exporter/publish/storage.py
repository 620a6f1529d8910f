"""Where a lake is, and how to get in: a folder, or a bucket with the credentials that boto3 finds.

The lake library has its own ways to find credentials, which know no profiles and no assumed roles
of the AWS configuration. So boto3 finds them, before each commit: they may expire between two.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from exporter import files
from exporter.errors import CredentialsError, DatabaseError, UsageError

#: With these characters in a path, the library panics or writes to a different path.
_UNWRITABLE: Final = re.compile(r"[\[\]\\^|\x00-\x1f\x7f]|%[0-9a-fA-F]{2}")
#: The library says this of a write that failed.
_PARQUET: Final = re.compile(r"^Failed to parse parquet: External: (?:Generic \w+ error: )?")
#: Begins a line about the cause of the line above.
_CAUSE: Final = "\N{DOWNWARDS ARROW WITH TIP RIGHTWARDS}"
_DENIED: Final = re.compile(
    r"\b(?:forbidden|unauthorized|accessdenied|invalidaccesskeyid|signaturedoesnotmatch"
    r"|expiredtoken|invalidtoken|lacked the necessary privileges|lacked valid authentication)\b",
    re.IGNORECASE,
)
#: What the library calls the same store, and the environment variables that configure it.
_PREFIXES: Final = {
    "s3": "AWS_",
    "s3a": "AWS_",
    "gs": "GOOGLE_",
    "az": "AZURE_",
    "adl": "AZURE_",
    "abfs": "AZURE_",
    "abfss": "AZURE_",
}
#: boto3 resolves these, and the library would read them differently.
_RESOLVED: Final = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
    }
)


@dataclass(frozen=True)
class Place:
    """Where a lake is.

    Attributes:
        uri: The URL, or the path of a folder, without a slash at the end.
        folder: The folder; None = not on this machine.
    """

    uri: str
    folder: Path | None = None

    def table(self, name: str) -> str:
        """Return the URI of a table."""
        return f"{self.uri}/{name}"


def place(target: str) -> Place:
    """Return where the lake that a user named is.

    Raises:
        UsageError: The library cannot write there, or the text is a URL of an unknown kind.
    """
    if not target.strip():
        raise UsageError("An empty text names no lake.", "Name a folder or s3://BUCKET/PATH.")
    scheme, is_url, rest = target.partition("://")
    if scheme == "file" and rest:
        target = rest
    elif is_url:
        if scheme not in _PREFIXES:
            raise UsageError(
                f"No lake can be at {scheme}://…",
                f"Name a folder, or a URL of {', '.join(sorted(_PREFIXES))}.",
            )
        if not urlsplit(target).netloc:
            raise UsageError(f"{target} names no bucket.", "Write s3://BUCKET/PATH.")
        parts = urlsplit(target)
        if parts.password or parts.query or parts.fragment:
            # Messages and results show the URL.
            raise UsageError(
                "The URL of a lake has a password or parameters.",
                "Write s3://BUCKET/PATH; credentials come from the environment.",
            )
        _check_writable(parts.path)
        return Place(target.rstrip("/"))
    folder = files.named(target)
    _check_writable(str(folder.absolute()))
    return Place(str(folder.absolute()), folder.absolute())


def _check_writable(path: str) -> None:
    if bad := _UNWRITABLE.search(path):
        raise UsageError(
            f"The Delta Lake library allows no {bad[0]!r} in a path.", "Name another place."
        )


def in_one_line(error: object) -> str:
    """Return an error of the libraries as one line: what failed, and its first cause."""
    lines = [
        re.sub(r"\x1b\[\d*m", "", line).strip()
        for line in str(error).partition("Debug source:")[0].splitlines()
    ]
    causes = [line.removeprefix(_CAUSE).strip() for line in lines if line.startswith(_CAUSE)]
    said = [line for line in lines if line][:1] + causes[-1:]
    # S3 answers in XML.
    texts = [each.partition("<")[0].strip(" .:") for each in said]
    return _PARQUET.sub("", ": ".join(filter(None, texts))) or "unknown error"


def is_denied(error: object) -> bool:
    """Return whether an object store did not accept the credentials, by the error's words.

    Never by a bare 401 or 403: messages also say how many seconds a call took.
    """
    return _DENIED.search(str(error)) is not None


def prepare(where: Place) -> None:
    """Create the folder of a lake; nothing to do for a bucket.

    Raises:
        DatabaseError: Its parent is missing, or it cannot be created.
    """
    if where.folder is None:
        return
    try:
        where.folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise DatabaseError(f"There is no directory {where.folder.parent}.") from None
    except OSError as error:
        raise DatabaseError(f"Cannot create {where.folder}: {error.strerror}.") from error


def check_folder(where: Place, tables: frozenset[str]) -> None:
    """Raise unless the folder is missing, is empty, or holds some of the tables.

    Raises:
        UsageError: It is a file, or holds other files.
        DatabaseError: Its parent is missing, or it cannot be read.
    """
    folder = where.folder
    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.", "Nothing was changed. Name another place.")
    if not folder.is_dir():
        if not folder.parent.is_dir():
            raise DatabaseError(f"There is no directory {folder.parent}.")
        return
    try:
        seen = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DatabaseError(f"Cannot read {folder}: {error.strerror}.") from error
    if seen and tables.isdisjoint(seen):
        raise UsageError(
            f"{folder} holds other files, such as {seen[0]}, and no table of sagemaker-exporter.",
            "Nothing was changed. Name another place.",
        )


def _session(region: str | None) -> Any:  # noqa: ANN401 - boto3 has no types at run time
    import boto3
    from botocore import exceptions

    try:
        return boto3.Session(region_name=region)
    except exceptions.BotoCoreError as error:
        raise _no_credentials(error) from error


class Options:
    """The storage options of a place, with credentials that are still valid.

    Args:
        where: The place.
        environment: The environment variables.
        session: Opens a session of boto3 in a region; None = the one that it finds.
    """

    def __init__(
        self,
        where: Place,
        environment: Mapping[str, str] = os.environ,
        session: Callable[[str | None], Any] = _session,
    ) -> None:
        self._where = where
        self._environment = environment
        self._open_session = session
        self._session: Any = None
        self._fixed: dict[str, str] | None = None

    def __call__(self) -> dict[str, str]:
        """Return the options for the next operation.

        Raises:
            CredentialsError: boto3 finds no credentials, or cannot refresh them.
        """
        scheme = self._where.uri.partition("://")[0]
        if self._where.folder is not None:
            return {}
        prefix = _PREFIXES[scheme]
        if prefix != "AWS_":
            return {
                name: value for name, value in self._environment.items() if name.startswith(prefix)
            }
        return {**self._of_bucket(), **self._credentials()}

    def _of_bucket(self) -> dict[str, str]:
        """Return region, endpoint and whatever else the environment says of S3; looked up once."""
        if self._fixed is None:
            client = self._boto().client("s3")
            endpoint = str(client.meta.endpoint_url)
            self._fixed = {
                name: value
                for name, value in self._environment.items()
                if name.startswith("AWS_") and name not in _RESOLVED
            }
            if not re.search(r"\.amazonaws\.com(\.cn)?$|\.api\.aws$", endpoint):
                self._fixed["AWS_ENDPOINT_URL"] = endpoint
                # An endpoint of one's own seldom has a host name for each bucket.
                self._fixed.setdefault("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "false")
                if endpoint.startswith("http://"):
                    self._fixed.setdefault("AWS_ALLOW_HTTP", "true")
            self._fixed["AWS_REGION"] = self._region(client)
        return self._fixed

    def _boto(self) -> Any:  # noqa: ANN401 - boto3 has no types at run time
        if self._session is None:
            self._session = self._open_session(self._environment.get("AWS_REGION"))
        return self._session

    def _region(self, client: Any) -> str:  # noqa: ANN401 - made at run time
        """Return the region of the bucket, which S3 tells in every answer, even a refusal."""
        from botocore import exceptions

        try:
            answer = client.head_bucket(Bucket=urlsplit(self._where.uri).netloc)
        except exceptions.ClientError as error:
            answer = error.response
        except exceptions.BotoCoreError:
            answer = {}
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return headers.get("x-amz-bucket-region") or client.meta.region_name or "us-east-1"

    def _credentials(self) -> dict[str, str]:
        """Return credentials; botocore refreshes those that expire soon."""
        from botocore import exceptions

        try:
            found = self._boto().get_credentials()
            frozen = found.get_frozen_credentials() if found else None
        except (exceptions.BotoCoreError, exceptions.ClientError) as error:
            raise _no_credentials(error) from error
        if frozen is None or not frozen.access_key:
            raise _no_credentials("boto3 finds none")
        options = {
            "AWS_ACCESS_KEY_ID": frozen.access_key,
            "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
        }
        return options | ({"AWS_SESSION_TOKEN": frozen.token} if frozen.token else {})


def _no_credentials(cause: object) -> CredentialsError:
    return CredentialsError(
        f"There are no usable AWS credentials for the lake: {str(cause).rstrip('.')}.",
        "Nothing is lost. Provide credentials in a way that boto3 finds.",
    )
