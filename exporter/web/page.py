"""The dashboard as one HTML text: templates, style and scripts."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources
from typing import Final

from exporter.extras import extra
from exporter.text import counted, visible
from exporter.times import format_time
from exporter.web import charts, overview, sections, tables
from exporter.web.figures import Figures

with extra("dashboard", "dashboard"):
    import jinja2
    import vl_convert
    from markupsafe import Markup

#: The page may load nothing, and may run no script but its own.
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; script-src "
)


def render(figures: Figures) -> str:
    """Return the dashboard as one HTML text that needs no other file and no network."""
    keep_alive = sections.keep_alive(figures)
    drawn = [
        sections.pool_cost(figures),
        sections.waste(figures),
        sections.reuse(figures),
        sections.idle(figures),
        sections.training(figures),
        sections.ratio(figures),
        *(family.chart for family in keep_alive),
    ]
    by_name = {chart.name: chart for chart in drawn if chart is not None}
    scripts = [_library(), asset("boot.js")] if by_name else []
    template = _environment().get_template("dashboard.html")
    return template.render(
        policy=_POLICY + (" ".join(f"'{_digest(text)}'" for text in scripts) or "'none'"),
        style=Markup(asset("style.css")),  # noqa: S704 - our own file
        scripts=[Markup(text) for text in scripts],  # noqa: S704 - our own, named by the policy
        figures=figures,
        synced=overview.synced(figures),
        tiles=overview.tiles(figures),
        alerts=overview.alerts(figures),
        charts=by_name,
        chart_data={
            "config": charts.CONFIG,
            "specs": {f"chart-{name}": chart.spec for name, chart in by_name.items()},
        },
        most_bars=sections.MOST_BARS,
        most_idle_pools=sections.MOST_IDLE_POOLS,
        keep_alive=keep_alive,
        keep_alive_notes=[note for run in figures.keep_alive for note in run.notes],
        idle_hidden=sections.idle_hidden(figures),
        idle_commands=sections.end_commands(figures),
        scopes=overview.scopes(figures),
        gaps=[f"{scope.name}: {gap}" for scope in figures.status.scopes for gap in scope.gaps()],
        bases=overview.bases(figures),
    )


@cache
def asset(name: str) -> str:
    """Return the text of a file next to this module."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    """Return the templates' environment, in which all text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: asset(f"templates/{name}")),
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (
        counted,
        format_time,
        tables.cells,
        tables.heading,
        tables.kind,
        tables.totals,
    ):
        environment.filters[function.__name__] = function
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment


def _finalize(value: object) -> object:
    """Write out control characters of every text that a template prints; Markup is ready."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script; takes some seconds."""
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    # A text in the script must not end the element that holds it.
    return re.sub(r"<(/script|!--)", r"<\\\1", bundle, flags=re.IGNORECASE)


def _digest(script: str) -> str:
    """Return the hash by which the policy allows a script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
