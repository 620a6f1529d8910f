"""Biome finds nothing in the page's script, and formats it as it is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIOME = shutil.which("biome", path=str(Path(sys.executable).parent)) or shutil.which("biome")
SCRIPT = Path(__file__).parents[2] / "exporter" / "web" / "dashboard.js"


@pytest.mark.skipif(BIOME is None, reason="no Biome for this platform")
@pytest.mark.parametrize(
    "options",
    [
        ["lint", "--error-on-warnings"],
        ["format", "--indent-style=space", "--line-width=100"],
    ],
)
def test_biome_finds_nothing(options: list[str], tmp_path: Path) -> None:
    # A copy, because Biome skips what a repository around the file ignores.
    copy = tmp_path / "dashboard.js"
    shutil.copyfile(SCRIPT, copy)
    done = subprocess.run(
        [str(BIOME), *options, "--colors=off", str(copy)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Checked 1 file" in done.stdout + done.stderr
