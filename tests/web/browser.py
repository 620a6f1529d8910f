"""A headless Chromium, driven over its debugging pipe with the standard library alone.

Nothing here depends on how fast the machine is: a test waits until a condition holds, and gives
up only after `_PATIENCE` seconds.
"""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

EXECUTABLE = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome", "chrome")
        if (found := shutil.which(name))
    ),
    None,
)
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_PATIENCE = 120.0
_LAUNCH = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def _pipe() -> tuple[int, int]:
    """Open a pipe whose descriptors are high, so that 3 and 4 stay free for the browser."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]


class Browser:
    """One browser process with an empty profile."""

    def __init__(self, profile: Path) -> None:
        assert EXECUTABLE is not None
        inbox, child_out = _pipe()
        child_in, outbox = _pipe()
        # The browser reads descriptor 3 and writes descriptor 4.
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _LAUNCH,
                str(child_in),
                str(child_out),
                EXECUTABLE,
                *_FLAGS,
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            pass_fds=(child_in, child_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(child_in)
        os.close(child_out)
        self._inbox = inbox
        self._outbox = os.fdopen(outbox, "wb")
        self._numbers = itertools.count(1)
        self._rest = b""
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The browser may end before it answers, so this does not wait for an answer.
        self._send("Browser.close", "", {})
        self._process.wait(timeout=_PATIENCE)
        os.close(self._inbox)
        self._outbox.close()

    def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """Send a command and return its answer; keep the events that arrive before it."""
        number = self._send(method, session, params)
        deadline = time.monotonic() + _PATIENCE
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer.get('error')}"
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _send(self, method: str, session: str, params: dict[str, Any]) -> int:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self._outbox.write(json.dumps(message).encode() + b"\0")
        self._outbox.flush()
        return number

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._inbox], [], [], max(0, deadline - time.monotonic()))
            assert ready, "the browser did not answer"
            part = os.read(self._inbox, 1 << 20)
            assert part, "the browser ended"
            self._rest += part
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def open(
        self, where: Path | str, *, width: int = 1200, dark: bool = False, script: bool = True
    ) -> Page:
        """Open a file or address in a new tab; wait for its script, unless `script` is false."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, target, session)
        for domain in ("Page", "Runtime", "Network", "Log", "Accessibility"):
            page.call(f"{domain}.enable")
        page.resize(width)
        page.set_scheme("dark" if dark else "light")
        page.call("Emulation.setScriptExecutionDisabled", value=not script)
        page.go(where if isinstance(where, str) else where.as_uri(), script=script)
        return page


class Page:
    """A page in a tab of its own."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def go(self, address: str, *, script: bool = True) -> None:
        """Go to an address; wait for the script of the page, if it has one and may run it."""
        self.call("Page.navigate", url=address)
        self.settle(script=script)

    def follow(self, click: str) -> None:
        """Run what leads to another page, and wait for that page."""
        before = self.evaluate("performance.timeOrigin")
        self.evaluate(click)
        self.wait(f"performance.timeOrigin !== {before!r}")
        self.settle(script=False)

    def settle(self, *, script: bool = True) -> None:
        """Wait until the page is loaded, and its script has run."""
        ran = "(!document.getElementById('data') || document.body.dataset.ready === 'yes')"
        self.wait(
            "document.readyState === 'complete' && document.querySelector('footer') !== null"
            + (f" && {ran}" if script else "")
        )

    def resize(self, width: int, height: int = 900) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def set_scheme(self, scheme: str) -> None:
        """Make the system's colour scheme `light` or `dark`."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def print_preview(self) -> None:
        """Show the page as on paper of A4 with its margins."""
        self.resize(703)
        self.call("Emulation.setEmulatedMedia", media="print")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression; wait for it if it is a promise."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + _PATIENCE
        while not self.evaluate(condition):
            assert time.monotonic() < deadline, f"never true: {condition}; {self.complaints()}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """Press and release a key."""
        codes = {"Tab": 9, "Enter": 13, "ArrowDown": 40, "ArrowRight": 39}
        text = {"text": "\r"} if key == "Enter" else {}
        event = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", **event, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def complaints(self) -> list[str]:
        """Return the console's errors and warnings, exceptions, and what the policy refused."""
        found = []
        for event in self._events():
            params = event["params"]
            match event["method"]:
                case "Runtime.exceptionThrown":
                    found.append(str(params["exceptionDetails"]))
                case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning"):
                    found.append(str(params["args"]))
                case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                    found.append(params["entry"]["text"])
        return found

    def requests(self) -> list[str]:
        """Return every address that the page requested, including its own."""
        return [
            event["params"]["request"]["url"]
            for event in self._events()
            if event["method"] == "Network.requestWillBeSent"
        ]

    def screenshot(self, path: Path, *, height: int | None = None) -> None:
        """Write a picture of the whole page, or of its top if a height is given."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {**size, "scale": 1, "height": height or size["height"]}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)

    def _events(self) -> Sequence[dict[str, Any]]:
        return [event for event in self._browser.events if event.get("sessionId") == self._session]
