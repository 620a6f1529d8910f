"""Forks processes that have already imported the program, so that starting one is fast.

Run as `python -m tests.reliability.zygote`. It reads one JSON object per line and answers each
with one: `start` forks a child that runs the command line, and returns its process id; `wait`
returns how the child ended. The children are real processes, so kills and locks are real.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import struct
import sys
import time
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

import alembic.command
import boto3
import duckdb_engine
import pytz

from exporter import cli
from exporter.cli import sync
from exporter.store import migrate, view_files
from exporter.syncing import run
from exporter.syncing.sizes import Sizes

# Imported here once, for all children.
import_module("mako.template")
# Read here, because a child with another user may have no permission to read the checkout.
view_files.views()
_LOADED = (alembic.command, boto3, duckdb_engine, pytz, sync, migrate, run)


def main() -> int:
    """Serve until standard input ends."""
    for line in sys.stdin:
        request = json.loads(line)
        answer = _start(request) if request["do"] == "start" else _wait(request)
        print(json.dumps(answer), flush=True)
    return 0


def _start(request: dict[str, Any]) -> dict[str, int]:
    child = os.fork()
    if child == 0:
        _become(request)
    return {"pid": child}


def _become(request: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        os.environ.update(request["env"])
        for number, path in ((1, request["out"]), (2, request["err"])):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(file, number)
            os.close(file)
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        if not request["privileged"]:
            _drop_capabilities()
        # The command line has no option for the sizes; this process is the child alone.
        run.run_sync = partial(run.run_sync, sizes=Sizes(**request["sizes"]))
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # as SIGTERM is, until the program starts
        code = cli.main(request["argv"])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        # Not sys.exit, which would run the zygote's own clean-up.
        os._exit(code)


def _drop_capabilities() -> None:
    """Make file permissions apply to this process even if it runs as root (Linux)."""
    if os.geteuid() == 0:
        header = struct.pack("=Ii", 0x20080522, 0)  # version 3 of the interface, this process
        ctypes.CDLL(None).capset(header, bytes(24))


def _wait(request: dict[str, Any]) -> dict[str, int | None]:
    deadline = time.monotonic() + request["seconds"]
    while True:
        ended, status = os.waitpid(request["pid"], os.WNOHANG)
        if ended:
            return {"code": os.waitstatus_to_exitcode(status)}
        if time.monotonic() >= deadline:
            return {"code": None}
        time.sleep(0.002)


if __name__ == "__main__":
    sys.exit(main())
