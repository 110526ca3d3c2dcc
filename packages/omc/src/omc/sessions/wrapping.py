"""What is really run in a container, so that the exit code comes back, and bytes as they are.

ECS Exec runs every command in a terminal of its own and tells nobody how it ended. So the command is run by a line of
POSIX shell, which says its exit code behind a mark that no output has by chance. Where nobody sits at a terminal here,
the same line gives the command pipes in place of the terminal, and its input comes in base64: a terminal would take
single bytes of it for an order. Needs ``/bin/sh``, and with input ``base64``; a container without them gets the
command as it is (``--bare``). Pure.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Final

INTERRUPT: Final = b"\x03"
END_OF_INPUT: Final = b"\x04"
"""What a terminal takes for the end of a file at the beginning of a line."""
LINE_BYTES: Final = 57
"""Of input in one line: 76 characters of base64. A terminal takes lines up to 4,095."""

# Ctrl-C reaches all of them: the shell must live on to say what came of the command, and the cat to pass its output on.
_KEEP: Final = "trap : INT QUIT; "
_TELL: Final = 'printf "\\036%s:%s\\036" "$0" "$c"'
_SHELL: Final = "if command -v bash >/dev/null 2>&1; then bash; else sh; fi"
_PIPED: Final = (
    'stty -echo -opost 2>/dev/null; exec 3>&1; printf "\\036%s:ready\\036" "$0"; '
    "c=$(trap : INT QUIT; {{ {{ trap : INT QUIT; {input} 2>&1 3>&- 4>&-; echo $? >&4; }} | "
    '{{ trap "" INT QUIT; cat >&3; }}; }} 4>&1); '
    'c="${{c:-130}}"; '
)


def wrapped(command: Sequence[str], mark: str, *, has_terminal: bool, has_input: bool = False) -> str:
    """The command line for ECS, which is split into words as a shell would and started without one."""
    if has_terminal:
        run = '"$@"' if command else _SHELL
        script = f'{_KEEP}{run}; c="$?"; {_TELL}'
    else:
        run = '"$@"' if command else "sh"
        source = f"base64 -d | {run}" if has_input else f"{run} </dev/null"
        script = _KEEP + _PIPED.format(input=source) + _TELL
    return shlex.join(["/bin/sh", "-c", script, mark, *command])


def input_lines(data: bytes) -> Iterator[bytes]:
    """Input as it is sent; ``END_OF_INPUT`` follows the last. Each call but the last has a multiple of 57 bytes."""
    for begin in range(0, len(data), LINE_BYTES):
        yield base64.b64encode(data[begin : begin + LINE_BYTES]) + b"\n"


class Marks:
    """Takes the marks out of what comes; between two calls it keeps back what may be the beginning of one."""

    def __init__(self, mark: str) -> None:
        self.exit_code: int | None = None
        self.is_ready = False
        """Whether the command takes input."""
        self._rest = b""
        self._whole = re.compile(rb"\x1e" + re.escape(mark.encode()) + rb":([a-z0-9]{1,8})\x1e")
        self._begin = b"\x1e" + mark.encode() + b":"
        self._most = len(self._begin) + 9

    def take(self, data: bytes) -> bytes:
        """The output in it."""
        text = self._rest + data
        found = bytearray()
        position = 0
        for match in self._whole.finditer(text):
            found += text[position : match.start()]
            position = match.end()
            if match[1] == b"ready":
                self.is_ready = True
            elif match[1].isdigit():
                self.exit_code = int(match[1])
        text = text[position:]
        kept = self._may_begin(text)
        self._rest = text[len(text) - kept :]
        return bytes(found) + text[: len(text) - kept]

    def rest(self) -> bytes:
        """What was kept back, at the end."""
        rest, self._rest = self._rest, b""
        return rest

    def _may_begin(self, text: bytes) -> int:
        """How many bytes at the end may be the beginning of a mark."""
        at = text.rfind(b"\x1e")
        if at < 0 or len(text) - at > self._most:
            return 0
        tail = text[at:]
        return len(tail) if tail.startswith(self._begin) or self._begin.startswith(tail) else 0
