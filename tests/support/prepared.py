"""``omc`` and ``aws`` as processes that needn't import first: forks of one that has, with arguments, environment,
folder and files of their own.

Of the processor time of a command that reads or changes something, most is the start of Python and its imports, and the
tests run more than a thousand. Where the start is the point (``omc --help``, what is imported when, a process that is
killed) a test starts one itself. Under ``coverage`` every ``omc`` is started from nothing, since it measures those.

As a program it is the process that forks, for one of the two; it ends with the process that started it.
"""

from __future__ import annotations

import atexit
import gc
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
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from support import prepared_client
from support.commands import ROOT, CommandResult, run

ALSO = ("omc.checks.causes", "omc.engine.planning", "omc.engine.run_history", "omc.store.audit", "omc.store.database")
"""What commands import late, apart from botocore, whose start omc arranges itself."""


def omc(
    arguments: Sequence[str | Path], env: Mapping[str, str], timeout: float = 120, cwd: Path = ROOT
) -> CommandResult:
    """``run`` of ``python -m omc`` with these arguments; nothing is typed."""
    if "coverage" in sys.modules:
        return run([sys.executable, "-m", "omc", *arguments], env, timeout, cwd)
    words = [os.fspath(word) for word in arguments]
    with open(os.devnull, "rb") as nothing, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:  # noqa: PTH123
        request = {"arguments": words, "environment": dict(env), "folder": str(cwd)}
        with prepared_client.asked(str(_server("omc").place), request, [nothing, out, err]) as answers:
            answers.settimeout(timeout)
            try:
                code = int(answers.recv(64))
            except TimeoutError:
                raise subprocess.TimeoutExpired(f"omc {words}", timeout) from None
        return CommandResult(code, _text(out), _text(err))


def aws_script(folder: Path) -> None:
    """Put an ``aws`` into a folder for PATH that asks the prepared one."""
    script = folder / "aws"
    place = _server("aws").place
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {prepared_client.__file__} {place} "$@"\n')
    script.chmod(0o755)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


class _Server:
    """The prepared process, as this one has it."""

    def __init__(self, program: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="prepared-")
        self.place = Path(self._folder.name) / program
        path = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(self.place))
            listener.listen(64)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.prepared", program, str(listener.fileno())],
                env={**os.environ, "PYTHONPATH": path},
                cwd=ROOT,
                stdin=subprocess.PIPE,  # closed when this process ends, however it does
                pass_fds=[listener.fileno()],
            )
        atexit.register(self._end)

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._folder.cleanup()


@cache
def _server(program: str) -> _Server:
    return _Server(program)


def _prepare_omc() -> Callable[[], object]:
    from omc.cli.main import COMMANDS, main

    for command in COMMANDS.values():
        import_module(command.module)
    for name in ALSO:
        import_module(name)
    return main


def _prepare_aws() -> Callable[[], object]:
    from awscli.clidriver import create_clidriver, main

    create_clidriver()  # imports what each command brings
    return lambda: sys.exit(main())


PROGRAMS: Mapping[str, Callable[[], Callable[[], object]]] = {"omc": _prepare_omc, "aws": _prepare_aws}


_before = dict(os.environ)
_added: dict[str, str] = {}
"""What the imports have added to the environment, as they would in each process."""


def serve(listener: socket.socket) -> list[str]:
    """Fork for each request; returns in the fork, with its arguments, once everything is as a new process has it.

    Who asked and has gone, as somebody whose time is over, is answered for no longer: its process is killed.
    """
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(listener, select.POLLIN)
    running: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for handle, _ in poll.poll():
            if handle == 0:
                sys.exit(0)
            if handle == listener.fileno():
                caller, _ = listener.accept()
                received, files, _, _ = socket.recv_fds(caller, prepared_client.LONGEST, 3)
                process = os.fork()
                if process == 0:
                    for other in (listener, caller, *(each for _, each in running.values())):
                        other.close()
                    for watched in running:
                        os.close(watched)
                    return _become(json.loads(received), files)
                for file in files:
                    os.close(file)
                watched = os.pidfd_open(process)
                poll.register(watched, select.POLLIN)
                poll.register(caller, select.POLLIN)
                running[watched] = process, caller
            elif handle in running:
                process, caller = running.pop(handle)
                poll.unregister(handle)
                with suppress(KeyError):  # it has gone
                    poll.unregister(caller)
                os.close(handle)
                code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
                with caller, suppress(OSError):
                    caller.send(str(code).encode())
            else:
                for process, caller in running.values():
                    if caller.fileno() == handle:
                        poll.unregister(caller)
                        os.kill(process, signal.SIGKILL)


def _become(request: Mapping[str, Any], files: Sequence[int]) -> list[str]:
    for handle, file in enumerate(files):
        os.dup2(file, handle)
        os.close(file)
    os.environ.clear()
    os.environ.update(_added | request["environment"])
    time.tzset()
    os.chdir(request["folder"])
    return list(request["arguments"])


if __name__ == "__main__":
    program = PROGRAMS[sys.argv[1]]()
    _added.update({name: value for name, value in os.environ.items() if name not in _before})
    assert threading.active_count() == 1, "a fork has none of its parent's threads"
    gc.freeze()  # a collection would write to all that the forks share
    sys.argv = [sys.argv[1], *serve(socket.socket(fileno=int(sys.argv[2])))]
    program()
