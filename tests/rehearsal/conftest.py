"""One local cloud with the whole stack in it, applied once and shared by the rehearsals; each leaves it healthy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.stack import Stack, wait_until_healthy


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, applied by `omc local up` as a newcomer would, with its log kept clean of unsupported operations."""
    stack = Stack(tmp_path_factory.mktemp("rehearsal") / "cloud")
    try:
        done = stack.omc("local", "up", timeout=420)
        assert done.code == 0, done.err + stack.localcloud("logs", "--lines", "80").out
        yield stack
    finally:
        ended = stack.localcloud("reset", "--force")
    assert ended.code == 0, ended.err


@pytest.fixture
def healthy(stack: Stack) -> Stack:
    """The stack with every service running what it wants and every target healthy."""
    wait_until_healthy(stack)
    return stack
