"""How the doctor's checks write a finding: what is so, what it rests on, and what to do where it isn't ok."""

from __future__ import annotations

from dataclasses import replace

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import FIRST_DAY
from omc.config import Environment
from omc.facts.collector import Reading


def finding(
    check: str,
    level: Level,
    subject: str,
    sentence: str,
    reading: Reading,
    *evidence: str,
    do: str = "",
    command: str = "",
    action: str = "",
) -> Finding:
    """``do`` is what to do, in the imperative; ``command`` does it. Without ``evidence`` the sentence is
    the evidence."""
    procedure = None if level is Level.OK else replace(FIRST_DAY, title=do or FIRST_DAY.title, command=command)
    texts = evidence or (sentence,)
    return Finding(
        check, level, subject, sentence, tuple(Evidence(text, reading) for text in texts), procedure, action=action
    )


def by_terraform(environment: Environment, otherwise: str, why: str = "", command: str = "") -> dict[str, str]:
    """What to do, and by which command: by the environment's Terraform, ``why`` behind it, or else by hand."""
    if not environment.has_terraform:
        return {"do": otherwise}
    return {"do": f"Apply the environment's Terraform{why}", "command": command}


def listed(names: list[str] | tuple[str, ...], most: int = 4) -> str:
    """``a, b and 3 more``."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"
