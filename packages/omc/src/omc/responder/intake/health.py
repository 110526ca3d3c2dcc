"""AWS Health's events: what AWS will do (planned work, for each thing that it concerns), and what is wrong at AWS.

The same event comes to two regions, in pages, and again with each change of it. What is planned for a thing has one id
throughout; of an issue each text of AWS's is one notification, from whichever region it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omc.model.planned import Planned
from omc.responder.intake.reading import (
    MAX_ITEMS,
    Context,
    ignored,
    items,
    lines,
    mapping,
    mappings,
    moment,
    notification,
    text,
    unreadable,
)
from omc.responder.model import MAX_DESCRIPTION, Intake, digest

SOURCE = "health"
KINDS = frozenset({"AWS Health Event", "AWS Health Abuse Event"})
FOR_INFORMATION = frozenset({"accountnotification", "investigation"})
CLOSED = frozenset({"closed", "resolved"})
RESOLVED = "RESOLVED"
"""Of one thing among those that an event concerns: nothing is left to be done for it."""
ACTION_REQUIRED = "ACTION_REQUIRED"


def from_event(event: Mapping[str, Any], context: Context) -> tuple[Intake, ...]:
    """An event of EventBridge's, of ``aws.health``."""
    kind, detail = text(event.get("detail-type")), mapping(event, "detail")
    if kind not in KINDS:
        return (unreadable(f"omc doesn't know AWS Health's event “{kind}”."),)
    arn, code = text(detail.get("eventArn"), 1_600), text(detail.get("eventTypeCode"))
    category = text(detail.get("eventTypeCategory")).lower()
    if not arn or not code or not category:
        return (unreadable("An event of AWS Health's without its ARN, its type or its category."),)
    if category == "issue":
        return (_issue(event, detail, context, arn, code),)
    wants_action = text(detail.get("actionability")) == ACTION_REQUIRED
    if category == "scheduledchange" or (category == "accountnotification" and wants_action):
        return _planned(event, detail, context, arn, code)
    if category not in FOR_INFORMATION:
        return (unreadable(f"omc doesn't know AWS Health's category “{category}”."),)
    return (ignored(f"{code} is for information ({category})."),)


def _issue(event: Mapping[str, Any], detail: Mapping[str, Any], context: Context, arn: str, code: str) -> Intake:
    account = text(detail.get("affectedAccount") or event.get("account"))
    is_over = text(detail.get("statusCode")).lower() in CLOSED
    end = moment(detail.get("endTime")) or moment(detail.get("lastUpdatedTime"))
    where = text(detail.get("eventRegion") or event.get("region"))
    communication = text(detail.get("communicationId")) or text(detail.get("lastUpdatedTime")) or text(event.get("id"))
    concerned = _concerned(event, detail)
    return notification(
        context,
        SOURCE,
        f"{arn} {account}",
        f"{communication} {text(detail.get('page')) or '1'}",
        name=code,
        state="ended" if is_over else "firing",
        at=(end if is_over else moment(detail.get("startTime"))) or moment(event.get("time")),
        title=f"AWS {'closed' if is_over else 'reports'} {code}" + (f" in {where}" if where else ""),
        description=_description(detail),
        found={
            "event_arn": arn,
            "type_code": code,
            "aws_service": detail.get("service"),
            "region": where,
            "account": account,
            "scope": detail.get("eventScopeCode"),
            "status": detail.get("statusCode"),
            "affected": " ".join(name for name, _ in concerned[:10]),
        },
    )


def _planned(
    event: Mapping[str, Any], detail: Mapping[str, Any], context: Context, arn: str, code: str
) -> tuple[Intake, ...]:
    account = text(detail.get("affectedAccount") or event.get("account"))
    is_over = text(detail.get("statusCode")).lower() in CLOSED
    at = moment(detail.get("lastUpdatedTime")) or moment(event.get("time"))
    end = moment(detail.get("endTime"))
    # Without names it concerns the service as a whole.
    concerned = _concerned(event, detail) or [(text(detail.get("service")) or code, False)]
    found: list[Intake] = [
        Planned(
            id=digest(SOURCE, context.environment, f"{arn} {account} {subject}"),
            source=SOURCE,
            environment=context.environment,
            subject=subject,
            what=code,
            start=moment(detail.get("startTime")),
            end=end,
            at=context.within(at),
            is_over=is_over or is_resolved,
            description=_description(detail),
        )
        for subject, is_resolved in concerned[:MAX_ITEMS]
    ]
    if len(concerned) > MAX_ITEMS:
        found.append(unreadable(f"{code} concerns {len(concerned):,} things; {MAX_ITEMS:,} of them were read."))
    return tuple(found)


def _concerned(event: Mapping[str, Any], detail: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """What it concerns, in order, and whether that is done with: ARNs, ``cluster|service``, identifiers."""
    found: dict[str, bool] = {}
    for entity in mappings(detail.get("affectedEntities")):
        if name := text(entity.get("entityValue"), 600):
            found[name] = text(entity.get("statusCode") or entity.get("status")).upper() == RESOLVED
    for resource in items(event.get("resources"))[:MAX_ITEMS] if not found else ():
        if name := text(resource, 600):
            found[name] = False
    return list(found.items())


def _description(detail: Mapping[str, Any]) -> str:
    """AWS's text, in English where it has one. Its line ends come as a backslash and an n."""
    written = mappings(detail.get("eventDescription"))
    english = [one for one in written if text(one.get("language")).lower().startswith("en")]
    found = next((one.get("latestDescription") for one in (*english, *written)), None)
    return lines(found.replace("\\n", "\n"), MAX_DESCRIPTION) if isinstance(found, str) else ""
