"""Commands that read the database import no library that only a sync needs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from exporter.store.database import Database

if TYPE_CHECKING:
    from tests.cli.conftest import Command

#: Each takes a third of a second of CPU or more.
HEAVY = {"alembic", "boto3", "botocore", "duckdb_engine", "sqlalchemy"}
CODE = """
import json, sys
from exporter.cli import main
code = main(sys.argv[1:])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("report",),
        ("report", "warm-pool-cost", "--month", "2026-10"),
        ("status",),
        ("job", "bert-1"),
        ("query", "SELECT count(*) FROM training_jobs"),
    ],
    ids=" ".join,
)
def test_a_command_that_reads_imports_no_aws_library_and_no_sqlalchemy(
    command: Command, filled: Database, arguments: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, "--db", str(filled.path), *arguments],
        cwd=command.directory,
        env=command.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(json.loads(done.stderr.splitlines()[-1]))
    assert imported & HEAVY == set()
    assert "exporter" in imported
