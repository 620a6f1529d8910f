"""Flag, variable, file and Python API read an option alike, because it is declared once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.config.model import SyncOptions
from exporter.config.options import declared, read_python
from exporter.errors import UsageError

if TYPE_CHECKING:
    from tests.cli.conftest import Command


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("max_rps", "-1", "a number of at least 0."),
        ("overlap", "1.5", "a whole number from 0 to 1000000000."),
        ("since", "soon", "an ISO 8601 time such as 2026-10-03T12:00Z, an age such as 30d"),
        ("status", "Complete", "one of InProgress, Completed, Failed, Stopping, Stopped, Deleting"),
        ("name_contains", "a b", "up to 63 letters, digits and hyphens."),
        ("snapshot_mode", "0999", "a file mode in octal, such as 0444."),
    ],
)
def test_a_wrong_value_is_refused_in_the_same_words(
    command: Command, monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    messages = [command("sync", f"--{name.replace('_', '-')}", value).err]
    with monkeypatch.context() as patch:
        patch.setenv(f"SAGEMAKER_EXPORTER_SYNC_{name.upper()}", value)
        messages.append(command("sync").err)
    file = command.directory / "sagemaker-exporter.toml"
    number = name in ("max_rps", "overlap")
    file.write_text(f"[sync]\n{name} = {value if number else repr(value)}\n")
    messages.append(command("sync").err)
    with pytest.raises(UsageError) as caught:
        read_python(SyncOptions, {name: value})
    messages.append(str(caught.value))
    for message in messages:
        assert expected in message
        assert value in message


def test_python_gives_texts_or_values() -> None:
    texts = {"since": "2026-10-01", "snapshot": "s.duckdb", "snapshot_mode": "0440", "max_rps": "2"}
    values = SyncOptions(
        since=datetime(2026, 10, 1, tzinfo=UTC),
        snapshot=Path("s.duckdb"),
        snapshot_mode=0o440,
        max_rps=2.0,
    )
    assert read_python(SyncOptions, texts) == values
    named = {field.name: getattr(values, field.name) for field, _ in declared(SyncOptions)}
    assert read_python(SyncOptions, named) == values
    with pytest.raises(UsageError, match="max_rps=-1 is not a number of at least 0"):
        read_python(SyncOptions, {"max_rps": -1})
