"""``omc`` as a process that needn't import first: a fork of one that has, with arguments, environment and output of its
own.

Of the processor time of a command that reads or changes something, two thirds are the start of Python and its imports,
and the tests run a thousand. Where the start is the point (``omc --help``, what is imported when, a process that is
killed) a test starts one itself. Under ``coverage`` every command is started from nothing, since it measures those.

As a program it serves the file descriptor that it is given until the last who may ask it is gone.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from support.commands import ROOT, CommandResult, run

LONGEST = 1 << 20
"""Bytes of a request: arguments, environment and folder."""
ALSO = ("omc.checks.causes", "omc.engine.planning", "omc.engine.run_history", "omc.store.audit", "omc.store.database")
"""What commands import late, apart from botocore, whose start omc arranges itself."""


def omc(
    arguments: Sequence[str | Path], env: Mapping[str, str], timeout: float = 120, cwd: Path = ROOT
) -> CommandResult:
    """``run`` of ``python -m omc`` with these arguments; nothing is typed."""
    if "coverage" in sys.modules:
        return run([sys.executable, "-m", "omc", *arguments], env, timeout, cwd)
    words = [os.fspath(word) for word in arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = _ask({"arguments": words, "environment": dict(env), "folder": str(cwd)}, (out, err), timeout)
        return CommandResult(code, _text(out), _text(err))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _ask(request: Mapping[str, Any], outputs: Sequence[IO[bytes]], timeout: float) -> int:
    """The exit code; as subprocess has it, the negative number of the signal that ended it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        message = json.dumps(request).encode()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST)
        with theirs:
            _server().hand_over(theirs)
        socket.send_fds(ours, [message], [file.fileno() for file in outputs])
        deadline = time.monotonic() + timeout
        answers: list[int] = []  # the process, and what came of it
        while len(answers) < 2:
            ours.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                received = ours.recv(64)
            except TimeoutError:
                for process in answers:
                    os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(f"omc {request['arguments']}", timeout) from None
            assert received, "the process that is forked for commands has ended"
            answers.append(int(received))
    return answers[1]


class _Server:
    """The prepared process, as this one has it. It ends when this one does: its socket is closed then."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._one_at_a_time = threading.Lock()
        path = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.prepared", str(theirs.fileno())],
                env={**os.environ, "PYTHONPATH": path},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def end(self) -> None:
        self._socket.close()
        self._process.wait(60)

    def hand_over(self, caller: socket.socket) -> None:
        with self._one_at_a_time:
            socket.send_fds(self._socket, [b"."], [caller.fileno()])


@cache
def _server() -> _Server:
    made = _Server()
    atexit.register(made.end)
    return made


def prepare() -> None:
    """Import what commands need. Nothing of it may start a thread, which a fork would lose."""
    from omc.cli.main import COMMANDS

    for command in COMMANDS.values():
        import_module(command.module)
    for name in ALSO:
        import_module(name)
    assert threading.active_count() == 1


def serve(asked: socket.socket) -> list[str]:
    """Fork for each request; returns in the fork, with its arguments, once everything is as a new process has it."""
    poll = select.poll()
    poll.register(asked, select.POLLIN)
    running: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for handle, _ in poll.poll():
            if handle == asked.fileno():
                message, handles, _, _ = socket.recv_fds(asked, 1, 1)
                if not message:
                    sys.exit(0)
                caller = socket.socket(fileno=handles[0])
                received, outputs, _, _ = socket.recv_fds(caller, LONGEST, 2)
                process = os.fork()
                if process == 0:
                    for other in (asked, caller, *(each for _, each in running.values())):
                        other.close()
                    for watched in running:
                        os.close(watched)
                    return _become(json.loads(received), outputs)
                for output in outputs:
                    os.close(output)
                caller.send(str(process).encode())
                watched = os.pidfd_open(process)
                poll.register(watched, select.POLLIN)
                running[watched] = process, caller
            else:
                process, caller = running.pop(handle)
                poll.unregister(handle)
                os.close(handle)
                code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
                with caller:
                    try:
                        caller.send(str(code).encode())
                    except OSError:
                        continue  # who asked has given up


def _become(request: Mapping[str, Any], outputs: Sequence[int]) -> list[str]:
    for handle, output in zip((1, 2), outputs, strict=True):
        os.dup2(output, handle)
        os.close(output)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["folder"])
    return list(request["arguments"])


if __name__ == "__main__":
    import gc

    from omc.cli.main import main

    prepare()
    gc.freeze()  # a collection would write to all that the forks share
    words = serve(socket.socket(fileno=int(sys.argv[1])))
    sys.argv = ["omc", *words]
    main()
