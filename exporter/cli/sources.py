"""Which accounts and regions a sync is for: options of the command beside the file's sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from exporter.errors import UsageError

if TYPE_CHECKING:
    from exporter.config.model import Source


@dataclass(frozen=True)
class Asked:
    """The options of `sync` that say where; `in_file` names those that the file set.

    Every profile (or the default session) assumes every role, in every region.
    """

    profiles: Sequence[str] = ()
    role_arns: Sequence[str] = ()
    external_id: str | None = None
    regions: Sequence[str] = ()
    exclude_regions: Sequence[str] = ()
    in_file: frozenset[str] = frozenset()


def choose(asked: Asked, configured: Sequence[Source]) -> tuple[Source, ...]:
    """The sources of a sync.

    Without `[[source]]` tables, the options make them. With them, --profile or --role-arn (as a
    flag or from the environment) stand in their place, and --region alone asks each of them for
    these regions; a `region` of the file is for the sources that name none.

    Raises:
        UsageError: The options contradict each other or the file.
    """
    if asked.external_id and not asked.role_arns:
        raise UsageError("--external-id goes with --role-arn.")
    ways = {"profile": asked.profiles, "role_arn": asked.role_arns}
    if not configured or any(value and key not in asked.in_file for key, value in ways.items()):
        return _product(asked)
    if any(ways.values()):
        raise UsageError(
            "The configuration has both [[source]] and a profile or role_arn in [sync].",
            "Put the latter into a [[source]] of its own.",
        )
    return tuple(_narrowed(source, asked) for source in configured)


def _product(asked: Asked) -> tuple[Source, ...]:
    from exporter.config.model import Source

    return tuple(
        Source(
            name=" as ".join(part for part in (profile or "default", role) if part),
            profile=profile,
            role_arn=role,
            external_id=asked.external_id,
            regions=tuple(asked.regions),
            exclude_regions=tuple(asked.exclude_regions),
        )
        for profile, role in product(asked.profiles or (None,), asked.role_arns or (None,))
    )


def _narrowed(source: Source, asked: Asked) -> Source:
    regions = source.regions
    if asked.regions and ("region" not in asked.in_file or not regions):
        regions = tuple(asked.regions)
    excluded = dict.fromkeys((*source.exclude_regions, *asked.exclude_regions))
    return replace(source, regions=regions, exclude_regions=tuple(excluded))
