"""What arrives, whoever sent it: an alert that fires or ends, work that is planned, or why it is neither.

Texts come from outside. They are cut to bounds and hold no control characters; each medium escapes them for itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from omc.model.planned import Planned

MAX_NAME = 255
"""Characters of a name, a subject, a service: what CloudWatch allows an alarm's name."""
MAX_TITLE = 300
MAX_DESCRIPTION = 4_000
MAX_LINK = 2_048
MAX_LABELS = 64
MAX_LABEL_NAME = 128
MAX_LABEL_VALUE = 512
MAX_REASON = 500

State = Literal["firing", "ended"]
Severity = Literal[1, 2, 3]


@dataclass(frozen=True, slots=True)
class Notification:
    """An alert changed its state, as one source tells it once. The same change told twice has the same ``id``."""

    id: str
    """32 hexadecimal digits, of the alert, its new state and the time of the change: equal by whichever way it came."""
    source: str
    """``cloudwatch``, ``ecs``, ``health``, ``rds``, ``elasticache``, ``alertmanager`` or ``grafana``."""
    environment: str
    alert_key: str
    """32 hexadecimal digits: which alert it is, from one change of state to the next (``alert_key``)."""
    name: str
    """The alert's own name, as its source has it."""
    state: State
    at: datetime
    """When the state changed, by the source's clock, in UTC; not when the message was sent or taken in."""
    severity: Severity | None
    """None where the message doesn't tell: a later stage reads the alarm's tags."""
    service: str | None
    """None where the message doesn't tell."""
    title: str
    """One line: what is wrong, or what is over."""
    description: str
    """The source's own words, or nothing."""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the source says beside: Prometheus' own labels as they are, AWS's in snake case (``alarm_arn``, ``topic``),
    the dimensions of a metric as ``dimension.NAME``, tags that came along as ``tag.NAME``. ``has_end`` is ``no`` where
    nothing will ever tell that it is over."""
    link: str | None = None
    """An https or http address from the source: shown, never fetched."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Understood, and nothing that anybody has to be told."""

    reason: str
    """A sentence, such as ``Task … was stopped by a deployment.``"""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Not understood. What sent it is wrong, or new to omc: kept, counted and shown, never dropped in silence."""

    reason: str
    """A sentence, without the text that couldn't be read."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A test of the way that alarms go; see ``omc.responder.trial``."""

    id: str
    """16 hexadecimal digits."""
    environment: str
    at: datetime
    """When SNS published it."""


Intake = Notification | Planned | Trial | Ignored | Unreadable


def alert_key(source: str, environment: str, identity: str) -> str:
    """Which alert it is: of the source's own identity for it (an alarm's ARN, a fingerprint), never of a shown name."""
    return digest(source, environment, identity)


def digest(*parts: str) -> str:
    """32 hexadecimal digits of the parts, none of which may hold a NUL."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
