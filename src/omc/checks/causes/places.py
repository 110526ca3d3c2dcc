"""What part of the stack a finding is about."""

from __future__ import annotations

from omc.checks.finding import Finding

OF_SERVICES = frozenset({"services-running", "rollouts", "failed-tasks", "task-starts"})
"""Checks whose subject is a service."""

KINDS = {**dict.fromkeys(OF_SERVICES, "services"), "recent-errors": "logs", "secret-rotation": "secrets"}
"""Where a check that found nothing has looked."""


def place_of(finding: Finding) -> str:
    """The finding's own place; for a check that gives none, what follows from its name and subject."""
    if finding.place:
        return finding.place
    subject = finding.subject
    if subject.startswith("all "):
        return KINDS.get(finding.check, finding.check)
    if finding.check in OF_SERVICES:
        return f"services/{subject}"
    if finding.check in {"load-balancer", "error-rate"}:
        return "load-balancer"
    if finding.check == "recent-errors":
        return f"logs/{subject}"
    if finding.check == "secret-rotation":
        return f"secrets/{subject}"
    return f"{finding.check}/{subject}"
