"""Runbooks in, finds out."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from omc.errors import WrongUse
from omc.output.json import to_json
from omc.runbook.lint import aws, rules
from omc.runbook.lint.markdown import taken_apart
from omc.runbook.lint.model import Code, Command, Find, Level
from omc.runbook.lint.shell import commands_of, is_script, of_tools

LARGEST = 5_000_000
"""Bytes of a runbook that are read at most."""


def read(file: Path) -> str:
    """The text of a runbook; ``WrongUse`` where there is none."""
    try:
        if file.stat().st_size > LARGEST:
            raise WrongUse(f"{file} is larger than {LARGEST // 1_000_000} MB; that is no runbook.")
        return file.read_text(encoding="utf-8-sig", errors="replace").replace("\r\n", "\n")
    except OSError as error:
        raise WrongUse(f"{file} can't be read: {error.strerror}.") from None


def finds_in(source: str, file: Path, today: date) -> list[Find]:
    """Everything found in one text, by line. Relative links are looked for beside ``file``."""
    text = taken_apart(source)
    found: list[Find] = []
    commands: list[Command] = []
    for code in text.code:
        if not is_script(code):
            continue
        every = list(commands_of(code))
        mine = [each for command in every for each in of_tools(command)]
        commands += mine
        for command in mine:
            line = " ".join(command.texts)
            instead = rules.instead_of(line)
            each = list(rules.command_finds(command, code, _comment_above(code, command.line)))
            if command.tool == "aws":
                each += aws.find_wrong(command)
            found += (one if one.instead else replace(one, instead=instead) for one in each)
        if not code.is_inline:
            found += rules.block_finds(code, every)
    found += rules.text_finds(text, commands, file, today)
    unique = {
        (one.line, one.column, one.rule.name, one.message): replace(one, file=file.as_posix())
        for one in found
        if (one.line, one.rule.name) not in text.ignored and (one.line, "*") not in text.ignored
    }
    return sorted(unique.values(), key=lambda one: (one.line, one.column, one.rule.name))


def _comment_above(code: Code, line: int) -> str:
    lines = code.text.split("\n")
    for each in reversed(lines[: max(line - code.line, 0)]):
        if each.strip().startswith("#"):
            return each.strip().lstrip("# ")
        if each.strip() and not re.search(r"\\\s*$", each):
            return ""
    return ""


def fails(found: Iterable[Find]) -> bool:
    """Whether anything is worse than a note."""
    return any(one.rule.level is not Level.NOTE for one in found)


def baseline_of(found: Iterable[Find]) -> str:
    """A baseline file: what there is today, so that only what comes later is reported."""
    counts = Counter(one.fingerprint for one in found)
    return to_json({"version": 1, "finds": dict(sorted(counts.items()))}) + "\n"


def without_known(found: Iterable[Find], baseline: str, name: str) -> Iterator[Find]:
    """Only what the baseline hasn't got; as many of a kind as it has are left out."""
    try:
        known: Any = json.loads(baseline)["finds"]
        left = Counter({str(key): int(count) for key, count in known.items()})
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WrongUse(f"{name} is no baseline: make one with --write-baseline.") from None
    for one in found:
        if left[one.fingerprint] > 0:
            left[one.fingerprint] -= 1
        else:
            yield one
