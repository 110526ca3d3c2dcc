"""A document as a page that stands alone: one HTML file without scripts, and with nothing to load from elsewhere."""

from __future__ import annotations

from omc.output import html
from omc.output.document import Document

_LOOKS = """
:root { color-scheme: light dark; --ok: #1a7f37; --warning: #9a6700; --unknown: #8250df; --failure: #cf222e;
  --quiet: #6e7781; --line: #d0d7de; }
@media (prefers-color-scheme: dark) { :root { --ok: #3fb950; --warning: #d29922; --unknown: #a371f7; --failure: #f85149;
  --quiet: #8b949e; --line: #30363d; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3, h4 { line-height: 1.25; }
table { border-collapse: collapse; width: 100%; display: block; overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
pre { overflow-x: auto; padding: .6rem; border: 1px solid var(--line); }
dt { font-weight: 600; } dd { margin: 0 0 .3rem 1rem; }
.severity-ok { color: var(--ok); } .severity-warning { color: var(--warning); }
.severity-unknown { color: var(--unknown); } .severity-failure { color: var(--failure); font-weight: 600; }
figure { margin: 1rem 0; } figcaption { font-weight: 600; } svg { width: 100%; height: auto; }
svg .grid { stroke: var(--line); } svg .axis { fill: var(--quiet); font-size: 11px; }
svg polyline { fill: none; stroke-width: 2; }
.legend span { margin-right: 1rem; } .legend span::before { content: "■ "; }
.series-0 { color: #0969da; fill: #0969da; stroke: #0969da; }
.series-1 { color: #bf8700; fill: #bf8700; stroke: #bf8700; }
.series-2 { color: #1a7f37; fill: #1a7f37; stroke: #1a7f37; }
.series-3 { color: #cf222e; fill: #cf222e; stroke: #cf222e; }
.series-4 { color: #8250df; fill: #8250df; stroke: #8250df; }
.series-5 { color: #6e7781; fill: #6e7781; stroke: #6e7781; }
"""


def render(document: Document) -> str:
    """The whole page."""
    title = html.escape(document.title or "omc")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>",
            f"<style>{_LOOKS}</style>",
            "</head><body>",
            html.render(document),
            "</body></html>",
        )
    )
