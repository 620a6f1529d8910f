"""docs/running.md: the tests run what can run, and verify the rest."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, Self

import kubernetes_validate
import promql_parser
import pytest
import yaml
from botocore.configloader import load_config

from exporter import metrics
from tests.docs.machine import INSTALLED, Machine
from tests.docs.pages import block, blocks

PAGE = "docs/running.md"
ANALYZE = shutil.which("systemd-analyze")


@pytest.fixture(autouse=True)
def configuration(machine: Machine) -> None:
    """Write the configuration that all examples of the page use."""
    text = machine.placed(block(PAGE, "/etc/sagemaker-exporter.toml"))
    (machine.root / "etc/sagemaker-exporter.toml").write_text(text)


def test_the_configuration_is_valid(machine: Machine) -> None:
    code, out, err = machine.run(f"{INSTALLED} --config /etc/sagemaker-exporter.toml config show")
    assert code == 0, err
    assert "snapshot.duckdb" in out


def test_the_aws_configuration_has_the_profile_of_the_jobs(machine: Machine) -> None:
    path = machine.root / "aws"
    path.write_text(block(PAGE, "/etc/sagemaker-exporter.aws"))
    assert load_config(str(path))["profiles"] == {
        "sagemaker-reader": {
            "region": "eu-west-1",
            "role_arn": "arn:aws:iam::111122223333:role/sagemaker-reader",
            "credential_source": "Ec2InstanceMetadata",
        }
    }


@pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze on this machine")
def test_systemd_units_are_valid_and_sandboxed(machine: Machine) -> None:
    assert ANALYZE is not None
    units = machine.root / "units"
    units.mkdir()
    for name in ("sagemaker-exporter.service", "sagemaker-exporter.timer"):
        text = machine.placed(block(PAGE, f"/etc/systemd/system/{name}"))
        (units / name).write_text(text.replace("User=exporter", "User=daemon"))
    service = units / "sagemaker-exporter.service"
    for command in (
        ["verify", "--man=no", *map(str, units.iterdir())],
        ["security", "--offline=true", "--threshold=40", str(service)],
        ["calendar", "*:07,37"],
    ):
        done = subprocess.run(
            [ANALYZE, *command],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"},
        )
        ours = [line for line in done.stderr.splitlines() if "sagemaker-exporter" in line]
        assert (done.returncode, ours) == (0, []), (command, done.stderr, done.stdout)
    start = re.search(r"^ExecStart=(.+)$", service.read_text(), re.MULTILINE)
    assert start
    assert machine.run(start[1])[0] == 0


def test_kubernetes_objects_are_valid_and_run(machine: Machine) -> None:
    claim, cron = yaml.safe_load_all(block(PAGE, "sagemaker-exporter.yaml"))
    for resource in (claim, cron):
        kubernetes_validate.validate(resource, kubernetes_validate.latest_version(), strict=True)
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"
    pod = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    mounted = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == mounted
    words = shlex.join(container["args"])
    code, _, err = machine.run(f"{INSTALLED} {words}")
    assert code == 0, err
    assert err.startswith("{")


class Operator:
    """Stands in for an Airflow operator and keeps its arguments."""

    made: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, **given: Any) -> None:
        self.made.append(given)

    def __rshift__(self, other: Self) -> Self:
        return other


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    class Dag:
        def __init__(self, **given: Any) -> None:
            assert not given["catchup"]
            assert given["max_active_runs"] == 1

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    names = "airflow airflow.providers airflow.providers.standard"
    names += " airflow.providers.standard.operators airflow.providers.standard.operators.bash"
    for name in names.split():
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setattr(importlib.import_module("airflow"), "DAG", Dag, raising=False)
    operators = importlib.import_module("airflow.providers.standard.operators.bash")
    monkeypatch.setattr(operators, "BashOperator", Operator, raising=False)
    Operator.made.clear()
    yield Operator.made
    Operator.made.clear()


def test_the_airflow_tasks_run(machine: Machine, airflow: list[dict[str, Any]]) -> None:
    exec(block(PAGE, "dags/sagemaker_exporter.py"), {})  # noqa: S102 - our own page
    assert [task["task_id"] for task in airflow] == ["sync", "over_budget"]
    for task in airflow:
        command = task["bash_command"].replace("{{ ds[:7] }}", f"{datetime(2026, 10, 1):%Y-%m}")
        code, _, err = machine.run(command)
        assert code == 0, err


def test_the_github_workflow_is_valid_and_its_lines_run(machine: Machine) -> None:
    text = block(PAGE, ".github/workflows/sagemaker-exporter.yml")
    path = machine.root / "workflow.yml"
    path.write_text(text)
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    done = subprocess.run(
        [*checker, "vendor.github-workflows", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    workflow = yaml.safe_load(text)
    assert workflow["concurrency"]["cancel-in-progress"] is False
    steps = [step["run"] for step in workflow["jobs"]["sync"]["steps"] if "run" in step]
    bucket = machine.root / "bucket"
    bucket.mkdir()
    # Stands in for `aws s3`: the bucket is a folder.
    aws = machine.root / "home/you/.local/bin/aws"
    aws.write_text('#!/bin/sh\nshift\nif [ "$1" = ls ]; then [ -e "$2" ]; else cp "$3" "$4"; fi\n')
    aws.chmod(0o755)
    fetch, sync, keep, page = (step for step in steps if not step.startswith("pip "))
    for step in (fetch, sync, keep, fetch, page):
        done = machine.sh(step, BUCKET=str(bucket))
        assert done.returncode == 0, (step, done.stderr)
    assert (bucket / "sagemaker.duckdb").exists()


def test_alert_rules_parse_and_use_existing_metrics() -> None:
    rules = yaml.safe_load(block(PAGE, "sagemaker-exporter.rules.yml"))
    known = {metrics.PREFIX + metric.name for metric in metrics.documented()}
    seen = set()
    for rule in rules["groups"][0]["rules"]:
        promql_parser.parse(rule["expr"])
        named = set(re.findall(r"sagemaker_exporter_\w+", rule["expr"]))
        assert named
        assert named <= known, rule["alert"]
        assert {"alert", "expr", "labels", "annotations"} <= set(rule)
        seen.add(rule["alert"])
    assert len(seen) == len(rules["groups"][0]["rules"]) >= 5


def test_status_notices_a_late_sync(machine: Machine) -> None:
    # The stand-in's clock stays at 1 November 2026.
    machine.session("sagemaker-exporter sync", {})
    code, _, err = machine.run(block(PAGE, "watch").splitlines()[0])
    assert (code, "2h" in err) == (3, True)


def test_every_example_is_tested_or_only_shown() -> None:
    tested = {
        "/etc/sagemaker-exporter.aws",
        "/etc/sagemaker-exporter.toml",
        "/etc/systemd/system/sagemaker-exporter.service",
        "/etc/systemd/system/sagemaker-exporter.timer",
        "sagemaker-exporter.yaml",
        "dags/sagemaker_exporter.py",
        ".github/workflows/sagemaker-exporter.yml",
        "sagemaker-exporter.rules.yml",
        # test_commands_run_as_written.py runs the shell lines and the crontab.
        *("shell", "watch", "upgrade", "rollback", "/etc/cron.d/sagemaker-exporter"),
        # It installs a wheel, as `make release-check` does.
        "/usr/local/sbin/install-sagemaker-exporter",
    }
    found = {one.name for one in blocks(PAGE) if one.language != "console"}
    assert found == tested
