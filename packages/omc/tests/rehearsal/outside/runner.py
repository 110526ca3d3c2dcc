"""Playing a story: the fault, the check again and again until it says it, the healing, and the check until it is OK."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rehearsal.outside.diagnosed import judge_diagnosis
from rehearsal.outside.story import Judged, Result, Story, Verdict, is_ok, judge
from support.commands import ROOT, clean_env
from support.stack import wait_until_healthy

if TYPE_CHECKING:
    from rehearsal.outside.world import World

EVERY = 1.0
"""Seconds between two checks: one takes longer."""
USERS = 3
"""Requests a second that users make all the while: a stack that serves nobody shows little. With a few more the cache
is asked often enough for its hit rate to count, and too seldom for it to be good: an alarm of its own would ring."""
BEFORE = 240.0
"""Seconds that the stack gets to be OK before a story begins."""


class NotWell(Exception):
    """The stack isn't OK before a story begins, or not after its healing; the message says what the check says."""


@contextmanager
def users(world: World) -> Iterator[None]:
    """Users at the site, until the end of the block."""
    command = [sys.executable, "-m", "omc", "local", "load", "--rate", str(USERS), "--duration", "86400"]
    load = subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_env(OMC_LOCAL_STATE=str(world.stack.state)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        load.kill()
        load.wait(30)


def play(world: World, story: Story, note: Callable[[str], None] = lambda _: None) -> Result:
    """Raises ``NotWell`` where the stack isn't OK to begin with: then the story says nothing of the check."""
    settled(world, BEFORE)
    best, said_after, answer = Judged(Verdict.WRONG_OK, ("nothing is said at all",)), None, None
    began, headlines = time.monotonic(), list[str]()
    with story.fault(world):
        began_to_ask = time.monotonic()
        note(f"  {story.name}: broken after {began_to_ask - began:.0f} s")
        while best.verdict is not Verdict.RIGHT and time.monotonic() - began_to_ask < story.within:
            found = world.check()
            judged = judge(story, found)
            headlines.append(f"{judged.verdict}: {found['headline']}")
            if headlines[-2:-1] != headlines[-1:]:
                note(f"  {time.monotonic() - began_to_ask:.0f} s: {headlines[-1]}")
            # Of what is worth the same the newest counts: it is what an engineer reads in the end.
            if answer is None or _rank(judged) <= _rank(best):
                if answer is None or _rank(judged) < _rank(best):
                    said_after = time.monotonic() - began_to_ask
                best, answer = judged, found
            time.sleep(EVERY)
        diagnosis = judge_diagnosis(story, *world.diagnose())
        note(f"  diagnosis: {', '.join(diagnosis.shown)}")
    healed = time.monotonic()
    headline = str(answer["headline"]) if answer else ""
    reported = said_after if best.verdict in (Verdict.RIGHT, Verdict.PARTLY) else None
    try:
        settled(world, story.healed_within, note)
    except NotWell as still:
        verdict = max(best.verdict, Verdict.PARTLY, key=list(Verdict).index)
        lacks = (*best.lacks, f"not OK again: {still}")
        return Result(story.name, verdict, reported, None, headline, lacks, diagnosis)
    return Result(story.name, best.verdict, reported, time.monotonic() - healed, headline, best.lacks, diagnosis)


def _rank(judged: Judged) -> tuple[int, int]:
    return list(Verdict).index(judged.verdict), len(judged.lacks)


def settled(world: World, within: float, note: Callable[[str], None] = lambda _: None) -> None:
    """Wait until services and targets are as wanted and the check is OK. Raises ``NotWell`` with what it says."""
    began, message = time.monotonic(), ""
    try:
        wait_until_healthy(world.stack, within)
    except AssertionError as problem:
        raise NotWell(str(problem)) from problem
    while not is_ok(answer := world.check()):
        headline, waited = str(answer["headline"]), time.monotonic() - began
        if waited > within:
            raise NotWell(headline)
        if headline != message:
            note(f"  healed since {waited:.0f} s, and still: {headline}")
            message = headline
        time.sleep(EVERY)
