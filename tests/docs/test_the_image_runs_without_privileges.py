"""The Dockerfile is linted, does not run as root, and needs no writable root file system."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.simulator import Scope, Simulator
from tests.docs.pages import ROOT

DOCKERFILE = ROOT / "Dockerfile"
UNSHARE = shutil.which("unshare")
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which(
    "hadolint"
)


@pytest.mark.skipif(HADOLINT is None, reason="no hadolint for this platform")
def test_the_dockerfile_passes_the_linter() -> None:
    assert HADOLINT is not None
    done = subprocess.run([HADOLINT, str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_a_user_without_privileges() -> None:
    last = DOCKERFILE.read_text().split("\nFROM ")[-1]
    users = re.findall(r"^USER (.+)$", last, re.MULTILINE)
    assert users == ["65532:65532"], "Kubernetes needs a number to see that it is not root"
    assert re.search(r'^ENTRYPOINT \["sagemaker-exporter"\]$', last, re.MULTILINE)


def test_the_image_copies_only_what_the_wheel_needs() -> None:
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE))
    sources = {source for line in copied for source in line.split()}
    assert sources == {
        *("pyproject.toml", "constraints.txt", "README.md", "LICENSE"),
        *("exporter", "migrations", "queries"),
    }
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    assert allowed[0] == "*"
    assert {line.removeprefix("!") for line in allowed if line.startswith("!")} == sources


def _can_unshare() -> bool:
    if os.geteuid() != 0 or UNSHARE is None:
        return False
    tried = "mount -o remount,ro,bind / && ! touch /written"
    done = subprocess.run([UNSHARE, "-m", "sh", "-c", tried], capture_output=True, check=False)
    return done.returncode == 0


def test_the_program_writes_only_to_its_data_and_temporary_folders(
    simulator: Simulator, scope: Scope, tmp_path: Path
) -> None:
    if UNSHARE is None or not _can_unshare():
        pytest.skip("mount namespaces need root")
    scope.create_job("nightly-1")
    data = tmp_path / "data"
    data.mkdir()
    script = f"""
        set -eu
        mount --bind {data} {data}
        mount -o remount,ro,bind /
        mount -t tmpfs tmpfs /dev/shm
        cd {data}
        for words in "sync --max-rps 0 --snapshot snapshot.duckdb" "report warm-pool-cost"
        do
            {sys.executable} -m exporter $words
        done
    """
    done = subprocess.run(
        [UNSHARE, "-m", "sh", "-c", script],
        env={
            **simulator.environment(),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(data),
            "TMPDIR": "/dev/shm",  # noqa: S108 - this namespace has its own
            "SAGEMAKER_EXPORTER_DB": str(data / "sagemaker.duckdb"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (data / "sagemaker.duckdb").exists()
