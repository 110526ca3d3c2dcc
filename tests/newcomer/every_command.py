"""Run by the Python of a fresh environment: every command of omc once, each in a child of this process, which has
imported what they share. Prints a JSON line for each: words, exit code, seconds, stdout and stderr.

Arguments that a command needs are made up by their types; a change is a dry run where it can be.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from omc.cli.main import main, root

ENDLESS = {"worker", "serve", "mcp"}
"""They go on until they are ended, once they have begun."""
TIMEOUT = 30.0


def leaves(
    command: click.Command, context: click.Context, words: list[str]
) -> Iterator[tuple[list[str], click.Command]]:
    if not isinstance(command, click.Group):
        yield words, command
        return
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from leaves(below, click.Context(below, info_name=name, parent=context), [*words, name])


def made_up(parameter: click.Parameter) -> str:
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return str(next(iter(kind.choices)))
    if isinstance(kind, click.Path):
        return "a file" if kind.exists else "new"
    if isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
        return "1"
    return {"time": "2026-11-30T18:00+11:00", "period": "1h"}.get(kind.name, "backend")


def arguments(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Option) and "--dry-run" in parameter.opts:
            yield "--dry-run"
        elif parameter.required and isinstance(parameter, click.Option):
            yield from (parameter.opts[0], made_up(parameter))
    for parameter in command.params:
        if parameter.required and isinstance(parameter, click.Argument):
            yield made_up(parameter)


def run(words: list[str]) -> dict[str, object]:
    began, out, err = time.monotonic(), Path("out.txt"), Path("err.txt")
    child = os.fork()
    if child == 0:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.dup2(os.open(err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        try:
            main(words)
        except SystemExit as end:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(int(end.code or 0))  # an interpreter's end costs more than most commands
    ended = code = 0
    while not ended and time.monotonic() - began < TIMEOUT:
        ended, code = os.waitpid(child, os.WNOHANG)
        time.sleep(0 if ended else 0.01)
    if not ended:
        os.killpg(child, 9)
        os.waitpid(child, 0)
    return {
        "words": words,
        "code": os.waitstatus_to_exitcode(code) if ended else None,
        "seconds": round(time.monotonic() - began, 2),
        "stdout": out.read_text(),
        "stderr": err.read_text(),
    }


if __name__ == "__main__":
    Path("a file").write_text("")
    for words, command in list(leaves(root, click.Context(root, info_name="omc"), [])):
        print(json.dumps(run([*words, *arguments(command)])), flush=True)
    for left in ("a file", "out.txt", "err.txt"):
        Path(left).unlink()
    print(json.dumps({"left": sorted(each.name for each in Path().iterdir())}))
    sys.exit(0)
