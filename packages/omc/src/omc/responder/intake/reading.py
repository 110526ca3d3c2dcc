"""How anything from outside is read: JSON within bounds, texts without control characters, times in UTC."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from omc.responder.model import (
    MAX_DESCRIPTION,
    MAX_LABEL_NAME,
    MAX_LABEL_VALUE,
    MAX_LABELS,
    MAX_LINK,
    MAX_NAME,
    MAX_REASON,
    MAX_TITLE,
    Ignored,
    Notification,
    Severity,
    State,
    Unreadable,
    alert_key,
    digest,
)

MAX_BYTES = 1_048_576
"""What a queue takes in one message (SQS, SetQueueAttributes: MaximumMessageSize)."""
MAX_DEPTH = 40
"""Levels of objects and lists in each other; the deepest payload of AWS's has 8."""
MAX_ITEMS = 1_000
"""Alerts, affected things or tags of one message; what is beyond is told as left out."""
MAX_SKEW = timedelta(minutes=10)
"""By how much a source's clock may be ahead of the one that stamped the message. Without a bound, one time in the far
future would make every later change of that alert look old."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""What lies before is no time: Go's zero (the year 1), an epoch of 0."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a parser knows beside the message."""

    environment: str
    sent: datetime
    """When the message was put into the queue, or reached the webhook, in UTC: the time of what has none of its own."""
    topic: str | None = None
    """The ARN of the SNS topic that it came through."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Added to each notification."""

    def within(self, at: datetime | None) -> datetime:
        """The time that the source gives, where it is one that can be."""
        return at if at and at <= self.sent + MAX_SKEW else self.sent


def document(body: object) -> dict[str, Any] | Unreadable:
    """The JSON object that a body is. A body that is one already is measured by its depth only."""
    if isinstance(body, str):
        body = body.encode("utf-8", "surrogatepass")
    if isinstance(body, bytes | bytearray):
        if len(body) > MAX_BYTES:
            return Unreadable(f"The message has {len(body):,} bytes; {MAX_BYTES:,} are the most that are read.")
        try:
            body = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse)
        except UnicodeDecodeError:
            return Unreadable("The message isn't text in UTF-8.")
        except (ValueError, RecursionError):
            return Unreadable("The message isn't JSON, or is nested too deeply.")
    if not isinstance(body, dict):
        return Unreadable("The message isn't a JSON object.")
    if not _is_shallow(body):
        return Unreadable(f"The message is nested in more than {MAX_DEPTH} levels.")
    return body


def _refuse(constant: str) -> object:
    raise ValueError(constant)


def _is_shallow(value: object) -> bool:
    level: list[object] = [value]
    for _ in range(MAX_DEPTH + 1):
        following: list[object] = []
        for each in level:
            if isinstance(each, Mapping):
                following.extend(each.values())
            elif isinstance(each, list):
                following.extend(each)
        if not following:
            return True
        level = following
    return False


def mapping(value: object, *path: str) -> Mapping[str, Any]:
    """The object at a path; an empty one where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> Sequence[Any]:
    """A list; an empty one where it is none."""
    return value if isinstance(value, list) else ()


def mappings(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list, ``MAX_ITEMS`` at most."""
    return [each for each in items(value)[:MAX_ITEMS] if isinstance(each, Mapping)]


def text(value: object, limit: int = MAX_NAME) -> str:
    """One line: without control characters, with single spaces, cut to ``limit`` characters. Numbers as they are
    written, anything else is nothing."""
    return _cut(" ".join(_plain(value, limit).split()), limit)


def lines(value: object, limit: int) -> str:
    """Like ``text``, with the line breaks kept."""
    found = (" ".join(line.split()) for line in _plain(value, limit).splitlines())
    return _cut("\n".join(found).strip(), limit)


def _plain(value: object, limit: int) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)[:limit] if not isinstance(value, int) or value.bit_length() < 4096 else ""
    if not isinstance(value, str):
        return ""
    return value[: 4 * limit + 1].translate(_CONTROLS).encode("utf-8", "replace").decode("utf-8")


_CONTROLS = {
    **{code: " " for code in (*range(32), *range(127, 160), 0x2028, 0x2029) if code != 10},
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF), ""),
}
"""C0 and C1 but the line feed, Unicode's own line ends, and what turns the direction of the text that follows."""


def _cut(found: str, limit: int) -> str:
    return found if len(found) <= limit else found[: limit - 1].rstrip() + "…"


OWN_LABELS = frozenset({"ended_at", "ended_by"})
"""Labels that omc gives: nobody outside may say that what he sends is over already."""


def labels(found: Mapping[str, object]) -> dict[str, str]:
    """Labels within bounds, sorted by name, without empty ones."""
    cleaned = {
        text(name, MAX_LABEL_NAME): text(value, MAX_LABEL_VALUE) for name, value in list(found.items())[:MAX_ITEMS]
    }
    named = sorted((name, value) for name, value in cleaned.items() if name and value and name not in OWN_LABELS)
    return dict(named[:MAX_LABELS])


def link(value: object) -> str | None:
    """An address of the web, else nothing: what is shown may be clicked."""
    if not isinstance(value, str) or len(value) > MAX_LINK or not _LINK.fullmatch(value):
        return None
    return value


_LINK = re.compile(r"https?://[!-~]+", re.ASCII)

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9})\d{0,20})?)? ?(Z|z|UTC|[+-]\d\d:?\d\d)?", re.ASCII
)
_RFC = re.compile(
    r"(?:[A-Za-z]{3,9}, )?(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d)(?::(\d\d))? (GMT|UTC|Z|[+-]\d{4})", re.ASCII
)
_MONTHS = {"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6}
_MONTHS |= {"jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12}


def moment(value: object, zone: timezone | None = None) -> datetime | None:
    """A time in UTC: ISO 8601 with ``Z``, ``+0000`` or ``+00:00``, or as in a mail's header (RFC 1123). One without a
    zone counts in ``zone``, and is none where that isn't given. None for anything else, and for what is no time."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        if found := _ISO.fullmatch(value.strip()):
            year, month, day, hour, minute = (int(part) for part in found.groups()[:5])
            offset = _offset(found[8]) if found[8] else zone
            micros = int((found[7] or "").ljust(6, "0")[:6])
            second = int(found[6] or 0)
        elif found := _RFC.fullmatch(value.strip()):
            day, month, year = int(found[1]), _MONTHS[found[2].lower()], int(found[3])
            hour, minute, second, micros, offset = (
                int(found[4]),
                int(found[5]),
                int(found[6] or 0),
                0,
                _offset(found[7]),
            )
        else:
            return None
        if offset is None:
            return None
        at = datetime(year, month, day, hour, minute, min(second, 59), micros, offset).astimezone(UTC)
    except (ValueError, OverflowError, KeyError):
        return None
    return at if at >= EARLIEST else None


def _offset(written: str) -> timezone:
    if written[0] not in "+-":
        return UTC
    sign = -1 if written[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(written[1:3]), minutes=int(written[-2:])))


def unreadable(sentence: str) -> Unreadable:
    """A reason within bounds."""
    return Unreadable(text(sentence, MAX_REASON))


def ignored(sentence: str) -> Ignored:
    """A reason within bounds."""
    return Ignored(text(sentence, MAX_REASON))


def notification(
    context: Context,
    source: str,
    identity: str,
    change: str,
    *,
    name: object,
    state: State,
    at: datetime | None,
    title: object,
    description: object = "",
    found: Mapping[str, object],
    severity: Severity | None = None,
    service: object = None,
    address: object = None,
) -> Notification:
    """A notification within bounds. ``identity`` is the source's own for the alert, ``change`` its own for this change
    of it: the same two, from whichever way the message came, are the same notification."""
    key = alert_key(source, context.environment, identity)
    extra = {"topic": context.topic, **context.labels}
    return Notification(
        id=digest(key, state, change),
        source=source,
        environment=context.environment,
        alert_key=key,
        name=text(name, MAX_NAME),
        state=state,
        at=context.within(at),
        severity=severity,
        service=text(service, MAX_NAME) or None,
        title=text(title, MAX_TITLE),
        description=lines(description, MAX_DESCRIPTION),
        labels=labels({**found, **extra}),
        link=link(address),
    )
