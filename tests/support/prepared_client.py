"""Asks a prepared process (support.prepared) for a command. As a program it is that command, for a shell: it imports
nothing but the standard library, and little of that."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

TYPE_CHECKING = False  # ``typing`` would be a third of the start
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO, Any

LONGEST = 1 << 20
"""Bytes of a request: arguments, environment and folder."""


def asked(place: str, request: Mapping[str, object], files: list[IO[Any]]) -> socket.socket:
    """Where the exit code will come: as subprocess has it, the negative number of the signal that ended it."""
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST)
    caller.connect(place)
    socket.send_fds(caller, [json.dumps(request).encode()], [file.fileno() for file in files])
    return caller


if __name__ == "__main__":
    request = {"arguments": sys.argv[2:], "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109
    with asked(sys.argv[1], request, [sys.stdin, sys.stdout, sys.stderr]) as answers:
        code = int(answers.recv(64))
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)
