"""Causes at the database's logins: a password that it refuses, a limit on a role's or a database's connections, a role
that may only read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from omc.checks.causes.heard import LoggedError, cause_at, still
from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.words import Kind
from omc.checks.finding import Evidence
from omc.checks.runbook import CONNECTION_FAILURES, RESTART
from omc.checks.users import is_well_served
from omc.facts.followup.data_stores import DataStores, Store
from omc.facts.followup.last_writes import Write
from omc.facts.followup.lock_waits import DatabaseLoad
from omc.facts.probes import Probes
from omc.facts.secrets import Secret, SecretsInUse, SecretUse

_cause = partial(cause_at, "database", procedure=CONNECTION_FAILURES)
WRITES = ("PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage")
PENDING = "awspending"
"""The stage under which a rotation writes a value that isn't valid yet."""
ROTATING = timedelta(minutes=1)
"""A write so soon after a rotation's end is the rotation's own."""
LATELY = timedelta(hours=24)
"""A secret that was changed longer ago is not why a password is refused now."""
FAILED_OVER = timedelta(hours=1)
"""Connections to what became the standby are not kept for longer."""
_ROLE = re.compile(r"role .{1,80} (?:does not exist|is not permitted to log in)|no pg_hba.conf entry", re.IGNORECASE)
_OF_LOGINS = re.compile(r"pass|postgres|\bpg|database|db|sql|rds|user|login", re.IGNORECASE)
_OF_OTHERS = re.compile(r"redis|valkey|cache|\bapi|smtp|token", re.IGNORECASE)


def password(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    """A restart is proposed only if a rotation explains it: if a secret was changed by hand, a restart would give every
    task the wrong password."""
    wrong = [each for each in logged_errors if each.message.kind is Kind.PASSWORD]
    if not wrong:
        return None
    users = " and ".join(dict.fromkeys(each.message.what for each in wrong if each.message.what)) or "the application"
    begin = f"The database refuses the login of {users}: "
    services = list(dict.fromkeys(each.service for each in wrong if each.service))
    secrets = list(_of_logins(situation, services))
    for secret, uses in secrets:
        if changed := _changed_by_hand(situation, secret, uses):
            at, write = changed
            who = f" by {write.who} ({write.operation})" if write else ""
            text = (
                f"{begin}the secret {secret.name} was changed{who} {situation.ago(at)}, the password in the database "
                "was not. Put the secret's former version back."
            )
            evidence = (_way_back(situation, secret), *situation.by_whom(write))
            return _cause(situation, "password", store, text, wrong, evidence=evidence)
    for secret, uses in secrets:
        if not (missed := _missed(secret, uses)):
            continue
        names = " ".join(dict.fromkeys(use.service for use in missed))
        text = (
            f"{begin}the secret {secret.name} was rotated, and tasks of {names.replace(' ', ' and ')} started before."
        )
        command = f"omc restart --env {situation.environment.name} {names}"
        procedure = CONNECTION_FAILURES if _is_served(situation, services) else replace(RESTART, command=command)
        return _cause(situation, "password", store, text, wrong, procedure=procedure)
    write = situation.changed(("ModifyDBInstance",), store.name)
    line = wrong[0].message.line.rstrip(".")
    text = f"{begin}the password that tasks hold is not the database's."
    if _ROLE.search(line):
        text = f"{begin}{line}."
    return _cause(situation, "password", store, text, wrong, evidence=situation.by_whom(write))


def _of_logins(situation: Situation, services: Iterable[str]) -> Iterator[tuple[Secret, tuple[SecretUse, ...]]]:
    """Secrets of the database that tasks of these services (of none: of any) were given."""
    known, wanted = situation.fact(SecretsInUse), set(services)
    for arn, uses in known.uses.items() if known else ():
        secret = known.secrets.get(arn) if known else None
        theirs = tuple(use for use in uses if not wanted or use.service in wanted)
        if secret is None or not theirs:
            continue
        words = " ".join([secret.name.removeprefix(situation.environment.prefix), *(use.variable for use in theirs)])
        if secret.owner == "rds" or (_OF_LOGINS.search(words) and not _OF_OTHERS.search(words)):
            yield secret, theirs


def _changed_by_hand(
    situation: Situation, secret: Secret, uses: tuple[SecretUse, ...]
) -> tuple[datetime, Write | None] | None:
    """When, and by which call, where CloudTrail tells it already. Without it, by the secret's own date: only where
    running tasks started before, for a date moves for less than a value too."""
    write = situation.changed(WRITES, secret.name)
    rotated = secret.last_rotated
    if write and not any(PENDING in name for name in write.names) and (not rotated or write.at > rotated + ROTATING):
        return write.at, write
    at = secret.last_changed
    is_older = at is not None and any(use.started and use.started < at for use in uses)
    if at and is_older and situation.scope.now - at <= LATELY and (not rotated or at > rotated + ROTATING):
        return (at, None) if not write else None
    return None


def _missed(secret: Secret, uses: tuple[SecretUse, ...]) -> list[SecretUse]:
    """Tasks that started before the secret was last rotated."""
    rotated = secret.last_rotated
    return [use for use in uses if rotated and (started := use.created or use.started) and started < rotated]


def _is_served(situation: Situation, services: Iterable[str]) -> bool:
    """Some task of theirs still logs in: users are served."""
    probes = situation.fact(Probes)
    return probes is not None and any(is_well_served(probes, service) for service in services)


def _way_back(situation: Situation, secret: Secret) -> Evidence:
    old, new = secret.former or "FORMER-VERSION", secret.current or "PRESENT-VERSION"
    return Evidence(
        f"to put it back: aws secretsmanager update-secret-version-stage --secret-id {secret.name} --version-stage "
        f"AWSCURRENT --move-to-version-id {old} --remove-from-version-id {new}",
        reading_of(situation.fact(SecretsInUse)),
    )


def connection_limit(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    """A role's or a database's own limit, however many connections the server has left."""
    wrong = still(situation, logged_errors, Kind.LIMIT)
    if not wrong:
        return None
    what = wrong[0].message.what.replace("'", '"')
    kind, _, name = what.partition(" ")
    service = wrong[0].service or "A service"
    load = situation.fact(DatabaseLoad)
    used, most = (
        (load.counters.get(f"db.User.{each}", 0.0) for each in ("numbackends", "max_connections")) if load else (0, 0)
    )
    evidence = [
        Evidence(
            f"in the database: ALTER {kind.upper()} {name} CONNECTION LIMIT -1 lifts it (-1: none; the limits are in "
            f"{'pg_roles.rolconnlimit' if kind == 'role' else 'pg_database.datconnlimit'})",
            reading_of(load),
        )
    ]
    if most:
        evidence.append(
            Evidence(
                f"Performance Insights: {used:.0f} connections of {most:.0f}, so it isn't the server's limit",
                reading_of(load),
            )
        )
    sentence = f"{service} gets no connection: too many connections for {what}. It is the {kind}'s CONNECTION LIMIT."
    return _cause(situation, "connection-limit", store, sentence, wrong, evidence=tuple(evidence))


def read_only(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    """The standby is named only if RDS reports a failover; else it is a setting."""
    wrong = still(situation, logged_errors, Kind.READ_ONLY)
    if not wrong:
        return None
    over = next(
        (
            event
            for event in store.events
            if "failover" in event.message.lower() and situation.scope.now - event.at <= FAILED_OVER
        ),
        None,
    )
    if over:
        names = " ".join(dict.fromkeys(each.service for each in wrong if each.service))
        command = f"omc restart --env {situation.environment.name} {names}"
        return _cause(
            situation,
            "read-only",
            store,
            "The database takes no writes: its tasks still hold connections to what is now the standby, since "
            f'"{over.message.rstrip(".")}" {situation.ago(over.at)}.',
            wrong,
            since=over.at,
            procedure=replace(RESTART, command=command) if names else CONNECTION_FAILURES,
        )
    evidence = Evidence(
        "in the database: SELECT * FROM pg_db_role_setting shows what is set for roles and databases; "
        "RDS reports no failover",
        reading_of(situation.fact(DataStores)),
    )
    service = wrong[0].service or "a service"
    sentence = (
        f"The database doesn't let {service} write: {wrong[0].message.line.rstrip('.')}. "
        "default_transaction_read_only "
        "is set for its role or its database."
    )
    return _cause(situation, "read-only", store, sentence, wrong, evidence=(evidence,))
