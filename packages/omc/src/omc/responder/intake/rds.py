"""Events of databases (RDS) and caches (ElastiCache): failovers and failures, maintenance, and much that is noise.

RDS's come from EventBridge or from an event subscription's topic, ElastiCache's of clusters of nodes from one topic
only, as an object with one key or as a line of text. AWS promises neither their order nor that they come at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Literal

from omc.model.planned import Planned
from omc.responder.intake.reading import (
    MAX_ITEMS,
    Context,
    ignored,
    items,
    mapping,
    moment,
    notification,
    text,
    unreadable,
)
from omc.responder.model import Intake, digest

RDS, ELASTICACHE = "rds", "elasticache"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an event says of an alert or of planned work: the same ``about`` for what begins it and what ends it."""

    about: str
    says: Literal["firing", "ended", "planned", "begun", "over", "nothing"]


def _table(rows: str) -> dict[str, Meaning]:
    found: dict[str, Meaning] = {}
    for row in rows.strip().splitlines():
        about, says, *numbers = row.split()
        found |= {f"RDS-EVENT-{number}": Meaning(about, says) for number in numbers}  # type: ignore[arg-type]
    return found


RDS_EVENTS: Mapping[str, Meaning] = _table("""
    availability  firing   0004 0022 0221
    availability  ended    0006 0088
    failover      firing   0013 0034 0050 0069 0072 0073
    failover      ended    0015 0049 0051 0065 0071
    recovery      firing   0020 0052
    recovery      ended    0021 0053
    storage       firing   0007 0089 0222 0223 0224 0227 0254
    failure       firing   0031 0035 0036 0188
    failure       nothing  0039 0058 0079 0080 0081 0219 0220 0237
    replication   firing   0045 0057
    replication   ended    0046
    upgrade       firing   0158 0270
    maintenance   begun    0026 0266 0267 0286 0288
    maintenance   over     0027 0047 0268 0289 0290
    minor-version planned  0155
    system-update planned  0230 0287
""")
"""By their ids: categories and texts have changed, ids never do. Source: RDS's guide, "Amazon RDS event categories and
event messages"."""
DONE: Mapping[str, str] = {
    "RDS-EVENT-0027": "system-update",
    "RDS-EVENT-0047": "system-update",
    "RDS-EVENT-0268": "minor-version",
}
"""What was announced and is done with such an event: RDS never takes an announcement back by name."""
ALERTING = frozenset({"failure", "low storage"})
"""Categories whose events count as failures where the id is new to this table."""
HAS_END = frozenset({"availability", "failover", "recovery", "replication"})

ELASTICACHE_EVENTS: Mapping[str, Meaning] = {
    "failovercomplete": Meaning("failover", "firing"),
    "cachenodereplacestarted": Meaning("replacement", "firing"),
    "cachenodereplacecomplete": Meaning("replacement", "ended"),
    "cachenodesrebooted": Meaning("reboot", "firing"),
    "nodereplacementscheduled": Meaning("node-replacement", "planned"),
    "nodereplacementrescheduled": Meaning("node-replacement", "planned"),
    "nodereplacementcanceled": Meaning("node-replacement", "over"),
    "serviceupdateavailablefornode": Meaning("service-update", "planned"),
}
"""By their names in small letters, since both spellings of ``ElastiCache`` are sent. Any other that ends in ``Failed``
is a failure. Source: ElastiCache's guide, "Amazon SNS and ElastiCache events"."""
_NAME = re.compile(r"\s*elasticache:\s*(\w+)", re.IGNORECASE)
_LINE = re.compile(r"\s*elasticache:\s*(\w+)(?: due to [\w ]+)?(?:\s*:\s*|\s+)?([\w.:-]*)", re.IGNORECASE)
_EVENT_ID = re.compile(r"RDS-EVENT-\d{4}")
_START = re.compile(r"(?<!Previous )Start Time: ([0-9T:Z.+ -]{10,40})", re.IGNORECASE)
_END = re.compile(r"(?<!Previous )End Time: ([0-9T:Z.+ -]{10,40})", re.IGNORECASE)


def rds_from_event(event: Mapping[str, Any], context: Context) -> tuple[Intake, ...]:
    """An event of EventBridge's, of ``aws.rds``."""
    detail = mapping(event, "detail")
    arn = text(detail.get("SourceArn") or next(iter(items(event.get("resources"))), ""), 600)
    return _rds(
        context,
        event_id=text(detail.get("EventID")),
        subject=text(detail.get("SourceIdentifier")),
        arn=arn,
        categories={text(one).lower() for one in items(detail.get("EventCategories"))[:MAX_ITEMS]},
        message=detail.get("Message"),
        at=moment(detail.get("Date"), UTC) or moment(event.get("time")),
        found={
            "account": event.get("account"),
            "region": event.get("region"),
            "source_type": detail.get("SourceType"),
        },
    )


def is_rds_message(message: Mapping[str, Any]) -> bool:
    """Whether it looks like one of an event subscription."""
    return "Event Source" in message and "Event ID" in message


def rds_from_sns(message: Mapping[str, Any], context: Context) -> tuple[Intake, ...]:
    """A message of an event subscription. Its times have no zone, and are UTC."""
    found = _EVENT_ID.search(text(message.get("Event ID")))
    return _rds(
        context,
        event_id=found[0] if found else "",
        subject=text(message.get("Source ID")),
        arn=text(message.get("Source ARN"), 600),
        categories=set(),
        message=message.get("Event Message"),
        at=moment(message.get("Event Time"), UTC),
        found={"source_type": message.get("Event Source")},
    )


def _rds(
    context: Context,
    *,
    event_id: str,
    subject: str,
    arn: str,
    categories: set[str],
    message: object,
    at: Any,
    found: Mapping[str, object],
) -> tuple[Intake, ...]:
    # EventBridge's examples have the identifier with a prefix, its real events don't.
    subject = subject.removeprefix("rds:") or arn.rpartition(":")[2]
    if not subject or (not event_id and not categories):
        return (unreadable("An event of RDS's that doesn't say of what, or which."),)
    sentence = text(message, 1_000)
    meaning = RDS_EVENTS.get(event_id)
    if meaning is None and categories & ALERTING:
        meaning = Meaning("failure", "firing")
    if meaning is None or meaning.says == "nothing":
        what = ", ".join(sorted(categories)) or "no category"
        return (ignored(f"{subject}: {event_id or 'an event'} ({what}) is none that anybody is told of: {sentence}"),)
    meanings = [meaning, *([Meaning(DONE[event_id], "over")] if event_id in DONE else [])]
    return tuple(
        _told(
            context,
            RDS,
            each,
            identity=arn or subject,
            subject=subject,
            event=event_id or "failure",
            sentence=sentence,
            at=at,
            has_end=each.about in HAS_END,
            found={"arn": arn, "event_id": event_id, "categories": " ".join(sorted(categories)), **found},
        )
        for each in meanings
    )


def elasticache_key(message: Mapping[str, Any]) -> str | None:
    """The key that names the event, where it is a message of ElastiCache's."""
    return next((key for key in list(message)[:10] if _NAME.match(key)), None)


def elasticache_from_sns(message: Mapping[str, Any], context: Context) -> Intake:
    """``{"ElastiCache:FailoverComplete": "the-cluster"}``, with or without more beside."""
    key = elasticache_key(message)
    if key is None:
        return unreadable("A message of ElastiCache's that doesn't name its event.")
    name = key.partition(":")[2].split()[0]
    sentence = " ".join(text(value, 600) for value in list(message.values())[:10])
    return _elasticache(context, name, text(message[key]), sentence)


def elasticache_from_text(message: str, context: Context) -> Intake | None:
    """``ElastiCache:FailoverComplete : the-cluster``; None where it is no such line."""
    found = _LINE.match(message[:2_000])
    return _elasticache(context, found[1], found[2], text(message, 1_000)) if found else None


def elasticache_from_event(event: Mapping[str, Any], context: Context) -> Intake:
    """An event of EventBridge's, of ``aws.elasticache``: of serverless caches and snapshots."""
    kind, detail = text(event.get("detail-type")), mapping(event, "detail")
    subject = text(next(iter(items(event.get("resources"))), ""), 600).rpartition(":")[2]
    if not kind or not subject:
        return unreadable("An event of ElastiCache's that doesn't say of what, or which.")
    if "Failed" not in kind and "Limit Approaching" not in kind:
        return ignored(f"{subject}: “{kind}” is none that anybody is told of.")
    return _told(
        context,
        ELASTICACHE,
        Meaning("failure", "firing"),
        identity=f"{subject} {kind}",
        subject=subject,
        event=kind,
        sentence=text(detail.get("message"), 1_000) or kind,
        at=moment(event.get("time")),
        has_end=False,
        found={"account": event.get("account"), "region": event.get("region")},
    )


def _elasticache(context: Context, name: str, value: str, sentence: str) -> Intake:
    # The window comes as text in place of the name or after it.
    subject = next(iter(re.findall(r"Cluster ID: ([\w-]+)", sentence)), "") or value.split(" ")[0]
    if not subject:
        return ignored(f"{name} of an unnamed cluster.") if name else unreadable("An event of ElastiCache's, unnamed.")
    meaning = ELASTICACHE_EVENTS.get(name.lower())
    if meaning is None and name.lower().endswith("failed"):
        meaning = Meaning("failure", "firing")
    if meaning is None:
        return ignored(f"{subject}: {name} is none that anybody is told of.")
    return _told(
        context,
        ELASTICACHE,
        meaning,
        identity=subject,
        subject=subject,
        event=name,
        sentence=sentence,
        at=None,
        has_end=meaning.about == "replacement",
        found={},
    )


def _told(
    context: Context,
    source: str,
    meaning: Meaning,
    *,
    identity: str,
    subject: str,
    event: str,
    sentence: str,
    at: Any,
    has_end: bool,
    found: Mapping[str, object],
) -> Intake:
    when = context.within(at)
    if meaning.says in ("firing", "ended"):
        return notification(
            context,
            source,
            f"{identity} {meaning.about}",
            f"{event} {when.isoformat(timespec='milliseconds')}",
            name=f"{subject} {meaning.about}",
            state="firing" if meaning.says == "firing" else "ended",
            at=at,
            title=f"{subject}: {sentence or event}",
            description=sentence,
            found={**found, "event": event, "subject": subject, **({} if has_end else {"has_end": "no"})},
        )
    start, end = _window(sentence)
    return Planned(
        id=digest(source, context.environment, f"{identity} {meaning.about}"),
        source=source,
        environment=context.environment,
        subject=subject,
        what=text(f"{meaning.about}: {sentence or event}", 300),
        start=start or (when if meaning.says == "begun" else None),
        end=end or (when if meaning.says == "over" else None),
        at=when,
        is_over=meaning.says == "over",
        description=sentence,
    )


def _window(sentence: str) -> tuple[Any, Any]:
    """The start and end of a maintenance window that a text names, the new ones where it was moved."""
    start, end = _START.search(sentence), _END.search(sentence)
    return (
        moment(start[1].strip(" .,"), UTC) if start else None,
        moment(end[1].strip(" .,"), UTC) if end else None,
    )
