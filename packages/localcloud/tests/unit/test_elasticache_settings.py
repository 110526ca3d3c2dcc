"""What a cache's real server is told, from its parameter group."""

from __future__ import annotations

import pytest

from localcloud.services.elasticache.parameters import server_settings

MIB = 1024 * 1024


@pytest.mark.parametrize("memory", [16 * MIB, 64 * MIB, 555 * MIB, 1400 * MIB])
def test_what_was_kept_for_replicas_never_fills_a_small_cache(memory: int) -> None:
    settings = server_settings({}, memory)
    assert int(settings["repl-backlog-size"]) == MIB
    assert int(settings["repl-backlog-size"]) < int(settings["maxmemory"]) / 8
