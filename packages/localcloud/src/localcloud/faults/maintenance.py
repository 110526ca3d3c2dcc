"""AWS announces that it will do something to what runs here, by each service's own way, and withdraws it."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from localcloud.core.interfaces import EventBus
from localcloud.core.windows import next_window
from localcloud.faults import common, developer, releasing, values
from localcloud.faults.catalogue import Fault, Memory, Setting
from localcloud.services.ecs import Clusters
from localcloud.services.ecs.model import Status, StopCode
from localcloud.services.elasticache import Caches
from localcloud.services.rds import Databases

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

TASKS, DATABASE, CACHE, ALL = "tasks", "database", "cache", "all"
KINDS = (ALL, TASKS, DATABASE, CACHE)
RETIREMENT = "AWS_ECS_TASK_PATCHING_RETIREMENT"
RETIRING = (
    "\\nA software update has been deployed to Fargate. No action is required of you: tasks of services are replaced "
    "after the time below.\\n"
)
UPDATE = "A system update is available for the DB instance."


def _start(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    of = values.choice(settings, "of", KINDS)
    at = cloud.now().replace(microsecond=0) + timedelta(days=values.number(settings, "days", 0.01, 60))
    memory: Memory = {"of": of, "at": at.isoformat(), "event": uuid.uuid4().hex}
    if of in (DATABASE, ALL):
        memory["database"] = common.the_one("DB instance", "", cloud.part(Databases).instances).identifier
    if of in (CACHE, ALL):
        group = common.the_one("replication group", "", cloud.part(Caches).groups)
        memory["cache"], memory["member"] = group.id, group.primary
    if of in (TASKS, ALL):
        memory["services"] = _services(cloud)
        if not memory["services"]:
            raise common.refused("No service runs whose tasks could be retired.")
        _tell_health(cloud, memory, "upcoming")
    if "database" in memory:
        with cloud.lock:
            cloud.part(Databases).tell(memory["database"], UPDATE, "security patching")
    if "cache" in memory:
        _tell_cache(cloud, memory, "NodeReplacementScheduled", _replacement(cloud, memory))
    _keep(cloud, memory)
    return memory


def _keep(cloud: Cloud, memory: Memory) -> None:
    """What DescribePendingMaintenanceActions and DescribeUpdateActions show isn't saved with the cloud. What was
    applied meanwhile, of which an empty list or the update's own state is left, isn't announced again."""
    if "database" in memory:
        action = {
            "Action": "system-update",
            "Description": "New Operating System update is available",
            "AutoAppliedAfterDate": datetime.fromisoformat(memory["at"]),
            "CurrentApplyDate": datetime.fromisoformat(memory["at"]),
        }
        cloud.part(Databases).announced.setdefault(memory["database"], [action])

    if "cache" in memory:
        at = datetime.fromisoformat(memory["at"])
        update = {
            "ServiceUpdateName": f"elasticache-patch-update-{at:%Y%m%d}",
            "ServiceUpdateReleaseDate": at - timedelta(days=14),
            "ServiceUpdateSeverity": "important",
            "ServiceUpdateStatus": "available",
            "ServiceUpdateRecommendedApplyByDate": at,
            "ServiceUpdateType": "security-update",
            "UpdateActionAvailableDate": at - timedelta(days=14),
            "UpdateActionStatus": "not-applied",
            "NodesUpdated": "0/1",
            "SlaMet": "n/a",
            "EstimatedUpdateTime": "30 minutes per node",
            "Engine": cloud.part(Caches).groups[memory["cache"]].engine,
        }
        cloud.part(Caches).updates.setdefault(memory["cache"], [update])


def _stop(cloud: Cloud, memory: Memory) -> None:
    if memory.get("services"):
        _tell_health(cloud, memory, "closed")
    if "database" in memory:  # RDS tells nobody that an update is no longer available
        cloud.part(Databases).announced.pop(memory["database"], None)
    if "cache" in memory:
        cloud.part(Caches).updates.pop(memory["cache"], None)
        _tell_cache(cloud, memory, "NodeReplacementCanceled", memory["member"])


def _services(cloud: Cloud) -> list[str]:
    """As AWS Health names the services of tasks that it retires: ``CLUSTER|SERVICE``."""
    with cloud.lock:
        listed = cloud.part(Clusters).state.services.values()
        return sorted(f"{each.arn.split('/')[-2]}|{each.name}" for each in listed if each.inactive_at is None)


def _tell_health(cloud: Cloud, memory: Memory, status: str) -> None:
    """In the shape of AWS Health's guide, "EventBridge events schema", and of the sample in ECS's guide."""
    now, settings = cloud.now(), cloud.settings
    start = datetime.fromisoformat(memory["at"])
    entity_status = "RESOLVED" if status == "closed" else "PENDING"
    place = f"arn:{settings.partition}:health:{settings.region}::event/ECS/{RETIREMENT}"
    detail: dict[str, Any] = {
        "eventArn": f"{place}/{RETIREMENT}_{memory['event']}",
        "service": "ECS",
        "eventScopeCode": "ACCOUNT_SPECIFIC",
        "communicationId": hashlib.sha256(f"{memory['event']} {status}".encode()).hexdigest(),
        "lastUpdatedTime": _written(now),
        "statusCode": status,
        "eventRegion": settings.region,
        "eventTypeCode": RETIREMENT,
        "eventTypeCategory": "scheduledChange",
        "startTime": _written(start),
        "endTime": _written(start + timedelta(days=2)),
        "eventDescription": [{"language": "en_US", "latestDescription": RETIRING}],
        "affectedEntities": [
            {"entityValue": each, "lastupdatedTime": _written(now), "statusCode": entity_status}
            for each in memory["services"]
        ],
        "affectedAccount": settings.account,
        "page": "1",
        "totalPages": "1",
    }
    cloud.part(EventBus).tell("aws.health", "AWS Health Event", memory["services"], detail, at=now)


def _tell_cache(cloud: Cloud, memory: Memory, event: str, message: str) -> None:
    caches = cloud.part(Caches)
    group = caches.groups.get(memory["cache"])
    if group is not None:
        caches.publish(group, event, message)
        with cloud.lock:
            caches.tell(memory["member"], message)


def _replacement(cloud: Cloud, memory: Memory) -> str:
    """The message of ElastiCache's guide, "Amazon SNS and ElastiCache events"; in which form its times are, it doesn't
    say."""
    group = cloud.part(Caches).groups[memory["cache"]]
    begin, end = next_window(group.settings["PreferredMaintenanceWindow"], datetime.fromisoformat(memory["at"]))
    return (
        f"The node with Cache Cluster ID: {memory['member']}, Node ID: 0001 is scheduled for replacement during the "
        f"maintenance window from Start Time: {begin:%Y-%m-%dT%H:%M:%SZ}, End Time: {end:%Y-%m-%dT%H:%M:%SZ}"
    )


def _written(at: datetime) -> str:
    """``Wed, 16 Aug 2023 23:18:52 GMT``."""
    return format_datetime(at.astimezone(UTC), usegmt=True)


# -- task-retirement


RETIRED = "ECS is performing maintenance on the underlying infrastructure hosting the task."
"""The reason of a stopped task. Source: Amazon ECS user guide for AWS Fargate, AWS Fargate task maintenance."""


def _start_retirement(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    count = int(values.number(settings, "tasks", 1, 100))
    service = settings["service"] or releasing.the_service(developer.client(cloud, "ecs"))
    clusters = cloud.part(Clusters)
    with cloud.lock:
        tasks = [
            task
            for task in clusters.state.tasks.values()
            if task.status is Status.RUNNING and task.wanted and task.service.rpartition("/")[2] == service
        ][:count]
        for task in tasks:
            clusters.stop_task(task, StopCode.TERMINATION, RETIRED)
    if not tasks:
        raise common.refused(f"No task of the service {service} is running.")
    cloud.touch()
    return {"service": service, "retired": [task.id for task in tasks]}


FAULTS = (
    Fault(
        "task-retirement",
        "AWS stops tasks since it works on what they run on, all of them at once.",
        "Tasks stop with TerminationNotice and AWS's reason; ECS starts others, and until they are healthy nobody "
        "answers.",
        _start_retirement,
        lambda _cloud, _memory: None,  # ECS has replaced them
        {
            "service": Setting("", "the ECS service; the only one that reads secrets, if left out"),
            "tasks": Setting("100", "how many of its tasks at most, 1 to 100"),
        },
    ),
    Fault(
        "maintenance-announced",
        "AWS announces work of its own: tasks are retired (AWS Health), the database gets a system update (an event of "
        "RDS's), a cache node is replaced (the cache's topic) by a service update.",
        "Events come, DescribePendingMaintenanceActions, DescribeUpdateActions and DescribeEvents have it; nothing is "
        "done to anything. It is withdrawn at the end.",
        _start,
        _stop,
        {
            "of": Setting(ALL, f"one of {', '.join(KINDS)}"),
            "days": Setting("7", "in how many days it begins, 0.01 to 60"),
        },
        _keep,
    ),
)
