"""What a check found, and what all findings mean together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

#: Verdicts: it works; it works in part, or an optional thing is missing; a sync would fail.
OK: Final = "ok"
WARNING: Final = "warning"
FAILED: Final = "failed"

#: IAM actions whose resource can be narrowed to training jobs; the others need `*`.
_OF_JOBS: Final = frozenset({"sagemaker:DescribeTrainingJob", "sagemaker:ListTags"})


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: The name of the check, such as `credentials`.
        verdict: OK, WARNING or FAILED.
        message: What was found, in one line, with its subject.
        remedy: What to do about it; empty if it works.
        exit_code: The exit code with which a sync would end; 0 unless it failed.
        action: The IAM action that is missing; empty if none is.
    """

    check: str
    verdict: str
    message: str
    remedy: str = ""
    exit_code: int = 0
    action: str = ""


def exit_code(findings: Iterable[Finding]) -> int:
    """Return the exit code of the first check that failed: it is the one to mend first."""
    return next((each.exit_code for each in findings if each.verdict == FAILED), 0)


def missing_policy(findings: Sequence[Finding], partition: str = "aws") -> dict[str, Any] | None:
    """Return an IAM policy with the actions that are missing, or None if none is.

    Args:
        findings: What the checks found.
        partition: The partition of the accounts, such as aws or aws-cn.
    """
    missing = sorted({each.action for each in findings if each.action})
    jobs = [action for action in missing if action in _OF_JOBS]
    others = [action for action in missing if action not in _OF_JOBS]
    statements = [
        {"Effect": "Allow", "Action": actions, "Resource": resource}
        for actions, resource in (
            (others, "*"),
            (jobs, f"arn:{partition}:sagemaker:*:*:training-job/*"),
        )
        if actions
    ]
    return {"Version": "2012-10-17", "Statement": statements} if statements else None
