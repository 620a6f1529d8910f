"""The configuration file: what it gives, and how it says no."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.config import file as settings
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


def parse(text: str) -> settings.Settings:
    return settings.parse(tomllib.loads(text), PATH)


def test_everything_the_file_may_say() -> None:
    found = parse(FULL)

    assert found.options == {"db": "jobs.duckdb", "log_format": "json"}
    assert found.commands == {
        "sync": {"max_rps": 0.5, "exclude_region": ["us-east-1"]},
        "db-prune": {"days": 30},
    }
    assert found.accounts == {"123456789012": "production"}
    assert found.configuration() == Configuration(
        rules=found.rules(),
        accounts={"123456789012": "production"},
        discounts=(
            Discount(Decimal("12.5")),
            Discount(Decimal("33.333333"), "123456789012", "Training Warm Pool"),
            Discount(Decimal(5), source="prod"),
        ),
        local_storage_families=("g5", "p4d"),
    )
    assert found.sources() == (
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
    rules = found.rules()
    assert rules.team_tag == "Team"
    assert [(rule.pattern and rule.pattern.pattern, rule.tag) for rule in rules.families] == [
        ("^(?P<family>[a-z]+)-run", None),
        (None, "Family"),
    ]
    assert [(team.team, team.tag, team.value) for team in rules.teams] == [
        ("vision", "Owner", re.compile("^v")),
        ("nlp", None, None),
    ]


def test_an_empty_file_says_nothing() -> None:
    found = parse("")
    assert (found.sources(), found.discounts, found.options, found.commands) == ((), (), {}, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[[source]]\nregion = ['x']",
            "unknown key 'region' in [[source]] 1. Did you mean 'regions'?",
        ),
        ("source = 3", "source = 3: expected an array of tables, [[source]]"),
        ("[[source]]\noptional = 'yes'", "[[source]] 1 optional = 'yes': expected true or false"),
        ("[[source]]\nregions = 7", "[[source]] 1 regions = 7: expected a list of strings"),
        (
            "[[source]]\nname = 'a'\n[[source]]\nname = 'a'",
            "[[source]] name = 'a': expected a name",
        ),
        ("[accounts]\n123 = 'x'", "[accounts] id = '123': expected an account id"),
        ("[accounts]\n123456789012 = 5", "[accounts] 123456789012 = 5: expected a string"),
        ("accounts = 'x'", "accounts = 'x': expected a table, [accounts]"),
        ("[[family]]\npattern = '('", "[[family]] 1 pattern = '(': expected a regular expression"),
        ("[[family]]\npattern = 'x'", "expected a regular expression with a group (?P<family>…)"),
        ("[[family]]", "[[family]] 1 needs pattern or tag"),
        ("[[family]]\ntag='a'\npattern='(?P<family>x)'", "takes pattern or tag, not both"),
        ("[[team]]\nteam = 'a'", "[[team]] 1 needs tag or name or role or account"),
        ("[[team]]\nname = 'a'", "[[team]] 1 needs team"),
        ("[[team]]\nteam='a'\nname='x'\nvalue='y'", "[[team]] 1 value needs tag"),
        (
            "[[discount]]\npercent = 101",
            "percent = 101: expected a number of per cent from 0 to 100",
        ),
        ("[[discount]]\npercent = nan", "expected a number of per cent from 0 to 100"),
        ("[[discount]]\npercent = true", "expected a number of per cent from 0 to 100"),
        ("[[discount]]\npercent=1\ncomponent='Trainin'", "Did you mean 'Training'?"),
        (
            "[[discount]]\npercent = 1\nsource = 'x'",
            "source = 'x': expected the name of a [[source]]",
        ),
        ("local_storage_families = [5]", "local_storage_families = 5: expected a string"),
        ("team_tag = ''", "team_tag = '': expected a string that is not empty"),
    ],
)
def test_what_is_wrong_is_named_with_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert str(PATH) in str(caught.value)


def test_a_secret_is_not_quoted_in_an_error() -> None:
    with pytest.raises(UsageError) as caught:
        parse("[[source]]\nexternal_id = 80415")
    assert "80415" not in str(caught.value)
    assert "s3cret" not in repr(parse(FULL))


def test_the_working_directory_beats_the_users(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    home.mkdir()
    assert settings.find(here, home) is None
    (home / settings.FILE_NAME).touch()
    assert settings.find(here, home) == home / settings.FILE_NAME
    (here / settings.FILE_NAME).touch()
    assert settings.find(here, home) == here / settings.FILE_NAME


def test_a_file_that_cannot_be_read_or_is_not_toml(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Cannot read the configuration .*: No such file"):
        settings.read(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    for content in (b"db = ", b"\xff\xfe"):
        broken.write_bytes(content)
        with pytest.raises(UsageError, match=r"broken\.toml is not valid TOML"):
            settings.read(broken)
