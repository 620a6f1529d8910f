"""Which family and which team a job belongs to, and which rule matched.

Pure: a job's name, tags, role and tuning job go in, labels come out. The labels are computed
once, when a job is stored or the rules change, so that no report runs regular expressions.

The built-in patterns match the names that the SDK (`<base>-<yyyy-mm-dd-hh-mm-ss-mmm>`), Pipelines
(`pipelines-<execution>-<step>-<token>`) and tuning jobs (`<base>-001-1a2b3c4d`) make.
sagemaker-python-sdk#6299 and #3946 show why removing a suffix is not enough: each execution of a
pipeline would become a family of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Final, NamedTuple

from exporter.config.kinds import FAMILY_PATTERN, PATTERN, TEXT
from exporter.config.options import option
from exporter.text import short_hash

#: (rule, pattern) in the order in which they are tried; the family must keep a letter.
_BUILT_IN: Final = (
    ("pipeline", r"pipelines-[a-z0-9]{12}-(?P<family>.+)-[A-Za-z0-9]{10}"),
    ("token", r"(?P<family>.+?)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    (
        "timestamp",
        r"(?P<family>.+?)-\d{4}-\d{2}-\d{2}-\d{2}-\d{2}-\d{2}(?:-\d{1,6})?(?:-.*)?",
    ),
    ("timestamp", r"(?P<family>.+?)-\d{8}[T-]?\d{4,6}Z?(?:-[0-9a-z]+)?"),
    # An execution and its token. A token is random and may lack a digit. Only an execution with a
    # leading zero then distinguishes it from a word (`imagenet-2012-resnet` has no execution).
    ("execution", r"(?P<family>.+?)-\d{4,}-(?=[a-z]*\d)(?=\d*[a-z])\w+(?:-\d+)?"),
    ("execution", r"(?P<family>.+?)-0\d{3,}-[0-9a-z]{4,12}(?:-\d+)?"),
    ("execution", r"(?P<family>.+?)-\d{3}-(?=[a-f]*\d)[0-9a-f]{8}"),
    # A hexadecimal execution and its token; both are random, so one of them has a digit.
    (
        "execution",
        r"(?P<family>.+?)-(?=[a-f]*\d|[a-f]+-[a-f]*\d)[0-9a-f]{7,12}-[0-9a-f]{6,12}(?:-\d+)?",
    ),
    ("token", r"(?P<family>.+?)-(?=[a-f]*\d)[0-9a-f]{8,40}(?:-\d+)?"),
    ("counter", r"(?P<family>.+?)(?:-\d+)+"),
)
#: The name of a job of a tuning job.
_TUNING: Final = r"(?P<family>.+)-\d{3,}-[0-9a-f]{8}"


@dataclass(frozen=True)
class FamilyRule:
    """A `[[family]]` of the file; it has one of the two.

    Raises:
        ValueError: Both are set, or neither.
    """

    pattern: re.Pattern[str] | None = option(
        None,
        "A regular expression with a group (?P<family>…), searched for in the name.",
        FAMILY_PATTERN,
    )
    tag: str | None = option(None, "The key of a tag whose value is the family.", TEXT)

    def __post_init__(self) -> None:
        if self.pattern is None and self.tag is None:
            raise ValueError("needs pattern or tag")
        if self.pattern is not None and self.tag is not None:
            raise ValueError("takes pattern or tag, not both")


@dataclass(frozen=True)
class TeamRule:
    """A `[[team]]` of the file; a job must match every pattern that is set.

    Raises:
        ValueError: No pattern is set, or a value without its tag.
    """

    team: str = option(text="The team of the jobs that match.", kind=TEXT)
    tag: str | None = option(None, "The key of a tag that a job must have.", TEXT)
    value: re.Pattern[str] | None = option(
        None, "A regular expression for the value of that tag. Default: any value.", PATTERN
    )
    name: re.Pattern[str] | None = option(None, "A regular expression for the job's name.", PATTERN)
    role: re.Pattern[str] | None = option(
        None, "A regular expression for the ARN of its role.", PATTERN
    )
    account: re.Pattern[str] | None = option(
        None, "A regular expression for its account ID.", PATTERN
    )

    def __post_init__(self) -> None:
        if self.value is not None and self.tag is None:
            raise ValueError("value needs tag, whose value it matches")
        if not (self.tag or self.name or self.role or self.account):
            raise ValueError("needs tag or name or role or account")


@dataclass(frozen=True)
class LabelRules:
    """The rules of the file, tried before the built-in patterns.

    Attributes:
        families: The first one that matches counts.
        teams: The first one that matches counts.
        team_tag: The key of the tag that names the team of a job that no rule matches.
    """

    families: tuple[FamilyRule, ...] = ()
    teams: tuple[TeamRule, ...] = ()
    team_tag: str | None = None

    @property
    def read_tags(self) -> bool:
        """Whether a rule reads the tags of a job."""
        return bool(self.team_tag) or (
            any(rule.tag for rule in self.families) or any(rule.tag for rule in self.teams)
        )

    def fingerprint(self) -> str:
        """Return a short hash of the rules, to see whether stored labels are out of date."""
        families = [(_text(rule.pattern), rule.tag) for rule in self.families]
        teams = [
            (rule.team, rule.tag, *map(_text, (rule.value, rule.name, rule.role, rule.account)))
            for rule in self.teams
        ]
        built_in = [(rule, _text(pattern)) for rule, pattern in (*_built_in(), ("", _tuning()))]
        rules = repr((families, teams, self.team_tag, built_in))
        return short_hash(rules)


@cache
def _built_in() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Compile the built-in patterns at their first use: every start imports this module."""
    return tuple((rule, re.compile(pattern)) for rule, pattern in _BUILT_IN)


@cache
def _tuning() -> re.Pattern[str]:
    return re.compile(_TUNING)


def _text(pattern: re.Pattern[str] | None) -> tuple[str, int] | None:
    """Return the whole of a pattern; its repr stops after 200 characters."""
    return None if pattern is None else (pattern.pattern, pattern.flags)


@dataclass(frozen=True)
class Labelled:
    """What the rules know of a job."""

    name: str
    account_id: str
    tuning_job_arn: str | None = None
    role_arn: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class Labels(NamedTuple):
    """The columns of training_jobs that hold labels."""

    job_family: str
    family_rule: str
    team: str | None
    team_rule: str | None


def label(job: Labelled, rules: LabelRules) -> Labels:
    """Return the family and the team of a job, each with the rule that matched."""
    return Labels(*_family(job, rules), *_team(job, rules))


def _family(job: Labelled, rules: LabelRules) -> tuple[str, str]:
    for number, rule in enumerate(rules.families, 1):
        if rule.tag is not None and (value := job.tags.get(rule.tag, "").strip()):
            return value, f"family {number}: tag {rule.tag}"
        match = rule.pattern.search(job.name) if rule.pattern is not None else None
        if rule.pattern is not None and match and (family := (match["family"] or "").strip()):
            return family, f"family {number}: {rule.pattern.pattern}"
    if job.tuning_job_arn and (match := _tuning().fullmatch(job.name)):
        # The tuning job's own name may end in a timestamp or a number.
        return _without_suffix(match["family"])[0], "tuning job"
    return _without_suffix(job.name)


# Details of a job come soon after its listing, and do not change its name.
@lru_cache(maxsize=1_024)
def _without_suffix(name: str) -> tuple[str, str]:
    for rule, pattern in _built_in():
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
    conditions = [
        (rule.name, job.name),
        (rule.role, job.role_arn or ""),
        (rule.account, job.account_id),
    ]
    if rule.tag is not None:
        if rule.tag not in job.tags:
            return False
        conditions.append((rule.value, job.tags[rule.tag]))
    return all(pattern is None or pattern.search(text) for pattern, text in conditions)
