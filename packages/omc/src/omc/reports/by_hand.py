"""The aws commands that ask what a report rests on."""

from __future__ import annotations

from omc.aws.command_lines import command_lines
from omc.checks.run import Report
from omc.output import shell_word


def by_hand(report: Report) -> list[str]:
    """Ready to paste, with what the shell needs first."""
    lines = command_lines(report.calls, report.environment.region)
    if report.environment.is_local:
        lines.insert(0, 'eval "$(omc local env)"')
    elif report.environment.profile:
        lines.insert(0, f"export AWS_PROFILE={shell_word(report.environment.profile)}")
    return lines
