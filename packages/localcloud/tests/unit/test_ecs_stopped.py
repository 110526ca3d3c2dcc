"""When the tasks of an earlier run ended, of which nobody saw the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from localcloud.services.ecs.component import Clusters
from localcloud.services.ecs.model import Status, StopCode, Task

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=13)


@pytest.mark.parametrize(
    ("stopping_at", "reason", "stopped_at"),
    [(None, "", NOW), (BEFORE, "Task failed ELB health checks", BEFORE)],
)
def test_a_task_that_was_being_stopped_ended_with_its_cloud(
    stopping_at: datetime | None, reason: str, stopped_at: datetime
) -> None:
    clusters = Clusters()
    clusters._cloud = cast("Any", SimpleNamespace(now=lambda: NOW, has=lambda part: False))
    code = StopCode.SCHEDULER if reason else None
    task = Task(
        id="one",
        arn="task/one",
        cluster="one",
        task_definition="web:1",
        group="service:web",
        containers=[],
        created_at=BEFORE,
        cpu=256,
        memory=512,
        spec={},
        status=Status.RUNNING,
        stopping_at=stopping_at,
        stop_code=code,
        stopped_reason=reason,
    )
    clusters.state.tasks[task.arn] = task
    clusters._end_of_the_earlier_run()
    assert (task.status, task.stopped_at) == (Status.STOPPED, stopped_at)
    assert task.stopped_reason == (reason or "The local cloud was stopped while this task was running")
