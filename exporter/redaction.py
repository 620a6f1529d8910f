"""Takes secrets out of text before it is logged, printed or stored.

Two rule sets, because the texts differ. Our own messages name paths, ARNs and tokens that a
reader needs, so `redact` removes only what is certainly a secret. Text that somebody else wrote,
such as a failure reason that quotes a command line, goes through `redact_foreign`: it rather
removes one word too many than leaves one secret.

Every rule takes time in proportion to the text, whatever the text is: no pattern starts within a
run of characters that it could have started before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

_MARK: Final = "[redacted]"
#: scheme://user:password@host
_URL_LOGIN: Final = (re.compile(r"://[^\s/@]+@"), f"://{_MARK}@")

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

#: A value after a name: in quotes, which the text may have cut off, or up to a delimiter.
_VALUE: Final = (
    r"""(?:"[^"\\]*+(?:\\(?:.|\Z)[^"\\]*+)*+(?:"|\Z)"""
    r"""|'[^'\\]*+(?:\\(?:.|\Z)[^'\\]*+)*+(?:'|\Z)"""
    r"""|[^\s,;"'&)}\]]+)"""
)


@cache
def _wholes() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Compile the rules for values that are longer than one word.

    Compiling all rules for foreign text takes 5 ms, which most commands do not need.
    """
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
    )


@cache
def _shapes() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Compile the rules for words of a known shape."""
    return (
        # AWS key ids and secrets, GitHub, Slack, Hugging Face, Weights & Biases.
        (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b"), _MARK),
        (re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"), _MARK),
        (re.compile(r"\b(?:gh[pousr]_|github_pat_|xox[abprs]-|hf_|sk-|glpat-)[\w-]{8,}"), _MARK),
        (re.compile(r"\b[0-9a-f]{40,}\b", re.I), _MARK),
    )


@cache
def _named() -> tuple[re.Pattern[str], ...]:
    """Compile a secret's name, what leads to its value, a part of a word, and a JWT."""
    return (
        # Names of options, variables and headers that sound like a secret, to the end of the word.
        re.compile(
            r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key"
            r"|private[_-]?key|credential|auth(?:orization)?|session[_-]?key|signature|cookie|dsn"
            r"|conn(?:ection)?[_-]?str)[\w.-]*",
            re.I,
        ),
        re.compile(rf"""["']?\s*(?:=>|[:=])\s*({_VALUE})""", re.S),
        re.compile(rf"\s+({_VALUE})", re.S),
        re.compile(r"[\w.-]*"),
        re.compile(r"\beyJ[\w.-]+"),
    )


def redact(text: str) -> str:
    """Return a message or log line of this program without keys, tokens and passwords."""
    return _apply(_OWN_RULES, text)


def redact_foreign(text: str) -> str:
    """Return text that somebody else wrote without anything that looks like a secret."""
    text = _without_named_values(_apply(_wholes(), text))
    return _apply(_shapes(), _named()[-1].sub(_without_jwt, text))


def _without_named_values(text: str) -> str:
    """Return text without the values of names: --api-key VALUE, API_KEY=VALUE, "key": "VALUE"."""
    name, assigned, spaced, part, _ = _named()
    parts = []
    end = word = 0
    for found in name.finditer(text):
        if found.start() < end:
            continue
        value = assigned.match(text, found.end())
        if value is None:
            # Only an option has its value after a space. A name ends its word, so the dash of an
            # option cannot be before the last name.
            dash = text.rfind("-", max(word, end), found.start())
            if dash >= 0 and part.fullmatch(text, dash, found.start()):
                value = spaced.match(text, found.end())
        word = found.end()
        if value is not None:
            parts += [text[end : value.start(1)], _MARK]
            end = value.end()
    return "".join([*parts, text[end:]])


def _without_jwt(found: re.Match[str]) -> str:
    return _MARK if "." in found[0].rstrip(".") else found[0]


def _apply(rules: Iterable[tuple[re.Pattern[str], str]], text: str) -> str:
    for pattern, replacement in rules:
        text = pattern.sub(replacement, text)
    return text
