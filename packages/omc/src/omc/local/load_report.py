"""What users saw, in figures: shares, statuses and percentiles from the samples of ``traffic``. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from omc.local.traffic import JOURNEYS, Outcome, Sample, Shape, Traffic

SLICES = 6
SLOWEST = 3


@dataclass(frozen=True, slots=True)
class Part:
    """The requests of one journey, of one slice of the time, or all."""

    name: str
    requests: int
    good: int
    """Answered with a status below 400."""
    rate: float
    """Requests a second."""
    p50: float
    """Seconds, as all percentiles here: of all requests that were answered, the bad ones too."""
    p95: float
    p99: float

    @property
    def errors(self) -> int:
        return self.requests - self.good

    @property
    def error_share(self) -> float:
        return self.errors / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class LoadReport:
    """One run of load, as it is shown."""

    url: str
    shape: Shape
    began: float
    """Seconds since 1970."""
    seconds: float
    rate_wanted: float
    interrupted: bool
    total: Part
    journeys: tuple[Part, ...]
    slices: tuple[Part, ...]
    outcomes: Counter[Outcome]
    statuses: Counter[int]
    slowest: tuple[Sample, ...]
    first_error: Sample | None
    late_p95: float
    """Seconds by which this program itself was late. Where it nears the response times, it accounts for them."""

    @property
    def sent(self) -> int:
        """Requests that really went out."""
        return self.total.requests - self.outcomes[Outcome.GAVE_UP]

    @property
    def answered(self) -> int:
        return self.sent - self.outcomes[Outcome.NO_ANSWER]


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest rank: the smallest value that this share of the values doesn't exceed; 0 for no values."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def part(name: str, samples: Iterable[Sample], seconds: float) -> Part:
    every = list(samples)
    times = sorted(sample.seconds for sample in every if sample.status)
    return Part(
        name,
        len(every),
        sum(sample.outcome is Outcome.OK for sample in every),
        len(every) / seconds if seconds > 0 else 0.0,
        percentile(times, 0.5),
        percentile(times, 0.95),
        percentile(times, 0.99),
    )


def report(traffic: Traffic) -> LoadReport:
    """All figures of a run."""
    plan, samples = traffic.plan, traffic.samples
    offered = min(plan.duration, traffic.lasted) if traffic.interrupted else plan.duration
    bad = [sample for sample in samples if sample.outcome is not Outcome.OK]
    return LoadReport(
        url=plan.url,
        shape=plan.shape,
        began=traffic.began,
        seconds=traffic.lasted,
        rate_wanted=plan.rate,
        interrupted=traffic.interrupted,
        total=part("all", samples, offered),
        journeys=tuple(
            part(name, (sample for sample in samples if sample.journey == name), offered)
            for name in JOURNEYS
            if plan.mix.get(name)
        ),
        slices=_slices(traffic, offered),
        outcomes=Counter(sample.outcome for sample in samples),
        statuses=Counter(sample.status for sample in samples),
        slowest=tuple(sorted(samples, key=lambda sample: -sample.seconds)[:SLOWEST]),
        first_error=min(bad, key=lambda sample: sample.at + sample.seconds, default=None),
        late_p95=percentile(sorted(traffic.late), 0.95),
    )


def _slices(traffic: Traffic, offered: float) -> tuple[Part, ...]:
    """The time in equal pieces; in a compressed day they are named by its hours."""
    plan = traffic.plan
    length = plan.duration / SLICES
    groups: list[list[Sample]] = [[] for _ in range(SLICES)]
    for sample in traffic.samples:
        groups[min(SLICES - 1, int(sample.at / length))].append(sample)
    parts = []
    for number, group in enumerate(groups):
        start, end = number * length, (number + 1) * length
        if start >= offered:
            break
        if plan.shape is Shape.DIURNAL:
            name = f"{24 * number // SLICES:02}:00 to {24 * (number + 1) // SLICES:02}:00"
        else:
            name = f"{start:.0f} to {end:.0f} s"
        parts.append(part(name, group, min(end, offered) - start))
    return tuple(parts)
