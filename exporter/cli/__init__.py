"""The command line: it parses, calls, prints. Logic lives in the packages it calls."""

from __future__ import annotations

from exporter.cli.entry import main

__all__ = ["main"]
