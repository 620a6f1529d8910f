"""Sail, a Spark Connect server from PyPI, in a process of its own: `python -m tests.spark.sail`.

It runs as a cluster with workers in the same process, so that results travel between workers.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def sail(*, cluster: bool = True, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start a server, and yield its URI; it ends with this process at the latest."""
    mode = "local-cluster" if cluster else "local"
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.spark.sail"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "SAIL_MODE": mode, "RUST_LOG": "error", **(environment or {})},
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        yield f"sc://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.stdin.close()
        server.wait(timeout=30)
        server.stdout.close()


def main() -> None:
    """Serve until standard input is closed."""
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    address = server.listening_address
    assert address is not None
    print(address[1], flush=True)
    sys.stdin.read()
    os._exit(0)  # stopping waits for the client's sessions


if __name__ == "__main__":
    main()
