"""The way out: all that omc prints passes here.

``echo`` is the last gate, whatever was forgotten before it: it masks secrets, lets pass what ``style`` coloured and
line breaks, and shows every other control character by its number. Nothing else in omc writes to the terminal.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TextIO

import click

from omc.output.text import visible
from omc.redaction import REDACTED, mask

PIPED_WIDTH = 160
"""Characters of a line where nobody says how wide it may be."""
_OURS = re.compile(r"\x1b\[(?:[012]|3[1-7])m")
"""What ``style`` writes: colours, bold, dim and their end."""
_COMMAND = re.compile(r"^(?P<space>[^\S\n]*+)::|##(?=\[)", re.MULTILINE)
"""What GitHub's runner takes for a command to itself in what a step prints."""


def style(text: str, *, fg: str | None = None, bold: bool | None = None, dim: bool | None = None) -> str:
    """Coloured for a terminal; the text has been through ``line`` where it is from outside."""
    return click.style(text, fg=fg, bold=bold, dim=dim)


def printable(text: str) -> str:
    """A whole text of ours, of many lines, as it may be printed."""
    masked = mask(text) if text.startswith(("{", "[")) else "\n".join(mask(each) for each in text.split("\n"))
    parts = re.split(f"({_OURS.pattern})", masked)
    kept = "".join(part if _OURS.fullmatch(part) else "\n".join(map(visible, part.split("\n"))) for part in parts)
    if os.environ.get("GITHUB_ACTIONS"):
        kept = _COMMAND.sub(lambda match: "#\\x23" if match["space"] is None else f"{match['space']}\\x3a:", kept)
    return kept


def echo(text: str = "", *, err: bool = False) -> None:
    """Print to stdout, or to stderr."""
    click.echo(printable(text), err=err)


def reveal(text: str, secret: str) -> None:
    """Print a text with a secret in the one place where it was masked. For a secret that omc has just made, to whoever
    had it made: nothing else is shown."""
    masked = printable(text)
    if masked.count(REDACTED) != 1:
        raise ValueError("The text doesn't have one place for one secret.")
    click.echo(masked.replace(REDACTED, secret))


def redraw(text: str) -> None:
    """Clear the terminal and print."""
    sys.stdout.write("\033[H\033[J")
    echo(text)


def has_colour(stream: TextIO | None = None) -> bool:
    """On a terminal that isn't dumb, unless NO_COLOR is set to anything (no-color.org)."""
    stream = stream or sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width_of(stream: TextIO | None = None) -> int:
    stream = stream or sys.stdout
    return shutil.get_terminal_size().columns if stream.isatty() else PIPED_WIDTH


def page(text: str) -> None:
    """Print it; on a terminal that it doesn't fit on, through the pager (``PAGER``, else less)."""
    lines = text.count("\n") + 1
    if sys.stdout.isatty() and sys.stdin.isatty() and lines >= shutil.get_terminal_size().lines:
        os.environ.setdefault("LESS", "FRX")  # as git has it: what was read stays on the screen
        click.echo_via_pager(f"{printable(text)}\n")
    else:
        echo(text)
