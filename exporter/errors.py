"""Every error that is meant for a person, sorted by what to do next.

The command line prints an error and exits with its `exit_code`; no caller parses the text.
Errors that one module alone raises stand in that module. The whole tree:

    ExporterError                 Base of all; never raised itself (exit 1 is a bug).
      UsageError           2      Correct an option, an argument, the configuration or a file.
      PartialError         3      Look at what is missing or stale; what is complete can be used.
      CredentialsError     5      Provide working credentials, or have a permission granted.
        AccessDenied              One operation is not allowed (sagemaker/failures.py).
        RegionNotEnabled          The region rejects the credentials (sagemaker/failures.py).
      ServiceError         7      Run again later: the service or the network failed.
        NotOffered                The endpoint lacks one operation (sagemaker/failures.py).
        EndlessAnswer             The pages of one operation never end (sagemaker/failures.py).
        NotFound                  The service has no such job (sagemaker/failures.py).
        InvalidRequest            The service rejects a parameter (sagemaker/failures.py).
      StoreError                  Base: the database, which all scopes share, cannot be used.
        BusyError          4      Wait for the other process, or end it.
        SchemaNewerError   6      Upgrade this program.
        DatabaseError      8      Repair, replace or free the file or the disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class ExporterError(Exception):
    """Base of every error that is meant for a person.

    Args:
        message: What happened, in one line.
        guidance: What is safe and what to do next, in one line; may be empty.
        scope: `account/region` (or what of it is known) the error belongs to.

    Attributes:
        exit_code: Exit code of a command that ends with this error.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, guidance: str = "", *, scope: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.guidance = guidance
        self.scope = scope

    @property
    def text(self) -> str:
        """Message and guidance without the scope, for places that name the scope already."""
        return f"{self.message} {self.guidance}".rstrip()

    def __str__(self) -> str:
        return f"{self.scope}: {self.text}" if self.scope else self.text


class UsageError(ExporterError):
    """An option, argument, configuration value or given file is wrong (exit 2)."""

    exit_code = 2


class PartialError(ExporterError):
    """Some scopes are complete and others are not, or a limit was exceeded (exit 3)."""

    exit_code = 3


class CredentialsError(ExporterError):
    """Credentials are missing or expired, or a permission is missing (exit 5)."""

    exit_code = 5


class ServiceError(ExporterError):
    """The service or the network failed past all retries, or broke its protocol (exit 7)."""

    exit_code = 7


class StoreError(ExporterError):
    """Base of errors that concern every scope of a sync, because all share one database."""


class BusyError(StoreError):
    """Another process kept the database or the sync lock past --lock-timeout (exit 4)."""

    exit_code = 4


class SchemaNewerError(StoreError):
    """The schema of the database is newer than this program (exit 6)."""

    exit_code = 6


class DatabaseError(StoreError):
    """The database file or the disk: not DuckDB, a directory, unreadable, full (exit 8)."""

    exit_code = 8


def common_class(errors: Iterable[ExporterError]) -> type[ExporterError]:
    """Return the class with an exit code that all errors share, else `ServiceError`."""
    classes = {_exit_class(type(error)) for error in errors}
    return classes.pop() if len(classes) == 1 else ServiceError


def _exit_class(error_class: type[ExporterError]) -> type[ExporterError]:
    """Return the class of the tree above that sets the exit code: the error's own or a base."""
    return next(
        base
        for base in error_class.__mro__
        if issubclass(base, ExporterError) and "exit_code" in vars(base)
    )
