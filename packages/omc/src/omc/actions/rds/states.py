"""What the statuses of a DB instance mean to an action, and what RDS said last."""

from __future__ import annotations

from typing import Any

from omc.actions.action import Context
from omc.errors import AwsRefused, OmcError, Unknown

BROKEN = frozenset(
    {
        *("failed", "incompatible-restore", "incompatible-network", "incompatible-parameters"),
        *("incompatible-option-group", "incompatible-credentials", "inaccessible-encryption-credentials"),
        *("inaccessible-encryption-credentials-recoverable", "restore-error", "storage-full", "insufficient-capacity"),
    }
)
"""From which an instance doesn't become available by itself (RDS's guide, "Viewing DB instance status")."""
SERVING = frozenset({"available", "storage-optimization"})
"""In which it takes connections and no change is under way that interrupts them."""
NOT_NOW = "InvalidDBInstanceState"


def not_yet(error: AwsRefused, what: str) -> Exception:
    """An instance that is busy takes the call a little later: it is tried again until the step's deadline."""
    return Unknown(f"{what}: RDS doesn't take it now ({error.message})") if NOT_NOW in error.code else error


def last_events(context: Context, instance: str, minutes: int = 60) -> list[str]:
    """RDS's own words about the instance, the newest first; none where they can't be read."""
    try:
        answer: Any = context.gateway.client("rds").describe_events(
            SourceIdentifier=instance, SourceType="db-instance", Duration=minutes
        )
    except OmcError:
        return []
    return [each["Message"] for each in sorted(answer["Events"], key=lambda each: each["Date"], reverse=True)][:5]
