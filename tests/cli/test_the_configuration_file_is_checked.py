"""The configuration file gives typed values, or names the key that is wrong."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.config import file
from exporter.config.file import ConfigFile
from exporter.config.model import Configuration, Discount, Source
from exporter.errors import UsageError

PATH = Path("sagemaker-exporter.toml")

FULL = """
db = "jobs.duckdb"
log-format = "json"
team_tag = "Team"
local_storage_families = ["g5", "p4d"]

[sync]
max_rps = 0.5
exclude-region = ["us-east-1"]

[db-prune]
days = 30

[[source]]
name = "prod"
profile = "p"
role_arn = "arn:aws:iam::123456789012:role/reader"
external_id = "s3cret"
regions = ["eu-west-1", "us-east-1"]
exclude_regions = "ap-south-1, ap-south-2"
optional = true

[[source]]
regions = ["all"]

[accounts]
"123456789012" = "production"

[[family]]
pattern = "^(?P<family>[a-z]+)-run"
[[family]]
tag = "Family"

[[team]]
team = "vision"
tag = "Owner"
value = "^v"
[[team]]
team = "nlp"
name = "bert"
role = "nlp"
account = "1234"

[[discount]]
percent = 12.5
[[discount]]
percent = "33.333333"
account = "123456789012"
component = "Training Warm Pool"
[[discount]]
percent = 5
source = "prod"
"""


def parse(text: str) -> ConfigFile:
    return file.parse(tomllib.loads(text), PATH)


def test_every_table_of_the_file_is_read() -> None:
    found = parse(FULL)

    assert found.options == {"db": "jobs.duckdb", "log_format": "json"}
    assert found.commands == {
        "sync": {"max_rps": 0.5, "exclude_region": ["us-east-1"]},
        "db-prune": {"days": 30},
    }
    rules = found.configuration.rules
    assert found.configuration == Configuration(
        rules=rules,
        accounts={"123456789012": "production"},
        discounts=(
            Discount(Decimal("12.5")),
            Discount(Decimal("33.333333"), "123456789012", "Training Warm Pool"),
            Discount(Decimal(5), source="prod"),
        ),
        local_storage_families=("g5", "p4d"),
    )
    assert found.sources == (
        Source(
            name="prod",
            profile="p",
            role_arn="arn:aws:iam::123456789012:role/reader",
            external_id="s3cret",
            regions=("eu-west-1", "us-east-1"),
            exclude_regions=("ap-south-1", "ap-south-2"),
            optional=True,
        ),
        Source(name="source 2", regions=("all",)),
    )
    assert rules.team_tag == "Team"
    assert [(rule.pattern and rule.pattern.pattern, rule.tag) for rule in rules.families] == [
        ("^(?P<family>[a-z]+)-run", None),
        (None, "Family"),
    ]
    assert [(team.team, team.tag, team.value) for team in rules.teams] == [
        ("vision", "Owner", re.compile("^v")),
        ("nlp", None, None),
    ]


def test_an_empty_file_sets_nothing() -> None:
    found = parse("")
    assert found == ConfigFile(path=PATH)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[[source]]\nregion = ['x']",
            "unknown key 'region' in [[source]] 1. Did you mean 'regions'?",
        ),
        ("source = 3", "source = 3: expected an array of tables, [[source]]"),
        ("[[source]]\noptional = 'yes'", "[[source]] 1 optional = 'yes': expected true or false"),
        ("[[source]]\nregions = 7", "[[source]] 1 regions = 7: expected a list, each a string"),
        (
            "[[source]]\nname = 'a'\n[[source]]\nname = 'a'",
            "[[source]] name = 'a': expected a name",
        ),
        ("[accounts]\n123 = 'x'", "[accounts] id = '123': expected an account ID"),
        ("[accounts]\n123456789012 = 5", "[accounts] 123456789012 = 5: expected a string"),
        ("accounts = 'x'", "accounts = 'x': expected a table, [accounts]"),
        (
            "[[family]]\npattern = '('",
            "pattern = '(': expected a regular expression with a group (?P<family>…) "
            "(missing ), unterminated subpattern at position 0).",
        ),
        ("[[family]]\npattern = 'x'", "expected a regular expression with a group (?P<family>…)"),
        ("[[family]]", "[[family]] 1 needs pattern or tag"),
        ("[[family]]\ntag='a'\npattern='(?P<family>x)'", "takes pattern or tag, not both"),
        ("[[team]]\nteam = 'a'", "[[team]] 1 needs tag or name or role or account"),
        ("[[team]]\nname = 'a'", "[[team]] 1 needs team"),
        ("[[team]]\nteam='a'\nname='x'\nvalue='y'", "[[team]] 1 value needs tag"),
        (
            "[[discount]]\npercent = 101",
            "percent = 101: expected a percentage from 0 to 100",
        ),
        ("[[discount]]\npercent = nan", "expected a percentage from 0 to 100"),
        ("[[discount]]\npercent = true", "expected a percentage from 0 to 100"),
        ("[[discount]]\npercent=1\ncomponent='Trainin'", "Did you mean 'Training'?"),
        (
            "[[discount]]\npercent = 1\nsource = 'x'",
            "source = 'x': expected the name of a [[source]]",
        ),
        ("local_storage_families = [5]", "local_storage_families = [5]: expected a string"),
        ("team_tag = ''", "team_tag = '': expected a string that is not empty"),
    ],
)
def test_an_error_names_the_key_the_value_and_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert str(PATH) in str(caught.value)


def test_a_secret_is_not_quoted_in_an_error() -> None:
    with pytest.raises(UsageError) as caught:
        parse("[[source]]\nexternal_id = 80415")
    assert "80415" not in str(caught.value)
    assert "s3cret" not in repr(parse(FULL))


def test_the_file_of_the_working_directory_beats_the_users(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    home.mkdir()
    assert file.find(here, home) is None
    (home / file.FILE_NAME).touch()
    assert file.find(here, home) == home / file.FILE_NAME
    (here / file.FILE_NAME).touch()
    assert file.find(here, home) == here / file.FILE_NAME


def test_a_file_that_is_unreadable_or_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Cannot read the configuration .*: No such file"):
        file.read(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    for content in (b"db = ", b"\xff\xfe"):
        broken.write_bytes(content)
        with pytest.raises(UsageError, match=r"broken\.toml is not valid TOML"):
            file.read(broken)
