"""The responder's own pulse: a metric that goes the way of all alarms, and a ping to somebody outside of AWS.

The metric says that alarms are read and pages sent; where it stops, CloudWatch rings. The ping is for the case that
CloudWatch, SNS or all of the region is what is broken: whoever watches it pages without us. Neither is sent by a
process that is up and does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from omc.aws.gateway import Access, Gateway
from omc.config import Environment
from omc.notify.http import client
from omc.store.deadlines import overdue
from omc.store.opened import Store
from omc.store.outbox import GATHERED, WAITING, OutboxRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NAMESPACE: Final = "OhMyCoins/Ops"
METRIC: Final = "Heartbeat"
"""As the alarm ``heartbeat`` of the Terraform module ``monitoring`` has them."""
OPERATIONS: Final = frozenset({("cloudwatch", "PutMetricData")})
INTERVAL: Final = 60.0
"""Seconds between two beats; the alarm looks at each minute."""
WATCHDOG: Final = "OMC_WATCHDOG_URL"
"""The environment variable with the address that is asked for after each clean look; whoever has the address can keep
the watchdog quiet, so it is a secret."""
MAX_LATE: Final = timedelta(minutes=2)
"""By how much a deadline or a page may be late before something is wrong."""


def gateway_for_pulse(environment: Environment, access: Access) -> Gateway:
    """A gateway that reads, and may send the metric."""
    return Gateway(environment, access, allowed=OPERATIONS)


def beat(gateway: Gateway) -> None:
    """Send the metric once."""
    gateway.client("cloudwatch").put_metric_data(
        Namespace=NAMESPACE,
        MetricData=[
            {
                "MetricName": METRIC,
                "Dimensions": [{"Name": "Environment", "Value": gateway.environment.name}],
                "Value": 1.0,
                "Unit": "Count",
            }
        ],
    )


@dataclass(frozen=True, slots=True)
class Late:
    """What should have been done by now."""

    deadlines: int
    """Escalations, ends of silences and the like that nobody took."""
    pages: int
    """Pages that wait and were due."""
    oldest: datetime | None
    """Since when the oldest of both waits."""

    @property
    def is_clean(self) -> bool:
        return not (self.deadlines or self.pages)

    @property
    def sentence(self) -> str:
        return f"{self.deadlines} deadlines and {self.pages} pages are more than {MAX_LATE.seconds // 60} min late."


def late(session: Session, environments: Sequence[str], now: datetime) -> Late:
    """The auditor's look: it reads what should have happened, and not who says that he is well."""
    before = now - MAX_LATE
    deadlines = [each.due_at for each in overdue(session, before) if each.environment in environments]
    pages = list(
        session.scalars(
            select(OutboxRow.due_at).where(
                OutboxRow.state.in_((WAITING, GATHERED)),
                OutboxRow.due_at < before,
                OutboxRow.environment.in_([*environments, ""]),
            )
        )
    )
    return Late(len(deadlines), len(pages), min([*deadlines, *pages], default=None))


def audit(store: Store, environments: Sequence[str]) -> Late:
    """``late`` of a store, now."""
    with store.reading() as session:
        return late(session, environments, store.now())


def ping(address: str | None = None) -> str:
    """Tell the watchdog that all is well; why it couldn't be told, or nothing."""
    url = address or os.environ.get(WATCHDOG)
    if not url:
        return ""
    try:
        with client() as http:
            answer = http.get(url)
    except Exception as error:  # noqa: BLE001 - whatever is wrong there must not stop a responder; it is told
        return f"The watchdog can't be reached: {type(error).__name__}"
    return "" if answer.is_success else f"The watchdog answered {answer.status_code}."
