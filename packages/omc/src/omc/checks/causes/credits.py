"""A small database that has used up what it may burst with: it is held to the baseline of its class."""

from __future__ import annotations

from omc.checks.causes.heard import LoggedError, cause_at
from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.words import shortened
from omc.checks.finding import Evidence, Level
from omc.checks.runbook import DATABASE_TIMEOUT
from omc.facts.followup.data_stores import DataStores, Store
from omc.facts.followup.gauges import VOLUME_CREDITS, Gauges, Points
from omc.facts.followup.lock_waits import DatabaseLoad
from omc.judgement.burst import assumed

EMPTY = 2.0
"""Percent of a volume's bucket, or credits: what is earned in a minute is spent in it."""
CPU = "CPUCreditBalance"


def credits_gone(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    """The newest reading is at the bottom. RDS's t3 and t4g go on without CPU credits and are charged for it: of them
    only the volume's count. Source: RDS user guide, DB instance class types and CloudWatch metrics for Amazon RDS."""
    found = spent(situation, store)
    if found is None:
        return None
    metric, points = found
    gauges, load = situation.fact(Gauges), situation.fact(DatabaseLoad)
    since = next((at for at, value in points if value <= EMPTY), None)
    size = f" of {store.size}" if store.size else ""
    what = "its CPU" if metric == CPU else "reads and writes"
    sentence = (
        f"The database has used up its {metric}: {what} {'is' if metric == CPU else 'are'} held to the baseline{size}."
    )
    busiest = (
        next((wait for wait in load.waits if wait.statement and wait.kind.lower() != "client"), None) if load else None
    )
    evidence = [
        Evidence(
            f"{metric} {points[-1][1]:.0f}, at most {max(v for _, v in points):.0f} in the half hour",
            reading_of(gauges),
        )
    ]
    if metric != "BurstBalance" and (same := assumed(store.size)):
        evidence.append(Evidence(same, reading_of(situation.fact(DataStores))))
    if busiest:
        sentence += f' Most of its load is "{shortened(busiest.statement)[:90]}".'
        evidence.append(
            Evidence(f"Performance Insights: {busiest.sessions:.1f} sessions in {busiest.statement}", reading_of(load))
        )
    return cause_at(
        "database",
        situation,
        "credits",
        store,
        sentence,
        logged_errors,
        evidence,
        procedure=DATABASE_TIMEOUT,
        since=since,
        level=Level.FAIL if logged_errors else Level.WARN,
    )


def spent(situation: Situation, store: Store) -> tuple[str, Points] | None:
    """The metric that is at its end, with its minutes; None where none is that holds the database back."""
    gauges = situation.fact(Gauges)
    held = VOLUME_CREDITS if ".t2." not in store.size else (*VOLUME_CREDITS, CPU)
    for metric in held:
        points = gauges.database.get(metric, ()) if gauges else ()
        if points and points[-1][1] <= EMPTY:
            return metric, points
    return None
