"""A page as a document: what e-mail and Slack show of it, each by its renderer."""

from __future__ import annotations

from omc.model.pages import Page
from omc.notify.links import is_acknowledge_link
from omc.notify.text import long_form
from omc.output.document import Block, Document, Items, Link, Paragraph


def page_document(page: Page) -> Document:
    """What is wrong and what is next, then the evidence, then where more is."""
    blocks: list[Block] = [Paragraph(page.message.short)]
    if lines := long_form(page.message.lines):
        blocks.append(Items(lines))
    if page.message.link:
        label = "Acknowledge" if is_acknowledge_link(page.message.link) else "More"
        blocks.append(Paragraph(Link(label, page.message.link)))
    return Document(headline(page), tuple(blocks))


def headline(page: Page) -> str:
    """``Incident 3 in staging, SEV-1``: the same for all that is sent of an incident while its severity stays, so that
    mail programs show it as one conversation."""
    severity = f", SEV-{page.severity}" if page.severity else ""
    subject = f"Incident {page.incident}" if page.incident else "Message"
    return f"{subject} in {page.environment}{severity}" if page.environment else f"{subject}{severity}"
