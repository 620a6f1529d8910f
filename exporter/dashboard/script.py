"""The JavaScript of the page: Vega, Vega-Lite and Vega-Embed in one text, and our few lines."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources

from exporter.extras import extra


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script without an import; takes some seconds."""
    with extra("dashboard", "dashboard"):
        import vl_convert

    return contained(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def contained(script: str) -> str:
    """A script whose texts cannot end the element that it stands in."""
    return re.sub(r"<(/script|!--)", r"<\\\1", script, flags=re.IGNORECASE)


@cache
def asset(name: str) -> str:
    """A file beside this module."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def digest(script: str) -> str:
    """What the page's policy must name for a script to run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
