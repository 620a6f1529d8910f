"""DuckDB draws a bar on stdout where it takes Python to be interactive; results stand there."""

from __future__ import annotations

import subprocess
import sys

from exporter.store.database import Database

_SCRIPT = """
import sys
from pathlib import Path
from exporter.store.database import Database
with Database(Path(sys.argv[1])).reading() as connection:
    bar = connection.exec_driver_sql("SELECT current_setting('enable_progress_bar')").scalar_one()
print(bar)
"""


def test_python_without_a_script_draws_none(filled: Database) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(filled.path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
