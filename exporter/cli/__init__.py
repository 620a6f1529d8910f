"""The command line: it parses, calls and prints. The packages that it calls hold the logic."""

from __future__ import annotations

from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; --help lists the codes."""
    try:
        from exporter.cli import entry
    except KeyboardInterrupt:  # before anything has begun
        return 130
    return entry.main(args)
