"""A story: what is broken, how the check should say it, and the verdict on what it did say. Pure but for the fault."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rehearsal.outside.diagnosed import Diagnosed
    from rehearsal.outside.world import World

SETS = ("tuned", "held_out")


class Verdict(StrEnum):
    """Best first."""

    RIGHT = "right"
    PARTLY = "partly"
    """The cause is told, but not in the first line, not with every word, or it isn't OK again after the healing."""
    WRONG = "wrong"
    WRONG_OK = "wrong-ok"
    """A plain OK over a broken stack."""


@dataclass(frozen=True, slots=True)
class Story:
    """One fault and what an engineer must read of it. All patterns are regular expressions, whatever the case."""

    name: str
    fault: Callable[[World], AbstractContextManager[None]]
    """Breaks the stack on entry, heals it on exit."""
    what: str
    """What is broken, in a few words, for the table."""
    headline: str
    """The check's first line must match: the cause, and on what."""
    words: Sequence[str] = ()
    """Each must be said by the first line or a finding that isn't ok: the resource by its name, what the tasks said."""
    never: Sequence[str] = ()
    """None may be in the first line, or in a command that answers what is wrong now."""
    path: str = ""
    """A pattern of the diagnosis' path, its places joined by arrows; empty: the story says nothing of it."""
    exits: Sequence[int] = (1,)
    """The exit codes that are right. With 0, a warning or something past must be said all the same."""
    within: float = 90.0
    """Seconds from the fault until it must be said."""
    healed_within: float = 360.0
    """Seconds from the end of the fault until the check is OK again: tasks that failed are of the past once their
    service has been well for five minutes."""


Answer = Mapping[str, Any]
"""What ``omc check morning --output json`` printed."""


@dataclass(frozen=True, slots=True)
class Judged:
    verdict: Verdict
    lacks: tuple[str, ...] = ()
    """What keeps it from being right, in words."""


def judge(story: Story, answer: Answer) -> Judged:
    """What one answer of the check is worth while the fault is in force."""
    headline, message = str(answer["headline"]), "\n".join(texts(answer))
    text = f"{headline}\n{message}"
    lacks = [f"/{word}/ isn't said" for word in story.words if not _found(word, text)]
    lacks += [f"/{word}/ is said" for word in story.never if _found(word, "\n".join([headline, *commands(answer)]))]
    if not _found(story.headline, headline):
        lacks.insert(0, f"the first line isn't /{story.headline}/")
    if answer["exit_code"] not in story.exits:
        lacks.append(f"exit code {answer['exit_code']}")
    if not lacks and message:
        return Judged(Verdict.RIGHT)
    if not message:
        return Judged(Verdict.WRONG_OK, ("nothing is said at all",))
    hit = not story.words or any(_found(word, text) for word in story.words)
    if hit and _found(story.headline, text) and answer["exit_code"] in story.exits:
        return Judged(Verdict.PARTLY, tuple(lacks))
    return Judged(Verdict.WRONG, tuple(lacks))


def texts(answer: Answer) -> list[str]:
    """All that is said of what isn't ok, of what is past, and of what either explains."""
    found = []
    for finding in _open(answer):
        found += [f"{finding['place'] or ''} {finding['subject']}: {finding['sentence']}"]
        found += [evidence["text"] for evidence in finding["evidence"]]
    return found


def commands(answer: Answer) -> list[str]:
    """What the check says to do about what is wrong now."""
    return [finding["command"] for finding in _open(answer) if finding.get("command") and not finding.get("past")]


def _open(answer: Answer) -> Iterable[Mapping[str, Any]]:
    waiting = [finding for finding in answer["findings"] if finding["level"] != "ok" or finding.get("past")]
    while waiting:
        finding = waiting.pop(0)
        yield finding
        waiting += finding.get("explains", [])


def is_ok(answer: Answer) -> bool:
    """Whether nothing is wrong now: what is past may be told, and warnings don't hold the exit code."""
    return bool(answer["exit_code"] == 0)


def _found(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE | re.DOTALL) is not None


@dataclass(frozen=True, slots=True)
class Result:
    """How a story went."""

    story: str
    verdict: Verdict
    said_after: float | None
    """Seconds until the best that was said was said; None where nothing of it was."""
    ok_after: float | None
    """Seconds from the healing until OK; None where it wasn't in time."""
    headline: str
    lacks: tuple[str, ...] = field(default=())
    diagnosis: Diagnosed | None = None
    """What ``omc diagnose`` said while the fault was in force; None: it wasn't asked."""


def stories(of: str) -> tuple[Story, ...]:
    """All stories of a set, by module and in order. A name that is used twice is a mistake."""
    package = importlib.import_module(f"rehearsal.outside.{of}")
    found: list[Story] = []
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda each: each.name):
        found += importlib.import_module(f"{package.__name__}.{module.name}").STORIES
    return tuple(found)


def every_story() -> dict[str, tuple[Story, ...]]:
    """By set. Raises ``ValueError`` where two have the same name."""
    found = {of: stories(of) for of in SETS}
    names = [story.name for each in found.values() for story in each]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two stories are called {', '.join(twice)}")
    return found
