"""What a set of checks says as a whole: the verdict, the exit code, what is and what was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from omc.aws.calls import Call
from omc.checks.finding import Finding, Level, worst
from omc.errors import OmcError, Unknown
from omc.stack import Environment

EXIT_CODES: Mapping[Level, int] = {
    Level.OK: 0,
    Level.WARN: 0,
    Level.FAIL: OmcError.exit_code,
    Level.UNKNOWN: Unknown.exit_code,
}


@dataclass(frozen=True, slots=True)
class Report:
    """One run of a set of checks."""

    title: str
    environment: Environment
    endpoint: str | None
    """The endpoint that stood in for AWS's own, where one did."""
    at: datetime
    seconds: float
    findings: tuple[Finding, ...]
    calls: tuple[Call, ...]
    fail_on: Level = Level.UNKNOWN
    """From which level on the exit code isn't 0. With FAIL, what is unknown is shown and no failure, as long as
    anything could be judged at all: minutes after a deployment, metrics, queries and alarms are honestly unknown."""
    strict: bool = False
    """Warnings, and what is over, end with 1 too."""

    @property
    def verdict(self) -> Level:
        """Of what is. What was and has healed is told, and counts only where ``strict``."""
        return worst(self.findings, strict=self.strict)

    @property
    def exit_code(self) -> int:
        verdict = self.verdict
        if self.strict and any(finding.level is not Level.OK for finding in self.findings):
            if verdict is Level.UNKNOWN and all(f.level in (Level.OK, Level.UNKNOWN) for f in self.findings):
                return self._unknown
            return OmcError.exit_code
        return self._unknown if verdict is Level.UNKNOWN else EXIT_CODES[verdict]

    @property
    def _unknown(self) -> int:
        known = any(finding.level is not Level.UNKNOWN for finding in self.findings)
        return EXIT_CODES[Level.OK if self.fail_on is Level.FAIL and known else Level.UNKNOWN]

    @property
    def requests(self) -> int:
        return sum(call.requests for call in self.calls)
