"""One class for each exit code of the contract.

An error carries what happened (`message`), what is safe and what to do next
(`guidance`), and the scope it happened to. The command line prints these and
exits with `exit_code`; no caller parses the text.
"""

from __future__ import annotations


class ExporterError(Exception):
    """Base of every error that is meant for a person.

    Args:
        message: What happened, in one line.
        guidance: What is safe and what to do next, in one line; may be empty.
        scope: `account/region` (or what of it is known) the error belongs to.
    """

    exit_code = 1

    def __init__(self, message: str, guidance: str = "", *, scope: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.guidance = guidance
        self.scope = scope

    @property
    def text(self) -> str:
        """What happened and what to do, without the scope, where that is said already."""
        return f"{self.message} {self.guidance}".rstrip()

    def __str__(self) -> str:
        return f"{self.scope}: {self.text}" if self.scope else self.text


class UsageError(ExporterError):
    """An option, argument or configuration value is wrong (exit 2)."""

    exit_code = 2


class PartialError(ExporterError):
    """Some scopes are complete and others are not, or a limit was passed (exit 3)."""

    exit_code = 3


class BusyError(ExporterError):
    """Another process kept the database or the sync lock past --lock-timeout (exit 4)."""

    exit_code = 4


class CredentialsError(ExporterError):
    """No credentials, expired credentials, or a permission is missing (exit 5)."""

    exit_code = 5


class SchemaNewerError(ExporterError):
    """The database was written by a newer version of the program (exit 6)."""

    exit_code = 6


class ServiceError(ExporterError):
    """The service or network failed past all retries, or broke its protocol (exit 7)."""

    exit_code = 7


class DatabaseError(ExporterError):
    """The database file or the disk: not DuckDB, a directory, unreadable, full (exit 8)."""

    exit_code = 8
