"""Takes secrets out of text before it is logged, printed or stored.

Two rule sets, because the texts differ. Our own messages name paths, ARNs and tokens that a
reader needs, so `redact` removes only what is certainly a secret. Text that somebody else wrote,
such as a failure reason that quotes a command line, goes through `redact_foreign`: it rather
removes one word too many than leaves one secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

_MARK: Final = "[redacted]"
#: scheme://user:password@host
_URL_LOGIN: Final = (re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s/@]+@", re.I), rf"\1{_MARK}@")

_OWN_RULES: Final = (
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), _MARK),
    # The pairs that signed URLs and dumps of a configuration carry.
    (
        re.compile(
            r"(?i)\b((?:aws_)?(?:secret_access_key|session_token|security_token)"
            r"|x-amz-(?:security-token|signature|credential)|external_?id|password|token)"
            r"([\"']?\s*[=:]\s*[\"']?)(?!\[redacted])[^\s\"'&,}]+"
        ),
        rf"\1\2{_MARK}",
    ),
    _URL_LOGIN,
)

#: Names of options, variables and headers that sound like a secret, and the value after one.
_NAME: Final = (
    r"[\w.-]*(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credential|auth(?:orization)?|session[_-]?key|signature|cookie|dsn|conn(?:ection)?[_-]?str)"
    r"[\w.-]*"
)
_VALUE: Final = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;"'&)}\]]+)"""


@cache
def _foreign_rules() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Compile the rules for foreign text, which takes 5 ms that most commands do not need."""
    return (
        (
            re.compile(
                r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
                re.S,
            ),
            _MARK,
        ),
        _URL_LOGIN,
        (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.I), rf"\1 {_MARK}"),
        # --api-key VALUE, API_KEY=VALUE, "api_key": "VALUE"
        (
            re.compile(rf"""((?<![\w]){_NAME}["']?\s*(?:[:=]|=>)\s*){_VALUE}""", re.I),
            rf"\1{_MARK}",
        ),
        (re.compile(rf"(--?{_NAME}\s+){_VALUE}", re.I), rf"\1{_MARK}"),
        # Shapes: AWS key ids and secrets, GitHub, Slack, Hugging Face, Weights & Biases, JWT.
        (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b"), _MARK),
        (re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"), _MARK),
        (re.compile(r"\b(?:gh[pousr]_|github_pat_|xox[abprs]-|hf_|sk-|glpat-)[\w-]{8,}"), _MARK),
        (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"), _MARK),
        (re.compile(r"\b[0-9a-f]{40,}\b", re.I), _MARK),
    )


def redact(text: str) -> str:
    """Return a message or log line of this program without keys, tokens and passwords."""
    return _apply(_OWN_RULES, text)


def redact_foreign(text: str) -> str:
    """Return text that somebody else wrote without anything that looks like a secret."""
    return _apply(_foreign_rules(), text)


def _apply(rules: Iterable[tuple[re.Pattern[str], str]], text: str) -> str:
    for pattern, replacement in rules:
        text = pattern.sub(replacement, text)
    return text
