"""The command line: it parses, calls, prints. Logic lives in the packages it calls."""

from __future__ import annotations

from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (see the contract, or --help)."""
    try:
        from exporter.cli import entry
    except KeyboardInterrupt:  # so early that nothing has begun
        return 130
    return entry.main(args)
