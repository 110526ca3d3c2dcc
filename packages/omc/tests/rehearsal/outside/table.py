"""The results as a page, ``docs/outside.md``: made by ``make rehearse-outside``, read back to keep what wasn't run."""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rehearsal.outside.story import Result, Story, Verdict
from support.commands import ROOT

PAGE = ROOT / "docs" / "outside.md"
MOST_PARTLY = 0.05
"""The share of a set's stories that may be told only partly."""
NOT_RUN = "not run"

HEAD = """\
# Faults from outside, and what the check says

Made by `make rehearse-outside`; not written by hand. Each story breaks the local cloud by AWS's API, SQL or a signal to
a process, and where that takes the cloud's own help (credits, processors, idle connections, draining, retirement) by
`omc local fault`, while {users} requests a second come in. `omc check morning` is then asked again and again until its
first line says what is broken, and after the healing until it is OK.

**right**: the first line has the cause, every name is said, the exit code is right. **partly**: the cause is told, but
not so, or it isn't OK again. **wrong**: something else is told. **wrong-ok**: a plain OK over a broken stack. *said* is
seconds from the fault (ECS's own rollback where the story is about that) until it was said, *OK again* seconds from the
end of what mends it until nothing was wrong. *first play*, of the stories that nobody tuned for, is the verdict of the
very first time: what was then wrong has been mended since at its kind, and the later verdicts say so. *rank*, *path*
and *answered* are those of `omc diagnose`, asked once while the fault is in force: where the cause stands in its
answer, the places from it to whoever suffers (**right** or **wrong** where the story says which they are), and the
seconds of the command; empty for what was last played before it was asked.
"""
TITLES = {
    "tuned": "Stories that the authors of the checks knew",
    "held_out": "Stories that nobody tuned for",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A story's line in the table."""

    story: str
    what: str
    verdict: str
    seconds: str
    healed: str
    day: str
    headline: str
    first: str = ""
    """The verdict of its first play."""
    rank: str = ""
    """Of the cause in ``omc diagnose``; empty: it wasn't asked."""
    path: str = ""
    asked: str = ""
    """Seconds of that command."""

    def shown(self) -> str:
        return f"| {' | '.join(getattr(self, name) for name in COLUMNS)} |"


DIAGNOSIS = ("rank", "path", "asked")
COLUMNS = ("story", "what", "first", "verdict", "seconds", "healed", *DIAGNOSIS, "day", "headline")
"""In the page's order."""
BEFORE = tuple(name for name in COLUMNS if name not in DIAGNOSIS)
"""Of a page that was made before the diagnosis was asked."""


def page(every: Mapping[str, Sequence[Story]], results: Iterable[Result], before: str, now: datetime) -> str:
    """The whole page: new results in place of what ``before``, the page as it was, has of these stories."""
    known = {row.story: row for row in rows(before)}
    fresh = {story.name for story in every.get("held_out", ())}
    for each in results:
        row, earlier = _row(each, now), known.get(each.story)
        first = earlier.first if earlier else ""
        if each.story in fresh and (earlier is None or earlier.verdict == NOT_RUN):
            first = first or row.verdict
        known[each.story] = replace(row, first=first)
    from rehearsal.outside.runner import USERS

    parts = [HEAD.format(users=USERS), f"Last run: {now:%d %B %Y}, {machine()}.\n"]
    for of, stories in every.items():
        shown = [_of(known.get(story.name), story) for story in stories]
        parts += [f"## {TITLES[of]}\n", f"{summary(row.verdict for row in shown)}\n"]
        if firsts := [row.first for row in shown if row.first]:
            parts.append(f"At their first play: {summary(firsts)}\n")
        if shown:
            head = Row(
                *("story", "what is broken", "verdict", "said", "OK again", "run on", "first line", "first play"),
                *("rank", "path", "answered"),
            )
            rule = Row(*["---"] * len(COLUMNS))
            parts.append("\n".join(row.shown() for row in (head, rule, *shown)) + "\n")
    return "\n".join(parts)


def rows(text: str) -> list[Row]:
    """The stories' rows of a page."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        names = next((each for each in (COLUMNS, BEFORE) if len(each) == len(cells)), ())
        if names and cells[0] not in ("story", "---"):
            found.append(Row(**dict(zip(names, cells, strict=True))))
    return found


def summary(verdicts: Iterable[str]) -> str:
    counts = Counter(verdicts)
    messages = [f"{counts[name]} {name}" for name in (*Verdict, NOT_RUN) if counts[name]]
    return f"{sum(counts.values())} stories: {', '.join(messages) or 'none yet'}."


def is_good(verdicts: Iterable[str]) -> bool:
    """Nothing wrong, no false OK, and few that are told only partly."""
    counts = Counter(verdicts)
    if counts[Verdict.WRONG] or counts[Verdict.WRONG_OK]:
        return False
    return counts[Verdict.PARTLY] <= MOST_PARTLY * sum(counts.values())


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _row(result: Result, now: datetime) -> Row:
    return Row(
        result.story,
        "",
        str(result.verdict),
        "" if result.said_after is None else f"{result.said_after:.0f} s",
        "no" if result.ok_after is None else f"{result.ok_after:.0f} s",
        f"{now.astimezone(UTC):%Y-%m-%d}",
        _cell("; ".join([result.headline, *result.lacks])),
        "",
        *(map(_cell, result.diagnosis.shown) if result.diagnosis else ()),
    )


def _of(row: Row | None, story: Story) -> Row:
    if row is None:
        return Row(story.name, _cell(story.what), NOT_RUN, "", "", "", "")
    return replace(row, what=_cell(story.what))


def _cell(text: str) -> str:
    """One line without what would end the cell or make something of it."""
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split())).replace("<", "&lt;")[:300]
