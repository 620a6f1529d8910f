"""Which accounts and regions a sync reads."""

from __future__ import annotations

import pytest

from exporter.config.model import Source
from exporter.config.sources import SourceOptions, choose
from exporter.errors import UsageError

PROD = Source(name="prod", profile="p", regions=("eu-west-1",), exclude_regions=("us-east-1",))
BARE = Source(name="bare", role_arn="arn:r", optional=True)


def test_without_options_a_sync_reads_the_default_session() -> None:
    assert choose(SourceOptions(), ()) == (Source(name="default"),)


def test_every_profile_assumes_every_role_in_every_region() -> None:
    options = SourceOptions(
        profile=("a", "b"),
        role_arn=("arn:1", "arn:2"),
        external_id="x",
        region=("eu-west-1", "us-east-1"),
        exclude_region=("us-east-1",),
    )
    found = choose(options, (PROD,))
    assert [(source.name, source.profile, source.role_arn) for source in found] == [
        ("a as arn:1", "a", "arn:1"),
        ("a as arn:2", "a", "arn:2"),
        ("b as arn:1", "b", "arn:1"),
        ("b as arn:2", "b", "arn:2"),
    ]
    for source in found:
        assert source.external_id == "x"
        assert source.regions == ("eu-west-1", "us-east-1")
        assert source.exclude_regions == ("us-east-1",)


def test_a_region_alone_sets_the_regions_of_each_source_of_the_file() -> None:
    options = SourceOptions(region=("ap-south-1",), exclude_region=("eu-north-1",))
    assert choose(options, (PROD, BARE)) == (
        Source(
            name="prod",
            profile="p",
            regions=("ap-south-1",),
            exclude_regions=("us-east-1", "eu-north-1"),
        ),
        Source(
            name="bare",
            role_arn="arn:r",
            optional=True,
            regions=("ap-south-1",),
            exclude_regions=("eu-north-1",),
        ),
    )


def test_a_region_of_the_file_applies_to_sources_that_name_none() -> None:
    options = SourceOptions(region=("ap-south-1",))
    prod, bare = choose(options, (PROD, BARE), from_file={"region"})
    assert (prod.regions, bare.regions) == (("eu-west-1",), ("ap-south-1",))


def test_contradictions_are_refused() -> None:
    with pytest.raises(UsageError, match="--external-id needs --role-arn"):
        choose(SourceOptions(external_id="x"), ())
    with pytest.raises(UsageError, match=r"both \[\[source\]\] and a profile"):
        choose(SourceOptions(profile=("a",)), (PROD,), from_file={"profile"})
