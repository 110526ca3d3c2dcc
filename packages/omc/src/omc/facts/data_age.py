"""How old the data that users see is, according to the application's status page."""

from __future__ import annotations

from dataclasses import dataclass

from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.probes import ProbeRequest, Probes, Source


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
    """The page came at all. Where it didn't, users get none either, and that is reported as such."""


@dataclass(frozen=True, slots=True)
class DataAge:
    """Of every service whose status page was asked for."""

    services: tuple[ServiceData, ...]
    reading: Reading = NO_READING


@reads
def read_data_age(probes: Probes) -> DataAge:
    """``data_age_seconds`` of each status page, requested the way users request it."""
    return DataAge(tuple(_age(request) for request in probes.requests if request.source is Source.STATUS))


def _age(request: ProbeRequest) -> ServiceData:
    payload = request.payload
    if payload is None:
        met = request.answers[0]
        if met.trouble is not None:
            problem = f"can't be reached ({met.problem})"
        elif met.elsewhere:
            problem = f"redirects to {met.elsewhere}"
        elif met.status != 200:
            problem = f"answered {met.status} {met.reason}".rstrip()
        else:
            problem = "answered something that is not JSON"
        return ServiceData(request.service, request.url, None, f"{request.url} {problem}.", is_answered=False)
    age = payload.get("data_age_seconds") if isinstance(payload, dict) else None
    if isinstance(age, int | float) and not isinstance(age, bool) and age >= 0:
        return ServiceData(request.service, request.url, float(age), "")
    return ServiceData(request.service, request.url, None, f"{request.url} has no valid data_age_seconds.")
