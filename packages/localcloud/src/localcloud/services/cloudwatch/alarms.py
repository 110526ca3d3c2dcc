"""The alarms: put, evaluated as CloudWatch does it, moved from state to state, and what each move sets off.

Evaluation reads the store; every move is written to the history and its actions are queued in ``outbox``, which
``component`` empties outside of every lock. One lock guards the table; it is never held while a lock of the cloud is
taken, so callers may hold the cloud's.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError
from localcloud.services.cloudwatch import model as alarm_module
from localcloud.services.cloudwatch import notices
from localcloud.services.cloudwatch.decide import EXTRA_PERIODS, Judgement, Point, judge, timestamp
from localcloud.services.cloudwatch.model import COMPOSITE, METRIC, UNCHECKED, Alarm, Plan, describe, invalid
from localcloud.services.cloudwatch.mutes import MuteRule
from localcloud.services.cloudwatch.queries import Fetch, QueryError, Run, fetch
from localcloud.services.cloudwatch.rules import children, holds, parse_rule
from localcloud.services.cloudwatch.store import DAY, HistoryItem, Store

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

SETTLE = {10: 2, 60: 5}
"""Seconds after the end of a period before it is judged, by the alarm's step: samples come a little late."""
LONGEST_REASON = 1023
"""Characters of a StateReason (CloudWatch API)."""
START = 30
"""Seconds after a start in which the real parts come up and may not be measured yet."""
OVERDUE = 90
"""Seconds without an evaluation after which an alarm that should have one is reported as not evaluated."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One action that is due: what it is told."""

    action: str
    """ARN of the action."""
    alarm: Mapping[str, Any]
    """The alarm as DescribeAlarms shows it after the move."""
    kind: str
    old_state: str
    new_state: str
    reason: str
    reason_data: str
    at: datetime
    repeated: bool = False
    """An autoscaling action that is invoked again because its state still holds."""


class Alarms:
    """Every alarm of the account in this region."""

    def __init__(self) -> None:
        self._alarms: dict[str, Alarm] = {}
        self._plans: dict[str, tuple[datetime, Plan]] = {}
        self._mutes: dict[str, MuteRule] = {}
        self._kept: dict[str, str] = {}
        """Alarms whose actions a rule mutes, with the state that they moved from."""
        self._lock = threading.RLock()
        self.outbox: deque[Notice] = deque()
        self.evaluated_at: datetime | None = None
        """When the loop last went through all alarms; None before the first time."""
        self._down: list[tuple[float, float]] = []
        """From and to when nobody measured, since this cloud was down: AWS never is, so no alarm may tell of it."""
        self._opened_at = 0.0
        self._cloud: Cloud | None = None
        self._store: Store | None = None

    def open(self, cloud: Cloud, store: Store) -> None:
        """Begin with what the store holds: from its newest sample until now the cloud was down."""
        self._cloud, self._store = cloud, store
        self._opened_at = cloud.now().timestamp()
        newest = min(store.newest(), self._opened_at)
        if newest:
            self._down.append((newest, self._opened_at + START))

    @property
    def cloud(self) -> Cloud:
        if self._cloud is None:
            raise RuntimeError("the alarms are not open yet")
        return self._cloud

    @property
    def store(self) -> Store:
        if self._store is None:
            raise RuntimeError("the alarms are not open yet")
        return self._store

    def dump(self) -> dict[str, Any]:
        with self._lock:
            return {
                "alarms": [_fields(alarm) for alarm in self._alarms.values()],
                "outbox": [_fields(notice) for notice in list(self.outbox)],  # they are carried out meanwhile
                "mutes": [_fields(rule) for rule in self._mutes.values()],
                "kept": dict(self._kept),
                "down": [span for span in self._down if span[1] > self._opened_at - 7 * DAY],
            }

    def load(self, state: Mapping[str, Any]) -> None:
        with self._lock:
            self._alarms = {fields["name"]: Alarm(**fields) for fields in state["alarms"]}
            self.outbox = deque(Notice(**fields) for fields in state["outbox"])
            self._mutes = {fields["name"]: MuteRule(**fields) for fields in state.get("mutes", [])}
            self._kept = dict(state.get("kept", {}))
            self._down = [*state["down"], *self._down]

    # Definitions

    def arn(self, name: str) -> str:
        settings = self.cloud.settings
        return settings.arn("cloudwatch", f"alarm:{name}")

    def put(self, parameters: Mapping[str, Any]) -> str:
        """PutMetricAlarm's parameters in, the alarm's ARN out; the same path as the operation's. Raises ``AwsError``.

        An alarm that exists keeps its state, as in AWS, and its tags.
        """
        plan = alarm_module.read_plan(parameters)
        with self._lock:
            settings = dict(parameters)
            if settings.get("Metrics"):
                settings["Metrics"] = [{"ReturnData": True, **query} for query in settings["Metrics"]]
            alarm = self._put(METRIC, settings)
            self._plans[alarm.name] = (alarm.configured_at, plan)
        return alarm.arn

    def put_composite(self, parameters: Mapping[str, Any]) -> str:
        """PutCompositeAlarm's parameters in, the alarm's ARN out. Its rule is evaluated at once."""
        rule = alarm_module.read_rule(parameters)
        with self._lock:
            named = [*children(rule), *filter(None, [parameters.get("ActionsSuppressor")])]
            unknown = [name for name in named if self.find(name) is None and _bare(name) != parameters["AlarmName"]]
            if unknown:
                raise invalid(
                    f"Could not save the composite alarm as alarms [{', '.join(map(_bare, unknown))}] do not exist"
                )
            if parameters.get("ActionsSuppressor") and None in (
                parameters.get("ActionsSuppressorWaitPeriod"),
                parameters.get("ActionsSuppressorExtensionPeriod"),
            ):
                raise invalid(
                    "ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod are required"
                    " when ActionsSuppressor is specified"
                )
            existed = parameters["AlarmName"] in self._alarms
            alarm = self._put(COMPOSITE, dict(parameters))
            alarm.suppressed_by = ""
            now = self.cloud.now()
            self._judge_composite(alarm, now, "updated" if existed else "created")
            self._settle_composites(now)
        return alarm.arn

    def _put(self, kind: str, parameters: dict[str, Any]) -> Alarm:
        now = self.cloud.now()
        name = parameters.pop("AlarmName")
        tags = {tag["Key"]: tag["Value"] for tag in parameters.pop("Tags", None) or ()}
        before = self._alarms.get(name)
        if before is not None and before.kind != kind:
            raise invalid(f"An alarm named {name} of type {before.kind} exists already; delete it first")
        if before is None:
            alarm = Alarm(kind, name, self.arn(name), parameters, now, now, now, tags=tags)
        else:
            alarm = dataclasses.replace(before, settings=parameters, configured_at=now, evaluated_until=0, failure="")
        self._alarms[name] = alarm
        change = "Update" if before else "Create"
        data = {"version": "1.0", "type": change, "updatedAlarm" if before else "createdAlarm": describe(alarm)}
        self._remember(alarm, "ConfigurationUpdate", f'Alarm "{name}" {change.lower()}d', data, now)
        notices.configured(self.cloud, describe(alarm), change.lower(), now, describe(before) if before else None)
        self.cloud.touch()
        return alarm

    def delete(self, names: Iterable[str]) -> None:
        """DeleteAlarms: all or none. A metric alarm that doesn't exist is no error, as in AWS."""
        doomed = set(names)
        with self._lock:
            if sum(self._alarms[name].kind == COMPOSITE for name in doomed & self._alarms.keys()) > 1:
                raise invalid("At most one composite alarm can be deleted in one request")
            for alarm in self._alarms.values():
                if alarm.kind == COMPOSITE and alarm.name not in doomed:
                    used = {_bare(child) for child in self._needed(alarm)} & doomed & self._alarms.keys()
                    if used:
                        raise invalid(f"Cannot delete {min(used)} as there are composite alarm(s) depending on it.")
            now = self.cloud.now()
            for name in sorted(doomed & self._alarms.keys()):
                alarm = self._alarms.pop(name)
                self._plans.pop(name, None)
                data = {"version": "1.0", "type": "Delete", "deletedAlarm": describe(alarm)}
                self._remember(alarm, "ConfigurationUpdate", f'Alarm "{name}" deleted', data, now)
                notices.configured(self.cloud, describe(alarm), "delete", now)
            self.cloud.touch()

    @staticmethod
    def _needed(alarm: Alarm) -> tuple[str, ...]:
        suppressor = alarm.settings.get("ActionsSuppressor")
        return (*children(parse_rule(alarm.settings["AlarmRule"])), *([suppressor] if suppressor else []))

    def find(self, name_or_arn: str) -> Alarm | None:
        return self._alarms.get(_bare(name_or_arn))

    def described(self, wanted: Callable[[Alarm], bool] = lambda _: True) -> list[dict[str, Any]]:
        """The alarms that ``wanted`` picks, as DescribeAlarms shows them, by name."""
        with self._lock:
            return [describe(self._alarms[name]) for name in sorted(self._alarms) if wanted(self._alarms[name])]

    def enable(self, names: Iterable[str], *, enabled: bool) -> None:
        with self._lock:
            for alarm in filter(None, map(self.find, names)):
                alarm.settings["ActionsEnabled"] = enabled
                alarm.configured_at = self.cloud.now()
            self.cloud.touch()

    def tag(self, arn: str, tags: Mapping[str, str] | None = None, remove: Iterable[str] = ()) -> dict[str, str]:
        """Change and return the tags of an alarm."""
        with self._lock:
            alarm = self._alarms.get(_bare(arn))
            if alarm is None or alarm.arn != arn:
                raise AwsError("ResourceNotFoundException", f"Unknown resource {arn}", 404)
            alarm.tags.update(tags or {})
            for key in remove:
                alarm.tags.pop(key, None)
            if tags or remove:
                self.cloud.touch()
            return dict(alarm.tags)

    # States

    def set_state(self, name: str, state: str, reason: str, data: str) -> None:
        """SetAlarmState: the next evaluation may set it back."""
        with self._lock:
            alarm = self._alarms.get(name)
            if alarm is None:
                raise AwsError("ResourceNotFound", f"Unable to find alarm {name}", 404)
            now = self.cloud.now()
            self._move(alarm, state, reason, data, now)
            self._settle_composites(now)

    def evaluate(self, now: datetime) -> int:
        """Judge every metric alarm whose next period is over, then the composites; how many were judged."""
        with self._lock:
            listed = [alarm for alarm in self._alarms.values() if alarm.kind == METRIC]
        judged = 0
        for alarm in listed:
            try:
                judged += self._evaluate(alarm, now)
            except Exception as error:
                # One alarm that can't be judged must neither stop the others nor look judged.
                log.exception("alarm %s could not be evaluated", alarm.name)
                with self._lock:
                    alarm.failure = f"{type(error).__name__}: {error}"
        with self._lock:
            self._settle_composites(now)
            self._unmute(now)
            self.evaluated_at = now
        return judged

    def _plan(self, alarm: Alarm) -> Plan:
        known = self._plans.get(alarm.name)
        if known is None or known[0] != alarm.configured_at:
            known = (alarm.configured_at, alarm_module.read_plan({"AlarmName": alarm.name, **alarm.settings}))
            self._plans[alarm.name] = known
        return known[1]

    def _evaluate(self, alarm: Alarm, now: datetime) -> bool:
        plan = self._plan(alarm)
        end = int(now.timestamp() - SETTLE[plan.step]) // plan.step * plan.step
        if end <= alarm.evaluated_until:
            return False
        configured = alarm.configured_at
        try:
            points = self._points(plan, end, now)
        except QueryError as error:
            points, failure = [], str(error)
        else:
            failure = ""
        judgement = judge(plan.criteria, points, now)
        low = plan.low_samples and any(
            point.samples is not None and point.samples < plan.low_samples for point in points
        )
        with self._lock:
            if self._alarms.get(alarm.name) is not alarm or alarm.configured_at != configured:
                return False  # put anew or deleted meanwhile: the next round judges what is there now
            alarm.evaluated_until = end
            alarm.failure = failure
            if failure:
                self._move(alarm, "INSUFFICIENT_DATA", f"Unable to evaluate the alarm: {failure}", "", now)
            elif judgement.state is not None and not low:
                if judgement.state != alarm.state or alarm.reason == UNCHECKED:
                    self._move(alarm, judgement.state, judgement.reason, judgement.data, now)
                else:
                    self._repeat(alarm, plan, judgement, now)
        return True

    def _points(self, plan: Plan, end: int, now: datetime) -> list[Point]:
        period = plan.criteria.period
        start = end - (plan.criteria.periods + EXTRA_PERIODS) * period
        source = plan.queries[plan.watched].source
        if isinstance(source, Fetch):
            found = fetch(self.store, source, start, end)
            points = [Point(at, *found.get(at, (None, None))) for at in range(start, end, period)]
            return self._measured(points, period)
        run = Run(self.store, plan.queries, start, end, now.timestamp(), rounding=False)
        series = run.results(plan.watched)
        if len(series) != 1:
            raise QueryError(f"the expression gives {len(series)} time series, but an alarm watches one")
        return self._measured([Point(at, series[0].values.get(at)) for at in range(start, end, period)], period)

    def _measured(self, points: list[Point], period: int) -> list[Point]:
        return [
            point
            for point in points
            if point.value is not None
            or not any(point.at + period > begin and point.at < end for begin, end in self._down)
        ]

    def _move(self, alarm: Alarm, state: str, reason: str, data: str, now: datetime) -> None:
        """Enter a state, with history, and queue its actions where it is a change."""
        old, old_reason, old_data, since = alarm.state, alarm.reason, alarm.reason_data, alarm.updated_at
        if len(reason) > LONGEST_REASON:
            reason = f"{reason[: LONGEST_REASON - 3]}..."
        alarm.reason, alarm.reason_data, alarm.updated_at = reason, data, now
        self.cloud.touch()
        if state == old:
            return
        alarm.state, alarm.transitioned_at = state, now
        moved = {
            "version": "1.0",
            "oldState": _state(old, old_reason, old_data),
            "newState": _state(state, reason, data),
        }
        self._remember(alarm, "StateUpdate", f"Alarm updated from {old} to {state}", moved, now)
        log.info("alarm %s: %s to %s: %s", alarm.name, old, state, reason)
        if alarm.kind == COMPOSITE and alarm.settings.get("ActionsSuppressor"):
            self._suppress(alarm, now, entered=True)
        else:
            self._act(alarm, old, now)
        notices.state_changed(self.cloud, describe(alarm), (old, old_reason, old_data, since), now)

    def _act(self, alarm: Alarm, old: str, now: datetime) -> None:
        if alarm.name in self._muted_now(now):
            self._kept.setdefault(alarm.name, old)  # carried out when the mute is over, if its state is this one still
            return
        self._kept.pop(alarm.name, None)
        alarm.acted_state, alarm.acted_at = alarm.state, now.timestamp()
        described = describe(alarm)
        for action in alarm.actions():
            self.outbox.append(
                Notice(action, described, alarm.kind, old, alarm.state, alarm.reason, alarm.reason_data, now)
            )

    def _repeat(self, alarm: Alarm, plan: Plan, judgement: Judgement, now: datetime) -> None:
        """Autoscaling's actions are invoked again, once a minute, for as long as the state holds.

        They are told the newest datapoints: a policy computes from them how far to scale.
        """
        policies = [action for action in alarm.actions() if ":autoscaling:" in action]
        if policies and alarm.name not in self._kept and now.timestamp() - alarm.acted_at >= plan.step - 1:
            alarm.acted_at = now.timestamp()
            described = {**describe(alarm), "StateReason": judgement.reason, "StateReasonData": judgement.data}
            for action in policies:
                self.outbox.append(
                    Notice(
                        action,
                        described,
                        alarm.kind,
                        alarm.state,
                        alarm.state,
                        judgement.reason,
                        judgement.data,
                        now,
                        repeated=True,
                    )
                )

    # Mute rules

    def put_mute(self, rule: MuteRule) -> None:
        with self._lock:
            self._mutes[rule.name] = rule
            self.cloud.touch()

    def delete_mute(self, name: str) -> None:
        """One that isn't there is no mistake (CloudWatch API, DeleteAlarmMuteRule)."""
        with self._lock:
            self._mutes.pop(name, None)
            self.cloud.touch()

    def mutes(self) -> list[MuteRule]:
        with self._lock:
            return list(self._mutes.values())

    def _muted_now(self, now: datetime) -> set[str]:
        return {name for rule in self._mutes.values() if rule.status(now) == "ACTIVE" for name in rule.alarms}

    def _unmute(self, now: datetime) -> None:
        """What was muted and is in the same state still is carried out once nothing mutes it."""
        muted = self._muted_now(now) if self._kept else set()
        for name in set(self._kept) - muted:
            old = self._kept.pop(name)
            alarm = self._alarms.get(name)
            if alarm is not None and alarm.state != old:
                self._act(alarm, old, now)

    # Composite alarms

    def _settle_composites(self, now: datetime) -> None:
        composites = [alarm for alarm in self._alarms.values() if alarm.kind == COMPOSITE]
        # As many rounds as there are composites: a change can travel up a chain of them; a circle must still end.
        for _ in range(len(composites)):
            if not [alarm for alarm in composites if self._judge_composite(alarm, now, None)]:
                break
        for alarm in composites:
            if alarm.settings.get("ActionsSuppressor"):
                self._suppress(alarm, now, entered=False)

    def _judge_composite(self, alarm: Alarm, now: datetime, change: str | None) -> bool:
        rule = parse_rule(alarm.settings["AlarmRule"])
        found = [child for child in map(self.find, children(rule)) if child is not None]
        states = {child.name: child.state for child in found}
        state = "ALARM" if holds(rule, lambda name: states.get(_bare(name), "INSUFFICIENT_DATA")) else "OK"
        if state == alarm.state and change is None:
            return False
        if change or not found:
            reason = f"{alarm.arn} was {change or 'updated'} and its alarm rule evaluates to {state}"
            triggers = found
        else:
            newest = max(found, key=lambda child: child.transitioned_at)
            at = newest.transitioned_at
            reason = f"{newest.arn} transitioned to {newest.state} at {at:%A %d %B, %Y %H:%M:%S} UTC"
            triggers = [newest]
        data = json.dumps(
            {
                "triggeringAlarms": [
                    {"arn": child.arn, "state": {"value": child.state, "timestamp": timestamp(child.transitioned_at)}}
                    for child in triggers
                ]
            },
            separators=(",", ":"),
        )
        self._move(alarm, state, reason, data, now)
        return True

    def _suppress(self, alarm: Alarm, now: datetime, *, entered: bool) -> None:
        """Hold a composite's actions back while its suppressor is in ALARM, before (wait) and after (extension)."""
        suppressor = self.find(alarm.settings["ActionsSuppressor"])
        moment = now.timestamp()
        if suppressor is not None and suppressor.state == "ALARM":
            alarm.suppressed_by = "Alarm"
            return
        if alarm.suppressed_by == "Alarm":
            alarm.suppressed_by = "ExtensionPeriod"
            alarm.suppressed_until = moment + alarm.settings["ActionsSuppressorExtensionPeriod"]
        elif entered and alarm.state == "ALARM" and not alarm.suppressed_by:
            alarm.suppressed_by = "WaitPeriod"
            alarm.suppressed_until = moment + alarm.settings["ActionsSuppressorWaitPeriod"]
        if alarm.suppressed_by and moment < alarm.suppressed_until:
            return
        alarm.suppressed_by = ""
        if alarm.state != alarm.acted_state:
            self._act(alarm, alarm.acted_state, now)
            self.cloud.touch()

    # History and health

    def _remember(self, alarm: Alarm, kind: str, summary: str, data: Mapping[str, Any], now: datetime) -> None:
        text = json.dumps(data, separators=(",", ":"), default=_plain)
        self.store.remember([HistoryItem(alarm.name, alarm.kind, now.timestamp(), kind, summary, text)])

    def overdue(self, now: datetime) -> list[str]:
        """Metric alarms that should have been judged by now and were not: the sign of a dead loop."""
        with self._lock:
            return sorted(
                alarm.name
                for alarm in self._alarms.values()
                if alarm.kind == METRIC
                and now.timestamp() - max(alarm.evaluated_until, alarm.configured_at.timestamp(), self._opened_at)
                > OVERDUE
            )

    def failures(self) -> dict[str, str]:
        """Alarms whose last evaluation failed, and why."""
        with self._lock:
            return {alarm.name: alarm.failure for alarm in self._alarms.values() if alarm.failure}


def _bare(name_or_arn: str) -> str:
    """The name of an alarm from its name or ARN."""
    if name_or_arn.startswith("arn:") and ":alarm:" in name_or_arn:
        return name_or_arn.split(":alarm:", 1)[1]
    return name_or_arn


def _fields(value: Any) -> dict[str, Any]:
    fields = {part.name: getattr(value, part.name) for part in dataclasses.fields(value)}
    # Copied, since the snapshot is pickled after the lock is given back.
    return {name: dict(item) if isinstance(item, dict) else item for name, item in fields.items()}


def _state(state: str, reason: str, data: str) -> dict[str, Any]:
    record: dict[str, Any] = {"stateValue": state, "stateReason": reason}
    if data:
        try:
            record["stateReasonData"] = json.loads(data)
        except ValueError:
            record["stateReasonData"] = data
    return record


def _plain(value: object) -> str:
    return timestamp(value.astimezone(UTC)) if isinstance(value, datetime) else str(value)
