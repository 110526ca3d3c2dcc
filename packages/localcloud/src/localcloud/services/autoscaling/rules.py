"""Application Auto Scaling: capacities and pages (API reference). Unknown dimensions are the model's to refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.core.registry import AwsError, Call, rule

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@rule("application-autoscaling", "RegisterScalableTarget")
def check_capacity(cloud: Cloud, call: Call) -> None:
    for name in ("MinCapacity", "MaxCapacity"):
        if (call.params.get(name) or 0) < 0:
            raise AwsError("ValidationException", f"{name} must be 0 or more.")


@rule(
    "application-autoscaling",
    "DescribeScalableTargets",
    "DescribeScalingPolicies",
    "DescribeScalingActivities",
    "DescribeScheduledActions",
)
def check_page(cloud: Cloud, call: Call) -> None:
    most = call.params.get("MaxResults")
    if most is not None and not 1 <= most <= 50:
        raise AwsError("ValidationException", "MaxResults must be between 1 and 50.")


@rule("application-autoscaling", "PutScalingPolicy")
def check_target(cloud: Cloud, call: Call) -> None:
    configuration = call.params.get("TargetTrackingScalingPolicyConfiguration") or {}
    for name in ("ScaleInCooldown", "ScaleOutCooldown"):
        if (configuration.get(name) or 0) < 0:
            raise AwsError("ValidationException", f"{name} must be 0 or more.")
    if configuration and not configuration["TargetValue"] > 0:
        raise AwsError("ValidationException", "TargetValue must be greater than 0.")
