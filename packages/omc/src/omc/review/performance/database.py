"""Checks of what the database may run out of: connections, transaction ids, room for dead rows; and its indexes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from omc.checks.finding import Finding, Level
from omc.checks.runbook import CONNECTION_FAILURES, WEEKLY_PERFORMANCE
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.performance.database_lines import DatabaseLines
from omc.facts.performance.figures import DATABASE_PLACE, WeekFigures
from omc.facts.performance.parameters import DatabaseParameters
from omc.facts.performance.statements import CONNECTIONS, FETCHED, IDLE_COUNT, IDLE_TIME, RETURNED, StatementLoads
from omc.facts.performance.tables import TableStatistics
from omc.facts.scope import Scope
from omc.judgement.vacuuming import LEAST_DEAD, OLD, VERY_OLD, WRAPAROUND
from omc.output.figures import figure
from omc.review.performance.presence import about
from omc.review.performance.statements import SWITCH_ON
from omc.review.performance.words import DATABASE, finding, moved, unseen
from omc.times import format_duration

CONNECTED, AGE, DEAD, INDEXES, IDLE = (
    *("database-connections", "transaction-age", "dead-rows", "indexes"),
    "idle-transactions",
)
LEAST_CONNECTIONS = 5
SOON = timedelta(days=60)
SCALE, THRESHOLD = 0.2, 50
"""autovacuum_vacuum_scale_factor and _threshold: from so many dead rows on a table is vacuumed. Source: PostgreSQL
documentation, Automatic Vacuuming."""
LATE = 2
"""So many times that number: vacuuming doesn't keep up, or can't remove them."""
BIG_INDEX = 10 * 1024 * 1024
OFTEN, MANY_ROWS = 100, 10_000
"""Scans, and rows that each reads: a table that is read through so often may lack an index."""
SCAN_RATIO, SCAN_ROWS = 100.0, 10_000.0
"""Rows read for each that an index found, and rows a second: scans of whole tables make most of the reading."""
LONG_IDLE = 300.0
"""Seconds in a transaction without a statement; RDS's proactive insight speaks from 1800 on, a lock hurts sooner."""
TABLES_SWITCH = (
    "a connection string of a user with pg_monitor in {door}; or nothing: "
    'leave_out = ["tables"] under [review.performance] of omc.toml'
)


@check(
    CONNECTED,
    title="Database connections",
    question="How near did connections come to max_connections, and are there more than the week before?",
    severity=Level.FAIL,
    runbook=CONNECTION_FAILURES,
)
@about(DATABASE)
def database_connections(
    figures: WeekFigures,
    parameters: DatabaseParameters,
    loads: StatementLoads | None,
    environment: Environment,
) -> Iterator[Finding]:
    points = figures.now(DATABASE_PLACE, "DatabaseConnections", "Maximum")
    if not points:
        yield unseen(
            CONNECTED, DATABASE, "CloudWatch has no DatabaseConnections.", figures.reading, "a database that runs"
        )
        return
    peak = max(value for _, value in points)
    limits = environment.review.performance
    measured = loads.counters.get(CONNECTIONS, ()) if loads else ()
    most = parameters.number("max_connections") or (int(measured[-1][1]) if measured else None)
    change = figures.change(
        DATABASE_PLACE,
        "DatabaseConnections",
        "Maximum",
        percent=limits.change_percent,
        least=max(LEAST_CONNECTIONS, 0.1 * (most or 0)),
    )
    evidence = f"DatabaseConnections, the most of each hour, mean of the day: {moved(change)}"
    of = f"of {most}" if most else "of an unknown max_connections"
    if most and peak >= most - 3:  # superuser_reserved_connections is 3
        sentence = f"All connections that users may take were taken: {peak:.0f} {of}."
        yield finding(
            CONNECTED, Level.FAIL, DATABASE, sentence, figures.reading, evidence, procedure=CONNECTION_FAILURES
        )
    elif most and 100 * peak >= limits.connections_percent * most:
        sentence = f"{peak:.0f} connections {of} were open at most, {100 * peak / most:.0f} %."
        yield finding(
            CONNECTED, Level.WARN, DATABASE, sentence, figures.reading, evidence, procedure=CONNECTION_FAILURES
        )
    elif change.rose:
        sentence = f"Connections rose {moved(change)}; {peak:.0f} {of} at most."
        yield finding(
            CONNECTED, Level.WARN, DATABASE, sentence, figures.reading, evidence, procedure=CONNECTION_FAILURES
        )
    elif most is None:
        yield unseen(
            CONNECTED,
            DATABASE,
            f"{peak:.0f} connections were open at most; how many are allowed isn't known.",
            parameters.reading,
            f"{SWITCH_ON}, or max_connections as a number in the parameter group",
        )
    else:
        sentence = f"{peak:.0f} connections {of} were open at most."
        yield finding(CONNECTED, Level.OK, DATABASE, sentence, figures.reading, evidence)


@check(
    AGE,
    title="Age of transaction ids",
    question="Does vacuuming keep the oldest transaction id young enough?",
    severity=Level.FAIL,
    runbook=WEEKLY_PERFORMANCE,
)
@about(DATABASE)
def transaction_age(figures: WeekFigures) -> Iterator[Finding]:
    points = figures.now(DATABASE_PLACE, "MaximumUsedTransactionIDs", "Maximum")
    if not points:
        yield unseen(
            AGE,
            DATABASE,
            "CloudWatch has no MaximumUsedTransactionIDs.",
            figures.reading,
            "an engine of PostgreSQL that runs",
        )
        return
    newest = points[-1][1]
    days = (points[-1][0] - points[0][0]) / timedelta(days=1)
    a_day = (newest - points[0][1]) / days if days else 0.0
    left = timedelta(days=(WRAPAROUND - newest) / a_day) if a_day > 0 else None
    evidence = f"MaximumUsedTransactionIDs {newest:,.0f}, {a_day:+,.0f} a day over the period"
    ends = f" At this rate PostgreSQL refuses new transactions after {format_duration(left)}." if left else ""
    if newest >= VERY_OLD or (newest >= OLD and left is not None and left <= SOON):
        level = Level.FAIL
        sentence = f"The oldest transaction id is {newest / 1e6:,.0f} million old: vacuuming is far behind.{ends}"
    elif newest >= OLD or (left is not None and left <= SOON):
        level = Level.WARN
        sentence = f"The oldest transaction id is {newest / 1e6:,.0f} million old.{ends}"
    else:
        level, sentence = Level.OK, f"The oldest transaction id is {newest / 1e6:,.0f} million old, of 2,144 million."
    yield finding(AGE, level, DATABASE, sentence, figures.reading, evidence)


@check(
    DEAD,
    title="Dead rows",
    question="Do tables hold dead rows that vacuuming doesn't remove?",
    severity=Level.WARN,
    runbook=WEEKLY_PERFORMANCE,
)
@about(DATABASE)
def dead_rows(statistics: TableStatistics, lines: DatabaseLines | None, environment: Environment) -> Iterator[Finding]:
    found = False
    for table in statistics.tables:
        if table.dead < LEAST_DEAD or table.dead <= LATE * (THRESHOLD + SCALE * table.live):
            continue
        found = True
        vacuumed = f"{table.vacuumed:%d %b %H:%M} UTC" if table.vacuumed else "never since the statistics began"
        yield finding(
            DEAD,
            Level.WARN,
            f"{DATABASE}/table/{table.name}",
            f"{table.name} has {table.dead:,} dead rows beside {table.live:,} live ones.",
            statistics.reading,
            f"last vacuumed: {vacuumed}",
        )
    for one in lines.vacuums if lines and not statistics.is_read else ():
        if one.dead < LEAST_DEAD or one.dead <= SCALE * one.remain:
            continue
        found = True
        yield finding(
            DEAD,
            Level.WARN,
            f"{DATABASE}/table/{one.table}",
            f"Vacuuming had to leave {one.dead:,} dead rows in {one.table}: an old transaction may still see them.",
            lines.reading if lines else statistics.reading,
            f"its newest automatic vacuum, {one.at:%d %b %H:%M} UTC: {one.remain:,} rows remain",
        )
    if found:
        return
    if statistics.is_read:
        count = len(statistics.tables)
        sentence = f"No table of {count} has many dead rows."
        yield finding(DEAD, Level.OK, DATABASE, sentence, statistics.reading)
    elif lines and lines.vacuums:
        sentence = "No automatic vacuum in the log had to leave many dead rows."
        yield finding(DEAD, Level.OK, DATABASE, sentence, lines.reading, f"{len(lines.vacuums)} tables were vacuumed")
    elif "tables" in environment.review.performance.leave_out:
        yield finding(DEAD, Level.OK, DATABASE, "Dead rows aren't looked at, as omc.toml says.", statistics.reading)
    else:
        yield unseen(
            DEAD,
            DATABASE,
            "Dead rows aren't known: no metric of AWS's tells of them, and no automatic vacuum is in the log.",
            statistics.reading,
            f"log_autovacuum_min_duration in the parameter group, or {TABLES_SWITCH.format(door=statistics.door)}",
        )


@check(
    INDEXES,
    title="Indexes",
    question="Which indexes does nothing use, and which tables are read through for want of one?",
    severity=Level.WARN,
    runbook=WEEKLY_PERFORMANCE,
)
@about(DATABASE)
def indexes(
    statistics: TableStatistics, loads: StatementLoads | None, environment: Environment, scope: Scope
) -> Iterator[Finding]:
    found = False
    observed = scope.now - statistics.since if statistics.since else timedelta(0)
    for index in statistics.indexes if observed >= scope.since else ():
        if index.scans or index.size < BIG_INDEX:
            continue
        found = True
        yield finding(
            INDEXES,
            Level.WARN,
            f"{DATABASE}/index/{index.name}",
            f"Nothing has used the index {index.name} of {index.table} for {format_duration(observed)}; it takes "
            f"{index.size / 1024**2:,.0f} MiB.",
            statistics.reading,
            "a replica has statistics of its own: look there before it is dropped",
        )
    for table in statistics.tables:
        rows = table.scanned / table.scans if table.scans else 0.0
        if table.scans < OFTEN or rows < MANY_ROWS or table.scans <= table.index_scans:
            continue
        found = True
        yield finding(
            INDEXES,
            Level.WARN,
            f"{DATABASE}/scans/{table.name}",
            f"{table.name} was read through {table.scans:,} times, {rows:,.0f} rows each: it may lack an index.",
            statistics.reading,
            f"{table.index_scans:,} scans of it used an index",
        )
    returned, fetched = _mean(loads, RETURNED), _mean(loads, FETCHED)
    reads_through = returned is not None and returned >= SCAN_ROWS and returned > SCAN_RATIO * max(fetched or 0.0, 1.0)
    if reads_through and fetched is not None and not statistics.is_read:
        found = True
        yield finding(
            INDEXES,
            Level.WARN,
            f"{DATABASE}/scans",
            f"{returned:,.0f} rows a second were read, and {fetched:,.0f} found by an index: whole tables are read "
            "through, some of which may lack an index.",
            loads.reading if loads else statistics.reading,
            "db.SQL.tup_returned and db.SQL.tup_fetched of Performance Insights, means of the period",
        )
    if statistics.is_read and observed < scope.since:
        sentence = f"Whether an index is unused isn't known yet: the statistics are {format_duration(observed)} old."
        yield unseen(INDEXES, DATABASE, sentence, statistics.reading, "time")
    elif statistics.is_read:
        if not found:
            sentence = (
                f"Each of {len(statistics.indexes)} indexes is used or small, and no table is often read through."
            )
            yield finding(INDEXES, Level.OK, DATABASE, sentence, statistics.reading)
    elif "tables" in environment.review.performance.leave_out:
        yield finding(INDEXES, Level.OK, DATABASE, "Indexes aren't looked at, as omc.toml says.", statistics.reading)
    else:
        yield unseen(
            INDEXES,
            DATABASE,
            "Which indexes are unused or missing isn't known: only SQL tells.",
            statistics.reading,
            TABLES_SWITCH.format(door=statistics.door),
        )


def _mean(loads: StatementLoads | None, counter: str) -> float | None:
    points = loads.counters.get(counter, ()) if loads else ()
    return sum(value for _, value in points) / len(points) if points else None


@check(
    IDLE,
    title="Idle in transaction",
    question="Did sessions stay in a transaction without doing anything in it?",
    severity=Level.WARN,
    runbook=WEEKLY_PERFORMANCE,
)
@about(DATABASE)
def idle_transactions(loads: StatementLoads) -> Iterator[Finding]:
    points = loads.counters.get(IDLE_TIME, ())
    if loads.is_off or not points:
        sentence = "How long sessions are idle in a transaction isn't known."
        yield unseen(IDLE, DATABASE, sentence, loads.reading, SWITCH_ON)
        return
    at, longest = max(points, key=lambda point: point[1])
    hours = sum(1 for _, value in points if value >= LONG_IDLE)
    counts = [value for _, value in loads.counters.get(IDLE_COUNT, ())]
    evidence = f"the most at a time: {figure(max(counts, default=None))}; hours with one of 5 min or more: {hours}"
    if longest >= LONG_IDLE:
        sentence = (
            f"A session was idle in its transaction for {format_duration(timedelta(seconds=longest))} "
            f"({at:%d %b %H:%M} UTC): it keeps its locks, and vacuuming can't remove what it may see."
        )
        yield finding(IDLE, Level.WARN, DATABASE, sentence, loads.reading, evidence)
    else:
        sentence = f"No session was idle in a transaction for longer than {longest:.0f} s."
        yield finding(IDLE, Level.OK, DATABASE, sentence, loads.reading, evidence)
