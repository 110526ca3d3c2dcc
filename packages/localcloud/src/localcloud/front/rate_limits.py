"""How often AWS lets an account call each of its actions: token buckets with the default rates that AWS documents.

In force only while the fault ``rate-limits`` is. Services that publish no rates (IAM, Elastic Load Balancing, RDS,
ElastiCache, Application Auto Scaling) are not limited: a number of ours would be invented. Nor are limits that this
machine can't reach (S3, Secrets Manager's and KMS's thousands a second).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from localcloud.front.call_log import is_read

if TYPE_CHECKING:
    from localcloud.core.registry import Call


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket: how many calls at once, and how many more each second."""

    burst: float
    per_second: float


ECS: tuple[tuple[tuple[str, ...], Rate], ...] = (
    (
        ("CreateCluster", "DeleteCluster", "PutClusterCapacityProviders", "UpdateCluster", "UpdateClusterSettings"),
        Rate(20, 1),
    ),
    (("DescribeClusters", "ListClusters"), Rate(50, 20)),
    (("RegisterTaskDefinition", "DeregisterTaskDefinition"), Rate(20, 1)),
    (("DescribeTaskDefinition", "ListTaskDefinitions", "ListTaskDefinitionFamilies"), Rate(50, 20)),
    (("DeleteTaskDefinitions",), Rate(5, 1)),
    (("CreateCapacityProvider", "DeleteCapacityProvider", "UpdateCapacityProvider"), Rate(10, 1)),
    (("DescribeCapacityProviders",), Rate(50, 20)),
    (("TagResource", "UntagResource"), Rate(20, 10)),
    (("ListTagsForResource",), Rate(50, 20)),
    (("PutAccountSetting", "PutAccountSettingDefault", "DeleteAccountSetting"), Rate(10, 1)),
    (("ListAccountSettings",), Rate(50, 20)),
    (("ExecuteCommand", "RunTask", "StartTask", "StopTask", "PutAttributes", "DeleteAttributes"), Rate(100, 40)),
    (("DescribeTasks", "ListTasks", "DescribeContainerInstances", "ListContainerInstances"), Rate(100, 20)),
    (("CreateService", "DeleteService", "UpdateService"), Rate(50, 5)),
    (("DescribeServices", "ListServices"), Rate(100, 20)),
    (("DescribeServiceDeployments", "ListServiceDeployments"), Rate(50, 20)),
    (("DescribeServiceRevisions",), Rate(50, 20)),
    (("GetTaskProtection", "UpdateTaskProtection"), Rate(200, 80)),
    (("ListServicesByNamespace",), Rate(10, 1)),
)
"""Actions that share a bucket, of "Request throttling for the Amazon ECS API"."""
EC2_READS, EC2_UNFILTERED, EC2_WRITES = Rate(100, 20), Rate(50, 10), Rate(50, 5)
EC2_LARGE = frozenset(
    {
        *("DescribeInstances", "DescribeInstanceStatus", "DescribeNetworkInterfaces", "DescribeSecurityGroups"),
        *("DescribeSnapshots", "DescribeSpotInstanceRequests", "DescribeVolumes"),
    }
)
"""Reads that have a smaller bucket where they name neither a filter nor a page's size."""
EC2_OWN: Mapping[str, Rate] = {
    "CreateDefaultSubnet": Rate(1, 1),
    "CreateDefaultVpc": Rate(1, 1),
    "CreateNatGateway": Rate(10, 1),
    "CreateNetworkInterface": Rate(100, 5),
    "CreateTags": Rate(100, 10),
    "CreateVpcEndpoint": Rate(4, 0.3),
    "DeleteNatGateway": Rate(10, 1),
    "DeleteNetworkInterface": Rate(100, 5),
    "DeleteTags": Rate(100, 10),
    "DeleteVpcEndpoints": Rate(4, 0.3),
    "DescribeSecurityGroupReferences": Rate(20, 5),
    "DescribeStaleSecurityGroups": Rate(20, 5),
    "ModifyNetworkInterfaceAttribute": Rate(100, 5),
    "ModifyVpcEndpoint": Rate(4, 0.3),
    "RunInstances": Rate(5, 2),
}
"""Of "Request throttling for the Amazon EC2 API": each action has a bucket of its own, most of them by its kind."""
CLOUDWATCH: Mapping[str, float] = {
    "DescribeAlarmHistory": 20,
    "DescribeAlarms": 9,
    "DescribeAlarmsForMetric": 9,
    "DisableAlarmActions": 3,
    "EnableAlarmActions": 3,
    "GetDashboard": 10,
    "GetMetricData": 500,
    "GetMetricStatistics": 400,
    "ListDashboards": 10,
    "ListMetrics": 25,
    "ListTagsForResource": 10,
    "PutCompositeAlarm": 3,
    "PutDashboard": 10,
    "PutMetricAlarm": 3,
    "PutMetricData": 500,
    "SetAlarmState": 3,
    "TagResource": 20,
    "UntagResource": 20,
}
"""Calls a second: CloudWatch endpoints and quotas."""
LOGS: Mapping[str, float] = {
    "DescribeLogGroups": 10,
    "DescribeLogStreams": 25,
    "DescribeMetricFilters": 5,
    "DescribeSubscriptionFilters": 5,
    "FilterLogEvents": 10,
    "GetLogEvents": 25,
    "GetQueryResults": 10,
    "ListTagsForResource": 5,
    "ListTagsLogGroup": 5,
    "PutLogEvents": 5000,
    "PutMetricFilter": 5,
    "PutRetentionPolicy": 5,
    "PutSubscriptionFilter": 5,
    "StartLiveTail": 5,
    "StartQuery": 10,
    "TagLogGroup": 5,
    "TagResource": 5,
    "UntagLogGroup": 5,
    "UntagResource": 5,
}
"""Calls a second: CloudWatch Logs endpoints and quotas, of most regions."""
CLOUDTRAIL: Mapping[str, float] = {"LookupEvents": 2}
_BY_ACTION = {"cloudwatch": CLOUDWATCH, "logs": LOGS, "cloudtrail": CLOUDTRAIL}


def bucket_of(call: Call) -> tuple[str, Rate] | None:
    """The bucket that a call takes from, by a name; None where AWS documents no rate."""
    operation = call.operation
    if call.service == "ecs":
        return next(((actions[0], rate) for actions, rate in ECS if operation in actions), None)
    if call.service == "ec2":
        if operation in EC2_OWN:
            return operation, EC2_OWN[operation]
        if not is_read(operation):
            return operation, EC2_WRITES
        whole = operation in EC2_LARGE and not any(call.params.get(name) for name in ("Filters", "MaxResults"))
        return (f"{operation} unfiltered", EC2_UNFILTERED) if whole else (operation, EC2_READS)
    rate = _BY_ACTION.get(call.service, {}).get(operation)
    return None if rate is None else (operation, Rate(rate, rate))


class RateLimits:
    """The buckets of this account, filled at the documented rates times a factor. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._service, self._factor = "*", 0.0
        self._left: dict[tuple[str, str], tuple[float, float]] = {}
        """Tokens and when there were so many."""

    @property
    def in_force(self) -> bool:
        return self._factor > 0

    def begin(self, service: str, factor: float) -> None:
        """All buckets are full. ``service`` may hold wildcards."""
        with self._lock:
            self._service, self._factor, self._left = service, factor, {}

    def end(self) -> None:
        self.begin("*", 0.0)

    def refuses(self, call: Call) -> bool:
        """Whether the call's bucket is empty; else it has one token less."""
        if not self.in_force or not fnmatchcase(call.service, self._service):
            return False
        found = bucket_of(call)
        if found is None:
            return False
        name, rate = found
        burst = max(1.0, rate.burst * self._factor)
        with self._lock:
            now = self._clock()
            left, at = self._left.get((call.service, name), (burst, now))
            left = min(burst, left + (now - at) * rate.per_second * self._factor)
            refused = left < 1
            self._left[call.service, name] = (left if refused else left - 1, now)
        return refused
