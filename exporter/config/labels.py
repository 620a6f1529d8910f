"""Which family and which team a job belongs to, and the rule that said so.

Pure: a job's name, tags, role and tuning job in, labels out. The labels are computed once,
when a job is stored or the rules change, so that no report runs regular expressions.

Sources of the built-in patterns: names made by the SDK (`<base>-<yyyy-mm-dd-hh-mm-ss-mmm>`),
by Pipelines (`pipelines-<execution>-<step>-<token>`) and by tuning jobs
(`<base>-001-1a2b3c4d`); sagemaker-python-sdk#6299 and #3946 tell why a suffix alone is not
enough: each pipeline execution would become a family of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from exporter.text import short_hash

#: (rule, pattern) in the order they are tried; one counts only if the family keeps a letter.
_BUILT_IN: Final = (
    ("pipeline", re.compile(r"pipelines-[a-z0-9]{12}-(?P<family>.+)-[A-Za-z0-9]{10}")),
    ("token", re.compile(r"(?P<family>.+?)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")),
    (
        "timestamp",
        re.compile(r"(?P<family>.+?)-\d{4}-\d{2}-\d{2}-\d{2}-\d{2}-\d{2}(?:-\d{1,6})?(?:-.*)?"),
    ),
    ("timestamp", re.compile(r"(?P<family>.+?)-\d{8}[T-]?\d{4,6}Z?(?:-[0-9a-z]+)?")),
    # An execution and its token. Tokens are random and may lack a digit; then only an execution
    # with a leading zero tells them from words (`imagenet-2012-resnet` is no execution).
    ("execution", re.compile(r"(?P<family>.+?)-\d{4,}-(?=[a-z]*\d)(?=\d*[a-z])\w+(?:-\d+)?")),
    ("execution", re.compile(r"(?P<family>.+?)-0\d{3,}-[0-9a-z]{4,12}(?:-\d+)?")),
    ("execution", re.compile(r"(?P<family>.+?)-\d{3}-(?=[a-f]*\d)[0-9a-f]{8}")),
    # An execution in hexadecimal and its token: random, so one of the two has a digit.
    (
        "execution",
        re.compile(
            r"(?P<family>.+?)-(?=[a-f]*\d|[a-f]+-[a-f]*\d)[0-9a-f]{7,12}-[0-9a-f]{6,12}(?:-\d+)?"
        ),
    ),
    ("token", re.compile(r"(?P<family>.+?)-(?=[a-f]*\d)[0-9a-f]{8,40}(?:-\d+)?")),
    ("counter", re.compile(r"(?P<family>.+?)(?:-\d+)+")),
)
_TUNING: Final = re.compile(r"(?P<family>.+)-\d{3,}-[0-9a-f]{8}")


@dataclass(frozen=True)
class FamilyRule:
    """A `[[family]]` entry: a regular expression with a group `family`, or a tag's key."""

    pattern: re.Pattern[str] | None = None
    tag: str | None = None


@dataclass(frozen=True)
class TeamRule:
    """A `[[team]]` entry; every pattern that is given must match for the rule to count.

    `tag` is a tag's key and `value` a pattern for its value (absent: any value).
    """

    team: str
    tag: str | None = None
    value: re.Pattern[str] | None = None
    name: re.Pattern[str] | None = None
    role: re.Pattern[str] | None = None
    account: re.Pattern[str] | None = None


@dataclass(frozen=True)
class LabelRules:
    """The rules of the configuration, tried before the built-in patterns."""

    families: tuple[FamilyRule, ...] = ()
    teams: tuple[TeamRule, ...] = ()
    team_tag: str | None = None

    def fingerprint(self) -> str:
        """Short hash of the rules in force, to know when stored labels are out of date."""
        families = [(_text(rule.pattern), rule.tag) for rule in self.families]
        teams = [
            (rule.team, rule.tag, *map(_text, (rule.value, rule.name, rule.role, rule.account)))
            for rule in self.teams
        ]
        built_in = [(rule, _text(pattern)) for rule, pattern in (*_BUILT_IN, ("", _TUNING))]
        said = repr((families, teams, self.team_tag, built_in))
        return short_hash(said)


def _text(pattern: re.Pattern[str] | None) -> tuple[str, int] | None:
    """All of a pattern; its own repr leaves out what is beyond 200 characters."""
    return None if pattern is None else (pattern.pattern, pattern.flags)


@dataclass(frozen=True)
class Labelled:
    """What the rules look at."""

    name: str
    account_id: str
    tuning_job_arn: str | None = None
    role_arn: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class Labels(NamedTuple):
    """Columns of training_jobs."""

    job_family: str
    family_rule: str
    team: str | None
    team_rule: str | None


def label(job: Labelled, rules: LabelRules) -> Labels:
    """Family and team of a job, each with the rule that matched."""
    return Labels(*_family(job, rules), *_team(job, rules))


def _family(job: Labelled, rules: LabelRules) -> tuple[str, str]:
    for number, rule in enumerate(rules.families, 1):
        if rule.tag is not None and (value := job.tags.get(rule.tag, "").strip()):
            return value, f"family {number}: tag {rule.tag}"
        match = rule.pattern.search(job.name) if rule.pattern is not None else None
        if rule.pattern is not None and match and (family := (match["family"] or "").strip()):
            return family, f"family {number}: {rule.pattern.pattern}"
    if job.tuning_job_arn and (match := _TUNING.fullmatch(job.name)):
        # A tuning job has a name of its own, which may end in a timestamp or a number.
        return _stripped(match["family"])[0], "tuning job"
    return _stripped(job.name)


def _stripped(name: str) -> tuple[str, str]:
    for rule, pattern in _BUILT_IN:
        match = pattern.fullmatch(name)
        if match and any(character.isalpha() for character in match["family"]):
            return match["family"].rstrip("-"), rule
    return name, "name"


def _team(job: Labelled, rules: LabelRules) -> tuple[str | None, str | None]:
    for number, rule in enumerate(rules.teams, 1):
        if _matches(rule, job):
            return rule.team, f"team {number}: {rule.team}"
    if rules.team_tag and (value := job.tags.get(rules.team_tag, "").strip()):
        return value, f"tag {rules.team_tag}"
    return None, None


def _matches(rule: TeamRule, job: Labelled) -> bool:
    wanted = [
        (rule.name, job.name),
        (rule.role, job.role_arn or ""),
        (rule.account, job.account_id),
    ]
    if rule.tag is not None:
        if rule.tag not in job.tags:
            return False
        wanted.append((rule.value, job.tags[rule.tag]))
    return all(pattern is None or pattern.search(text) for pattern, text in wanted)
