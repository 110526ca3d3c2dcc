"""The autoscaling component: policies act when CloudWatch invokes them, and activities are followed to their end."""

from __future__ import annotations

import json
import pickle
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localcloud.core import calls
from localcloud.core.interfaces import AlarmNotice, MetricSink, ScalableServices, ServiceCounts
from localcloud.core.registry import component

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

from localcloud.services.autoscaling.decide import Decision, scale_in, scale_out
from localcloud.services.autoscaling.model import (
    DEFAULT_COOLDOWN,
    KEEP_ACTIVITIES,
    MOST_ACTIVITIES,
    PRINCIPAL,
    Activity,
    Policy,
    ScalableTarget,
    State,
)


@component()
class Autoscaling:
    """Scalable targets and policies; guarded by ``cloud.lock``."""

    name = "autoscaling"

    def __init__(self) -> None:
        self.state = State()
        self._cloud: Cloud | None = None

    @property
    def cloud(self) -> Cloud:
        if self._cloud is None:
            raise RuntimeError("autoscaling was used before it was started")
        return self._cloud

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        if cloud.has(MetricSink):
            cloud.part(MetricSink).on_action(f"arn:{cloud.settings.partition}:autoscaling:", self.act)
        cloud.loop("autoscaling", 1.0, self.follow)

    def dump(self) -> object:
        return pickle.dumps(self.state)

    def load(self, state: Any) -> None:
        self.state = pickle.loads(state)  # noqa: S301 (our own snapshot)

    def stop(self) -> None:
        """Nothing runs."""

    def service(self, resource: str) -> ServiceCounts | None:
        """Of the ECS service that a resource id names, while it is active."""
        return self.cloud.part(ScalableServices).counts(resource)

    def follow(self) -> None:
        """Keep counts within their limits, and see how activities ended."""
        with self.cloud.lock:
            now = self.cloud.now()
            for target in self.state.targets.values():
                self._into_limits(target, now)
            for activity in self.state.activities:
                if activity.status == "InProgress":
                    self._follow(activity, now)
            kept = [a for a in self.state.activities[:MOST_ACTIVITIES] if now - a.started_at < KEEP_ACTIVITIES]
            self.state.activities = kept

    def _into_limits(self, target: ScalableTarget, now: datetime) -> None:
        service = self.service(target.resource)
        if service is None:
            return
        if service.desired < target.minimum and not target.suspended.get("DynamicScalingOutSuspended"):
            self._set(target, target.minimum, f"minimum capacity was set to {target.minimum}", now)
        elif service.desired > target.maximum and not target.suspended.get("DynamicScalingInSuspended"):
            self._set(target, target.maximum, f"maximum capacity was set to {target.maximum}", now)

    def _follow(self, activity: Activity, now: datetime) -> None:
        service = self.service(activity.resource)
        if service is None:
            activity.status, activity.ended_at = "Failed", now
            activity.message = f"Failed to set desired count to {activity.wanted}. Reason: the service is not active."
        elif service.desired != activity.wanted:
            activity.status, activity.ended_at = "Overridden", now
            activity.message = f"Desired count was set to {service.desired} in the meantime."
        elif service.running == activity.wanted:
            activity.status, activity.ended_at = "Successful", now
            activity.message = (
                f"Successfully set desired count to {activity.wanted}. Change successfully fulfilled by ecs."
            )
        self.cloud.touch()

    def _set(self, target: ScalableTarget, count: int, cause: str, now: datetime) -> None:
        message = f"Successfully set desired count to {count}. Waiting for change to be fulfilled by ecs."
        description = f"Setting desired count to {count}."
        activity = Activity(str(uuid.uuid4()), target.resource, description, cause, now, count, message=message)
        for earlier in self.state.activities:
            if earlier.resource == target.resource and earlier.status == "InProgress":
                earlier.status, earlier.ended_at = "Overridden", now
        self.state.activities.insert(0, activity)
        self.cloud.part(ScalableServices).set_desired_count(target.resource, count)

    # -- acting on alarms -----------------------------------------------------------------------------------------

    def act(self, notice: AlarmNotice) -> None:
        """CloudWatch invokes a policy: one of its alarms is in ALARM (told again each minute while it is)."""
        if notice.new_state != "ALARM":
            return
        with self.cloud.lock:
            policy = next((p for p in self.state.policies.values() if notice.action.startswith(p.arn)), None)
            if policy is None:
                raise LookupError(f"no scaling policy {notice.action}")
            target = self.state.targets.get(policy.resource)
            service = self.service(policy.resource)
            if target is None or service is None:
                return
            name = str(notice.alarm["AlarmName"])
            cause = f"monitor alarm {name} in state ALARM triggered policy {policy.name}"
            high = name == policy.alarms[0]["AlarmName"]
            value = _latest_value(notice)
            decision = (self._out if high else self._in)(policy, target, service, value)
            self._record(target, service, decision, cause)

    def _out(self, policy: Policy, target: ScalableTarget, service: ServiceCounts, value: float) -> Decision:
        if target.suspended.get("DynamicScalingOutSuspended"):
            return Decision()
        now = self.cloud.now()
        cooling = _cooling(target.scaled_out_at, target.out_cooldown, now)
        goal = float(policy.configuration["TargetValue"])
        decision = scale_out(service.desired, target.out_base, value, goal, target.maximum, cooling=cooling)
        if decision.count is not None:
            target.out_base = service.desired
            target.scaled_out_at = now
            target.out_cooldown = float(policy.configuration.get("ScaleOutCooldown", DEFAULT_COOLDOWN))
        return decision

    def _in(self, policy: Policy, target: ScalableTarget, service: ServiceCounts, value: float) -> Decision:
        if target.suspended.get("DynamicScalingInSuspended") or policy.configuration.get("DisableScaleIn"):
            return Decision()
        now = self.cloud.now()
        values = [(value, float(policy.configuration["TargetValue"]))]
        for other in self.state.policies.values():
            if other.resource != policy.resource or other is policy or other.configuration.get("DisableScaleIn"):
                continue
            low = self._low_alarm_value(other)
            if low is None:
                return Decision()  # every policy must be ready to scale in
            values.append((low, float(other.configuration["TargetValue"])))
        cooling = _cooling(target.scaled_in_at, target.in_cooldown, now)
        cooling = cooling or _cooling(target.scaled_out_at, target.out_cooldown, now)
        decision = scale_in(service.desired, values, target.minimum, cooling=cooling)
        if decision.count is not None:
            target.scaled_in_at = now
            target.in_cooldown = float(policy.configuration.get("ScaleInCooldown", DEFAULT_COOLDOWN))
        return decision

    def _low_alarm_value(self, policy: Policy) -> float | None:
        """The latest value behind a policy's low alarm, if that is in ALARM."""
        names = [alarm["AlarmName"] for alarm in policy.alarms[1:]]
        params = {"AlarmNames": names, "StateValue": "ALARM"}
        found = calls.ask(self.cloud, "cloudwatch", "DescribeAlarms", params, PRINCIPAL)["MetricAlarms"]
        return _value_in(found[0].get("StateReasonData", "")) if found else None

    def _record(self, target: ScalableTarget, service: ServiceCounts, decision: Decision, cause: str) -> None:
        now = self.cloud.now()
        if decision.count is not None:
            self._set(target, decision.count, cause, now)
        elif decision.code:
            last = next((a for a in self.state.activities if a.resource == target.resource), None)
            if (
                last is not None
                and last.not_scaled
                and last.cause == cause
                and last.not_scaled["Code"] == decision.code
            ):
                return  # the same answer as a minute ago
            limits = {"AlreadyAtMaxCapacity": "MaxCapacity", "AlreadyAtMinCapacity": "MinCapacity"}
            reason: dict[str, Any] = {"Code": decision.code, "CurrentCapacity": service.desired}
            if decision.code in limits:
                key = limits[decision.code]
                reason[key] = target.maximum if key == "MaxCapacity" else target.minimum
            activity = Activity(
                str(uuid.uuid4()),
                target.resource,
                "Attempting to scale due to alarm triggered",
                cause,
                now,
                service.desired,
                status="Unfulfilled",
                ended_at=now,
                not_scaled=reason,
            )
            self.state.activities.insert(0, activity)
            self.cloud.touch()


def _cooling(since: datetime | None, seconds: float, now: datetime) -> bool:
    return since is not None and (now - since).total_seconds() < seconds


def _value_in(reason_data: str) -> float | None:
    try:
        points = [point for point in json.loads(reason_data).get("recentDatapoints", []) if point is not None]
    except ValueError:
        return None
    return float(points[-1]) if points else None


def _latest_value(notice: AlarmNotice) -> float:
    value = _value_in(notice.reason_data)
    return float(notice.alarm.get("Threshold", 0.0)) if value is None else value
