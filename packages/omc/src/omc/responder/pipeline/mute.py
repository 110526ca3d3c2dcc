"""Has somebody muted it in CloudWatch? What CloudWatch keeps to itself is held until it no longer does.

A mute rule, an alarm's actions that are switched off, and a composite alarm's suppressor all say that nobody is to be
told. The change comes in all the same, by EventBridge or since CloudWatch was asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from omc.responder.alerts import Hold
from omc.responder.model import Notification
from omc.responder.pipeline.passing import Passing
from omc.responder.pipeline.situation import Situation

STAGE = "mute"
SOURCE = "cloudwatch"
"""Whose labels say it; those of others are their own."""
MUTED_BY, SUPPRESSED_BY, ACTIONS, TOPIC = "muted_by", "suppressed_by", "actions", "topic"
"""Labels: the mute rule's ARN or name, the suppressor, ``off``, and the topic to which the alarm's own action told."""
OFF = "off"


def muted_by(labels: Mapping[str, str]) -> str:
    """What mutes an alarm, as a person would call it; empty where nothing does. An action that told a topic wasn't
    muted."""
    if labels.get(TOPIC):
        return ""
    if rule := labels.get(MUTED_BY, ""):
        return f"the mute rule {rule.rpartition(':')[2]}"
    if labels.get(ACTIONS) == OFF:
        return "its actions, which are off"
    return "its suppressor" if labels.get(SUPPRESSED_BY) else ""


def is_muted(notification: Notification) -> bool:
    """Whether CloudWatch kept it to itself."""
    return notification.source == SOURCE and bool(muted_by(notification.labels))


def with_actions_off(notification: Notification) -> Notification:
    """The notification of an alarm whose actions are switched off."""
    return replace(notification, labels={**notification.labels, ACTIONS: OFF})


def mute(passing: Passing, situation: Situation) -> Passing:
    hold = passing.before.hold if passing.before is not None else None
    if not passing.is_second_look:
        by = muted_by(passing.notification.labels) if passing.notification.source == SOURCE else ""
        if not by:
            return passing.step(STAGE, "passed", "CloudWatch doesn't mute it.")
    elif hold is None or hold.by != "mute":
        return passing
    elif passing.key in situation.unmuted:
        return passing.step(STAGE, "passed", "CloudWatch doesn't mute it any more, and it fires still.")
    else:
        by = hold.of
    why = f"It is muted in CloudWatch by {by}: held until it is unmuted."
    return passing.held(STAGE, Hold("mute", by), why)
