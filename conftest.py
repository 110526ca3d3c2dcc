"""How the tests are spread over processes: what shares something costly stays together, and the longest begin.

xdist's own marks for groups do nothing with this pytest (they write an attribute that it no longer has), so the groups
are given to its scheduler.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from support.grouping import FIRST, group_of, place_of

if TYPE_CHECKING:
    import pytest

settings.register_profile("gate", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gate")
"""Property tests take the same examples at each run and as long as they need, so that they fail where the code is wrong
and not where a machine is busy. New examples: ``make test PYTEST_ARGS=--hypothesis-profile=default``."""

signal.signal(signal.SIGINT, signal.default_int_handler)
"""A shell starts what it puts into the background deaf to Ctrl-C, and so would be all that the tests start."""

os.environ.setdefault("GOGC", "400")
"""Terraform and its provider spend a quarter of their processor time on collecting garbage of the schema, to spare
50 MB (a plan and a show of an empty root: 4.1 s and 318 MB, 3.2 s and 368 MB with this; median of two)."""

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
"""Where byte code isn't kept, each of some thousand processes compiles omc and the local cloud anew, and each worker
rewrites every test's assertions (collecting them: 15.5 s, 6.0 s with byte code)."""

gc.set_threshold(300_000, 20, 20)
"""Fifteen thousand tests live as long as the process, and Python's collector would look through them again and again
while they are collected (19.8 s of processor time, 12.2 s with this) and after."""

FRESH = "rehearsal/test_morning"
"""Rehearsals that want a stack in which nothing has failed within the hour: first in their group."""

DURATIONS = Path(__file__).parent / "tests/durations.json"
"""About how many seconds each group takes, where it takes more than a few; the longest begin. Only the order matters:
write it anew (``make test-durations``) when a group has become much longer or shorter."""

WORTH_NOTING = 5.0

_seconds: dict[str, float] = defaultdict(float)


def _ticks() -> tuple[int, int]:
    """How long the machine's processors have worked since it was started, and how long they were there."""
    words = Path("/proc/stat").read_text().split()
    user, nice, system, idle, waiting, irq, soft_irq, stolen = map(int, words[1:9])
    busy = user + nice + system + irq + soft_irq + stolen
    return busy, busy + idle + waiting


_begin = _ticks()


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist's classes are untyped here
    """Sends a whole group to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # else groups with many tests go before those that take long
    return GroupScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    known = json.loads(DURATIONS.read_text())

    def order(item: pytest.Item) -> tuple[int, float, bool]:
        group = group_of(item.nodeid)
        begins = FIRST.index(group) if group in FIRST else len(FIRST)
        return begins, -known.get(group, 0), place_of(item.nodeid) != FRESH

    items.sort(key=order)


def pytest_collection_finish() -> None:
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-durations", action="store_true", help=f"note how long each group took in {DURATIONS}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[group_of(report.nodeid)] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Whether a run is long since there is much to do, or since it waits: then more processes make it shorter."""
    busy, there = (now - then for now, then in zip(_ticks(), _begin, strict=True))
    seconds = busy / os.sysconf("SC_CLK_TCK")
    terminalreporter.write_line(f"processor time of the machine: {seconds:.0f} s, {busy / max(1, there):.0%} of it")


def pytest_sessionfinish(session: pytest.Session) -> None:
    measuring = sys.modules.get("coverage")
    if measuring and hasattr(session.config, "workerinput") and (current := measuring.Coverage.current()):
        # xdist kills a process that takes long to end, which would leave half a file: nothing is left to write then.
        current.stop()
        current.save()
    if session.config.getoption("--write-durations") and not hasattr(session.config, "workerinput"):
        by_length = sorted(_seconds.items(), key=lambda item: -item[1])
        longest = [(group, round(seconds)) for group, seconds in by_length if seconds >= WORTH_NOTING]
        DURATIONS.write_text(json.dumps(dict(longest), indent=2) + "\n")
