"""What each service's status page says of what it depends on, in any of the usual forms.

It reads: flat (``{"cache": "unavailable"}``), named parts (``dependencies``, ``checks``, ``components``, ``results`` …)
as texts, booleans, objects or lists, the health of Spring and MicroProfile, health+json of the IETF's draft, and the
forms of ASP.NET, NestJS and Dropwizard. What uses none of their words is no dependency: a version, a mode, a count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.probes import Probes, Source

MAX_DEPENDENCIES = 50
"""Dependencies of one page."""
DEPTH = 4
TEXT = 200
"""Characters kept of what is said of a dependency."""


class State(StrEnum):
    """Worst last."""

    OFF = "off"
    """The service does without it."""
    UP = "up"
    UNKNOWN = "unknown"
    DEGRADED = "degraded"
    DOWN = "down"


_WORDS = {
    State.UP: "up ok okay healthy available pass passed passing success successful succeeded good green alive online "
    "connected ready running active working operational serving normal reachable",
    State.DEGRADED: "degraded warn warning slow partial yellow limited impaired unstable lagging delayed overloaded "
    "throttled partially_degraded partially_available degraded_performance partial_outage",
    State.DOWN: "down fail failed failing failure error unavailable unhealthy offline disconnected unreachable "
    "out_of_service critical red dead broken timeout timed_out stopped not_available not_ok not_ready not_connected "
    "major_outage refused",
    State.OFF: "off disabled not_configured unconfigured not_used unused skipped n/a",
    State.UNKNOWN: "unknown pending starting initializing initialising",
}
STATES: Mapping[str, State] = {word: state for state, words in _WORDS.items() for word in words.split()}
PARTS = frozenset(
    {
        *("dependencies", "checks", "components", "services", "results", "entries", "subsystems", "indicators"),
        *("connections", "integrations", "resources", "health_checks", "healthchecks", "health_indicators"),
    }
)
"""Keys under which services name what they depend on."""
LOOSE = frozenset({"details", "info", "error", "errors"})
"""Keys under which they do, too, among other things: there only an object with a state counts."""
FAILURES = frozenset({"failures", "failed_checks"})
"""Keys whose members have all failed."""
ITSELF = frozenset({"status", "state", "health", "healthy", "ok", "result", "outcome"})
"""Keys of a page's own state."""
NOT_A_STATE = frozenset(
    {
        *(
            "environment",
            "env",
            "level",
            "log_level",
            "loglevel",
            "severity",
            "color",
            "colour",
            "slot",
            "phase",
            "mode",
        ),
        *("role", "type", "kind", "name", "title", "stage", "region", "message", "maintenance", "debug"),
        *("revision", "version", "build", "commit", "release", "hostname", "host", "instance"),
    }
)
"""Keys whose values sound like states but aren't."""
STATE_KEYS = (
    "status",
    "state",
    "health",
    "healthy",
    "ok",
    "up",
    "available",
    "passed",
    "success",
    "connected",
    "alive",
)
NAME_KEYS = ("name", "component", "componentId", "checker", "service", "dependency", "id", "key")
DETAIL_KEYS = ("error", "message", "output", "reason", "description", "detail", "details", "cause", "exception")
KNOWN = re.compile(
    r"(db|database|postgres\w*|mysql|mongo\w*|sql|redis|cache|valkey|memcached|queue|kafka|rabbitmq|broker|storage|s3|"
    r"search|elasticsearch|opensearch|smtp|mail|exchange|api)",
    re.IGNORECASE,
)
"""Names of which a plain true or false at the top of a page is a state."""
SAYS_SO = re.compile(r"_?(ok|up|healthy|connected|available|reachable)$", re.IGNORECASE)
TIME = re.compile(
    r"^(latency|response_?time|duration|took|elapsed|ping|rtt|time)_?(ms|millis|milliseconds|s|sec|secs|seconds)$",
    re.IGNORECASE,
)
_SPAN = re.compile(r"(\d+):(\d{2}):(\d{2}(?:\.\d+)?)")
_DATABASE = re.compile(r"(db|rds|sql|database|data_?source|postgres(ql)?)([-_./ ]?\d*)", re.IGNORECASE)
_CACHE = re.compile(r"(cache|redis|valkey|elasticache|memcached)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DependencyReport:
    """What one answer says of one dependency."""

    name: str
    """As the page writes it; empty for the service itself."""
    state: State
    word: str
    """The page's own word."""
    detail: str = ""
    seconds: float | None = None
    """How long it took to answer, where that is said with its unit."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """One dependency of one service: the worst that an answer said of it."""

    service: str
    report: DependencyReport
    answers: int
    """How many answers of the page were read …"""
    bad: int
    """… and how many of them call it degraded or down."""
    url: str

    @property
    def place(self) -> str:
        """One name for what pages name differently: ``database``, ``cache``, else the page's own."""
        return place_of_dependency(self.report.name)


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Of every service whose status page answered JSON."""

    found: tuple[Dependency, ...]
    services: tuple[str, ...] = ()
    """Those whose page was read."""
    reading: Reading = NO_READING


@reads
def read_dependencies(probes: Probes) -> Dependencies:
    """Several answers of a page come from several tasks: each is read."""
    found: list[Dependency] = []
    services: list[str] = []
    for request in probes.requests:
        pages = [answer.payload for answer in request.answers if answer.payload is not None]
        if request.source is not Source.STATUS or not pages:
            continue
        services.append(request.service)
        each = [{response.name: response for response in report_of(page)} for page in pages]
        for name in dict.fromkeys(name for names in each for name in names):
            reports = [names[name] for names in each if name in names]
            worst = max(reports, key=lambda payload: (list(State).index(payload.state), payload.seconds or 0))
            bad = sum(record.state in (State.DEGRADED, State.DOWN) for record in reports)
            found.append(Dependency(request.service, worst, len(pages), bad, request.url))
    return Dependencies(tuple(found), tuple(services))


def place_of_dependency(name: str) -> str:
    """``Redis Cache`` is ``cache``, ``db`` is ``database``, ``Payment API`` is ``payment-api``."""
    if _DATABASE.fullmatch(name.strip()):
        return "database"
    if _CACHE.search(name) and "/" not in name:
        return "cache"
    return re.sub(r"[^a-z0-9._/]+", "-", name.lower()).strip("-") or "dependency"


def report_of(page: Any) -> list[DependencyReport]:
    """All that a page says of dependencies, each name once with the worst that is said of it; and of itself."""
    worst: dict[str, DependencyReport] = {}
    if not isinstance(page, dict):
        return []
    for response in [*_of_page(page), *_itself(page)]:
        before = worst.get(response.name)
        if before is None or list(State).index(response.state) > list(State).index(before.state):
            worst[response.name] = response
        if len(worst) >= MAX_DEPENDENCIES:
            break
    return list(worst.values())


def _itself(page: Mapping[str, Any]) -> Iterator[DependencyReport]:
    for key in ITSELF:
        if key in page and (found := _state(page[key])):
            yield DependencyReport("", found[0], found[1], found[2] or _detail(page))


def _of_page(page: Mapping[str, Any]) -> Iterator[DependencyReport]:
    for key, value in page.items():
        normalised = _normalised(key)
        if normalised in PARTS or normalised in LOOSE or normalised in FAILURES:
            yield from _parts(value, "", is_loose=normalised in LOOSE, have_failed=normalised in FAILURES, depth=1)
        elif normalised in ITSELF or normalised in NOT_A_STATE:
            continue
        elif isinstance(value, bool):
            if KNOWN.fullmatch(SAYS_SO.sub("", key)) or (SAYS_SO.search(key) and SAYS_SO.sub("", key)):
                yield from _one(SAYS_SO.sub("", key) or key, value, depth=1)
        elif isinstance(value, str | dict):
            for response in _one(key, value, depth=1):
                yield response if response.seconds is not None else replace(response, seconds=_beside(page, key))


def _parts(value: Any, prefix: str, *, is_loose: bool, have_failed: bool, depth: int) -> Iterator[DependencyReport]:
    if depth > DEPTH:
        return
    members: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        members = [(str(key), each) for key, each in value.items()]
    elif isinstance(value, list):
        for each in value:
            name = next((str(each[key]) for key in NAME_KEYS if each.get(key)), "") if isinstance(each, dict) else ""
            if name:
                members.append((name, each))
            elif have_failed and isinstance(each, str):
                members.append((each, ""))
    for name, each in members[: 4 * MAX_DEPENDENCIES]:
        if have_failed:
            detail = each if isinstance(each, str) else _detail(each) if isinstance(each, dict) else ""
            yield DependencyReport(_name(prefix + name), State.DOWN, "failed", detail[:TEXT])
        elif isinstance(each, dict) or not is_loose:
            yield from _one(prefix + name, each, depth=depth)


def _one(name: str, value: Any, *, depth: int) -> Iterator[DependencyReport]:
    if isinstance(value, list):  # health+json: several measures of "database:responseTime"
        component, _, measure = name.partition(":")
        for each in value:
            if isinstance(each, dict):
                for response in _one(component, each, depth=depth):
                    seconds = _measured(each, measure) if response.seconds is None else response.seconds
                    yield replace(response, seconds=seconds)
        return
    if isinstance(value, dict):
        inner = [
            payload
            for key, part in value.items()
            if _normalised(key) in PARTS
            for payload in _parts(part, f"{name}/", is_loose=False, have_failed=False, depth=depth + 1)
        ]
        if inner:
            yield from inner
            return
        found = next((state for key in STATE_KEYS if key in value and (state := _state(value[key]))), None)
        if found:
            yield DependencyReport(
                _name(name), found[0], found[1], (found[2] or _detail(value))[:TEXT], _seconds(value)
            )
        return
    if found := _state(value):
        yield DependencyReport(_name(name), found[0], found[1], found[2][:TEXT])


def _state(value: Any) -> tuple[State, str, str] | None:
    """State, the page's word, and what follows it; None for what is no state."""
    if isinstance(value, bool):
        return (State.UP, "true", "") if value else (State.DOWN, "false", "")
    if not isinstance(value, str):
        return None
    word, _, rest = value[: 2 * TEXT].strip().partition(":")
    state = STATES.get(_normalised(word))
    return (state, word.strip(), rest.strip()) if state else None


def _detail(value: Mapping[str, Any]) -> str:
    for key in DETAIL_KEYS:
        payload = value.get(key)
        if isinstance(payload, dict):
            payload = next((payload[key] for key in DETAIL_KEYS if isinstance(payload.get(key), str)), None)
        if isinstance(payload, str) and payload.strip() and _normalised(payload) not in STATES:
            return " ".join(payload.split())[:TEXT]
    return ""


def _seconds(value: Mapping[str, Any]) -> float | None:
    for key, payload in value.items():
        found = TIME.match(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key))
        if found and isinstance(payload, int | float) and not isinstance(payload, bool) and payload >= 0:
            return payload / 1000 if found[2].lower().startswith("m") else float(payload)
        if key.lower() == "duration" and isinstance(payload, str) and (parts := _SPAN.match(payload)):
            return 3600 * int(parts[1]) + 60 * int(parts[2]) + float(parts[3])
    return None


def _beside(page: Mapping[str, Any], name: str) -> float | None:
    """``database_seconds`` beside ``database``, and the like."""
    times = {key[len(name) + 1 :]: value for key, value in page.items() if key.startswith(f"{name}_")}
    return _seconds({(f"took_{unit}" if unit in ("ms", "seconds") else unit): value for unit, value in times.items()})


def _measured(value: Mapping[str, Any], measure: str) -> float | None:
    """health+json's ``observedValue`` where it is a time."""
    payload, unit = value.get("observedValue"), str(value.get("observedUnit", "")).lower()
    if not re.search(r"time|latency|duration", measure, re.IGNORECASE):
        return None
    if not isinstance(payload, int | float) or isinstance(payload, bool) or unit not in ("ms", "s"):
        return None
    return payload / 1000 if unit == "ms" else float(payload)


def _name(name: str) -> str:
    return " ".join(name.split())[:60]


def _normalised(word: object) -> str:
    return re.sub(r"[\s-]+", "_", str(word).strip().lower())
