"""What a message of the queue is wrapped in: SNS's envelope, nothing (raw delivery), or EventBridge's event.

Which of them it is says the content, never a setting: a subscription may be changed while messages are under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from omc.responder.intake import alertmanager, cloudwatch, ecs, grafana, health, rds, trials
from omc.responder.intake.reading import Context, document, moment, text, unreadable
from omc.responder.model import Intake, Unreadable

Carrier = Literal["sns", "eventbridge", "raw"]


@dataclass(frozen=True, slots=True)
class Letter:
    """What was in the envelope."""

    carrier: Carrier
    content: Mapping[str, Any] | str
    """A JSON object; or a text, which is no JSON."""
    context: Context
    """With what the envelope says: the topic, and when SNS published it, which stays when it delivers again."""
    message_id: str | None = None
    """SNS's, which stays when it delivers again; for a look, not for a decision."""


def read(body: object, context: Context) -> tuple[Intake, ...]:
    """All that a message of the queue says, at least one value. Never raises."""
    letter = unwrap(body, context)
    if isinstance(letter, Unreadable):
        return (letter,)
    if isinstance(letter.content, str):
        found = rds.elasticache_from_text(letter.content, letter.context)
        return (found or unreadable("The message is a text that omc doesn't know."),)
    return _read_object(letter.content, letter.context)


def unwrap(body: object, context: Context) -> Letter | Unreadable:
    """The envelope off, once."""
    found = document(body)
    if isinstance(found, Unreadable):
        plain = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
        if isinstance(plain, str) and rds.elasticache_from_text(plain, context):
            return Letter("raw", plain, context)
        return found
    kind = text(found.get("Type"))
    if kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        return unreadable(f"{kind} of the topic {text(found.get('TopicArn'), 600)}: a subscription waits for somebody.")
    if kind == "Notification" and isinstance(found.get("Message"), str) and "TopicArn" in found:
        return _from_sns(found, context)
    return Letter("eventbridge" if _is_event(found) else "raw", found, context)


def _from_sns(envelope: Mapping[str, Any], context: Context) -> Letter | Unreadable:
    published = moment(envelope.get("Timestamp"))
    inside = replace(
        context,
        topic=text(envelope.get("TopicArn"), 600) or None,
        # SNS may deliver days later; nor can it have published after it delivered.
        sent=min(published, context.sent) if published else context.sent,
    )
    message = envelope["Message"]
    content = document(message)
    if isinstance(content, Unreadable):
        if message.lstrip()[:1] in ("{", "["):
            return content
        return Letter("sns", message, inside, text(envelope.get("MessageId")) or None)
    return Letter("sns", content, inside, text(envelope.get("MessageId")) or None)


def _is_event(found: Mapping[str, Any]) -> bool:
    return "detail-type" in found and "source" in found and isinstance(found.get("detail"), Mapping)


def _read_object(found: Mapping[str, Any], context: Context) -> tuple[Intake, ...]:
    if _is_event(found):
        return _read_event(found, context)
    if "AlarmName" in found and "NewStateValue" in found:
        return (cloudwatch.from_sns(found, context),)
    if trials.is_trial(found):
        return (trials.parse(found, context),)
    if rds.elasticache_key(found):
        return (rds.elasticache_from_sns(found, context),)
    if rds.is_rds_message(found):
        return rds.rds_from_sns(found, context)
    if alertmanager.is_group(found):
        return grafana.parse(found, context) if grafana.is_grafana(found) else alertmanager.parse(found, context)
    return (unreadable("The message is a JSON object of a kind that omc doesn't know."),)


def _read_event(event: Mapping[str, Any], context: Context) -> tuple[Intake, ...]:
    source = text(event.get("source"))
    if source == "aws.cloudwatch":
        return (cloudwatch.from_event(event, context),)
    if source == "aws.ecs":
        return ecs.from_event(event, context)
    if source == "aws.health":
        return health.from_event(event, context)
    if source == "aws.rds":
        return rds.rds_from_event(event, context)
    if source == "aws.elasticache":
        return (rds.elasticache_from_event(event, context),)
    return (
        unreadable(f"An event of {source or 'nobody'} (“{text(event.get('detail-type'))}”), which omc doesn't know."),
    )
