"""`--help`, `--version` and shell completion: for new users, at 80 columns, at once."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Command


def test_every_help_page_fits_80_columns(command: Command) -> None:
    from exporter.cli.root import COMMANDS

    pages = [command("--help").out] + [command(name, "--help").out for name in COMMANDS]
    for page in pages:
        assert len(page.splitlines()) > 10
        assert max(map(len, page.splitlines())) <= 80
    assert "demo" in pages[0]


def test_help_imports_no_heavy_library(command: Command) -> None:
    heavy = ("boto3", "sqlalchemy", "alembic", "arro3", "rich", "duckdb")
    code = (
        "import sys, exporter.cli as c; c.main(sys.argv[1:]);"
        f"print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        env=command.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.strip() == "[]"


def test_help_works_with_a_broken_configuration(command: Command) -> None:
    (command.directory / "sagemaker-exporter.toml").write_text("db = ")
    assert command("--help").code == 0
    assert command("report", "--help").code == 0
    assert command("report").code == 2


def test_the_shell_completes_commands_and_reports(command: Command) -> None:
    answer = command.process(_SAGEMAKER_EXPORTER_COMPLETE="bash_source")
    assert answer.code == 0
    assert "_sagemaker_exporter_completion" in answer.out
    answer = command.process(
        _SAGEMAKER_EXPORTER_COMPLETE="bash_complete",
        COMP_WORDS="sagemaker-exporter rep",
        COMP_CWORD="1",
    )
    assert answer.out.strip() == "plain,report"
    answer = command.process(
        _SAGEMAKER_EXPORTER_COMPLETE="bash_complete",
        COMP_WORDS="sagemaker-exporter report training-",
        COMP_CWORD="2",
    )
    assert answer.out.strip() == "plain,training-cost"


def test_the_version_is_printed(command: Command) -> None:
    assert command("--version").out.startswith("sagemaker-exporter ")
