"""How old the data is that users see, as the application's status page says."""

from __future__ import annotations

from dataclasses import dataclass

from omc.facts.collector import UNREAD, Reading, reads
from omc.facts.probes import Asked, Probes, Source


@dataclass(frozen=True, slots=True)
class ServiceData:
    """What one service says of its data."""

    service: str
    url: str
    age_seconds: float | None
    """None: it did not say."""
    problem: str
    """Why it did not say; else empty."""
    is_answered: bool = True
    """The page came at all. Where it didn't, users get none either, which is told as that."""


@dataclass(frozen=True, slots=True)
class DataAge:
    """Of every service whose status page was asked for."""

    services: tuple[ServiceData, ...]
    reading: Reading = UNREAD


@reads
def read_data_age(probes: Probes) -> DataAge:
    """``data_age_seconds`` of each status page, which was asked as users come."""
    return DataAge(tuple(_age(asked) for asked in probes.asked if asked.source is Source.STATUS))


def _age(asked: Asked) -> ServiceData:
    said = asked.said
    if said is None:
        met = asked.answers[0]
        if met.trouble is not None:
            problem = f"can't be reached ({met.problem})"
        elif met.elsewhere:
            problem = f"redirects to {met.elsewhere}"
        elif met.status != 200:
            problem = f"answered {met.status} {met.reason}".rstrip()
        else:
            problem = "answered something that is not JSON"
        return ServiceData(asked.service, asked.url, None, f"{asked.url} {problem}.", is_answered=False)
    age = said.get("data_age_seconds") if isinstance(said, dict) else None
    if isinstance(age, int | float) and not isinstance(age, bool) and age >= 0:
        return ServiceData(asked.service, asked.url, float(age), "")
    return ServiceData(asked.service, asked.url, None, f"{asked.url} does not say data_age_seconds.")
