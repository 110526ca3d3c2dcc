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
    requested: tuple[str, ...] = ()
    """The places or checks that it was narrowed to; none for all of it."""
    elsewhere: tuple[Finding, ...] = ()
    """What it says of all the rest, where it was narrowed."""

    @property
    def verdict(self) -> Level:
        """Of what is. What was and has healed is told, and counts only where ``strict``."""
        return worst(self.findings, strict=self.strict)

    @property
    def exit_code(self) -> int:
        verdict = self.verdict
        known = [finding for finding in self.findings if finding.level is not Level.UNKNOWN]
        if verdict is Level.UNKNOWN and self.fail_on is Level.FAIL and known and self._heard_from_aws:
            verdict = worst(known, strict=self.strict)
        if verdict is Level.WARN and self.strict:
            verdict = Level.FAIL
        return EXIT_CODES[verdict]

    @property
    def _heard_from_aws(self) -> bool:
        """Whether any call to AWS was answered: what users see alone is no judgement of the stack."""
        requested = [call for call in self.calls if call.service != "http"]
        return not requested or any(call.error is None for call in requested)

    @property
    def requests(self) -> int:
        return sum(call.requests for call in self.calls)
