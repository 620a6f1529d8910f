"""docs/scaling.md: what can run here runs, and the rest names what exists."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from exporter.publish import layout
from exporter.publish.delta import PUBLISHED
from exporter.publish.spark.remote import address_of
from exporter.simulator import Scope, World
from tests.conftest import ACCOUNT
from tests.docs.machine import Machine
from tests.docs.pages import block, blocks, read

PAGE = "docs/scaling.md"
_HERE = ("duckdb", "pandas", "polars")
_BUCKET = "arn:aws:s3:::my-lake"


def test_the_python_examples_read_a_lake(
    machine: Machine,
    world: World,
    scope: Scope,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: Any,
) -> None:
    monkeypatch.chdir(machine.root / "home/you")
    job = scope.start(scope.create_job("nightly-2"))
    world.advance(timedelta(hours=1))
    scope.finish(job)
    for line in ("sagemaker-exporter sync --region eu-west-1", block(PAGE, "publish")):
        machine.session(line, {})
    capfd.readouterr()
    for name in _HERE:
        exec(machine.placed(block(PAGE, name)), {})  # noqa: S102 - our own page
        out = capfd.readouterr().out
        assert ACCOUNT in out or name == "duckdb", out
        assert out.strip(), name


def allowed(*policies: str) -> set[tuple[str, str]]:
    """Return pairs of action and resource pattern of policies."""
    found = set()
    for policy in policies:
        for statement in json.loads(block(PAGE, policy))["Statement"]:
            assert statement["Effect"] == "Allow"
            actions = statement["Action"]
            for action in [actions] if isinstance(actions, str) else actions:
                found.add((action, statement["Resource"]))
    return found


def may(policies: tuple[str, ...], action: str, path: str) -> bool:
    """Return whether policies allow an action on a path of the bucket; empty = the bucket."""
    resource = f"{_BUCKET}/{path}" if path else _BUCKET
    return any(
        action == one and fnmatchcase(resource, pattern) for one, pattern in allowed(*policies)
    )


def test_the_policies_allow_what_each_one_does() -> None:
    log = "sagemaker/daily_costs/_delta_log/00000000000000000000.json"
    data = (
        "sagemaker/daily_costs/account_id=111122223333/region=eu-west-1/month=2026-11/part.parquet"
    )
    collector, owner = ("collector-policy",), ("collector-policy", "owner-policy")
    for policies in (collector, owner, ("reader-policy",)):
        assert may(policies, "s3:ListBucket", "")
        for path in (log, data, f"sagemaker/{PUBLISHED}/_delta_log/_last_checkpoint"):
            assert may(policies, "s3:GetObject", path)
            assert may(policies, "s3:PutObject", path) == (policies != ("reader-policy",))
        assert not may(policies, "s3:GetObject", "elsewhere/x")
    assert [may(each, "s3:DeleteObject", log) for each in (collector, owner)] == [True, True]
    assert [may(each, "s3:DeleteObject", data) for each in (collector, owner)] == [False, True]
    assert {action for action, _ in allowed("reader-policy")} == {"s3:ListBucket", "s3:GetObject"}


def test_the_statements_name_tables_and_columns_of_the_lake() -> None:
    statements = [one for one in blocks(PAGE) if one.language == "sql"]
    assert len(statements) == 5
    for one in statements:
        for table in re.findall(r"my-lake/sagemaker/(\w+)", one.text):
            assert table in {each.name for each in layout.tables()}, one.name
    names = {column.name for column in layout.columns("daily_costs")}
    assert {"month", "cost_usd", "account_id", "region", "is_instant"} <= names
    for each in layout.tables():
        assert (f"`{each.name}`" in read(PAGE)) or each.owner is layout.Owner.SCOPE, each.name


def test_the_address_of_a_session_is_one_that_the_program_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Client:
        def get_session_endpoint(self, **names: str) -> dict[str, str]:
            assert set(names) == {"applicationId", "sessionId"}
            return {"endpoint": "https://host.example.com", "authToken": "secret"}

    monkeypatch.setattr("boto3.client", lambda _: Client())
    exec(block(PAGE, "emr-serverless"), {})  # noqa: S102 - our own page
    assert address_of(capsys.readouterr().out.strip()) == "host.example.com:443"


def test_the_picture_names_what_the_page_names() -> None:
    drawing = Path(__file__).parents[2].joinpath("docs/pictures/lake.svg").read_text("utf-8")
    for text in (
        "eu-prod",
        PUBLISHED,
        "report --lake",
        "report --remote",
        "s3://my-lake/sagemaker",
    ):
        assert text in drawing
        assert text.replace("report --", "--") in read(PAGE) or text == PUBLISHED
