"""Traffic that is missing is said; nights, new environments, small services and late figures are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omc.checks.finding import Finding, Level
from omc.checks.traffic import traffic_usual
from omc.config import load
from omc.facts.load_balancers import TargetGroup, TargetGroups
from omc.facts.probes import Answer, ProbeRequest, Probes, Source
from omc.facts.requests import BACK, STEP, Requests
from omc.facts.scope import Scope
from omc.facts.services import EcsService, Services
from omc.facts.traffic import MetricsAge, ServiceMetric

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
NOW = datetime(2026, 11, 23, 21, 13, 30, tzinfo=UTC)
END = NOW.replace(minute=10, second=0)
"""End of the newest step that is whole and told."""
GROUPS = TargetGroups(
    tuple(TargetGroup(f"ohmycoins-staging-{name}", f"arn:{name}", is_used=True) for name in ("backend", "frontend"))
)
FRESH = MetricsAge((ServiceMetric("backend", NOW - timedelta(minutes=2)), ServiceMetric("frontend", None)))
Shape = Callable[[float], float]
"""Hours before the newest step's end (0 is now) to requests in a step."""


def counts(shape: Shape, hours: float = BACK / timedelta(hours=1)) -> dict[datetime, float]:
    steps = int(timedelta(hours=hours) / STEP)
    made = {END - number * STEP: shape(number * STEP / timedelta(hours=1)) for number in range(1, steps + 1)}
    return {at: value for at, value in made.items() if value}


def found(
    backend: dict[datetime, float], metrics: MetricsAge = FRESH, probes: Probes | None = None, **more: Any
) -> list[Finding]:
    services = Services((EcsService("backend", "ACTIVE", 2, 2, 0, "x:1", (), (), **more),))
    findings = list(
        traffic_usual(
            Requests({"arn:backend": backend, "arn:frontend": counts(lambda _: 50), "arn:green": {}}),
            GROUPS,
            services,
            metrics,
            probes,
            STAGING,
            Scope(NOW),
        )
    )
    assert all(one.evidence for one in findings)
    return findings


def silent_for(hours: float, usual: float = 200, rest: float = 0) -> Shape:
    return lambda ago: rest if ago <= hours + 0.001 else usual


@pytest.mark.parametrize(
    ("shape", "hours", "part"),
    [
        (silent_for(5 / 60), 31, "No request has reached it for 5 min, where 40 a minute came in the hour before."),
        (silent_for(20 / 60), 31, "No request has reached it for 20 min"),
        (silent_for(3), 31, "No request has reached it for 3 h"),
        (silent_for(5.5), 31, "No request has reached it for 5 h 30 min"),
        (silent_for(20 / 60, rest=12), 31, "Hardly a request (48) has reached it for 20 min, where 40 a minute"),
        (silent_for(20 / 60), 4, "No request has reached it for 20 min"),
        (silent_for(15 / 60, usual=10), 31, "No request has reached it for 15 min, where 2 a minute"),
        (lambda ago: 0 if ago <= 0.5 else 200 if ago < 24.4 else 150, 31, "for 30 min"),
        (lambda ago: 0 if ago <= 0.5 else 200 if ago < 23 or ago > 23.2 else 0, 31, "for 30 min"),
        (lambda ago: 0 if ago <= 0.25 else 200 * (ago > 0.5) or 150, 31, "for 15 min"),
    ],
)
def test_missing_traffic_is_reported(shape: Shape, hours: float, part: str) -> None:
    (one,) = found(counts(shape, hours))
    assert (one.level, one.place, part in one.sentence) == (Level.FAIL, "users/backend", True), one.sentence
    assert one.since is not None
    assert one.since < END


@pytest.mark.parametrize(
    ("shape", "hours"),
    [
        (lambda _: 200.0, 31),
        (lambda _: 0.0, 31),
        (lambda ago: 0 if ago <= 1 or 24 <= ago <= 25.2 else 200, 31),  # the same at this hour yesterday
        (lambda ago: 0 if ago <= 5 or 23 <= ago <= 30 else 200, 31),  # a night
        (lambda ago: 0 if ago <= 8 else 200, 31),  # too long ago to tell from a Sunday
        (silent_for(5 / 60, usual=10), 31),  # too few to tell
        (silent_for(1, usual=8), 31),
        (silent_for(20 / 60, rest=60), 31),  # less, not quiet
        (lambda ago: 200 if ago > 0.34 and ago < 0.7 else 0, 1),  # new: it served twenty minutes
        (lambda ago: 200 if 0.5 < ago < 0.75 else 0, 31),  # a burst
        (lambda ago: max(0.0, 200 * (ago - 1) / 6), 31),  # fades out
        (lambda ago: 200 if ago > 5 / 60 and round(ago * 12) % 3 == 0 else 0, 31),  # comes in bursts, each quarter
    ],
)
def test_what_is_usual_is_not_reported(shape: Shape, hours: float) -> None:
    (one,) = found(counts(shape, hours))
    assert (one.level, one.place) == (Level.OK, "users")


@pytest.mark.parametrize("newest", [None, NOW - timedelta(minutes=12)])
def test_late_figures_are_no_silence(newest: datetime | None) -> None:
    late = MetricsAge((ServiceMetric("backend", newest),))
    (one,) = found(counts(silent_for(0.5)), metrics=late)
    assert (one.level, "figures are late" in one.sentence) == (Level.UNKNOWN, True)


def test_where_its_pages_answer_it_is_a_warning() -> None:
    page = ProbeRequest("backend", "http://x/", Source.PUBLIC, (Answer(200, "OK"),))
    (one,) = found(counts(silent_for(0.5)), probes=Probes((page,), {}, "http://x"))
    assert (one.level, one.sentence.endswith("Its pages answer from here.")) == (Level.WARN, True)
    broken = replace(page, answers=(Answer(503),))
    (one,) = found(counts(silent_for(0.5)), probes=Probes((broken,), {}, "http://x"))
    assert one.level is Level.FAIL


def test_the_two_groups_of_a_pair_are_one_services_traffic() -> None:
    services: dict[str, Any] = {"target_groups": ("arn:backend",), "alternates": {"arn:backend": "arn:frontend"}}
    (one,) = found(counts(silent_for(0.5)), **services)
    assert one.level is Level.OK
