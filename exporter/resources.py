"""Files that travel with the code (migrations and queries), and the version of the program.

In a checkout these folders stand at the top level, where people look for them; in a wheel they
are inside the package.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """Return the folder `migrations` or `queries` of this installation."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def version() -> str:
    """Return the version that is installed; `unknown` in a checkout that is not installed."""
    try:
        return metadata.version("sagemaker-exporter")
    except metadata.PackageNotFoundError:
        return "unknown"
