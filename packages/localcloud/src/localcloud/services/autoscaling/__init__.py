"""Application Auto Scaling for ECS services: scalable targets, target tracking with its alarms, scaling activities.

It acts as AWS does: a policy makes two alarms, CloudWatch invokes the policy while one of them is in ALARM, and the
policy sets the service's desired count within the target's limits, its cooldowns and its suspended state. Scheduled
actions, step scaling and predictive scaling are refused.
"""

from localcloud.services.autoscaling import api
from localcloud.services.autoscaling.component import Autoscaling

__all__ = ["Autoscaling", "api"]
