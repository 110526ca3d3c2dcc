"""Another version of the database. A minor one in place. A major one by RDS's blue/green deployment, in three commands
with time between them: the first makes a copy on the new version, which follows the database; the same command again
switches over, inside a window; ``omc database cleanup`` removes what was before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from omc.config import Environment
from omc.errors import NothingToDo, Refused
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.backups import Backups
from omc.facts.database_options import BlueGreen, RunningVersion, name_of
from omc.facts.definitions import Definitions
from omc.facts.incidents import OpenIncidents
from omc.facts.pending import Pending
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.model.arguments.data_stores import (
    CreateGreen,
    DeleteGreen,
    DeleteOldInstance,
    ModifyInstance,
    SwitchToGreen,
)
from omc.model.plan import Plan, Risk, Step, step, undo_by
from omc.model.requests import DatabaseCleanupRequest, DatabaseUpgradeRequest
from omc.procedures.backup_restore import TERRAFORM_ADDRESS
from omc.procedures.backups import required_instance
from omc.procedures.data_stores import (
    busy,
    comes_along,
    connecting,
    connection_place,
    examined,
    joined,
    serving,
    terraform,
    texts,
    waiting,
)
from omc.procedures.database import DATABASE_MODULE, RECONNECT, standby_of
from omc.procedures.preconditions.data import RECENT_BACKUP, no_backup
from omc.procedures.preconditions.table import Verb

UPGRADE_DEADLINE = 4 * 3600.0
COPY_DEADLINE = 24 * 3600.0
SWITCHOVER_SECONDS = 300
"""After which RDS gives a switchover up and leaves all as it was: RDS's own default."""
SWITCHOVER_DEADLINE = 3600.0


def plan_upgrade(
    request: DatabaseUpgradeRequest,
    environment: Environment,
    scope: Scope,
    backups: Backups,
    pending: Pending,
    running: RunningVersion,
    blue_green: BlueGreen,
    services: Services,
    definitions: Definitions,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """The next part of the way to this version."""
    instance, name = required_instance(backups, environment), environment.database
    before, after = str(instance["EngineVersion"]), request.version
    if blue_green.status == "SWITCHOVER_COMPLETED":
        raise Refused(
            f"The last upgrade of {name} is switched over, and what was before is still there. Remove it first: "
            f"omc database cleanup --env {environment.name}"
        )
    if before == after:
        raise NothingToDo(f"{name} runs {after} already.")
    target = running.target(after)
    if target is None:
        names = ", ".join(each.version for each in running.targets)
        ways = f"It can become: {names}." if names else f"RDS offers no upgrade of {before} in {environment.region}."
        raise Refused(f"{name} runs {before}, which RDS doesn't upgrade to {after}. {ways}")
    if blue_green.status and (not target.is_major or blue_green.version not in ("", after)):
        raise Refused(
            f"There is a copy of {name} on {blue_green.version or 'another version'} already ({blue_green.status}). "
            f"Remove it first: omc database cleanup --env {environment.name}"
        )
    place, own = connection_place(environment, services, definitions)
    own = {**own, RECENT_BACKUP: list(no_backup(backups, environment, scope))}
    if not target.is_major:
        steps, interruption, notes = _in_place(environment, instance, after)
        along = waiting(pending, "database")
        checks: tuple[Step, ...] = (*connecting(place), *serving(services, environment))
    elif not blue_green.status:
        steps, interruption, notes = _copy(environment, instance, after)
        along, checks = (), ()
    else:
        steps, interruption, notes = _switch(environment, after)
        along, checks = (), (*connecting(place), *serving(services, environment))
    found = examined(
        Verb.DATABASE, request.override, environment, scope, services, alarms, incidents, active, interruption, own
    )
    return Plan(
        procedure="database-upgrade",
        environment=environment.name,
        request=asdict(request),
        title=_title(name, after, target.is_major, blue_green),
        risk=Risk.DESTRUCTIVE if interruption else Risk.HIGH,
        steps=(*steps, *checks),
        preconditions={
            "instance": instance["DbiResourceId"],
            "version": before,
            "blue_green": blue_green.status,
            "comes_along": texts(along),
        },
        notes=joined(
            found.overridden,
            found.notes,
            (f"Expected interruption: {interruption or 'none.'}",),
            comes_along(along),
            notes,
        ),
        refusals=(
            *found.refusals,
            *busy("database", name, instance["DBInstanceStatus"]),
            *(_unfit(environment, blue_green) if target.is_major else ()),
        ),
        undo_on_failure=False,
    )


def _title(name: str, after: str, is_major: bool, blue_green: BlueGreen) -> str:
    if not is_major:
        return f"Upgrade the database {name} to {after}, in place"
    if not blue_green.status:
        return f"Upgrade the database {name} to {after}: make a copy on it that follows"
    return f"Upgrade the database {name} to {after}: switch over to the copy"


# -- in place -------------------------------------------------------------------------------------------------------


def _in_place(
    environment: Environment, instance: Mapping[str, Any], after: str
) -> tuple[list[Step], str, Iterator[str]]:
    name, before = environment.database, str(instance["EngineVersion"])
    both = " Its standby is upgraded at the same time, and shortens nothing." if standby_of(instance) else ""
    interruption = (
        f"{name} is upgraded: that results in an outage (API reference, ModifyDBInstance: EngineVersion), of some "
        f"minutes.{both} {RECONNECT}"
    )
    upgrade = step(
        "upgrade",
        ModifyInstance(instance=name, settings={"EngineVersion": after}),
        title=f"Upgrade {name} to {after}, and wait until it is available",
        before=before,
        after=after,
        deadline=UPGRADE_DEADLINE,
    )
    return [upgrade], interruption, _in_place_notes(environment, before, after)


def _in_place_notes(environment: Environment, before: str, after: str) -> Iterator[str]:
    yield (
        f"It can't be undone: RDS goes back to no older version. The way to {before} is a backup from before: "
        f"omc backup restore --env {environment.name}"
    )
    major = after.partition(".")[0]
    yield (
        f'Terraform names the major version alone (engine_version = "{major}" in {DATABASE_MODULE}): nothing of it '
        "changes."
    )


# -- blue/green -----------------------------------------------------------------------------------------------------


def _unfit(environment: Environment, blue_green: BlueGreen) -> Iterator[str]:
    """Why RDS would refuse a copy on another major version, which follows by logical replication."""
    if not blue_green.status and blue_green.logical_replication != "1":
        yield (
            "RDS copies a database to another major version by logical replication, and that is off. Turn it on first, "
            f"with a reboot: omc database parameter rds.logical_replication=1 --env {environment.name}"
        )
    if blue_green.status in ("PROVISIONING", "SWITCHOVER_IN_PROGRESS", "INVALID_CONFIGURATION", "PROVISIONING_FAILED"):
        yield (
            f"The copy of {environment.database} is {blue_green.status}: it can't be switched to. Wait for it, or "
            f"remove it: omc database cleanup --env {environment.name}"
        )


def _copy(environment: Environment, instance: Mapping[str, Any], after: str) -> tuple[list[Step], str, Iterator[str]]:
    name, deployment = environment.database, name_of(environment)
    create = step(
        "copy",
        CreateGreen(
            name=deployment,
            instance=name,
            arn=str(instance["DBInstanceArn"]),
            version=after,
            parameter_group=f"default.postgres{after.partition('.')[0]}",
        ),
        title=f"Have RDS make a copy of {name} on {after} that follows it, and wait until it is available",
        after=after,
        undo=undo_by(DeleteGreen(name=deployment), "the copy is deleted"),
        deadline=COPY_DEADLINE,
    )
    return [create], "", _copy_notes(environment, after)


def _copy_notes(environment: Environment, after: str) -> Iterator[str]:
    again = f"omc database upgrade {after} --env {environment.name}"
    yield f"{environment.database} serves as before; hours may pass, and the copy costs as much until it is removed."
    yield f"Look at the copy, then switch over inside a window by the same command: {again}"
    yield (
        "Until then change no schema: logical replication carries none over, and makes the copy unfit. A table without "
        "a primary key takes no UPDATE or DELETE meanwhile. (RDS's guide, limitations of blue/green deployments)"
    )
    major = after.partition(".")[0]
    yield (
        f"The copy has AWS's default parameters of {major}. Terraform's own group for it comes with the apply after "
        "the switchover."
    )
    yield f"Undone by omc runs undo, or omc database cleanup: the copy is deleted, and {environment.database} stays."


def _switch(environment: Environment, after: str) -> tuple[list[Step], str, Iterator[str]]:
    name = environment.database
    interruption = (
        f"{name} stops taking writes while the copy catches up, and connections end: usually under a minute (RDS's "
        f"guide, switchover), and RDS gives up after {SWITCHOVER_SECONDS} s. {RECONNECT}"
    )
    switch = step(
        "switch",
        SwitchToGreen(name=name_of(environment), instance=name, timeout_seconds=SWITCHOVER_SECONDS),
        title=f"Switch over: the copy on {after} becomes {name}, under the same address",
        after=after,
        deadline=SWITCHOVER_DEADLINE,
    )
    return [switch], interruption, _switch_notes(environment, after)


def _switch_notes(environment: Environment, after: str) -> Iterator[str]:
    name, major = environment.database, after.partition(".")[0]
    yield (
        f"It can't be undone: what is written afterwards is in the new {name} alone. The old one stays, without those "
        f"writes, until omc database cleanup --env {environment.name}"
    )
    yield terraform(
        environment, f'engine_version = "{major}", and the parameter group\'s name and family', DATABASE_MODULE
    )
    yield (
        f"Terraform's state follows the old instance's resource id. Before the next apply: terraform state rm "
        f"{TERRAFORM_ADDRESS}; terraform import {TERRAFORM_ADDRESS} {name}"
    )


# -- afterwards -----------------------------------------------------------------------------------------------------


def plan_cleanup(
    request: DatabaseCleanupRequest,
    environment: Environment,
    scope: Scope,
    backups: Backups,
    blue_green: BlueGreen,
    services: Services,
    definitions: Definitions,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """The deployment, with the copy before a switchover, with the old instance after one."""
    instance, name = required_instance(backups, environment), environment.database
    if not blue_green.status:
        raise NothingToDo(f"There is no blue/green deployment of {name}.")
    has_switched = blue_green.status == "SWITCHOVER_COMPLETED"
    _, own = connection_place(environment, services, definitions)
    found = examined(Verb.DATABASE, request.override, environment, scope, services, alarms, incidents, active, "", own)
    steps = [
        step(
            "deployment",
            DeleteGreen(name=blue_green.name),
            title="Delete the blue/green deployment" + ("" if has_switched else ", and the copy with it"),
            before=blue_green.status,
            after="deleted",
            deadline=SWITCHOVER_DEADLINE,
        )
    ]
    old, resource = blue_green.old
    if has_switched and old:
        steps.append(
            step(
                "old",
                DeleteOldInstance(instance=old, resource=resource),
                title=f"Delete {old}, after a last snapshot of it",
                before="available",
                after="deleted",
                deadline=UPGRADE_DEADLINE,
            )
        )
    kept = f"{name} stays. " + ("Of the old instance a last snapshot is kept." if has_switched else "")
    return Plan(
        procedure="database-cleanup",
        environment=environment.name,
        request=asdict(request),
        title=f"Remove what the upgrade of {name} left" if has_switched else f"Remove the copy of {name}",
        risk=Risk.DESTRUCTIVE,
        steps=tuple(steps),
        preconditions={"instance": instance["DbiResourceId"], "status": blue_green.status, "old": old},
        notes=joined(
            found.overridden,
            found.notes,
            ("Expected interruption: none.", f"It can't be undone. {kept}".rstrip()),
        ),
        refusals=found.refusals,
        undo_on_failure=False,
    )
