"""`config init` writes a file that `config check` accepts, with every key on or off."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.config import file
from exporter.config.labels import FamilyRule, TeamRule
from exporter.config.model import Discount, Source
from exporter.config.options import declared

if TYPE_CHECKING:
    from tests.cli.conftest import Command

NAME = "sagemaker-exporter.toml"


def turned_on(text: str) -> str:
    """Return the file with every setting on."""
    return re.sub(r"^#(?! |$)", "", text, flags=re.MULTILINE)


def test_a_new_file_is_valid_and_changes_nothing(command: Command) -> None:
    before = command("config", "show", "--json").out
    answer = command("config", "init")
    assert (answer.code, answer.out) == (0, "")
    assert NAME in answer.err
    answer = command("config", "check")
    assert (answer.code, answer.out) == (0, "")
    assert f"config check: {command.directory / NAME} is valid" in answer.err
    after = json.loads(command("config", "show", "--json").out)
    assert after.pop("file") == str(command.directory / NAME)
    expected = json.loads(before)
    del expected["file"]
    assert after == expected


def test_every_setting_of_the_file_is_valid(command: Command) -> None:
    path = command.directory / NAME
    path.write_text(turned_on(command("config", "init", "--output", "-").out))
    answer = command("config", "check", "--json")
    announced = f"{path}, found in the working directory, sets --db.\n"
    assert (answer.code, answer.err) == (0, announced)
    assert json.loads(answer.out) == {
        "version": 1,
        "file": str(path),
        "valid": True,
        "warnings": [],
    }
    found = file.read(path)
    assert [each.name for each in found.sources] == ["production"]
    assert len(found.configuration.rules.teams) == 3
    assert found.commands["sync"]["max_rps"] == 1.0


@pytest.mark.parametrize("model", [Source, FamilyRule, TeamRule, Discount])
def test_the_file_explains_and_shows_every_key_of_a_table(
    command: Command, model: type[Source]
) -> None:
    text = command("config", "init", "--output", "-").out
    for each, option in declared(model):
        assert option.text
        assert re.search(rf"^# {each.name}: ", text, re.MULTILINE)
        assert re.search(rf"^#{each.name} = ", text, re.MULTILINE)


def test_the_file_turns_no_sync_into_a_one_off(command: Command) -> None:
    text = turned_on(command("config", "init", "--output", "-").out)
    sync = text.partition("[sync]")[2].partition("[report]")[0]
    assert "max_rps" in sync
    assert "created_after" not in sync


def test_init_overwrites_nothing(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("quiet = true\n")
    answer = command("config", "init", "--output", str(path))
    assert (answer.code, answer.out) == (2, "")
    assert f"{path} exists" in answer.err
    assert path.read_text() == "quiet = true\n"
    answer = command("config", "init", "--output", str(tmp_path / "none" / "a.toml"))
    assert answer.code == 2
    answer = command("config", "init", "--output", str(tmp_path / "new.toml"), "--json")
    assert json.loads(answer.out) == {"version": 1, "file": str(tmp_path / "new.toml")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sync]\nmax_rsp = 1\n", "Did you mean 'max_rps'?"),
        ("[snyc]\nmax_rps = 1\n", "Did you mean 'sync'?"),
        ("[[team]]\nteam = 'a'\nroel = 'b'\n", "Did you mean 'role'?"),
        ("[sync]\nmax_rps = -1\n", "expected a number of at least 0"),
        ("[sync]\nprofile = 'a'\n[[source]]\nprofile = 'b'\n", "both [[source]] and a profile"),
        ("[sync\n", "is not valid TOML"),
    ],
)
def test_check_names_what_is_wrong(command: Command, text: str, message: str) -> None:
    (command.directory / NAME).write_text(text)
    answer = command("config", "check", "--json")
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err


def test_check_without_a_file_says_so(command: Command) -> None:
    answer = command("config", "check")
    assert answer.code == 0
    assert "no configuration file; the defaults apply" in answer.err
    assert json.loads(command("config", "check", "--json").out)["file"] is None


def test_check_reads_the_environment(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_EXPORTER_SYNC_MAXRPS", "2")
    answer = command("config", "check")
    assert "SAGEMAKER_EXPORTER_SYNC_MAXRPS belongs to no option" in answer.err
    monkeypatch.setenv("SAGEMAKER_EXPORTER_SYNC_STATUS", "Complete")
    assert command("config", "check").code == 2
