"""Check of a database that is a cluster: whether it and its members are available, and whether one takes writes. Of a
single instance its status page, its alarms and its users tell."""

from __future__ import annotations

from collections.abc import Iterator

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import CONNECTION_FAILURES
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.databases import writer_of
from omc.facts.pending import Pending

NAME = "database-cluster"
WELL = frozenset({"available", "backing-up", "storage-optimization", "configuring-enhanced-monitoring"})
"""Statuses of a cluster or an instance in which RDS serves (RDS's user guide, "Viewing DB instance status")."""


@check(
    NAME,
    title="Database cluster: its members, and who takes writes",
    question="Where the database is a cluster: are it and its members available, and does one take writes?",
    severity=Level.FAIL,
    runbook=CONNECTION_FAILURES,
)
def database_cluster(pending: Pending, environment: Environment) -> Iterator[Finding]:
    name = environment.database_cluster
    if environment.database or not name:
        return
    cluster, statuses = pending.cluster, {m["DBInstanceIdentifier"]: m["DBInstanceStatus"] for m in pending.members}
    if cluster is None:
        words = (
            f"There is no DB cluster {name} in {environment.region}, so nothing is known of the database: correct "
            f"database_cluster in [environments.{environment.name}] of omc.toml."
        )
        yield _finding(pending, name, Level.UNKNOWN, words)
        return
    writer, readers = writer_of(cluster), len(statuses)
    ill = {member: status for member, status in statuses.items() if status not in WELL}
    if cluster["Status"] not in WELL:
        yield _finding(pending, name, Level.FAIL, f"The cluster is {cluster['Status']}, not available.")
    elif not writer or writer not in statuses:
        yield _finding(pending, name, Level.FAIL, "No member of the cluster takes writes.")
    elif writer in ill:
        yield _finding(pending, name, Level.FAIL, f"{writer}, which takes writes, is {ill[writer]}.")
    elif ill:
        words = " and ".join(f"{member} is {status}" for member, status in ill.items())
        yield _finding(pending, name, Level.WARN, f"{writer} takes writes, and {words}.")
    else:
        others = [member for member in statuses if member != writer]
        follow = f"{' and '.join(others)} follow{'s' if len(others) == 1 else ''}" if others else "it has no reader"
        yield _finding(
            pending, name, Level.OK, f"All {readers} members are available: {writer} takes writes, {follow}."
        )


def _finding(pending: Pending, name: str, level: Level, words: str) -> Finding:
    seen = [f"{each['DBInstanceIdentifier']} {each['DBInstanceStatus']}" for each in pending.members]
    status = (pending.cluster or {}).get("Status", "not found")
    return Finding(
        check=NAME,
        level=level,
        subject=name,
        sentence=words,
        evidence=(Evidence(f"{name} {status}; {', '.join(seen) or 'no member'}", pending.reading),),
        procedure=None if level is Level.OK else CONNECTION_FAILURES,
        place="database",
    )
