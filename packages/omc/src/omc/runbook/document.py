"""What ``omc runbook`` shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from omc.config import Environment
from omc.output.document import Block, CodeBlock, Document, Literal, Row, Section, Table
from omc.runbook.model import RunbookSection
from omc.runbook.text import blocks_of
from omc.runbook.values import Ask, Filled, fill, named
from omc.times import format_time, iso


def sections_document(found: Sequence[RunbookSection]) -> Document:
    """All that can be shown, by what to type."""
    rows = tuple(Row((Literal(each.short_name), each.title, each.chapter)) for each in found)
    data = {
        "sections": [
            {
                "name": each.short_name,
                "title": each.title,
                "chapter": each.chapter,
                "level": each.level,
                "document": each.address,
            }
            for each in found
        ]
    }
    return Document("", (Table(("name", "section", "chapter"), rows),), data=data)


def section_document(
    section: RunbookSection, environment: Environment | None, ask: Ask | None, now: datetime, service: str = ""
) -> Document:
    """A section; with an environment its names in it, with ``ask`` the values that its commands look up."""
    filled = Filled()

    def filling(lines: tuple[str, ...]) -> tuple[str, ...]:
        if environment is None:
            return lines
        return tuple(fill("\n".join(lines), environment, ask, filled, service).split("\n"))

    def saying(text: str) -> str:
        return text if environment is None else named(text, environment)

    blocks = blocks_of(section.lines, section.chapter, filling, saying)
    if filled.stays:
        rows = tuple(Row((Literal(name), why)) for name, why in filled.stays.items())
        blocks = (*blocks, Section("Stays as it is written", (Table(("what", "why"), rows),)))
    subtitle = section.address
    if environment is not None:
        whose = f"{environment.name} ({environment.cluster} in {environment.region})"
        subtitle += f", with the values of {whose}, {format_time(now, environment.time_zone)}"
    data: dict[str, Any] = {
        "name": section.short_name,
        "title": section.title,
        "document": section.address,
        "environment": environment.name if environment else None,
        "at": iso(now) if environment else None,
        "commands": [list(each.lines) for each in code_of(blocks) if each.language == "bash"],
        "values": filled.found,
        "not_looked_up": filled.stays,
    }
    return Document(section.title, blocks, subtitle=subtitle, data=data)


def code_of(blocks: Sequence[Block]) -> Iterator[CodeBlock]:
    """Every block of code, at any depth."""
    for block in blocks:
        if isinstance(block, CodeBlock):
            yield block
        elif isinstance(block, Section):
            yield from code_of(block.blocks)
