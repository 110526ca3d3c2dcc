"""Another version of the database. A minor one in place. A major one by RDS's blue/green deployment, in three commands
with time between them: the first makes a copy on the new version, which follows the database; the same command again
switches over, inside a window; ``omc database cleanup`` removes what was before. Where RDS manages the master password
it makes no such deployment; then a major one is made in place too, with ``--in-place``.
"""

from __future__ import annotations

from collections.abc import Iterator

from omc.config import Environment
from omc.errors import NothingToDo, Refused
from omc.facts.database_options import BlueGreen, RunningVersion, name_of
from omc.facts.pending import PendingChange, Waits
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
from omc.procedures.data_stores import (
    NO_CHECK,
    Database,
    also_waiting,
    busy,
    planned,
    takes_ongoing,
    terraform,
    works_again,
)
from omc.procedures.database import DATABASE_MODULE, RECONNECT
from omc.procedures.preconditions.data import RECENT_BACKUP, no_backup

UPGRADE_DEADLINE = 4 * 3600.0
COPY_DEADLINE = 24 * 3600.0
SWITCHOVER_SECONDS = 300
"""After which RDS gives a switchover up and leaves all as it was: RDS's own default."""
SWITCHOVER_DEADLINE = 3600.0
LIMITATIONS = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/blue-green-deployments-considerations.html"


@takes_ongoing
def plan_upgrade(
    request: DatabaseUpgradeRequest, now: Database, running: RunningVersion, blue_green: BlueGreen
) -> Plan:
    """The next part of the way to this version."""
    environment, name = now.environment, now.name
    before, after = str(now.instance["EngineVersion"]), request.version
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
    if blue_green.status and (not target.is_major or request.in_place or blue_green.version not in ("", after)):
        raise Refused(
            f"There is a copy of {name} on {blue_green.version or 'another version'} already ({blue_green.status}). "
            f"Remove it first: omc database cleanup --env {environment.name}"
        )
    along: tuple[PendingChange, ...] = ()
    in_place = not target.is_major or request.in_place
    if in_place:
        steps, interruption, notes = _in_place(now, after, is_major=target.is_major)
        along = now.waiting(Waits.WINDOW, Waits.REBOOT)
    elif not blue_green.status:
        steps, interruption, notes = _copy(now, after)
    else:
        steps, interruption, notes = _switch(environment, after)
    return planned(
        "database-upgrade",
        request,
        now,
        after=works_again(now) if interruption else NO_CHECK,
        title=_title(name, after, in_place, blue_green),
        steps=steps,
        risk=Risk.DESTRUCTIVE if interruption else Risk.HIGH,
        interruption=interruption,
        along=along,
        preconditions={"version": before, "blue_green": blue_green.status},
        objections={RECENT_BACKUP: no_backup(now.backups, environment, now.scope)},
        notes=notes,
        refusals=[*busy(now), *(() if in_place else _unfit(now, after, blue_green))],
    )


def _title(name: str, after: str, in_place: bool, blue_green: BlueGreen) -> str:
    if in_place:
        return f"Upgrade the database {name} to {after}, in place"
    if not blue_green.status:
        return f"Upgrade the database {name} to {after}: make a copy on it that follows"
    return f"Upgrade the database {name} to {after}: switch over to the copy"


# -- in place -------------------------------------------------------------------------------------------------------


def _in_place(now: Database, after: str, *, is_major: bool) -> tuple[list[Step], str, Iterator[str]]:
    name, before = now.name, str(now.instance["EngineVersion"])
    both = " Its standby is upgraded at the same time, and shortens nothing." if now.has_standby else ""
    interruption = (
        f"{name} is upgraded: that results in an outage (API reference, ModifyDBInstance: EngineVersion). AWS "
        f"publishes no figure: expect minutes.{both} {RECONNECT}"
    )
    flags = {"AllowMajorVersionUpgrade": True, "DBParameterGroupName": _default_group(after)} if is_major else {}
    upgrade = step(
        "upgrade",
        ModifyInstance(instance=name, settings={"EngineVersion": after}, flags=flags),
        title=f"Upgrade {name} to {after}, and wait until it is available",
        before=before,
        after=after,
        deadline=UPGRADE_DEADLINE,
    )
    return [upgrade], interruption, _in_place_notes(now.environment, before, after, is_major=is_major)


def _default_group(version: str) -> str:
    return f"default.postgres{version.partition('.')[0]}"


def _in_place_notes(environment: Environment, before: str, after: str, *, is_major: bool) -> Iterator[str]:
    yield (
        f"It can't be undone: RDS goes back to no older version. The way to {before} is a backup from before: "
        f"omc backup restore --env {environment.name}"
    )
    major = after.partition(".")[0]
    if is_major:
        yield (
            f"It has AWS's default parameters of {major} until Terraform's own group for it comes with the next apply, "
            "which restarts it once more. What the planner knew of the tables is gone: run ANALYZE. Try it first on a "
            "restored backup: prepared transactions, unknown types and old extensions stop it."
        )
        yield terraform(
            environment, f'engine_version = "{major}", and the parameter group\'s name and family', DATABASE_MODULE
        )
        return
    yield (
        f'Terraform names the major version alone (engine_version = "{major}" in {DATABASE_MODULE}): nothing of it '
        "changes."
    )


# -- blue/green -----------------------------------------------------------------------------------------------------


def _unfit(now: Database, after: str, blue_green: BlueGreen) -> Iterator[str]:
    """Why RDS would refuse a copy on another major version, which follows by logical replication."""
    environment = now.environment
    if not blue_green.status and now.instance.get("MasterUserSecret"):
        yield (
            f"RDS makes no blue/green deployment of {now.name}, whose master password it manages in Secrets Manager "
            f"({LIMITATIONS}). Upgrade it in place, with an outage: omc database upgrade {after} --in-place --env "
            f"{environment.name}"
        )
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


def _copy(now: Database, after: str) -> tuple[list[Step], str, Iterator[str]]:
    name, deployment = now.name, name_of(now.environment)
    create = step(
        "copy",
        CreateGreen(
            name=deployment,
            instance=name,
            arn=str(now.instance["DBInstanceArn"]),
            version=after,
            parameter_group=_default_group(after),
        ),
        title=f"Have RDS make a copy of {name} on {after} that follows it, and wait until it is available",
        after=after,
        undo=undo_by(DeleteGreen(name=deployment), "the copy is deleted"),
        deadline=COPY_DEADLINE,
    )
    return [create], "", _copy_notes(now.environment, after)


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
        f"{name} stops taking writes while the copy catches up, and connections end: typically under a minute "
        "(https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/blue-green-deployments.html), and RDS gives up after "
        f"{SWITCHOVER_SECONDS} s. {RECONNECT}"
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


@takes_ongoing
def plan_cleanup(request: DatabaseCleanupRequest, now: Database, blue_green: BlueGreen) -> Plan:
    """The deployment, with the copy before a switchover, with the old instance after one."""
    name = now.instance["DBInstanceIdentifier"]
    if not blue_green.status:
        raise NothingToDo(f"There is no blue/green deployment of {name}.")
    has_switched = blue_green.status == "SWITCHOVER_COMPLETED"
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
    return planned(
        "database-cleanup",
        request,
        now,
        title=f"Remove what the upgrade of {name} left" if has_switched else f"Remove the copy of {name}",
        steps=steps,
        risk=Risk.DESTRUCTIVE,
        preconditions={"status": blue_green.status, "old": old},
        notes=[f"It can't be undone. {kept}".rstrip(), *also_waiting(now)],
        refusals=(),
    )
