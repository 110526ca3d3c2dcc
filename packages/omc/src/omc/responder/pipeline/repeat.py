"""An alert that is told again while it fires, in other words: it stays the alert that it is, with the newest words.

Alertmanager and Grafana repeat what still fires, and fill in what their rules say then: how full the disk is now.
Others tell each change once; what comes of one by a second way, in that way's own words, is no news.
"""

from __future__ import annotations

from omc.responder.alerts import Alert, Reworded, Step
from omc.responder.model import Notification
from omc.responder.pipeline.situation import Outcome, Rename, Situation

STAGE = "repeat"
REPEATING = frozenset({"alertmanager", "grafana"})
"""Sources that tell again what hasn't changed."""


def is_reworded(alert: Alert | None, notification: Notification) -> bool:
    """Whether this is what the alert is known for already, in other words."""
    known = alert.notification if alert is not None else None
    return (
        alert is not None
        and known is not None
        and alert.is_firing
        and notification.source in REPEATING
        and (notification.id, notification.state) == (known.id, known.state)
        and words_of(notification) != words_of(known)
    )


def words_of(notification: Notification) -> tuple[str, str, str | None]:
    return notification.title, notification.description, notification.link


def reword(situation: Situation, notification: Notification) -> Outcome | None:
    """The alert with its newest words, and its incident, which is called as the alert was, with them too. None where
    the words are known."""
    alert = situation.alerts.get(notification.alert_key)
    if alert is None or alert.notification is None or not is_reworded(alert, notification):
        return None
    trace = (Step(STAGE, "passed", "It is told again, in other words."),)
    view = situation.holder(alert)
    renamed = (Rename(view.number, alert.key, alert.notification.title, notification.title),) if view else ()
    return Outcome(alert.key, trace, Reworded(notification, trace), renamed)
