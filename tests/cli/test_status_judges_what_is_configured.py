"""`status` judges the scopes to which the configuration leads, and names those it lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from exporter.config.model import Source
from exporter.config.sources import leads_to
from exporter.simulator import World

if TYPE_CHECKING:
    from tests.cli.conftest import Command

ACCOUNT = "111122223333"
BOTH = '[[source]]\nname = "main"\nregions = ["eu-west-1", "us-east-1"]\n'
ONE = '[[source]]\nname = "main"\nregions = ["us-east-1"]\n'


@pytest.mark.parametrize(
    ("source", "region", "leads"),
    [
        (Source("main", regions=("eu-west-1",)), "eu-west-1", True),
        (Source("main", regions=("eu-west-1",)), "us-east-1", False),
        (Source("main", regions=("all",)), "us-east-1", True),
        (Source("main", regions=("all",), exclude_regions=("us-east-1",)), "us-east-1", False),
        (Source("main"), "us-east-1", True),
        (Source("another", regions=("eu-west-1",)), "us-east-1", True),
    ],
)
def test_a_source_leads_to_its_regions(source: Source, region: str, leads: bool) -> None:
    assert leads_to([source], {"main": [ACCOUNT]}, ACCOUNT, region) is leads


def test_what_leads_to_a_scope() -> None:
    reached = {"main": [ACCOUNT]}
    assert leads_to([], reached, "444455556666", "eu-west-1")
    assert not leads_to([Source("main")], reached, "444455556666", "eu-west-1")
    assert not leads_to([Source("main")], reached, ACCOUNT, "eu-west-1", ["us-east-1"])


@pytest.mark.usefixtures("simulator")
def test_a_region_that_left_the_configuration_is_named_and_not_judged(
    command: Command, world: World
) -> None:
    for region in ("eu-west-1", "us-east-1"):
        world.scope(ACCOUNT, region).create_job("a-1")
    file = command.directory / "sagemaker-exporter.toml"
    file.write_text(BOTH)
    assert command("sync", "--max-rps", "0").code == 0
    file.write_text(ONE)
    found = json.loads(command("status", "--json").out)
    configured = {scope["scope"]: scope["is_configured"] for scope in found["scopes"]}
    assert configured == {f"{ACCOUNT}/eu-west-1": False, f"{ACCOUNT}/us-east-1": True}
    shown = " ".join(command("status").out.split())
    assert f"{ACCOUNT}/eu-west-1: no [[source]] of the configuration leads here any more" in shown
    assert f"`db forget {ACCOUNT}/eu-west-1` leaves it out" in shown
    stale = command("status", "--max-age", "0s")
    assert stale.code == 3
    assert "eu-west-1 is" not in stale.err
    answer = command("db", "forget", f"{ACCOUNT}/eu-west-1", "--json")
    assert answer.code == 0
    assert json.loads(answer.out)["jobs"] == 1
    after = json.loads(command("status", "--json").out)
    assert [scope["scope"] for scope in after["scopes"]] == [f"{ACCOUNT}/us-east-1"]
    assert after["retired"] == [f"{ACCOUNT}/eu-west-1"]
    assert f"Retired by `db forget`: {ACCOUNT}/eu-west-1." in " ".join(
        command("status").out.split()
    )


@pytest.mark.parametrize("text", ["", "eu-west-1", "111122223333", "111/eu-west-1", "a/b/c"])
def test_forget_wants_an_account_and_a_region(command: Command, text: str) -> None:
    answer = command("db", "forget", text)
    assert answer.code == 2
    assert "111122223333/eu-west-1" in answer.err
