"""What there is instead of a job or family that is not in the database."""

from __future__ import annotations

from typing import Final

from exporter.errors import UsageError
from exporter.reports.source import Source
from exporter.spelling import command

_IS_KNOWN: Final = """
SELECT EXISTS (
    FROM training_jobs
    WHERE training_job_name = :name OR lower(training_job_arn) = lower(:name)
)
"""

#: The three names that are most like a text.
_NEAREST: Final = """
SELECT training_job_name
FROM training_jobs
GROUP BY training_job_name
ORDER BY
    contains(training_job_name, :name) DESC,
    jaro_winkler_similarity(training_job_name, :name) DESC,
    training_job_name
LIMIT 3
"""


_IS_FAMILY: Final = "SELECT EXISTS (FROM training_jobs WHERE job_family = :name)"

#: The five families that are most like a text.
_NEAREST_FAMILIES: Final = """
SELECT job_family
FROM training_jobs
WHERE job_family IS NOT NULL
GROUP BY job_family
ORDER BY
    contains(lower(job_family), lower(:name)) DESC,
    jaro_winkler_similarity(lower(job_family), lower(:name)) DESC,
    job_family
LIMIT 5
"""


def check_family(connection: Source, name: str) -> None:
    """Check that the database has a family of this name.

    Raises:
        UsageError: It has none.
    """
    if connection.execute(_IS_FAMILY, {"name": name}).scalar():
        return
    names = ", ".join(connection.execute(_NEAREST_FAMILIES, {"name": name}).scalars())
    raise UsageError(
        f"The database has no family {name!r}.",
        f"Nearest: {names}. `report training-cost --by family` lists all." if names else _no_jobs(),
    )


def check_job(connection: Source, name: str) -> None:
    """Check that the database has a job of this name or ARN.

    Raises:
        UsageError: It has none.
    """
    if not connection.execute(_IS_KNOWN, {"name": name}).scalar():
        raise no_such_job(connection, name)


def no_such_job(connection: Source, name: str, where: str | None = None) -> UsageError:
    """Return the error for a job that is not in the database; it names the nearest jobs.

    Args:
        connection: A read-only connection.
        name: The name that was asked for.
        where: The account or region that was asked for; None = any.
    """
    nearest = connection.execute(_NEAREST, {"name": name.rpartition("/")[2]}).scalars()
    names = ", ".join(nearest)
    place = f" in {where}" if where else ""
    return UsageError(
        f"The database has no job {name!r}{place}.",
        f"Nearest: {names}. {command('jobs', name_contains='TEXT')} lists more."
        if names
        else _no_jobs(),
    )


def _no_jobs() -> str:
    return f"It has no jobs yet. Run {command('sync')}."
