"""The first sentence: the verdict, and what most likely causes it, for somebody who was just woken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from omc.checks.finding import Finding, Level
from omc.checks.run import Report
from omc.times import format_duration

CAUSES_FIRST = (
    "infrastructure",
    "database",
    "cache",
    "",
    "secrets",
    "services",
    "load-balancer",
    "targets",
    "users",
    "logs",
    "data",
    "metrics",
    "alarms",
)
"""Parts of the stack, those first that others fail because of; the empty one is any other place (a dependency)."""
SYMPTOMS = frozenset({"alarms", "error-rate", "recent-errors", "data-fresh", "metrics-fresh"})
"""Checks that tell of an effect: they are the headline only where nothing says why."""
LABELS = {
    "alarms": "alarm {}",
    "data-fresh": "data of {}",
    "logs": "the log {}",
    "secrets": "secret {}",
    "targets": "the targets of {}",
    "users": "users of {}",
}
TOGETHER = timedelta(minutes=1)
"""What ended this shortly before the last thing that is past belongs to it: the cause is among these."""
NEAR = 30
"""Characters from a sentence's beginning within which a name says what it is about."""
WORDS = {Level.FAIL: "failure", Level.WARN: "warning", Level.UNKNOWN: "unknown"}
_SENTENCE_END = re.compile(r"(?<=[a-z0-9)\]\"'%>…])[.!?]\s+(?=[A-Z\"'])")


def headline(report: Report) -> str:
    """One sentence. It names the environment, the verdict, and the finding that ``lead`` gives."""
    name = ", ".join((report.environment.name, *report.requested))
    found = lead(report.findings, strict=report.strict)
    start = f"{report.verdict.upper()} {name}"
    if found is None:
        return f"{start}: {_well(report)}."
    users = ""
    failing = [finding for finding in report.findings if finding.level is Level.FAIL and not finding.is_past]
    if found.level is Level.FAIL and not _about_users(found) and any(_reaches_users(finding) for finding in failing):
        users = ", users are affected"
    middle = {Level.WARN: "nothing fails, but ", Level.UNKNOWN: "could not tell: "}.get(found.level, "")
    what = phrase(found)
    if middle and what.startswith(("The ", "A ", "An ", "No ")):
        what = what[0].lower() + what[1:]
    return f"{start}{users}: {middle}{what}{_others(report, found)}."


def lead(findings: Iterable[Finding], *, strict: bool = False) -> Finding | None:
    """The finding that the first sentence is about: of the worst, what explains most, then what others rest on, then
    what began first. None where nothing is wrong."""
    counted = [f for f in findings if f.level is not Level.OK and (strict or not f.is_past)]
    worst = max((list(Level).index(finding.level) for finding in counted), default=0)
    return min((f for f in counted if f.level is list(Level)[worst]), key=_likely_cause, default=None)


def first_sentence(text: str) -> str:
    """Up to the end of the first sentence, without its full stop."""
    found = _SENTENCE_END.search(text)
    return (text[: found.start()] if found else text).rstrip().rstrip(".")


def gist(finding: Finding) -> str:
    """The first sentence; of what could not be read all, since what follows is how it can be."""
    return finding.sentence.rstrip(".") if finding.unread else first_sentence(finding.sentence)


def phrase(finding: Finding) -> str:
    """What is the matter with what: the place's name is set before a sentence that doesn't have it."""
    sentence, name = gist(finding), label(finding)
    bare = name.rpartition(" ")[2]
    if not name or finding.unread or re.search(rf"(?<![\w-]){re.escape(bare)}(?![\w-])", sentence[:NEAR]):
        return sentence
    return f"{name}: {sentence}"


def label(finding: Finding) -> str:
    """``backend`` for ``services/backend``, ``alarm x`` for ``alarms/x``."""
    kind, _, name = (finding.place or finding.subject).partition("/")
    return LABELS.get(kind, "{}").format(name) if name else kind.replace("-", " ")


def _likely_cause(finding: Finding) -> tuple[bool, int, int, datetime]:
    kind = finding.place.partition("/")[0]
    depth = CAUSES_FIRST.index(kind if kind in CAUSES_FIRST else "")
    started = finding.since or datetime.max.replace(tzinfo=UTC)
    return finding.check in SYMPTOMS, -len(finding.explains), depth, started


def _about_users(finding: Finding) -> bool:
    return finding.place.partition("/")[0] == "users"


def _reaches_users(finding: Finding) -> bool:
    return any(_about_users(each) and each.level is Level.FAIL for each in (finding, *finding.explains))


def _others(report: Report, found: Finding) -> str:
    counted = [f for f in report.findings if f.level is found.level and f is not found and not f.is_past]
    if found.unread:
        counted = [finding for finding in counted if finding.sentence != found.sentence]
    if not counted:
        return ""
    word = WORDS[found.level]
    return f" (and {len(counted)} more {word}{'s' if len(counted) > 1 and word != 'unknown' else ''})"


def _well(report: Report) -> str:
    past = [finding for finding in report.findings if finding.is_past]
    if not report.findings:
        return "nothing was checked"
    if past:
        last = max(finding.ended for finding in past if finding.ended)
        newest = min((f for f in past if f.ended and last - f.ended <= TOGETHER), key=_likely_cause)
        others = f" (and {len(past) - 1} more)" if len(past) > 1 else ""
        return f"nothing is wrong now; until {format_duration(report.at - last)} ago: {phrase(newest)}{others}"
    if report.requested and len(report.findings) == 1:
        return first_sentence(report.findings[0].sentence)
    return f"nothing is wrong ({_number(report.findings)})"


def _number(findings: Sequence[Finding]) -> str:
    return "1 finding, ok" if len(findings) == 1 else f"{len(findings)} findings, all ok"
