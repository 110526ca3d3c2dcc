"""Log groups that the stack writes to: which there are, for how long they keep lines, and under which key."""

from __future__ import annotations

from dataclasses import dataclass

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.config.stores import database_log_group
from omc.facts.collector import NO_READING, Reading, reads

OS_METRICS = "RDSOSMetrics"
"""RDS's enhanced monitoring makes it by itself, once an account, without a key."""


@dataclass(frozen=True, slots=True)
class LogGroup:
    name: str
    retention_days: int | None
    """None: lines are kept for ever."""
    kms_key: str = ""
    """Empty: CloudWatch's own."""


@dataclass(frozen=True, slots=True)
class LogGroups:
    """By name; those of ``wanted`` that aren't in ``found`` don't exist."""

    wanted: tuple[str, ...]
    found: dict[str, LogGroup]
    reading: Reading = NO_READING


def expected(environment: Environment) -> tuple[str, ...]:
    """The services' own, and those that omc's Terraform makes beside them."""
    name = environment.prefix
    beside = (
        f"/ecs/{name}/exec",
        *(f"/aws/ecs/containerinsights/{cluster}/performance" for cluster in environment.clusters),
        database_log_group(environment),
        f"/vpc/{name}/flow",
    )
    groups = [
        *(service.log_group for service in environment.services),
        *(job.log_group for job in environment.jobs),
        *(beside if environment.has_usual_root else ()),
        environment.record_log_group,
    ]
    return tuple(dict.fromkeys(group for group in groups if group))


@reads
def read_log_groups(aws: Gateway, environment: Environment) -> LogGroups:
    """One call for each name: a prefix that they share would also list all others of a large account."""
    wanted = expected(environment)

    def look(name: str) -> list[LogGroup]:
        answer = aws.client("logs").describe_log_groups(logGroupNamePrefix=name)
        return [
            LogGroup(record["logGroupName"], record.get("retentionInDays"), record.get("kmsKeyId", ""))
            for record in answer["logGroups"]
            if record.get("logGroupName") == name
        ]

    answers = parallel_map(look, [*wanted, OS_METRICS])
    return LogGroups(wanted, {group.name: group for answer in answers for group in answer})
