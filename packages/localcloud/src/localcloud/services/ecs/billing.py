"""What ECS's tasks costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.core.billing import UsageRecord, tags_of
from localcloud.core.registry import billable
from localcloud.services.ecs.records import Records

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@billable
def tasks(cloud: Cloud) -> list[UsageRecord]:
    """Every task that was begun and isn't forgotten yet (stopped ones are kept for an hour). Hold the cloud's lock."""
    if not cloud.has(Records):
        return []
    return [
        UsageRecord(
            task.cpu / 1024,
            task.memory / 1024,
            task.pull_started_at,
            task.execution_stopped_at or task.stopped_at,
            tags_of(task.tags),
        )
        for task in cloud.part(Records).state.tasks.values()
        if task.pull_started_at
    ]
