"""DuckDB's progress bar never appears on stdout, where results are printed.

DuckDB draws it if it believes that Python is interactive."""

from __future__ import annotations

import subprocess
import sys

from exporter.store.database import Database

_SCRIPT = """
import sys
from pathlib import Path
from exporter.store.database import Database
with Database(Path(sys.argv[1])).reading() as connection:
    bar = connection.execute("SELECT current_setting('enable_progress_bar')").scalar()
print(bar)
"""


def test_python_without_a_script_has_no_progress_bar(filled: Database) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(filled.path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
