"""The kill sweep of maintenances: the process that performs one is killed before and after each commit and each effect,
while it goes forward and while it is undone; then another goes on. Every step, silence and message must be there once.

    python tests/killsweep/maintenance.py [--stride N] [--first N]

The last line is JSON: ``{"cases": …, "lost": 0, "doubled": 0}``. Exit code 1 with any.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import select

from omc.maintenance.model import Maintenance, RunBegan
from omc.maintenance.records import events_of
from omc.model.silences import TYPES as SILENCES
from omc.model.silences import replay
from omc.store import eventlog
from omc.store.opened import Store
from omc.store.outbox import OutboxRow
from support.engine_world import World, opened_at
from support.maintenance_world import Operator, forget_effects, quick_stack

FORWARD = ("one one=1", "two two=2")
BACK = ("undo-two two=None", "undo-one one=None")
SIGNED = ("team", "backup")
NEVER = 10**6
"""A moment that no process gets to."""


@dataclass(slots=True)
class Result:
    """What a sweep has found."""

    cases: int = 0
    """Processes that were killed."""
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)

    def compare(self, case: str, what: str, wanted: Counter[str], found: Counter[str]) -> None:
        self.lost += [f"{case}: {what} {each}" for each in (wanted - found).elements()]
        self.doubled += [f"{case}: {what} {each}" for each in (found - wanted).elements()]


def sweep(world: World, first: int = 1, stride: int = 1) -> Result:
    """Cases until no moment is left at which the one or the other direction could be killed."""
    result, moment, goes_on = Result(), first, (True, True)
    stack = quick_stack(world)
    while any(goes_on):
        forget_effects(world)
        with opened_at(world.place) as store:
            alice = Operator(stack, store).plan().signed(*SIGNED)
            number = alice.number
        forward = ("maintenance", "start", str(number), "--env", "local", "--no-wait")
        back = ("maintenance", "abort", str(number), "--env", "local", "--reason", "a sweep")
        died = tuple(
            _killed(world, number, command, moment if wanted else NEVER, result)
            for command, wanted in zip((forward, back), goes_on, strict=True)
        )
        with opened_at(world.place) as store:
            _look(Operator(stack, store, number=number), world, f"killed at {moment}", result)
        goes_on = (goes_on[0] and died[0], goes_on[1] and died[1])
        moment += stride
    return result


def _killed(world: World, number: int, command: tuple[str, ...], moment: int, result: Result) -> bool:
    """Perform the command until that moment, then whatever is left of it; whether the moment came."""
    done = world.start(*command, FAKE_POINTS="1", FAKE_DIE_AT=str(moment)).done()
    if done.returncode != -signal.SIGKILL:
        if done.returncode not in (4, 6):
            result.lost.append(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr}")
        return False
    result.cases += 1
    with opened_at(world.place) as store:
        found = Operator(quick_stack(world), store, number=number).found
    resume = (*("maintenance", "start", str(number), "--env", "local", "--no-wait"), "--resume")
    is_begun = found.aborted_at is not None if command[1] == "abort" else found.started_at is not None
    again = world.omc(*(resume if is_begun else command)) if not found.is_over else done
    if not found.is_over and again.returncode not in (4, 6):
        result.lost.append(f"{' '.join(command)}, killed at {moment}: exit code {again.returncode}: {again.stderr}")
    return True


def _look(alice: Operator, world: World, case: str, result: Result) -> None:
    """Everything that must be there, once."""
    found = alice.found
    if found.verdict != "aborted":
        result.lost.append(f"{case}: the end; it is {found.phase}")
    result.compare(case, "effect", Counter([*FORWARD, *BACK]), Counter(world.effects()))
    with alice.store.reading() as session:
        events = events_of(session, alice.environment, alice.number)
    runs = Counter(each.payload.purpose for each in events if isinstance(each.payload, RunBegan))
    result.compare(case, "run", Counter(["step/1", "step/2", "undo/1", "undo/2"]), runs)
    result.compare(case, "silence", Counter({"made": 2, "over": 2}), _silences(alice.store, found))
    wanted = [
        "step 1 of 2 succeeded.",
        "step 2 of 2 succeeded.",
        "undoing step 2 succeeded.",
        "undoing step 1 succeeded.",
    ]
    result.compare(case, "message", Counter(wanted), _messages(alice.store, found, wanted))


def _silences(store: Store, found: Maintenance) -> Counter[str]:
    reason = f"Maintenance {found.number}: {found.title}"
    with store.reading() as session:
        streams = eventlog.read_streams(session, SILENCES, found.environment)
    made = [replay(found.environment, int(stream.id), events) for stream, events in streams.items()]
    ours = [each for each in made if each.reason == reason]
    over = [each for each in ours if each.until <= store.now() + timedelta(seconds=2)]
    return Counter({"made": len(ours), "over": len(over)})


def _messages(store: Store, found: Maintenance, wanted: list[str]) -> Counter[str]:
    beginning = f"{found.environment}: maintenance {found.number}, {found.title}: "
    with store.reading() as session:
        rows = session.scalars(select(OutboxRow)).all()
    said = [str(row.page["message"]["short"]) for row in rows]
    return Counter(each.removeprefix(beginning) for each in said if each.removeprefix(beginning) in wanted)


def main() -> int:
    """The whole sweep, or a share of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--first", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = in_world(Path(folder), lambda world: sweep(world, options.first, options.stride))
    for each in (*result.lost, *result.doubled):
        print(each, file=sys.stderr)
    print(json.dumps({"cases": result.cases, "lost": len(result.lost), "doubled": len(result.doubled)}))
    return 1 if result.lost or result.doubled else 0


def in_world(folder: Path, act: Callable[[World], Result]) -> Result:
    """Done in a world of its own, without pytest."""
    from omc.store import embedded
    from support import fake_world
    from support.engine_world import Zygote, execute, made_world, place_in
    from support.github import github_api

    os.environ |= {"FAKE_WORLD": str(folder), "OMC_LOCAL_STATE": str(folder / "state")}
    server = embedded.Server(folder / "pg")
    server.enter()
    zygote = Zygote()
    fake_world.install()
    try:
        execute(server, "CREATE DATABASE sweep")
        with github_api() as github:
            return act(made_world(folder, place_in(server, "sweep"), zygote, github))
    finally:
        fake_world.uninstall()
        zygote.end()
        server.leave()


if __name__ == "__main__":
    sys.exit(main())
