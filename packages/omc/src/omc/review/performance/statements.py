"""Checks of what the database works on: its load, the statements that make it, and slow ones in its log."""

from __future__ import annotations

from collections.abc import Iterator

from omc.checks.finding import Finding, Level
from omc.checks.runbook import WEEKLY_PERFORMANCE
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.pending import Pending
from omc.facts.performance.database_lines import DatabaseLines, by_shape
from omc.facts.performance.figures import DATABASE_PLACE, WeekFigures
from omc.facts.performance.parameters import DatabaseParameters
from omc.facts.performance.statements import StatementLoad, StatementLoads
from omc.output.figures import figure
from omc.output.text import counted
from omc.review.performance.presence import about
from omc.review.performance.words import DATABASE, INSIGHTS, finding, key_of_text, moved, short, unseen
from omc.times import format_duration

LOAD, TOP, SLOW = "database-load", "top-statements", "slow-statements"
CHANGES, PLANS = "statement-changes", "plan-changes"
SWITCH_ON = f"performance_insights_enabled = true on the instance ({INSIGHTS}, Standard mode; seven days are free)"
LEAST_LOAD = 0.1
"""Average active sessions: a statement or a rise below it is noise on any instance."""
MOSTLY = 0.5
"""Share of a statement's load in which it waits for something else than the CPU."""
BUSY_HOURS = 3
"""Hours with more load than vCPUs before the instance counts as too small for it."""
SHOWN = 5
NEW_TIMES = 5
"""So often a statement must have been slow to be told as new."""
LEAST_SECONDS = 10.0
"""What a slow statement must have cost more than the week before."""


def vcpus_of(size: str) -> int | None:
    """Of an instance class. Source: RDS user guide, Hardware specifications for DB instance classes: from medium up to
    large 2, xlarge 4 and its multiples; t2 has one up to small, t3 and t4g always two."""
    _, family, name = [*size.split("."), "", "", ""][:3]
    if name in {"micro", "small"}:
        return 1 if family in {"t2", "m1", "m3"} else 2
    if name in {"medium", "large"}:
        return 2 if family[:1] in {"t", "m", "r", "x", "c"} else None
    multiple = name.removesuffix("xlarge")
    if name.endswith("xlarge") and (multiple.isdigit() or not multiple):
        return 4 * int(multiple or 1)
    return None


@check(
    LOAD,
    title="Database load",
    question="Does the database work harder than it can, or harder than the week before?",
    severity=Level.WARN,
    runbook=WEEKLY_PERFORMANCE,
)
@about(DATABASE)
def database_load(figures: WeekFigures, pending: Pending, environment: Environment) -> Iterator[Finding]:
    points = figures.now(DATABASE_PLACE, "DBLoad", "Average")
    if not points:
        yield unseen(LOAD, DATABASE, "CloudWatch has no DBLoad of the database.", figures.reading, SWITCH_ON)
        return
    vcpus = vcpus_of((pending.database or {}).get("DBInstanceClass", ""))
    over = [value for _, value in points if vcpus and value > vcpus]
    change = figures.change(
        DATABASE_PLACE, "DBLoad", "Average", percent=environment.review.performance.change_percent, least=LEAST_LOAD
    )
    evidence = f"DBLoad, average active sessions, median of the days: {moved(change)}"
    peak = max(value for _, value in points)
    if len(over) >= BUSY_HOURS:
        sentence = (
            f"In {counted(len(over), 'hour')} more sessions were active than its {vcpus} vCPUs can "
            f"serve, {figure(peak)} at most."
        )
        yield finding(LOAD, Level.WARN, DATABASE, sentence, figures.reading, evidence)
    elif change.rose:
        sentence = f"The database's load rose {moved(change)}."
        yield finding(LOAD, Level.WARN, DATABASE, sentence, figures.reading, evidence)
    else:
        has = f"it has {vcpus} vCPUs" if vcpus else "how many vCPUs it has isn't known"
        sentence = f"In the busiest hour {figure(peak)} sessions were active on average; {has}."
        yield finding(LOAD, Level.OK, DATABASE, sentence, figures.reading, evidence)


def waits_of(load: StatementLoad) -> str:
    """``IO:DataFileRead 0.31, CPU 0.12``."""
    return ", ".join(f"{event} {figure(sessions)}" for event, sessions in load.waits[:3]) or "no wait event told"


def waiting(load: StatementLoad) -> str:
    """What it mostly waits for; empty where it mostly computes."""
    total = sum(sessions for _, sessions in load.waits)
    waits = [(event, sessions) for event, sessions in load.waits if event.upper() != "CPU"]
    if not waits or sum(sessions for _, sessions in waits) < MOSTLY * total:
        return ""
    return waits[0][0]


@check(
    TOP,
    title="Statements by load",
    question="Which statements make the database's load, and does one of them mostly wait?",
    severity=Level.WARN,
    runbook=WEEKLY_PERFORMANCE,
)
@about(DATABASE)
def top_statements(loads: StatementLoads, pending: Pending) -> Iterator[Finding]:
    if loads.is_off:
        yield unseen(TOP, DATABASE, "Statements by load aren't known.", pending.reading, SWITCH_ON)
        return
    heavy = [load for load in loads.now if load.sessions >= LEAST_LOAD and waiting(load)]
    for load in heavy:
        yield finding(
            TOP,
            Level.WARN,
            f"{DATABASE}/{key_of_text(load.id)}",
            f"{figure(load.sessions)} sessions on average are in “{short(load.text)}”, mostly waiting for "
            f"{waiting(load)}.",
            loads.reading,
            f"by wait event: {waits_of(load)}",
        )
    if not heavy:
        listed = [f"{figure(load.sessions)} “{short(load.text, 60)}”: {waits_of(load)}" for load in loads.now[:SHOWN]]
        yield finding(
            TOP,
            Level.OK,
            DATABASE,
            f"No statement of {figure(LEAST_LOAD)} sessions or more mostly waits.",
            loads.reading,
            *(listed or ["no statement was active when it was sampled"]),
            f"of the last {format_duration(loads.covered)}, which is what is kept of them",
        )


@check(
    CHANGES,
    title="Statements that changed",
    question="Which statements are new, or heavier than the week before?",
    severity=Level.WARN,
    runbook=WEEKLY_PERFORMANCE,
)
@about(DATABASE)
def statement_changes(loads: StatementLoads, environment: Environment) -> Iterator[Finding]:
    limits = environment.review.performance
    told_any = False
    known = {load.id: load for load in loads.before or ()}
    for load in loads.now if loads.before is not None else ():
        old = known.get(load.id)
        before = old.sessions if old else 0.0
        if load.sessions - before < max(LEAST_LOAD, before * limits.change_percent / 100):
            continue
        told_any = True
        what = (
            f"rose from {figure(before)} to {figure(load.sessions)} sessions"
            if old
            else (f"is new among the heaviest, with {figure(load.sessions)} sessions")
        )
        place = f"{DATABASE}/{key_of_text(load.id)}"
        sentence = f"“{short(load.text)}” {what}."
        yield finding(CHANGES, Level.WARN, place, sentence, loads.reading, f"by wait event: {waits_of(load)}")
    if loads.is_off:
        yield unseen(CHANGES, DATABASE, "The load of statements isn't known.", loads.reading, SWITCH_ON)
    elif loads.before is None:
        sentence = f"How statements changed since the week before isn't known: {loads.why_not_before.rstrip('.')}."
        switch = "performance_insights_retention_period = 31 keeps a month, and is paid for"
        yield unseen(CHANGES, DATABASE, sentence, loads.reading, switch)
    elif not told_any:
        yield finding(CHANGES, Level.OK, DATABASE, "No statement became much heavier or is new.", loads.reading)


@check(
    PLANS,
    title="Plans that changed",
    question="Has PostgreSQL another plan for a statement than the week before?",
    severity=Level.WARN,
    runbook=WEEKLY_PERFORMANCE,
)
@about(DATABASE)
def plan_changes(lines: DatabaseLines, loads: StatementLoads | None, environment: Environment) -> Iterator[Finding]:
    earlier, found = by_shape(lines.before or ()), False
    for group in lines.now:
        old = earlier[group.shape].plans if group.shape in earlier else frozenset()
        if not old or not (new := group.plans - old):
            continue
        found = True
        sentence = f"“{short(group.shape)}” has a plan that the week before had not."
        evidence = (f"now: {short(min(new), 200)}", f"before: {short(min(old), 200)}")
        yield finding(PLANS, Level.WARN, f"{DATABASE}/{key_of_text(group.shape)}", sentence, lines.reading, *evidence)
    if found:
        return
    if any(group.plans for group in lines.now) and any(group.plans for group in earlier.values()):
        yield finding(PLANS, Level.OK, DATABASE, "No logged plan is new.", lines.reading)
    elif "plans" in environment.review.performance.leave_out:
        yield finding(PLANS, Level.OK, DATABASE, "Plans aren't looked at, as omc.toml says.", lines.reading)
    else:
        mode = f"{INSIGHTS} ({(loads.mode if loads else '') or 'mode unknown'})"
        yield unseen(
            PLANS,
            DATABASE,
            f"Whether plans changed isn't known: the API of {mode} has none of RDS for PostgreSQL, and the database's "
            "log has none of both weeks.",
            lines.reading,
            "auto_explain in shared_preload_libraries, with auto_explain.log_min_duration; or nothing: "
            'leave_out = ["plans"] under [review.performance] of omc.toml',
        )


@check(
    SLOW,
    title="Slow statements",
    question="Which statements were slow, and which of them are new or cost more than the week before?",
    severity=Level.WARN,
    runbook=WEEKLY_PERFORMANCE,
)
@about(DATABASE)
def slow_statements(
    lines: DatabaseLines, parameters: DatabaseParameters, environment: Environment
) -> Iterator[Finding]:
    if not lines.exists:
        yield unseen(
            SLOW,
            DATABASE,
            "The database's log isn't in CloudWatch, so its slow statements aren't known.",
            lines.reading,
            'enabled_cloudwatch_logs_exports = ["postgresql"] on the instance',
        )
        return
    limit = parameters.number("log_min_duration_statement")
    if (limit is None or limit < 0) and not lines.now:
        yield unseen(
            SLOW,
            DATABASE,
            "Slow statements aren't logged.",
            parameters.reading,
            f"log_min_duration_statement in the parameter group {parameters.group or 'of the instance'}, "
            "such as 500 (ms)",
        )
        return
    share = environment.review.performance.change_percent / 100
    before = by_shape(lines.before or ())
    found = False
    for group in lines.now:
        old = before.get(group.shape)
        is_new = old is None and lines.before is not None and group.count >= NEW_TIMES
        more = old is not None and group.total - old.total >= max(LEAST_SECONDS, share * old.total)
        if not (is_new or more):
            continue
        found = True
        times = f"{group.count} times, {figure(group.total, 's')} altogether, {figure(group.longest, 's')} at most"
        than = f"; the week before {old.count} times, {figure(old.total, 's')}" if old else "; not the week before"
        yield finding(
            SLOW,
            Level.WARN,
            f"{DATABASE}/{key_of_text(group.shape)}",
            f"“{short(group.shape)}” was slow {times}{than}.",
            lines.reading,
            f"newest {group.last:%d %b %H:%M} UTC",
        )
    listed = [
        f"{group.count} times, {figure(group.total, 's')}: “{short(group.shape, 70)}”" for group in lines.now[:SHOWN]
    ]
    if lines.is_cut:
        listed.append("the log has more lines than were read: these are of the newest 10,000")
    if not found:
        compared = "" if lines.before is not None else " The week before isn't known."
        kinds = len(lines.now)
        sentence = f"{kinds or 'No'} kind{'' if kinds == 1 else 's'} of slow statement, none much worse than before."
        yield finding(SLOW, Level.OK, DATABASE, sentence + compared, lines.reading, *listed)
