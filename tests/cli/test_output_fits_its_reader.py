"""Results go to standard output, as wide and as coloured as the reader wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.store.database import Database

if TYPE_CHECKING:
    from tests.cli.conftest import Command


def test_results_go_to_standard_output_and_errors_to_standard_error(
    command: Command, filled: Database
) -> None:
    answer = command.process("query", "-", "--db", str(filled.path), stdin="SELECT 1 AS one")
    assert (answer.code, answer.out, answer.err) == (0, "one\n───\n  1\n", "")
    answer = command.process("query", "SELECT", "--db", str(filled.path))
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith("sagemaker-exporter: SQL: Parser Error")


@pytest.mark.parametrize("no_color", [False, True])
@pytest.mark.parametrize("args", [["report", "warm-pool-cost", "--month", "2026-10"], ["status"]])
def test_at_a_terminal_tables_fit_and_colour_can_be_switched_off(
    command: Command, filled: Database, no_color: bool, args: list[str]
) -> None:
    answer = command.at_terminal(
        *args, "--db", str(filled.path), **({"NO_COLOR": "1"} if no_color else {})
    )
    shown = answer.out
    assert answer.code == 0
    assert ("\x1b[1m" in shown) is not no_color
    if no_color:
        assert "\x1b" not in shown
        assert max(map(len, shown.splitlines())) <= 80
    assert "ml.m5.xlarge" in shown or "eu-west-1" in shown


def test_a_pipe_gets_every_column_unless_columns_sets_the_width(
    command: Command, filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = ["report", "coverage", "--month", "2026-10", "--db", str(filled.path)]
    monkeypatch.delenv("COLUMNS", raising=False)
    whole = command(*report).out
    monkeypatch.setenv("COLUMNS", "80")
    fitted = command(*report).out

    assert max(map(len, whole.splitlines())) > 80
    assert "instance hours" in whole
    assert max(map(len, fitted.splitlines())) <= 80
    assert "Hidden: " in fitted
