"""Which family and team a job belongs to, and why: every shape of name that is known."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.labels import FamilyRule, Labelled, LabelRules, TeamRule, label

NONE = LabelRules()
TUNING = "arn:aws:sagemaker:eu-west-1:111122223333:hyper-parameter-tuning-job/hpo"


@pytest.mark.parametrize(
    ("name", "family", "rule", "reason"),
    [
        (
            "pipelines-ctd6lgoe9v02-PreprocessorTraining-ssFiEMALJh",
            "PreprocessorTraining",
            "pipeline",
            "contract: the step, without execution and token",
        ),
        ("resnet-2026-10-03-12-00-01-123", "resnet", "timestamp", "contract: the SDK's name"),
        ("bert-ft-0001234-a1b2c3", "bert-ft", "execution", "contract: execution and token"),
        ("nightly-42", "nightly", "counter", "contract: a number"),
        ("plain", "plain", "name", "contract: nothing to strip"),
        ("pipelines-ctd6lgoe9v02-Train-2-ssFiEMALJh", "Train-2", "pipeline", "a step's own number"),
        (
            "pipelines-ctd6lgoe9v02-ssFiEMALJh",
            "pipelines-ctd6lgoe9v02-ssFiEMALJh",
            "name",
            "no step in it",
        ),
        ("pipelines-are-fun", "pipelines-are-fun", "name", "only looks like a pipeline's"),
        ("resnet50-2026-10-03-12-00-01", "resnet50", "timestamp", "without milliseconds"),
        ("llama-3-8b-2026-10-03-12-00-01-123", "llama-3-8b", "timestamp", "digits in the base"),
        ("bert-2026-10-03-12-00-01-123-x9", "bert", "timestamp", "something after the time"),
        ("bert-2026-10-03", "bert", "counter", "a day only"),
        ("bert-20261003-120001", "bert", "timestamp", "a compact time"),
        ("bert-20261003T120001Z", "bert", "timestamp", "a compact ISO time"),
        ("bert-261003-1200", "bert", "counter", "the SDK's short form"),
        ("bert-1791000000", "bert", "token", "epoch seconds"),
        ("bert-ft-0001234-abcdef", "bert-ft", "execution", "a token may lack a digit"),
        ("bert-ft-a46fda6-caece4-1", "bert-ft", "execution", "an execution in hexadecimal"),
        ("bert-ft-deadbee-ca4e00-1", "bert-ft", "execution", "of which the token has the digit"),
        ("bert-defaced-facade-1", "bert-defaced-facade", "counter", "words have none"),
        ("bert-ft-0001234-a1b2c3-7", "bert-ft", "execution", "and be counted"),
        ("hpo-001-1a2b3c4d", "hpo", "execution", "a tuning job's, its details not yet known"),
        ("bert-deadbee1", "bert", "token", "a hash"),
        ("bert-550e8400-e29b-41d4-a716-446655440000", "bert", "token", "a UUID"),
        ("a-1-2-3", "a", "counter", "several numbers"),
        ("train-v2-17", "train-v2", "counter", "a version stays"),
        ("bert--7", "bert", "counter", "two hyphens are allowed in a name"),
        ("llama-3-8b", "llama-3-8b", "name", "a size is no counter"),
        ("imagenet-2012-resnet", "imagenet-2012-resnet", "name", "a year and a word"),
        ("x-deadbeef", "x-deadbeef", "name", "a word that happens to be hexadecimal"),
        ("bert-base-uncased", "bert-base-uncased", "name", "words"),
        ("2026-10-03-12-00-01-123", "2026-10-03-12-00-01-123", "name", "no family would be left"),
        ("1-2", "1-2", "name", "digits are no family"),
        ("9", "9", "name", "one character"),
        ("a", "a", "name", "one character"),
    ],
)
def test_family_of_a_name(name: str, family: str, rule: str, reason: str) -> None:
    found = label(Labelled(name, "111122223333"), NONE)
    assert (found.job_family, found.family_rule) == (family, rule), reason


@pytest.mark.parametrize(
    ("name", "family", "rule", "reason"),
    [
        ("hpo-001-1a2b3c4d", "hpo", "tuning job", "contract"),
        ("hpo-1001-deadbeef", "hpo", "tuning job", "a token may lack a digit"),
        ("tune-261003-1200-001-1a2b3c4d", "tune", "tuning job", "each tuning job has its time"),
        ("xgb-2026-10-03-12-00-01-123-007-0a0b0c0d", "xgb", "tuning job", "or its long time"),
        ("bert-2026-10-03-12-00-01-123", "bert", "timestamp", "not a tuning job's name"),
    ],
)
def test_family_of_a_tuning_jobs_job(name: str, family: str, rule: str, reason: str) -> None:
    found = label(Labelled(name, "111122223333", tuning_job_arn=TUNING), NONE)
    assert (found.job_family, found.family_rule) == (family, rule), reason


JOB = Labelled(
    "prod-bert-7",
    "111122223333",
    role_arn="arn:aws:iam::111122223333:role/nlp-train",
    tags={"family": "Bert", "blank": " ", "team": "language", "cost": "42"},
)


@pytest.mark.parametrize(
    ("families", "expected"),
    [
        ([FamilyRule(tag="family")], ("Bert", "family 1: tag family")),
        (
            [FamilyRule(tag="none"), FamilyRule(pattern=re.compile("^prod-(?P<family>[a-z]+)"))],
            ("bert", "family 2: ^prod-(?P<family>[a-z]+)"),
        ),
        # Rules that leave nothing are passed over.
        ([FamilyRule(tag="blank")], ("prod-bert", "counter")),
        ([FamilyRule(pattern=re.compile("(?P<family>x?)"))], ("prod-bert", "counter")),
        ([FamilyRule(pattern=re.compile("prod|(?P<family>x)"))], ("prod-bert", "counter")),
    ],
)
def test_rules_of_the_configuration_come_first(
    families: list[FamilyRule], expected: tuple[str, str]
) -> None:
    found = label(JOB, LabelRules(families=tuple(families)))
    assert (found.job_family, found.family_rule) == expected


@pytest.mark.parametrize(
    ("teams", "team_tag", "expected"),
    [
        ([TeamRule("a", tag="team")], None, ("a", "team 1: a")),
        ([TeamRule("a", tag="team", value=re.compile("^lang"))], None, ("a", "team 1: a")),
        ([TeamRule("a", tag="team", value=re.compile("vision"))], "team", ("language", "tag team")),
        ([TeamRule("a", tag="none")], None, (None, None)),
        (
            [TeamRule("a", name=re.compile("^dev")), TeamRule("b", name=re.compile("^prod"))],
            None,
            ("b", "team 2: b"),
        ),
        ([TeamRule("a", role=re.compile("role/nlp-"))], None, ("a", "team 1: a")),
        ([TeamRule("a", account=re.compile("^1111"))], None, ("a", "team 1: a")),
        # All that a rule names must hold.
        ([TeamRule("a", name=re.compile("bert"), account=re.compile("^9"))], None, (None, None)),
        # The first rule that matches wins, before the tag.
        (
            [TeamRule("a", name=re.compile("bert")), TeamRule("b", tag="team")],
            "team",
            ("a", "team 1: a"),
        ),
        ([], "team", ("language", "tag team")),
        ([], "blank", (None, None)),
        ([], None, (None, None)),
    ],
)
def test_team_of_a_job(
    teams: list[TeamRule], team_tag: str | None, expected: tuple[str | None, str | None]
) -> None:
    found = label(JOB, LabelRules(teams=tuple(teams), team_tag=team_tag))
    assert (found.team, found.team_rule) == expected


names = st.from_regex(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", fullmatch=True)


@given(name=names, tuning=st.booleans())
def test_no_name_is_without_a_family(name: str, tuning: bool) -> None:
    found = label(Labelled(name, "1", tuning_job_arn=TUNING if tuning else None), NONE)
    assert found.job_family.strip("-")
    assert found.job_family in name
    assert found.family_rule


@given(base=st.from_regex(r"[a-z]{2,8}(-[a-z]{2,8}){0,2}", fullmatch=True), data=st.data())
def test_executions_of_one_base_are_one_family(base: str, data: st.DataObject) -> None:
    """Whatever the random token looks like: a family a execution would be useless."""
    token = data.draw(st.from_regex(r"[0-9a-z]{6}", fullmatch=True))
    execution = data.draw(st.integers(1, 9999))
    assert label(Labelled(f"{base}-000{execution:04}-{token}", "1"), NONE).job_family == base


def test_a_change_of_any_rule_changes_the_fingerprint() -> None:
    long = "x" * 300
    every = [
        NONE,
        LabelRules(team_tag="team"),
        LabelRules(families=(FamilyRule(tag="team"),)),
        LabelRules(families=(FamilyRule(pattern=re.compile(f"(?P<family>{long}a)")),)),
        LabelRules(families=(FamilyRule(pattern=re.compile(f"(?P<family>{long}b)")),)),
        LabelRules(families=(FamilyRule(pattern=re.compile(f"(?P<family>{long}b)", re.I)),)),
        LabelRules(teams=(TeamRule("a", name=re.compile("x")),)),
        LabelRules(teams=(TeamRule("a", role=re.compile("x")),)),
    ]
    assert len({rules.fingerprint() for rules in every}) == len(every)
    assert LabelRules(team_tag="team").fingerprint() == every[1].fingerprint()
