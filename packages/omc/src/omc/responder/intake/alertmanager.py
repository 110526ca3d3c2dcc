"""The webhook of Prometheus' Alertmanager, version 4: a group of alerts, each read by itself.

A group counts as firing while any of its alerts does, and ended ones ride along in it, so its own status says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from omc.responder.intake.reading import (
    MAX_ITEMS,
    Context,
    document,
    items,
    labels,
    mapping,
    moment,
    notification,
    text,
    unreadable,
)
from omc.responder.model import Intake, Severity, Unreadable

SOURCE = "alertmanager"
VERSION = "4"
SEVERITIES: Mapping[str, Severity] = {
    **dict.fromkeys(("sev-1", "sev1", "p1", "1", "critical", "emergency", "fatal", "disaster"), 1),
    **dict.fromkeys(("sev-2", "sev2", "p2", "2", "high", "major", "error", "page"), 2),
    **dict.fromkeys(("sev-3", "sev3", "p3", "3", "medium", "minor", "warning", "warn", "low", "info", "none"), 3),
}
"""What the label ``severity`` says, in small letters. The runbook's high alerts are SEV-2 unless they say SEV-1."""


def parse(body: object, context: Context) -> tuple[Intake, ...]:
    """A request of Alertmanager's webhook: its body's bytes, or the object that they are."""
    found = document(body)
    if isinstance(found, Unreadable):
        return (found,)
    if not is_group(found):
        return (unreadable("This isn't what Alertmanager's webhook sends: groupKey, version and alerts."),)
    if text(found.get("version")) != VERSION:
        return (unreadable(f"Alertmanager's webhook has version {text(found.get('version'))}; {VERSION} is read."),)
    return read_group(found, lambda alert: read_alert(alert, SOURCE, context))


def is_group(found: Mapping[str, Any]) -> bool:
    """Whether it looks like a webhook of Alertmanager's or Grafana's."""
    return isinstance(found.get("alerts"), list) and "groupKey" in found and "version" in found


def severity_of(found: Mapping[str, object]) -> Severity | None:
    """What the labels say; None where they don't, or in words that nobody agreed on."""
    return SEVERITIES.get(text(found.get("severity") or found.get("Severity")).lower())


def read_group(group: Mapping[str, Any], read: Callable[[object], Intake]) -> tuple[Intake, ...]:
    """Each alert of a group, and that there are more of them, where there are."""
    alerts = items(group.get("alerts"))
    found = [read(one) for one in alerts[:MAX_ITEMS]]
    truncated = group.get("truncatedAlerts")
    left_out = len(alerts) - len(found) + (min(truncated, 10**9) if isinstance(truncated, int) and truncated > 0 else 0)
    if left_out:
        found.append(unreadable(f"{left_out:,} alerts of this group were left out: it isn't known which fire."))
    return tuple(found) or (unreadable("A group of alerts without an alert."),)


def read_alert(alert: object, source: str, context: Context, *, scope: str = "", address: object = None) -> Intake:
    """One alert. Which it is says its fingerprint, a hash of the labels, in the source's ``scope``."""
    if not isinstance(alert, Mapping):
        return unreadable("An alert that isn't an object.")
    named = labels(mapping(alert, "labels"))
    status, name = text(alert.get("status")).lower(), named.get("alertname", "")
    if not named or status not in ("firing", "resolved"):
        return unreadable("An alert without labels, or neither firing nor resolved.")
    notes = mapping(alert, "annotations")
    began = moment(alert.get("startsAt"))
    # A firing alert's end is Go's zero time, or when Prometheus would give it up: it says nothing.
    at = moment(alert.get("endsAt")) if status == "resolved" else began
    fingerprint = text(alert.get("fingerprint")) or "\n".join(f"{key}={value}" for key, value in named.items())
    title = text(notes.get("summary")) or text(notes.get("title")) or name or "An alert without a name"
    written = notes.get("description") or notes.get("message") or notes.get("runbook_url")
    return notification(
        context,
        source,
        f"{scope}{fingerprint}",
        f"{began.isoformat() if began else ''}",
        name=name or named.get("rulename") or "unnamed",
        state="firing" if status == "firing" else "ended",
        at=at,
        title=title,
        description=written,
        found=named,
        severity=severity_of(named),
        service=named.get("service"),
        address=address or notes.get("runbook_url") or alert.get("generatorURL"),
    )
