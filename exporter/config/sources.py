"""Which accounts and regions a sync reads: the options of `sync` and the sources of the file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from exporter.config.kinds import REGION, REGION_OR_ALL, ROLE_ARN, STRING
from exporter.config.model import Source
from exporter.config.options import option
from exporter.errors import UsageError


@dataclass(frozen=True)
class SourceOptions:
    """The options of `sync` that choose accounts and regions.

    Every profile (or the default session) assumes every role, in every region.
    """

    region: tuple[str, ...] = option(
        (),
        "Region to sync, or all; repeatable. Default: AWS_REGION, else the region of the profile.",
        REGION_OR_ALL,
    )
    exclude_region: tuple[str, ...] = option((), "Region to leave out; repeatable.", REGION)
    profile: tuple[str, ...] = option(
        (), "Profile of your AWS configuration; repeatable.", STRING, "NAME"
    )
    role_arn: tuple[str, ...] = option(
        (), "Role to assume from each profile; repeatable.", ROLE_ARN
    )
    external_id: str | None = option(None, "External ID for the roles.", STRING, "ID", secret=True)


def choose(
    options: SourceOptions, configured: Sequence[Source], from_file: Collection[str] = ()
) -> tuple[Source, ...]:
    """Return the sources of a sync.

    Without `[[source]]` tables, the options make them. With them, --profile or --role-arn (as a
    flag or from the environment) replace them, and --region alone sets the regions of each. A
    `region` of the file applies to the sources that name none.

    Args:
        options: The options of `sync`.
        configured: The sources of the file.
        from_file: Options, by their keys, whose values the file set.

    Raises:
        UsageError: The options contradict each other or the file.
    """
    for name in ("profile", "role_arn", "external_id"):
        values = [getattr(options, name), *(getattr(source, name) for source in configured)]
        if not all(_is_one_line(value) for value in values):
            raise UsageError(
                f"A value of {name} contains a line break or another control character.",
                "It is not shown. Correct it where it is set.",
            )
    if options.external_id and not options.role_arn:
        raise UsageError("--external-id needs --role-arn.")
    ways = {"profile": options.profile, "role_arn": options.role_arn}
    if not configured or any(value and key not in from_file for key, value in ways.items()):
        return _product(options)
    if any(ways.values()):
        raise UsageError(
            "The configuration has both [[source]] and a profile or role_arn in [sync].",
            "Move the profile or role_arn into a [[source]] of its own.",
        )
    return tuple(
        _narrowed(source, options, keep_regions="region" in from_file) for source in configured
    )


def _is_one_line(value: str | tuple[str, ...] | None) -> bool:
    return "".join(value or ()).isprintable()


def _product(options: SourceOptions) -> tuple[Source, ...]:
    return tuple(
        Source(
            name=" as ".join(part for part in (profile or "default", role) if part),
            profile=profile,
            role_arn=role,
            external_id=options.external_id,
            regions=options.region,
            exclude_regions=options.exclude_region,
        )
        for profile, role in product(options.profile or (None,), options.role_arn or (None,))
    )


def _narrowed(source: Source, options: SourceOptions, *, keep_regions: bool) -> Source:
    regions = source.regions
    if options.region and not (keep_regions and regions):
        regions = options.region
    excluded = dict.fromkeys((*source.exclude_regions, *options.exclude_region))
    return replace(source, regions=regions, exclude_regions=tuple(excluded))


def leads_to(
    sources: Sequence[Source],
    reached: Mapping[str, Collection[str]],
    account: str,
    region: str,
    default_regions: Collection[str] = (),
) -> bool:
    """Return whether a source leads to an account and region, as far as can be told without AWS.

    Args:
        sources: The sources of the file; without any, options choose the scopes of each sync, so
            every scope counts.
        reached: The accounts to which each source led in earlier syncs, by its name. A source that
            no sync has used yet may lead anywhere.
        account: The account.
        region: The region.
        default_regions: Regions of sources that name none; empty = those of their profiles.
    """
    if not sources or any(source.name not in reached for source in sources):
        return True
    return any(
        account in reached[source.name]
        and region not in source.exclude_regions
        and _names(source.regions or default_regions, region)
        for source in sources
    )


def _names(regions: Collection[str], region: str) -> bool:
    return not regions or "all" in regions or region in regions
