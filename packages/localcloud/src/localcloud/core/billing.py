"""What costs, in the words of the bill: services register it (``registry.billable``), ``services.costs`` meters it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

GIB = 1 << 30
ECS = "Amazon Elastic Container Service"
RDS = "Amazon Relational Database Service"
CACHE = "Amazon ElastiCache"
ELB = "Amazon Elastic Load Balancing"
EC2_OTHER = "EC2 - Other"
VPC = "Amazon Virtual Private Cloud"
CLOUDWATCH = "AmazonCloudWatch"
KMS = "AWS Key Management Service"
S3 = "Amazon Simple Storage Service"
SECRETS = "AWS Secrets Manager"
SQS = "Amazon Simple Queue Service"
SNS = "Amazon Simple Notification Service"

LEAST_TASK = timedelta(minutes=1)
"""Fargate charges for a minute at least, from the begin of the image's pull to the task's end."""


@dataclass(frozen=True, slots=True)
class Item:
    """What a line of the bill is for."""

    service: str
    usage_type: str
    operation: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    """Sorted by key. Every tag counts as activated for cost allocation."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So much of an item while it exists."""

    item: Item
    amount: float
    """Per hour; per month where ``monthly``."""
    monthly: bool = False


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """What is charged by its own times, to the second (a task): what it takes from when to when."""

    cpus: float
    gib: float
    begin: datetime
    end: datetime | None
    tags: tuple[tuple[str, str], ...]

    def hours(self, begin: datetime, end: datetime) -> float:
        """How long of this interval is charged."""
        until = end if self.end is None else min(end, max(self.end, self.begin + LEAST_TASK))
        return max(0.0, (until - max(begin, self.begin)).total_seconds()) / 3600


Charge: TypeAlias = Rate | UsageRecord


def tags_of(tags: Iterable[Mapping[str, str]] | Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Tags in any of the shapes that services keep them in."""
    if isinstance(tags, Mapping):
        return tuple(sorted(tags.items()))
    pairs = ((tag.get("Key", tag.get("key", "")), tag.get("Value", tag.get("value", ""))) for tag in tags or ())
    return tuple(sorted((str(key), str(value)) for key, value in pairs))
