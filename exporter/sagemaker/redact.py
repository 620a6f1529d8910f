"""Takes secrets out of free text: a failure reason may quote a whole command line.

Better one word too many than one secret: an option, variable or header whose name sounds like a
secret loses its value, and so does anything that has the shape of a known key or token.
"""

from __future__ import annotations

import re
from typing import Final

_GONE: Final = "[redacted]"
_NAME: Final = (
    r"[\w.-]*(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credential|auth(?:orization)?|session[_-]?key|signature|cookie|dsn|conn(?:ection)?[_-]?str)"
    r"[\w.-]*"
)
_VALUE: Final = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;"'&)}\]]+)"""

_RULES: Final = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S
        ),
        _GONE,
    ),
    # scheme://user:password@host
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@]+@", re.I), rf"\1{_GONE}@"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.I), rf"\1 {_GONE}"),
    # --api-key VALUE, API_KEY=VALUE, "api_key": "VALUE"
    (
        re.compile(rf"""((?<![\w]){_NAME}["']?\s*(?:[:=]|=>)\s*){_VALUE}""", re.I),
        rf"\1{_GONE}",
    ),
    (re.compile(rf"(--?{_NAME}\s+){_VALUE}", re.I), rf"\1{_GONE}"),
    # Shapes: AWS key ids and secrets, GitHub, Slack, Hugging Face, Weights & Biases, JWT.
    (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b"), _GONE),
    (re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"), _GONE),
    (re.compile(r"\b(?:gh[pousr]_|github_pat_|xox[abprs]-|hf_|sk-|glpat-)[\w-]{8,}"), _GONE),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"), _GONE),
    (re.compile(r"\b[0-9a-f]{40,}\b", re.I), _GONE),
)


def redact(text: str | None) -> str | None:
    """The text without what looks like a secret; None stays None."""
    if text is None:
        return None
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
