"""A page for a person with a browser, without scripts: what came of it in a few sentences, and a button at most."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape

from starlette.responses import HTMLResponse

from omc.output import line

STYLE = (
    "body{font:18px/1.4 sans-serif;max-width:34em;margin:2em auto;padding:0 1em}"
    "button{font:inherit;padding:.7em 1.4em;cursor:pointer}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Robots-Tag": "noindex, nofollow",
}


def plain_page(
    title: str,
    sentences: list[str],
    status: int = 200,
    button: str = "",
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """A page that loads nothing and leads nowhere. The button sends the page's own address back as a POST."""
    body = [f"<h1>{escape(line(title))}</h1>", *(f"<p>{escape(line(each))}</p>" for each in sentences if each)]
    if button:
        body.append(f'<form method="post"><button type="submit">{escape(line(button))}</button></form>')
    head = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>omc</title><style>{STYLE}</style></head><body>\n"
    )
    return HTMLResponse(head + "\n".join(body) + "\n</body></html>\n", status, {**HEADERS, **(headers or {})})
