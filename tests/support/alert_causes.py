"""The runbook's alerts, each by its real cause in a local cloud: what is expected of the incident, and what was seen.

``ROWS`` is the table of docs/alerts.md; a test compares them. The rehearsals of the faults make the causes and hold
what comes of them against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from support.responding import PRIMARY, SECONDARY, PageSeen, Team, is_business_day
from support.stack import CLUSTER, all_tasks
from support.waiting import eventually

TO_PAGE = 90.0
"""Seconds from the alarm's change to the page in its recipient's hands; one, on a machine with nothing else to do."""
LATE = 120.0
"""Seconds by which an escalation may come late on a busy machine."""
STEP = 60.0
"""Seconds until the secondary's turn (``support.responding``)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One alert of the runbook."""

    alert: str
    """As the runbook calls it."""
    symptom: str
    """In the runbook's words."""
    fault: str
    """What is started: ``omc local fault start …``."""
    alarm: str
    """What tells of it, without the prefix."""
    severity: int
    also: tuple[str, ...] = ()
    """What may follow from it, and is of the same incident or held."""

    def cells(self) -> str:
        """The beginning of its line in the table."""
        return f"| {self.alert} | {self.symptom} | `{self.fault}` | {self.alarm} | SEV-{self.severity} |"

    @property
    def allowed(self) -> frozenset[str]:
        return frozenset({self.alarm, *self.also})


CONNECTIONS = Row(
    "Database Connection Failures",
    "RDS connection count > 80%",
    "connection-leak",
    "rds-connections-high",
    2,
    ("rds-storage-low", f"{CLUSTER} storage", "alb-latency-high", "alb-5xx-percent", "rds-memory-low", "rds-cpu-high"),
)
ERRORS = Row(
    "High Error Rate (5xx)",
    "ALB 5xx errors > 5%",
    "5xx-burst",
    "alb-5xx-percent",
    2,
    ("backend deployment failed", "backend task failed"),
)
UNHEALTHY = Row(
    "Service Unhealthy",
    "ECS tasks failing health checks",
    "security-group-closed --set target=tasks",
    "backend-no-healthy",
    1,
    (
        *("backend-unhealthy", "backend-tasks-short", "backend task failed", "backend-cpu-high"),
        *("alb-5xx-percent", "alb-elb-5xx", "alb-latency-high"),
    ),
)
CPU = Row(
    "High CPU Usage",
    "ECS task CPU > 80%",
    "cpu-burn",
    "backend-cpu-high",
    3,
    ("backend-capacity-reached", "backend-at-max", "alb-latency-high"),
)
HIT_RATE = Row(
    "Redis Cache Hit Rate Low",
    "Cache hit rate < 70%",
    "cache-evicting",
    "redis-hit-rate-low",
    3,
    ("redis-evictions-high", "redis-memory-high", "redis-engine-cpu-high"),
)
ROWS = (CONNECTIONS, ERRORS, UNHEALTHY, CPU, HIT_RATE)


def of_frontend(row: Row) -> Row:
    """The same of the other service."""
    return replace(
        row,
        alarm=row.alarm.replace("backend", "frontend"),
        also=tuple(each.replace("backend", "frontend") for each in row.also),
    )


@dataclass
class Watch:
    """A team while faults are made: which incidents came of them."""

    team: Team
    known: frozenset[int]
    """Numbers of the incidents that were there before."""
    began: datetime
    found: dict[int, Row] = field(default_factory=dict)
    measured: dict[int, float] = field(default_factory=dict)
    """By incident, the seconds from the alarm's change to the page."""

    def new(self) -> list[dict[str, Any]]:
        return [each for each in self.team.incidents() if each["number"] not in self.known]

    def incident(self, row: Row, within: float = 300) -> int:
        """The number of the incident of this alert, once it is there as bad as it is to be and people were paged."""

        def look() -> dict[str, Any] | None:
            named = [each for each in self.new() if names(each) & row.allowed]
            return next((each for each in named if each["severity"] == row.severity), None)

        found = eventually(lambda: f"an incident of {row.alarm}\n{self.team.log()}", look, within, every=1)
        number = int(found["number"])
        self.found[number] = row
        if row.severity == 3 and not is_business_day():
            assert not self.team.urgent(number), "a SEV-3 waits for business hours"
            return number
        page = eventually(f"{PRIMARY} is paged", lambda: self._first(number, PRIMARY), within=TO_PAGE)
        rang = min(filter(None, (self.rang_at(name) for name in names(self.team.shown(number)))))
        self.measured[number] = page.at - rang.timestamp()
        assert -1 < self.measured[number] < TO_PAGE, f"{names(found)} at {rang}, paged at {page}"
        return number

    def _first(self, number: int, person: str) -> PageSeen | None:
        return next((each for each in self.team.urgent(number) if each.person == person), None)

    def rang_at(self, name: str) -> datetime | None:
        """When it first was so since the fault began, by who tells of it: an alarm, RDS, ECS."""
        if name.startswith(f"{CLUSTER} "):
            events = self.team.stack.client("rds").describe_events(
                StartTime=self.began, EndTime=datetime.now(UTC), EventCategories=["low storage"]
            )["Events"]
            return min((each["Date"] for each in events), default=None)
        if name.endswith(" task failed"):
            group = f"service:{name.split()[0]}"
            tasks = [each for each in all_tasks(self.team.stack, CLUSTER, "STOPPED") if each["group"] == group]
            ends = [each["stoppedAt"] for each in tasks if "stoppedAt" in each]
            return min((each for each in ends if each > self.began), default=None)
        items = self.team.stack.client("cloudwatch").describe_alarm_history(
            AlarmName=f"{CLUSTER}-{name}", HistoryItemType="StateUpdate", StartDate=self.began, MaxRecords=100
        )["AlarmHistoryItems"]
        found = [each["Timestamp"] for each in items if each["HistorySummary"].endswith("to ALARM")]
        return min(found, default=None)

    def acknowledged(self, number: int) -> None:
        done = self.team.omc("incident", "ack", str(number), "--env", "local")
        assert done.returncode == 0, done.stderr

    def everybody(self, number: int) -> None:
        """A SEV-1 is for the whole chain at once."""
        eventually(f"{SECONDARY} is paged too", lambda: self._first(number, SECONDARY), within=TO_PAGE)

    def escalated(self, number: int) -> None:
        """Nobody answers: the secondary's turn comes on time, and not before."""
        page = eventually(f"{SECONDARY} is paged", lambda: self._first(number, SECONDARY), within=STEP + LATE + TO_PAGE)
        waited = page.at - datetime.fromisoformat(self.team.shown(number)["opened_at"]).timestamp()
        assert STEP - 1 <= waited <= STEP + LATE, f"after {waited:.1f} s"

    def resolved(self, within: float = 420) -> None:
        """All that came is over by itself, each was told to whom it was paged, and nothing else had come."""

        def over() -> bool:
            process = self.team.responders[-1]
            assert process.poll() is None, self.team.log()
            return all(each["state"] == "resolved" for each in self.new() if each["number"] in self.found)

        eventually(lambda: f"each is over: {self._told()}", over, within, every=3)
        others = [
            self._line(each)
            for each in self.new()
            if each["number"] not in self.found and each["merged_into"] not in self.found
        ]
        assert not others, f"incidents of no alert of the runbook: {others}"
        for number, row in self.found.items():
            found = self.team.shown(number)
            assert names(found) <= row.allowed, f"incident {number} has {names(found)}"
            keys = [each.key for each in self.team.pages if each.incident == number]
            assert len(set(keys)) == len(keys), "no page came twice"
            people = [each.person for each in self.team.urgent(number)]
            most = 1 if found["severity"] > 1 else 2  # once more, when it turned out to be a SEV-1
            assert max(map(people.count, people), default=0) <= most, f"one page for each person: {people}"
            seconds = self.measured.get(number)
            page = "in business hours" if seconds is None else f"{seconds:.1f} s"
            print(f"\n{row.cells()} {page} | {quiet_for(found):.0f} s |")

    def _told(self) -> Sequence[str]:
        return [f"{self._line(each)} {self.team.shown(each['number'])}" for each in self.new()]

    def _line(self, incident: dict[str, Any]) -> str:
        return f"{incident['number']} SEV-{incident['severity']}: {incident['summary']} ({incident['state']})"


def quiet_for(incident: dict[str, Any]) -> float:
    """Seconds from the end of its last alert until it was resolved."""
    at = {each["kind"]: datetime.fromisoformat(each["at"]) for each in incident["events"]}  # the last of each kind
    return (at["resolved"] - at["alert ended"]).total_seconds()


def names(incident: dict[str, Any]) -> frozenset[str]:
    """The alerts of an incident, that fire or did."""
    return frozenset(str(each["name"]) for each in incident["alerts"])


def watching(team: Team) -> Watch:
    """Begin to watch: a responder runs, no alarm rings and no incident is open."""
    cloudwatch = team.stack.client("cloudwatch")

    def ringing() -> list[str]:
        pages = cloudwatch.get_paginator("describe_alarms").paginate(
            StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"], AlarmNamePrefix=f"{CLUSTER}-"
        )
        return [each["AlarmName"] for page in pages for each in (*page["MetricAlarms"], *page["CompositeAlarms"])]

    eventually(lambda: f"nothing rings: {ringing()}", lambda: not ringing(), within=300, every=2)
    team.start()
    there = team.incidents()
    return Watch(team, frozenset(each["number"] for each in there), datetime.now(UTC))
