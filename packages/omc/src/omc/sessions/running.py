"""A command in a container as if it ran here: at a terminal with its keys, sizes and colours; in a pipe with its bytes.

What comes is passed on as it is, without omc's own gate: it is the output of somebody's command, for whoever runs it.
"""

from __future__ import annotations

import os
import secrets
import select
import shutil
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

from omc.output import echo, line
from omc.sessions.connection import Session
from omc.sessions.wrapping import END_OF_INPUT, INTERRUPT, LINE_BYTES, Marks, input_lines, wrapped

IDLE_SECONDS: Final = 20 * 60
"""After which AWS ends a session of ECS Exec; the value can't be changed. Source: "Monitor Amazon ECS containers with
ECS Exec" in its developer guide. What counts as idle isn't documented there."""
WARN_SECONDS: Final = 18 * 60
INPUT_BYTES: Final = 12 * LINE_BYTES
"""Of input in one message: twelve lines."""
AFTER_EXIT: Final = 5.0
"""Seconds in which the agent says that a session is over whose command has ended."""
POLL_INTERVAL: Final = 0.05


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended."""

    exit_code: int | None
    """None where nobody says."""
    reason: str = ""
    """Why it is not known."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a command is run."""

    has_terminal: bool
    has_input: bool
    is_bare: bool = False
    """Sent as it is, without the shell that tells its exit code."""
    idle: float = IDLE_SECONDS
    warn: float = WARN_SECONDS


Open = Callable[[str, Callable[[bytes], None]], Session]
"""Opens a session for a command line; its output goes to the function."""


def run(command: Sequence[str], manner: Manner, open_: Open, opened: Callable[[Session], None]) -> Ending:
    """Run it to its end. ``opened`` hears of the session."""
    import shlex

    mark = f"omc-{secrets.token_hex(12)}"
    marks = Marks(mark)
    bare = shlex.join(command or ["/bin/sh"])
    words = (
        bare if manner.is_bare else wrapped(command, mark, has_terminal=manner.has_terminal, has_input=manner.has_input)
    )

    def show(data: bytes) -> None:
        _write(data if manner.is_bare else marks.take(data))

    there: list[Session] = []
    with nullcontext() if manner.has_terminal else _interrupts(there):
        session = open_(words, show)
        there.append(session)  # from now on the command may run, and is who hears Ctrl-C
        try:
            opened(session)
            if manner.has_terminal:
                _at_terminal(session, marks, manner)
            else:
                _in_pipe(session, marks, manner)
        finally:
            session.close()
    _write(marks.rest())
    return _ending(session, marks, manner)


def _ending(session: Session, marks: Marks, manner: Manner) -> Ending:
    if marks.exit_code is not None:
        return Ending(marks.exit_code)
    quiet = time.monotonic() - session.moved
    if session.is_lost:
        return Ending(None, f"The session was lost: {session.reason}. The command may still run in the container.")
    if quiet >= manner.idle * 0.95:
        return Ending(
            None,
            f"AWS ended the session: nothing had moved in it for {_time(quiet)}, and it ends those that are idle for "
            f"{_time(manner.idle)}. The command may still run in the container. For long work: omc exec --detach",
        )
    if manner.is_bare and not session.reason:
        return Ending(None)
    message = session.reason or "without a reason"
    return Ending(None, f"The session has ended before the command told how it did: {message}")


def _write(data: bytes) -> None:
    """Straight to standard output: bytes of somebody's command, not words of omc's."""
    while data:
        data = data[os.write(1, data) :]


def _at_terminal(session: Session, marks: Marks, manner: Manner) -> None:
    size = None
    idle = _Idle(session, manner)
    with _raw(0):
        while not session.ended.is_set() and not _is_over(session, marks):
            now = shutil.get_terminal_size()
            if size != now:
                session.resize(now.columns, now.lines)
                size = now
            if select.select([0], [], [], POLL_INTERVAL)[0]:
                typed = os.read(0, 4096)
                if not typed or not session.send(typed):
                    break
            idle.look("\r\n")
        session.ended.wait(AFTER_EXIT)


def _is_over(session: Session, marks: Marks) -> bool:
    return marks.exit_code is not None and not session.ended.wait(POLL_INTERVAL)


@contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSANOW)  # what was typed ahead is kept
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _in_pipe(session: Session, marks: Marks, manner: Manner) -> None:
    over = threading.Event()
    if manner.has_input and not manner.is_bare:
        threading.Thread(target=_feed, args=(session, marks, over), name="session-input", daemon=True).start()
    idle = _Idle(session, manner)
    while not session.ended.wait(POLL_INTERVAL) and marks.exit_code is None:
        idle.look("")
    session.ended.wait(AFTER_EXIT)
    over.set()


def _feed(session: Session, marks: Marks, over: threading.Event) -> None:
    """What comes on standard input, once the command takes it."""
    while not marks.is_ready:
        if over.wait(POLL_INTERVAL) or session.ended.is_set():
            return
    rest = b""
    while data := os.read(0, INPUT_BYTES):
        rest += data
        whole = len(rest) - len(rest) % LINE_BYTES
        if whole and not session.send(b"".join(input_lines(rest[:whole]))):
            return
        rest = rest[whole:]
    session.send(b"".join(input_lines(rest)) + END_OF_INPUT)


@contextmanager
def _interrupts(there: Sequence[Session]) -> Iterator[None]:
    """Ctrl-C goes to the command as soon as its session is there; a second one within it gives the session up."""
    count = 0

    def interrupt(*_: object) -> None:
        nonlocal count
        count += 1
        if count > 1 or not there:
            raise KeyboardInterrupt
        threading.Thread(target=there[0].send, args=(INTERRUPT,), daemon=True).start()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Idle:
    """Says once, in time, that AWS will cut a session in which nothing moves."""

    def __init__(self, session: Session, manner: Manner) -> None:
        self._session, self._manner = session, manner
        self._said_of = 0.0

    def look(self, before: str) -> None:
        moved = self._session.moved
        quiet = time.monotonic() - moved
        if quiet < self._manner.warn or self._said_of == moved:
            return
        self._said_of = moved
        rest = max(0.0, self._manner.idle - quiet)
        if before:
            os.write(2, before.encode())
        echo(
            line(
                f"omc: Nothing has moved in this session for {_time(quiet)}. AWS ends it in about {_time(rest)} if "
                "that stays so; what runs in the container goes on or not as it likes."
            )
            + before,
            err=True,
        )


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def manner_of(command: Sequence[str], *, no_terminal: bool, is_bare: bool) -> Manner:
    """By what this process has: a terminal only where both ends are one; input where something was piped in."""
    has_terminal = sys.stdin.isatty() and sys.stdout.isatty() and not no_terminal
    has_input = not has_terminal and not sys.stdin.isatty() and not sys.stdin.closed
    if not has_terminal and not command:
        has_input = False
    return Manner(has_terminal, has_input, is_bare)
