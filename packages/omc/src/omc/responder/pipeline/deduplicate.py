"""Is this change news? One that is known has no effect, and one that is older than what is known is only counted.

What CloudWatch muted it tells again once it is unmuted, by the alarm's own action: that is news.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from omc.responder.alerts import Alert
from omc.responder.model import Notification
from omc.responder.pipeline.mute import is_muted
from omc.responder.pipeline.passing import Passing, utc
from omc.responder.pipeline.situation import Situation

STAGE = "deduplicate"


def order(notification: Notification) -> tuple[datetime, bool, str]:
    """Which of two changes of one alert is the later: the one whose state changed later. Of two at the same moment that
    it fires, so that nothing is missed; of two that say the same, always the same one."""
    return notification.at, notification.state == "firing", notification.id


def deduplicate(passing: Passing, _: Situation) -> Passing:
    notification, before = passing.notification, passing.before
    if before is None or before.notification is None or before.changed_at is None:
        return passing.step(STAGE, "passed", "It is new: nothing is known of this alert.")
    known = before.notification
    if notification.id == known.id or (notification.at, notification.state) == (known.at, known.state):
        if _is_unmuted(before, notification):
            why = f"This change, of {utc(notification.at)}, is known and was muted; CloudWatch now tells it unmuted."
            return passing.step(STAGE, "passed", why)
        return passing.end(STAGE, "dropped", f"This change, of {utc(notification.at)}, is known already.")
    newest = max(order(known), (before.changed_at, False, ""))
    if order(notification) > newest:
        return passing.step(
            STAGE, "passed", f"It is news: the last that is known of this alert is of {utc(before.changed_at)}."
        )
    why = f"It is of {utc(notification.at)} and came late: what happened at {utc(before.changed_at)} is known already."
    if notification.state == "firing" and before.is_unheard_end:
        return replace(
            passing.step(STAGE, "passed", f"{why} Nobody had heard that it fired before that."), is_late=True
        )
    return replace(passing.end(STAGE, "counted", f"{why} It changes nothing."), is_late=True)


def _is_unmuted(before: Alert, notification: Notification) -> bool:
    """Whether it is held only since CloudWatch muted it, and comes by a way now that isn't muted."""
    return before.is_firing and before.hold is not None and before.hold.by == "mute" and not is_muted(notification)
