"""What a log group takes in, as CloudWatch's own metrics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from localcloud.core.interfaces import MetricSink
from localcloud.services.logs.component import Logs


class World(MetricSink):
    """As much of a cloud as logs need."""

    def __init__(self) -> None:
        self.samples: dict[tuple[str, str], list[float]] = {}

    def loop(self, *_: Any) -> None: ...
    def touch(self) -> None: ...

    def has(self, kind: type) -> bool:
        return kind is MetricSink

    def part(self, _: type) -> World:
        return self

    def put(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        value: float,
        *,
        unit: str = "None",
        at: datetime | None = None,
    ) -> None:
        assert namespace == "AWS/Logs"
        self.samples.setdefault((dimensions["LogGroupName"], name), []).append(value)


def test_each_group_s_bytes_and_events_are_published_once(tmp_path: Path) -> None:
    world: Any = World()
    logs = Logs(tmp_path)
    logs.start(world)
    logs.make_group("/one")
    logs.put("/one", "stream", [(1_700_000_000_000, "a" * 74), (1_700_000_000_001, "b")])
    logs.put("/none", "stream", [(1_700_000_000_000, "lost")])
    logs.publish_incoming()
    logs.publish_incoming()
    logs.stop()
    # A message counts 26 bytes more than it has (CloudWatch Logs quotas, PutLogEvents).
    assert world.samples == {("/one", "IncomingBytes"): [74.0 + 1 + 2 * 26], ("/one", "IncomingLogEvents"): [2.0]}
