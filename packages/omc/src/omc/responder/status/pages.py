"""The two pages that a subscriber sees: confirm, and unsubscribe. A page asks; only its button does something."""

from __future__ import annotations

from html import escape

FRAME = (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
    "<title>{title}</title></head>\n<body><main><h1>{title}</h1>\n<p>{words}</p>\n{form}</main></body></html>\n"
)
FORM = '<form method="post"><button type="submit">{}</button></form>\n'


def page(title: str, words: str, button: str = "") -> str:
    """A sentence, and a button that sends the page's own address back as a POST."""
    form = FORM.format(escape(button)) if button else ""
    return FRAME.format(title=escape(title), words=escape(words), form=form)
