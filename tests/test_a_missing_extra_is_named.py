"""A command whose extra is not installed says in one line how to install it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import environment

_SCRIPT = """
import sys
sys.modules[sys.argv[1]] = None  # as if it were not installed
from exporter.cli import main
sys.exit(main(sys.argv[2:]))
"""
_ON_A_SERVER = ("report", "coverage", "--lake", "lake", "--remote", "sc://127.0.0.1:1")


@pytest.mark.parametrize(
    ("library", "extra", "command"),
    [
        ("deltalake", "lake", ["publish", "lake"]),
        ("pyspark", "spark", [*_ON_A_SERVER]),
        ("sqlglot", "spark", [*_ON_A_SERVER]),
        ("deltalake", "lake", ["report", "training-cost", "--lake", "lake"]),
        ("obstore", "lake", ["jobs", "--lake", "lake"]),
        ("apprise", "notify", ["report", "summary", "--notify", "json://127.0.0.1"]),
        ("jinja2", "dashboard", ["dashboard", "--output", "page.html"]),
        ("jinja2", "web", ["web"]),
        ("starlette", "web", ["web"]),
        ("uvicorn", "web", ["web"]),
    ],
)
def test_it_exits_2_and_writes_nothing(
    library: str, extra: str, command: list[str], migrated_file: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, library, "--db", str(migrated_file), *command],
        cwd=tmp_path,
        env=environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    needs = next((name for name in ("--remote", "--lake") if name in command), command[0])
    assert done.stderr == (
        f"sagemaker-exporter: `{needs}` needs the extra '{extra}'. "
        f"In a checkout: pipx install --force '.[{extra}]'. README has other ways.\n"
    )
    assert list(tmp_path.iterdir()) == []
