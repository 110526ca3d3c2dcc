"""The chapters as they are written, cut into sections by their headings, and found by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from omc.checks.issues import ISSUES
from omc.checks.runbook import anchor
from omc.errors import Missing, did_you_mean

DOCUMENTS = "docs/runbook"
_HEADING = re.compile(r"(#{1,6}) (.+)")


@dataclass(frozen=True, slots=True)
class RunbookSection:
    """One heading with all below it, up to the next one of its level."""

    chapter: str
    """The file's name without its ending: ``troubleshooting``."""
    name: str
    """As links write it: ``issue-database-connection-timeout``."""
    title: str
    level: int
    lines: tuple[str, ...]
    """Of Markdown, without the heading itself."""
    issue: str = ""
    """The short name of ``omc diagnose``, where it has one."""

    @property
    def address(self) -> str:
        return f"{DOCUMENTS}/{self.chapter}.md#{self.name}"

    @property
    def short_name(self) -> str:
        """What to type."""
        return self.issue or self.name


@cache
def chapters() -> Mapping[str, tuple[str, ...]]:
    """Each chapter's lines, by its name; what there is first comes first."""
    folder = files("omc.runbook") / "chapters"
    names = sorted((each.name for each in folder.iterdir() if each.name.endswith(".md")), key=_order)
    return {name.removesuffix(".md"): tuple((folder / name).read_text(encoding="utf-8").splitlines()) for name in names}


def _order(name: str) -> tuple[bool, str]:
    return name != "README.md", name


@cache
def sections() -> tuple[RunbookSection, ...]:
    """Every heading, in the order of the chapters."""
    by_document = {issue.document: name for name, issue in ISSUES.items()}
    found: list[RunbookSection] = []
    for chapter, lines in chapters().items():
        headings = list(headings_of(lines))
        for number, (at, level, title) in enumerate(headings):
            end = next((begin for begin, other, _ in headings[number + 1 :] if other <= level), len(lines))
            name = anchor(title)
            issue = by_document.get(f"{DOCUMENTS}/{chapter}.md#{name}", "")
            found.append(RunbookSection(chapter, name, title, level, lines[at + 1 : end], issue))
    return tuple(found)


def headings_of(lines: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    """Line, level and text of each heading that isn't within a block of code."""
    is_code = False
    for at, line in enumerate(lines):
        if line.startswith("```"):
            is_code = not is_code
        elif not is_code and (match := _HEADING.fullmatch(line)):
            yield at, len(match[1]), match[2]


def section_named(name: str) -> RunbookSection:
    """By an issue's short name, a heading, a chapter, or ``chapter#heading``. ``Missing`` with what comes near."""
    wanted = anchor(name.strip()) if "#" not in name else name.strip().removeprefix(f"{DOCUMENTS}/").replace(".md", "")
    known: dict[str, RunbookSection] = {}
    for section in reversed(sections()):
        if section.level == 1:
            known[section.chapter.lower()] = section
        for text in (section.name, f"{section.chapter}#{section.name}", section.name.removeprefix("issue-")):
            known[text] = section
    known |= {section.issue: section for section in sections() if section.issue}
    if wanted not in known:
        raise Missing(
            f'The runbook has no section "{name}".{did_you_mean(wanted, list(known))} All of them: omc runbook list'
        )
    return known[wanted]
