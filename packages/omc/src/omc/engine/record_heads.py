"""The record's head, carried out of its owner's reach at the end of each run and by the worker."""

from __future__ import annotations

from omc.actions.record_heads import keep_in_bucket, keep_in_log_group
from omc.engine.planning import RunContext
from omc.errors import OmcError
from omc.store.audit import Head, head_of


def current(site: RunContext) -> Head | None:
    """The head now; None where nothing was recorded yet, or the environment keeps none outside."""
    environment = site.environment
    if not (environment.audit_bucket or environment.record_log_group):
        return None
    with site.store.reading() as session:
        return head_of(session, site.store.place.identity)


def keep(site: RunContext, head: Head | None = None) -> list[str]:
    """Keep the head wherever the environment has a place for it. Gives why it could not be kept, for each such place:
    the run's own verdict doesn't hang on it, since the next head covers this one."""
    try:
        head = head or current(site)
    except OmcError as error:
        return [f"The record's head was not kept outside of it: {error.message}"]
    if head is None:
        return []
    environment, problems = site.environment, []
    places = (
        (environment.audit_bucket, "the audit bucket", keep_in_bucket),
        (environment.record_log_group, f"the log group {environment.record_log_group}", keep_in_log_group),
    )
    for wanted, name, keeper in places:
        if not wanted:
            continue
        try:
            keeper(site.writes, head, site.store.place.label, site.store.now())
        except OmcError as error:
            problems.append(f"The record's head was not kept in {name}: {error.message}")
    return problems
