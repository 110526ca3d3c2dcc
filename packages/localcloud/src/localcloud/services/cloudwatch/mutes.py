"""Mute rules: when alarms keep their actions to themselves. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from localcloud.services.cloudwatch.model import invalid

DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?")
MIN_LENGTH, MAX_LENGTH = timedelta(minutes=1), timedelta(days=15)
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
FIELDS = ((0, 59, ()), (0, 23, ()), (1, 31, ()), (1, 12, MONTHS), (0, 6, DAYS))
"""Of a cron expression: the least, the most, and names from the least on."""


@dataclass(slots=True)
class MuteRule:
    """One rule, as put."""

    name: str
    arn: str
    description: str
    expression: str
    duration: str
    zone: str
    alarms: tuple[str, ...]
    start: datetime | None
    expire: datetime | None
    updated_at: datetime

    def status(self, now: datetime) -> str:
        """SCHEDULED, ACTIVE or EXPIRED."""
        zone, length = ZoneInfo(self.zone), length_of(self.duration)
        begin = self.start.astimezone(UTC) if self.start else datetime.min.replace(tzinfo=UTC)
        if self.expire is not None and self.expire.astimezone(UTC) <= now:
            return "EXPIRED"
        if self.expression.startswith("at("):
            at = _at(self.expression).replace(tzinfo=zone).astimezone(UTC)
            if at + length <= now:
                return "EXPIRED"
            return "ACTIVE" if max(at, begin) <= now else "SCHEDULED"
        fields = cron_of(self.expression)
        minute = now.replace(second=0, microsecond=0)
        for back in range(int(length.total_seconds() // 60) + 1):
            at = minute - timedelta(minutes=back)
            if at >= begin and at + length > now and _fires(fields, at.astimezone(zone)):
                return "ACTIVE"
        return "SCHEDULED"


def length_of(text: str) -> timedelta:
    """An ISO 8601 duration within CloudWatch's bounds."""
    found = DURATION.fullmatch(text)
    days, hours, minutes = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    length = timedelta(days=days, hours=hours, minutes=minutes)
    if not MIN_LENGTH <= length <= MAX_LENGTH:
        raise invalid(f"Duration must be between PT1M and P15D: {text}")
    return length


def check(expression: str, duration: str, zone: str) -> None:
    """Raises ``AwsError`` where a schedule is none."""
    length_of(duration)
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise invalid(f"Timezone is not a valid time zone: {zone}") from error
    if expression.startswith("at("):
        _at(expression)
    else:
        cron_of(expression)


def _at(expression: str) -> datetime:
    try:
        return datetime.strptime(expression, "at(%Y-%m-%dT%H:%M)")  # noqa: DTZ007 - local time of the rule's zone
    except ValueError as error:
        raise invalid(f"Expression is not a valid at expression: {expression}") from error


def cron_of(expression: str) -> tuple[frozenset[int], ...]:
    """The minutes, hours, days of the month, months and days of the week that an expression names."""
    found = re.fullmatch(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+)\)", expression)
    if not found:
        raise invalid(f"Expression is not a valid cron expression: {expression}")
    return tuple(_values(part, *field, expression) for part, field in zip(found.groups(), FIELDS, strict=True))


def _values(part: str, least: int, most: int, names: Sequence[str], expression: str) -> frozenset[int]:
    values: set[int] = set()
    for stretch in part.upper().split(","):
        first, _, last = ("*", "", "") if stretch == "*" else stretch.partition("-")
        if first == "*":
            values.update(range(least, most + 1))
            continue
        bounds = [least + list(names).index(each) if each in names else each for each in (first, last or first)]
        if not all(isinstance(each, int) or each.isdigit() for each in bounds):
            raise invalid(f"Expression is not a valid cron expression: {expression}")
        begin, end = (int(each) for each in bounds)
        if not least <= begin <= end <= most:
            raise invalid(f"Expression is not a valid cron expression: {expression}")
        values.update(range(begin, end + 1))
    return frozenset(values)


def _fires(fields: tuple[frozenset[int], ...], local: datetime) -> bool:
    minutes, hours, days, months, weekdays = fields
    return (
        local.minute in minutes
        and local.hour in hours
        and local.day in days
        and local.month in months
        and local.isoweekday() % 7 in weekdays
    )
