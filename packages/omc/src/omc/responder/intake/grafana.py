"""The webhook of Grafana's unified alerting: Alertmanager's group with more in it, version 1.

Its signature is checked before this is asked: ``signatures.verify_grafana``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omc.responder.intake.alertmanager import is_group, read_alert, read_group
from omc.responder.intake.reading import Context, document, ignored, mapping, text, unreadable
from omc.responder.model import Intake, Unreadable

SOURCE = "grafana"
VERSION = "1"
TEST_LABELS = {"alertname": "TestAlert", "instance": "Grafana"}
"""What the button "Test" of a contact point sends."""


def parse(body: object, context: Context) -> tuple[Intake, ...]:
    """A request of Grafana's webhook: its body's bytes, or the object that they are."""
    found = document(body)
    if isinstance(found, Unreadable):
        return (found,)
    if not is_group(found):
        return (unreadable("This isn't what Grafana's unified alerting sends: groupKey, version and alerts."),)
    if text(found.get("version")) != VERSION:
        return (unreadable(f"Grafana's webhook has version {text(found.get('version'))}; {VERSION} is read."),)
    return read_group(found, lambda alert: _alert(alert, found, context))


def _alert(alert: object, group: Mapping[str, Any], context: Context) -> Intake:
    named = mapping(alert, "labels")
    if all(named.get(key) == value for key, value in TEST_LABELS.items()):
        return ignored("Grafana's test of its contact point.")
    organisation = text(mapping(alert).get("orgId") or group.get("orgId"))
    shown = mapping(alert).get("panelURL") or mapping(alert).get("dashboardURL")
    return read_alert(alert, SOURCE, context, scope=f"{organisation} ", address=shown)


def is_grafana(found: Mapping[str, Any]) -> bool:
    """Whether a group is Grafana's rather than Alertmanager's."""
    return text(found.get("version")) == VERSION and ("orgId" in found or "state" in found)
