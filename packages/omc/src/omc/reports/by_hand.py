"""The aws commands that ask what a report, or another reading, rests on."""

from __future__ import annotations

from collections.abc import Iterable

from omc.aws.calls import Call
from omc.aws.command_lines import command_lines
from omc.checks.run import Report
from omc.config import Environment
from omc.output import shell_word


def by_hand(report: Report) -> list[str]:
    """Ready to paste, with what the shell needs first."""
    return commands_of(report.calls, report.environment)


def commands_of(calls: Iterable[Call], environment: Environment) -> list[str]:
    """The same of calls that were recorded."""
    lines = command_lines(calls, environment.region)
    if environment.is_local:
        lines.insert(0, 'eval "$(omc local env)"')
    elif environment.profile:
        lines.insert(0, f"export AWS_PROFILE={shell_word(environment.profile)}")
    return lines
