"""A report on a terminal: first the sentence, then what is wrong, worst first, then what is well as one line.

By default it fits 24 lines of 60 columns whatever was found. It says the sentence of each finding, what to do, and
how many it has left out; everything that it rests on comes with ``verbose``.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TextIO

from omc.checks.finding import Finding, Level
from omc.output import line
from omc.output.document import Status
from omc.output.fitting import Entry, cut, fit, fitted, in_colour, indented, wrapped
from omc.output.gate import style
from omc.output.text import shell_word
from omc.reports import Report
from omc.reports.about import SECTIONS, SEVERITIES, section, section_status, shown_name, when
from omc.reports.headline import gist, headline, lead
from omc.times import format_time, shortened

LINES, WIDTH = 23, 60
"""The size of a small terminal, less the line of its prompt; a pipe counts as one of that width."""
WIDEST = 100
"""Columns that are used of a wide terminal: longer lines are hard to read."""
HEADLINES = 4
"""Lines of the first sentence; what is cut off there stands below, at its finding."""
MAX_LENGTH = 4_000
"""Characters of one text among what a finding rests on; a log line may have 256 KiB."""
PARAGRAPH = 6
"""Lines of one finding's sentence."""

Known = Mapping[tuple[str, str], Finding]


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a report is shown."""

    verbose: bool = False
    """All of each finding: what it rests on, whole documents and commands."""
    everything: bool = False
    """What is ok too."""

    @property
    def is_limited(self) -> bool:
        return not (self.verbose or self.everything)


BRIEF = Detail()


def width_of(stream: TextIO | None = None) -> int:
    """Of the terminal; of a pipe ``COLUMNS``, else what a small terminal has."""
    stream = stream or sys.stdout
    if stream.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        return max(20, min(shutil.get_terminal_size((WIDTH, LINES + 1)).columns, WIDEST))
    return WIDTH


def as_screen(
    reports: Sequence[Report],
    *,
    width: int = WIDTH,
    colour: bool = False,
    detail: Detail = BRIEF,
    before: Sequence[Known | None] = (),
    lines: int = LINES,
) -> str:
    """The reports below each other, in their order; ``before`` holds for each what an earlier one had found."""
    foot = _foot(reports, width, detail)
    blanks = max(2, len(reports))
    room = lines - len(foot) - blanks
    earlier = list(before) or [None] * len(reports)
    blocks: list[str] = []
    for number, (report, old) in enumerate(zip(reports, earlier, strict=True)):
        if number:
            blocks.append("")
        waiting = len(reports) - number - 1
        head, body = _block(report, width, colour, detail, old, max(3, room - 3 * waiting))
        room -= len(head) + len(body)
        blocks += [*head, *([""] if len(reports) == 1 else []), *body]
    if detail.is_limited and len(reports) > 1 and len(blocks) + len(foot) + 1 > lines:
        blocks = _only_headlines(reports, width, colour, lines - len(foot) - 1)
    return "\n".join(each.rstrip() for each in [*blocks, "", *foot])


def _only_headlines(reports: Sequence[Report], width: int, colour: bool, room: int) -> list[str]:
    shown = reports if len(reports) <= room else reports[: room - 1]
    lines = [_coloured_head(fitted(_short(headline(report), report), width, 1), report, colour)[0] for report in shown]
    if len(shown) < len(reports):
        lines.append(f"and {len(reports) - len(shown)} more environments (--verbose)")
    return lines


def _block(
    report: Report, width: int, colour: bool, detail: Detail, before: Known | None, room: int
) -> tuple[list[str], list[str]]:
    """A report in ``room`` lines at most: its sentence, and the rest."""
    limited = detail.is_limited
    head = fitted(_short(headline(report), report), width, min(HEADLINES, max(1, room - 2)) if limited else 0)
    finding = None if head[-1].endswith("…") else lead(report.findings, strict=report.strict)
    last = _well_line(report, width, detail)
    entries = _entries(report, width, detail, before, finding)
    left = room - len(head) - len(last)
    more: list[str] = []
    if limited:
        entries, more = fit(entries, left, width, SECTIONS)
    else:
        for entry in entries:
            entry.shown = len(entry.forms) - 1
    body = [each for entry in entries for each in entry.coloured(colour)]
    return _coloured_head(head, report, colour), [*body, *more, *_coloured_ok(last, colour)]


def _entries(report: Report, width: int, detail: Detail, before: Known | None, response: Finding | None) -> list[Entry]:
    """One for each finding that isn't ok (and those with ``everything``), in the order in which they are shown."""
    first = lead(report.findings, strict=report.strict)
    shown = [f for f in merged(report.findings) if f.level is not Level.OK or detail.everything or report.requested]
    order = [*SECTIONS, "ok"]
    shown.sort(key=lambda finding: (order.index(section(finding)), not (first and _is(finding, first))))
    indent = max((len(section(finding)) for finding in shown), default=2) + 2
    entries = [
        _entry(
            finding, report, width, indent, detail, _change(finding, before), bool(response and _is(finding, response))
        )
        for finding in shown
    ]
    return entries + _gone(report, width, before)


def _is(finding: Finding, other: Finding) -> bool:
    """The same, or the line that findings with one reason were merged into."""
    return finding is other or (finding.unread and other.unread and finding.sentence == other.sentence)


def _entry(
    finding: Finding, report: Report, width: int, indent: int, detail: Detail, mark: str, in_headline: bool
) -> Entry:
    name = line(_name(finding, report))
    time = when(finding, report)
    rest = finding.sentence[len(gist(finding)) :] if in_headline else finding.sentence  # the first line has said it
    sentence = line(_short(rest, report)).lstrip(".!? " if in_headline else "").rstrip(".")
    text = f"{name}: {mark}{sentence}." if sentence or mark else name
    relative = time.partition(",")[0]
    if time and relative in text:
        text = text.replace(relative, time, 1)  # the sentence says it already; once is enough
    elif time:
        text += f" {time[0].upper()}{time[1:]}." if sentence else f", {time}"
    status = section_status(finding)
    label, room = status.word, width - indent
    if detail.verbose:
        whole = wrapped(text, room, whole_words=True) + _detail(finding, report, room)
        return Entry(status, [indented(label, whole, indent)])
    whole, todo = wrapped(text, room), _todo(finding, room)
    messages = whole if len(whole) <= PARAGRAPH else cut(whole[:PARAGRAPH], room)
    forms = [fitted(text, room, 1), messages, messages + todo]
    if finding.explains:
        forms.append([*forms[-1], *fitted(f"also seen by {_seen_by(finding, report)}", room, 1)])
    return Entry(status, [indented(label, form, indent) for form in forms])


def _short(text: str, report: Report) -> str:
    return shortened(text, report.at, report.environment.time_zone)


def _seen_by(finding: Finding, report: Report) -> str:
    """Where else it shows: the places, or the checks of the same place."""
    names = (each.check if each.place == finding.place else _name(each, report) for each in finding.explains)
    return ", ".join(dict.fromkeys(names))


def _name(finding: Finding, report: Report) -> str:
    if finding.check == "several":
        return finding.subject
    return shown_name(finding.place or f"{finding.check}, {finding.subject}", report.environment)


def _todo(finding: Finding, room: int) -> list[str]:
    """What answers it: the command where there is one, else the section, whose document ``verbose`` has whole."""
    procedure = finding.procedure
    if procedure is None or finding.is_past or finding.unread or finding.level is Level.OK:
        return []
    file = procedure.document.partition("#")[0].rpartition("/")[2]
    words = procedure.command or f"{procedure.title} ({file})"
    first, *rest = wrapped(line(words), room - 2)
    return [f"→ {first}", *(f"  {each}" for each in rest)]


def _detail(finding: Finding, report: Report, room: int) -> list[str]:
    """All that a finding rests on, nothing cut."""
    lines: list[str] = []
    messages = {finding.sentence, *(each.sentence for each in finding.explains)}

    def add(text: str, indent: str = "") -> None:
        shown = _short(text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}… (--output json has all)", report)
        lines.extend(f"{indent}{part}" for part in _item("-", shown, room - len(indent)))

    for evidence in finding.evidence:
        if evidence.text not in messages:
            add(evidence.text)
    for each in finding.explains:
        add(f"{each.check}, {each.place or each.subject}: {each.sentence}")
        for evidence in each.evidence:
            if evidence.text != each.sentence:
                add(evidence.text, "  ")
    if finding.procedure:
        if finding.procedure.command:
            lines += _item("→", finding.procedure.command, room)
        lines += _item("→", f"{finding.procedure.title}: {finding.procedure.document}", room)
    return lines


def _item(mark: str, text: str, room: int) -> list[str]:
    first, *rest = wrapped(line(text), room - 2, whole_words=True)
    return [f"{mark} {first}", *(f"  {each}" for each in rest)]


def _change(finding: Finding, before: Known | None) -> str:
    if before is None or finding.check == "several":
        return ""
    old = before.get(key_of(finding))
    if old is None:
        return "[new] "
    return f"[was {section(old)}] " if section(old) != section(finding) else ""


def _gone(report: Report, width: int, before: Known | None) -> list[Entry]:
    here = by_subject(report)
    entries = []
    for key, finding in (before or {}).items():
        if key not in here and finding.level is not Level.OK:
            text = f"{line(_name(finding, report))}: was {section(finding)}: {line(finding.sentence)}"
            entries.append(Entry(Status("gone"), [indented("gone", fitted(text, width - 6, 1), 6)]))
    return entries


def by_subject(report: Report) -> Known:
    """What a later report of the same is compared with."""
    return {key_of(finding): finding for finding in report.findings}


def key_of(finding: Finding) -> tuple[str, str]:
    return finding.check, finding.subject


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that are unknown for one and the same reason as one: the reason is said once."""
    together: list[Finding] = []
    places: dict[str, int] = {}
    for finding in findings:
        if finding.unread:
            if finding.sentence in places:
                first = together[places[finding.sentence]]
                together[places[finding.sentence]] = _joined(first, finding)
                continue
            places[finding.sentence] = len(together)
        together.append(finding)
    return together


def _joined(first: Finding, second: Finding) -> Finding:
    number = int(first.subject.split()[0]) + 1 if first.check == "several" else 2
    return replace(
        first, check="several", place="", subject=f"{number} checks", evidence=first.evidence + second.evidence
    )


def _well_line(report: Report, width: int, detail: Detail) -> list[str]:
    """What is ok, as one line with counts; what a report of a part says of the rest."""
    lines = []
    well = [finding for finding in report.findings if finding.level is Level.OK and not finding.is_past]
    if well and not detail.everything and not report.requested:
        lines.append(f"ok    {counted(well, width - len('ok     (--all)'))} (--all)")
    rest = Counter(section(finding) for finding in report.elsewhere)
    if report.requested:
        message = ", ".join(f"{rest[name]} {name}" for name in [*SECTIONS, "ok"] if rest[name])
        lines += fitted(f"Elsewhere: {message or 'nothing'} (omc check morning)", width, 1)
    return lines


def counted(findings: Sequence[Finding], room: int) -> str:
    """``23: services 4, targets 2, alarms``: how many findings, by the part of the stack, as many parts as fit."""
    kinds = Counter(line((finding.place or finding.check).partition("/")[0]) for finding in findings)
    message = f"{len(findings)}"
    for number, (kind, times) in enumerate(kinds.items()):
        longer = f"{message}{', ' if number else ': '}{kind}{f' {times}' if times > 1 else ''}"
        is_last = number == len(kinds) - 1
        if len(longer) + (0 if is_last else 3) > room:
            return f"{message}{', …' if number else ''}"
        message = longer
    return message


def _foot(reports: Sequence[Report], width: int, detail: Detail) -> list[str]:
    """When it was asked, and what it took; where, if that isn't AWS or all is to be shown."""
    first, calls = reports[0], sum(len(report.calls) for report in reports)
    seconds = max(report.seconds for report in reports)
    text = f"{format_time(first.at, first.environment.time_zone)}, {calls} calls, {seconds:.2f} s."
    lines = wrapped(text, width)
    for report in reports:
        if report.left_out:
            whose = f"{report.environment.name}: " if len(reports) > 1 else ""
            lines += wrapped(line(f"Left out: {whose}{', '.join(report.left_out)}."), width)
        environment = report.environment
        place = f"{environment.cluster} in {environment.region}"
        if report.endpoint:
            place += f", at {report.endpoint}"
        if not detail.is_limited:
            lines += wrapped(line(f"{report.title}, {environment.name}: {place}."), width, whole_words=True)
    unsaid = any(finding.level is not Level.OK for report in reports for finding in report.findings)
    if detail.is_limited and unsaid:
        found = lead((finding for report in reports for finding in report.findings), strict=True)
        about = f"Details: --verbose, or omc check morning {shell_word(_name(found, first))}" if found else ""
        lines.append(about if about and len(about) <= width else "Details: --verbose")
    return lines


def _coloured_head(head: Sequence[str], report: Report, colour: bool) -> list[str]:
    word = report.verdict.upper()
    if not colour or not head or not head[0].startswith(word):
        return list(head)
    first = in_colour(word, SEVERITIES[report.verdict]) + head[0][len(word) :]
    return [first, *head[1:]]


def _coloured_ok(lines: list[str], colour: bool) -> list[str]:
    return [style(each[:2], fg="green") + each[2:] if colour and each.startswith("ok ") else each for each in lines]
