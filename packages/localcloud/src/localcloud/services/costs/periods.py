"""Time periods of Cost Explorer's requests: reading them, AWS's rules about them, and cutting them up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from localcloud.core.registry import AwsError

HOURLY_DAYS = 14
HISTORY_MONTHS = 14
FORMATS = {10: "%Y-%m-%d", 20: "%Y-%m-%dT%H:%M:%SZ"}


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` up to before ``end``, UTC."""

    start: datetime
    end: datetime

    def shown(self, granularity: str = "DAILY") -> dict[str, str]:
        form = FORMATS[20 if granularity == "HOURLY" else 10]
        return {"Start": self.start.strftime(form), "End": self.end.strftime(form)}

    @property
    def days(self) -> float:
        return (self.end - self.start).total_seconds() / 86400


def invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def day(now: datetime) -> datetime:
    """The begin of the day."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def month(now: datetime, later: int = 0) -> datetime:
    """The begin of the month, or of one that many months later (or, below zero, earlier)."""
    years, rest = divmod(now.year * 12 + now.month - 1 + later, 12)
    return day(now).replace(year=years, month=rest + 1, day=1)


def read(request: Mapping[str, str], granularity: str) -> Period:
    """The period as it is given; AWS's error where it can't be."""
    begin, end = (_time(name, request[name], granularity) for name in ("Start", "End"))
    if begin >= end:
        raise invalid("Start date (and hour) should be before end date (and hour)")
    return Period(begin, end)


def past(request: Mapping[str, str], granularity: str, now: datetime) -> Period:
    """A period of history, under the rules of GetCostAndUsage."""
    period = read(request, granularity)
    if period.start > now:
        raise invalid("Start date (and hour) should not be in the future")
    if period.end > month(now, 1):
        raise invalid("end date past the beginning of next month")
    if granularity == "HOURLY" and period.start < day(now) - timedelta(days=HOURLY_DAYS):
        raise invalid(
            "Start date is more than 14 days ago for hourly granularity. Please adjust start date as we support only "
            "14 days of data at hourly granularity."
        )
    if period.start < month(now, -HISTORY_MONTHS):
        raise invalid("You haven't enabled historical data beyond 14 months.")
    return period


def cut(period: Period, granularity: str) -> Iterator[Period]:
    """The hours, days or months that a period touches, each within the period."""
    start = period.start
    while start < period.end:
        if granularity == "MONTHLY":
            until = month(start, 1)
        else:
            until = start + (timedelta(hours=1) if granularity == "HOURLY" else timedelta(days=1))
        yield Period(start, min(until, period.end))
        start = until


def _time(name: str, text: str, granularity: str) -> datetime:
    form = FORMATS.get(len(text))
    try:
        if form is None:
            raise ValueError(text)
        found = datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        raise invalid(f"{name} time {text} is invalid. Valid format is: yyyy-MM-dd.") from None
    if granularity != "HOURLY" and found != day(found):
        raise invalid(f"{name} time {text} is invalid. Valid format is: yyyy-MM-dd.")
    if found.minute or found.second:
        raise invalid(f"{name} time {text} is not a full hour.")
    return found
