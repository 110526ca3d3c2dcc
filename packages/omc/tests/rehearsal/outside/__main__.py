"""``python -m rehearsal.outside [STORY…]``: the stories of these names, or whose names begin so, or of these sets; all
without any. A cloud of its own, brought up anew where a story has left it broken. Ends with the table, which is
written to the docs.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rehearsal.outside import table
from rehearsal.outside.runner import NotWell, play, users
from rehearsal.outside.story import Result, Story, Verdict, every_story
from rehearsal.outside.world import World
from support.commands import ROOT
from support.stack import Stack

KEPT = "OUTSIDE_STATE"
"""A variable that names the state folder of a cloud that is up: taken, and left as it is."""


def main(words: Sequence[str]) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):  # so that what is broken is healed, also in the background
        signal.signal(number, signal.default_int_handler)
    every = every_story()
    chosen = [story for of, each in every.items() for story in each if _is_meant(of, story, words)]
    if not chosen:
        names = ", ".join(story.name for each in every.values() for story in each)
        print(f"No story is called {' or '.join(words)}. There are: {names}", file=sys.stderr)
        return 2
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="omc-outside-") as folder:
        kept = os.environ.get(KEPT)
        world = World(Stack(Path(kept or folder) if kept else Path(folder) / "cloud"))
        try:
            if not kept:
                _up(world)
            left = list(chosen)
            while left := left[_play(world, left, results, lambda: _write(every, results)) :]:
                if not kept:
                    say("The stack isn't OK any more: it is brought up anew.")
                    world.stack.localcloud("reset", "--force")
                    _up(world)
        except KeyboardInterrupt:
            say("Interrupted: what was run so far is kept.")
        finally:
            if not kept:
                world.stack.localcloud("reset", "--force")
    return _tell(every, results)


def _play(world: World, left: Sequence[Story], results: list[Result], keep: Callable[[], None]) -> int:
    """Play stories until one leaves the stack broken, each result kept at once; how many were played."""
    with users(world):
        for number, story in enumerate(left, start=1):
            say(f"{story.name}: {story.what}")
            try:
                result = play(world, story, say)
            except NotWell as problem:
                say(f"  not played, the stack isn't OK: {problem}")
                return number - 1 if number > 1 else number
            except Exception as problem:  # noqa: BLE001 - a story that can't be played mustn't cost the others
                say(f"  the story itself failed: {type(problem).__name__}: {problem}")
                return number
            results.append(result)
            keep()
            healed = "not OK again" if result.ok_after is None else f"OK again after {result.ok_after:.0f} s"
            say(f"  {result.verdict}, {healed}: {result.headline}")
            for lack in result.lacks:
                say(f"    {lack}")
            if result.ok_after is None:
                return number
    return len(left)


def _write(every: dict[str, tuple[Story, ...]], results: Sequence[Result]) -> None:
    before = table.PAGE.read_text() if table.PAGE.exists() else ""
    table.PAGE.write_text(table.page(every, results, before, datetime.now(UTC)))


def _tell(every: dict[str, tuple[Story, ...]], results: Sequence[Result]) -> int:
    _write(every, results)
    good = True
    for of, stories in every.items():
        names = {story.name for story in stories}
        verdicts = [str(each.verdict) for each in results if each.story in names]
        if verdicts:
            print(f"\n{table.TITLES[of]}: {table.summary(verdicts)}")
            good = good and table.is_good(verdicts)
    width = max((len(each.story) for each in results), default=0)
    for each in sorted(results, key=lambda result: -list(Verdict).index(result.verdict)):
        message = "" if each.said_after is None else f"{each.said_after:.0f} s"
        print(f"{each.verdict:<9} {each.story:<{width}} {message:>6}  {each.headline}")
    print(f"\nThe table is in {table.PAGE.relative_to(ROOT)}.")
    return 0 if good else 1


def _is_meant(of: str, story: Story, words: Sequence[str]) -> bool:
    return not words or any(word == of or story.name.startswith(word) for word in words)


def _up(world: World) -> None:
    world.forget()
    done = world.stack.omc("local", "up", timeout=900)
    if done.returncode:
        raise SystemExit(f"The local cloud didn't come up: {done.stderr[-2000:]}")


def say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
