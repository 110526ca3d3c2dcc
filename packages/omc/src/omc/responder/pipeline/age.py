"""Is it old news? What fired long ago and has ended since is written down and calls nobody; what fires still is told,
whatever its age.

A responder that was away finds a queue full of both. Nobody can do anything about what was over before he was called.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from omc.responder.model import Notification
from omc.responder.pipeline.passing import Passing, minutes, over_at, utc
from omc.responder.pipeline.situation import Situation

STAGE = "age"
ENDED_AT, ENDED_BY = "ended_at", "ended_by"
"""The labels of what is known to have ended: when, and who says so."""


def with_end(notification: Notification, at: datetime, by: str) -> Notification:
    """The notification with what became of its alert since. ``by`` says who says so, as the end of a sentence."""
    return replace(
        notification, labels={**notification.labels, ENDED_AT: at.isoformat(timespec="seconds"), ENDED_BY: by}
    )


def age(passing: Passing, situation: Situation) -> Passing:
    notification, rules = passing.notification, situation.rules
    if passing.is_second_look:
        return passing
    old = passing.now - notification.at
    length, limit = minutes(old.total_seconds()), minutes(rules.old_news.total_seconds())
    if old <= rules.old_news:
        return passing.step(STAGE, "passed", f"It is {length} old, and none is old news before {limit}.")
    ended = _end_of(passing, situation)
    if ended is None:
        return passing.step(STAGE, "passed", f"It is {length} old, and nothing says that it has ended: it is told.")
    why = f"Old news: it fired {length} ago, and {ended}. Nobody is called for that."
    return replace(passing.end(STAGE, "counted", why), is_late=True)


def _end_of(passing: Passing, situation: Situation) -> str | None:
    """Who says that it has ended, as a clause."""
    notification, before = passing.notification, passing.before
    if by := notification.labels.get(ENDED_BY):
        return by
    if passing.is_late and before is not None and before.changed_at is not None:
        return f"that it ended, at {utc(before.changed_at)}, was heard before"
    over = over_at(notification, situation.rules)
    if over is not None and over <= passing.now:
        return f"it counts as ended since {utc(over)}, as its source never says so"
    return None
