"""Checks of the CloudWatch alarms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from omc.checks.finding import Evidence, Finding, Level, Procedure
from omc.checks.runbook import ALERT_RESPONSE, BY_DOCUMENT
from omc.checks.spec import check
from omc.config import Environment
from omc.config.stores import cache_name, database_name
from omc.facts.alarms import Alarm, Alarms
from omc.output.text import counted
from omc.times import format_time


@check(
    "alarms",
    title="Alarms",
    question="Do the environment's alarms exist, does any ring, and would each of them page somebody?",
    severity=Level.FAIL,
    runbook=ALERT_RESPONSE,
)
def alarms(alarms: Alarms, environment: Environment) -> Iterator[Finding]:
    ours = [alarm for alarm in alarms.alarms if alarm.name.startswith(environment.alarm_prefix)]
    if not ours:
        sentence = f"No alarm's name begins with {environment.alarm_prefix}: nothing would page anybody."
        evidence = (
            Evidence(f"{counted(len(alarms.alarms), 'alarm')} in the account, none of that name", alarms.reading),
        )
        yield Finding(
            "alarms", Level.FAIL, environment.alarm_prefix, sentence, evidence, ALERT_RESPONSE, place="alarms"
        )
    firing = sorted((alarm for alarm in alarms.alarms if alarm.state == "ALARM"), key=_urgency)
    ours_firing = any(belongs(alarm, environment) for alarm in firing)
    for alarm in firing:
        yield Finding(
            check="alarms",
            level=Level.FAIL if belongs(alarm, environment) else Level.WARN,
            subject=alarm.name,
            sentence=_firing(alarm, environment),
            evidence=(
                Evidence(
                    f"{alarm.kind} alarm, in ALARM since {format_time(alarm.since, environment.time_zone)}: "
                    f"{alarm.reason}",
                    alarms.reading,
                ),
            ),
            procedure=_procedure(alarm),
            place=f"alarms/{alarm.name}",
            since=alarm.since,
        )
    silent = [alarm.name for alarm in ours if not alarm.acts and not alarm.actions]  # turned off: checks.expected
    if silent:
        yield Finding(
            check="alarms",
            level=Level.WARN,
            subject=environment.alarm_prefix,
            sentence=f"{len(silent)} {'alarm has' if len(silent) == 1 else 'alarms have'} no action, so "
            f"{'it pages' if len(silent) == 1 else 'they page'} nobody.",
            evidence=tuple(Evidence(f"{name} has no action", alarms.reading) for name in silent),
            procedure=ALERT_RESPONSE,
            place="alarms",
        )
    if not ours_firing and ours:
        undecided = [alarm.name for alarm in ours if alarm.state == "INSUFFICIENT_DATA"]
        level = Level.UNKNOWN if len(undecided) == len(ours) else Level.WARN if undecided else Level.OK
        verb = "has" if len(undecided) == 1 else "have"
        note = f"; {len(undecided)} {verb} too little data to say" if undecided else ""
        left_out = f" ({alarms.autoscaling} of autoscaling's own left out)" if alarms.autoscaling else ""
        yield Finding(
            check="alarms",
            level=level,
            subject="all alarms",
            sentence=f"None of {len(alarms.alarms) - len(firing)} alarms is in ALARM{left_out}{note}."
            if not firing
            else f"None of {environment.name}'s {len(ours)} alarms is in ALARM{left_out}{note}.",
            evidence=tuple(Evidence(f"{name} is INSUFFICIENT_DATA", alarms.reading) for name in undecided)
            or (Evidence(f"{counted(len(alarms.alarms), 'alarm')}, OK", alarms.reading),),
            procedure=ALERT_RESPONSE if undecided else None,
        )


def belongs(alarm: Alarm, environment: Environment) -> bool:
    """Whether an alarm is the environment's: by its name, by a tag that names the environment, or by what it watches.

    An account may hold other people's alarms too. If one of theirs fires, that is worth a look but isn't our failure.
    """
    if alarm.name.startswith((environment.alarm_prefix, f"{environment.prefix}-")):
        return True
    if f"{alarm.tags.get('project')}-{alarm.tags.get('environment')}" == environment.prefix:  # as the Terraform tags
        return True
    stores = {database_name(environment), cache_name(environment)} - {""}
    ours = {environment.prefix, environment.cluster, *stores}
    parts = {part for value in alarm.dimensions for part in value.split("/")}
    return any(part in ours or part.startswith(f"{environment.prefix}-") for part in parts)


HELD_BACK: Mapping[str, str] = {
    "Alarm": "while it is in ALARM",
    "WaitPeriod": "while CloudWatch waits to see whether that one goes into ALARM",
    "ExtensionPeriod": "for a while after it was in ALARM",
}
"""CloudWatch's ActionsSuppressedBy, in words."""


def _firing(alarm: Alarm, environment: Environment) -> str:
    severity = f"{alarm.tags['severity'].upper()}, " if alarm.tags.get("severity") else "no severity tagged, "
    why = HELD_BACK.get(alarm.suppression, "")
    held = (
        f" Its actions are suppressed by {alarm.suppressed_by}{f' {why}' if why else ''}."
        if alarm.suppressed_by
        else ""
    )
    whose = "" if belongs(alarm, environment) else f" It is not one of {environment.name}'s."
    return f"{alarm.name}: {severity}in ALARM.{held}{whose}"


def _urgency(alarm: Alarm) -> tuple[str, str]:
    return alarm.tags.get("severity", "~").lower(), alarm.name


def _procedure(alarm: Alarm) -> Procedure:
    """The section that the alarm's own tag names, else the runbook's general answer.

    A tag's value may hold no ``#``, so that the section follows a colon: ``docs/runbook/alerts.md:service-unhealthy``.
    """
    file, _, section = alarm.tags.get("runbook", "").partition(":")
    if not file:
        return ALERT_RESPONSE
    document = f"{file}#{section}" if section else file
    title = section.removeprefix("issue-").replace("-", " ").capitalize() or ALERT_RESPONSE.title
    return BY_DOCUMENT.get(document) or Procedure(title, document)
