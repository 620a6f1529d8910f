"""The page: head, headline figures, sections, and the scripts that draw the charts."""

from __future__ import annotations

from exporter.dashboard import advice, charts, costs, html, overview, pools, script
from exporter.dashboard.figures import Figures
from exporter.dashboard.parts import Drawn


def render(figures: Figures) -> str:
    """The whole page as one HTML text, complete in itself."""
    drawn = [
        costs.pool_cost(figures),
        pools.waste(figures),
        pools.reuse(figures),
        pools.live(figures),
        advice.keep_alive(figures),
        costs.beside_training(figures),
        overview.freshness(figures),
    ]
    body = (
        overview.head(figures)
        + '<main id="main"><noscript><p class="none">Without JavaScript the charts are not drawn. '
        "The tables hold the same figures.</p></noscript>"
        + overview.tiles(figures)
        + "".join(part.body for part in drawn)
        + overview.foot(figures)
    )
    return document("What SageMaker warm pools cost", body, drawn)


def document(title: str, body: str, drawn: list[Drawn]) -> str:
    """The HTML document around a body; its policy lets nothing in and no other script run."""
    scripts = (script.library(), script.asset("boot.js"))
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'; script-src " + " ".join(f"'{script.digest(text)}'" for text in scripts)
    )
    specs = {name: spec for part in drawn for name, spec in part.specs.items()}
    payload = html.data({"config": charts.CONFIG, "specs": specs})
    tail = "".join(f"<script>{text}</script>" for text in scripts) if specs else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{html.text(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{html.text(title)}</title>\n<style>\n{script.asset('style.css')}</style>\n"
        f"</head>\n<body>\n{body}\n"
        f'<script type="application/json" id="charts">{payload}</script>\n{tail}\n'
        "</body>\n</html>\n"
    )
