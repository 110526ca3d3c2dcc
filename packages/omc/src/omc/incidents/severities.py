"""The runbook's severity levels, as data (docs/runbook, incident-response.md#severity-levels)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Severity:
    """One level."""

    meaning: str
    stops_deployments: bool
    """While one is open, nothing is deployed but its fix."""


SEVERITIES: Mapping[int, Severity] = {
    1: Severity("a service is down", stops_deployments=True),
    2: Severity("it works, badly or for some", stops_deployments=True),
    3: Severity("a nuisance, or a warning", stops_deployments=False),
}
"""By number; 1 is the worst."""
BREAK_GLASS = 1
"""The severity in which a change may go ahead without its approvals."""
