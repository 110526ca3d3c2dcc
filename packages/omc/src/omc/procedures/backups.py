"""Backups: taken, verified by restoring them to an instance that is removed again, pruned, swept up after.

Restoring one for good is ``procedures/backup_restore.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from omc.config import Environment
from omc.config.stores import required_database
from omc.errors import NothingToDo, Refused, WrongUse
from omc.facts.active_run import ActiveRun
from omc.facts.backups import VERIFICATION, VERIFIED_AS, Backups, Snapshot
from omc.facts.definitions import Definitions
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.verifications import Verifications
from omc.model.arguments.backups import (
    ConfigureInstance,
    CreateSnapshot,
    DeleteInstance,
    DeleteSnapshot,
    JudgeBackup,
    RestoreInstance,
)
from omc.model.arguments.base import output_of
from omc.model.arguments.ecs import Deregister
from omc.model.arguments.timers import CancelTimer, SetTimer
from omc.model.plan import Plan, Risk, Step, step, undo_by
from omc.model.requests import BackupCreateRequest, BackupPruneRequest, BackupSweepRequest, BackupVerifyRequest
from omc.output.text import counted
from omc.procedures import preflight
from omc.procedures.backup_tasks import Task, inspection, registration, task_of
from omc.procedures.preconditions.situation import Situation
from omc.procedures.preconditions.table import Verb
from omc.times import format_time

SNAPSHOT_DEADLINE = 4 * 3600.0
RESTORE_DEADLINE = 3 * 3600.0
INSPECTION_DEADLINE = 3600.0
EXPIRES = timedelta(hours=6)
"""After which a timer removes the instance of a verification, whatever became of its run."""
LATEST = "latest"
_LABEL = re.compile(r"(?:[a-z0-9]+(?:-[a-z0-9]+)*)?")
LABEL_LENGTH = 60


def plan_create(
    request: BackupCreateRequest, environment: Environment, scope: Scope, backups: Backups, active: ActiveRun
) -> Plan:
    """A manual snapshot."""
    if not _LABEL.fullmatch(request.label) or len(request.label) > LABEL_LENGTH:
        raise WrongUse(
            f"\"{request.label}\" can't be part of a snapshot's name: small letters, digits and single hyphens can, "
            f"{LABEL_LENGTH} characters at most."
        )
    instance = required_instance(backups, environment)
    found = _preflight(Verb.BACKUP, environment, scope, active)
    return Plan(
        procedure="backup-create",
        environment=environment.name,
        request=asdict(request),
        title=f"Take a snapshot of the database {environment.database}",
        risk=Risk.LOW,
        steps=(
            step(
                "snapshot",
                CreateSnapshot(instance=environment.database, label=request.label),
                title=f"Take a manual snapshot of {environment.database}, and wait until it is available",
                deadline=SNAPSHOT_DEADLINE,
            ),
        ),
        preconditions={"instance": instance["DbiResourceId"]},
        notes=(
            *found.notes,
            "A database in one zone stands still for a moment while a snapshot of it begins; one in two zones doesn't."
            if not instance.get("MultiAZ")
            else "The snapshot is taken of the standby.",
            "It costs storage until it is deleted: omc backup prune.",
        ),
        refusals=(*found.refusals, *_busy(instance)),
        undo_on_failure=False,
    )


def plan_verify(
    request: BackupVerifyRequest,
    environment: Environment,
    scope: Scope,
    backups: Backups,
    services: Services,
    definitions: Definitions,
    active: ActiveRun,
) -> Plan:
    """Restore a backup to an instance that is removed again, and compare it with its source as of then."""
    instance = required_instance(backups, environment)
    task = task_of(environment, services, definitions)
    backup, source = chosen(request.snapshot, request.at, backups, environment)
    found = _preflight(Verb.BACKUP, environment, scope, active)
    settings: dict[str, Any] = {
        "DBInstanceClass": environment.backups.verify_class or instance["DBInstanceClass"],
        "BackupRetentionPeriod": 0,
        "DeletionProtection": False,
        **in_the_same_place(instance),
    }
    return Plan(
        procedure="backup-verify",
        environment=environment.name,
        request=asdict(request),
        title=f"Verify the {backup} of {environment.name}: restore it, compare it, remove it",
        risk=Risk.LOW,
        steps=tuple(_verification(environment, instance, task, backup, source, settings)),
        preconditions={"instance": instance["DbiResourceId"], "backup": backup},
        notes=(
            *found.notes,
            f"A second instance ({settings['DBInstanceClass']}) runs and costs meanwhile. It can't be reached from "
            "outside, and a timer removes it after six hours, whatever becomes of this run: a worker performs it.",
            "The source's tables are counted, which reads them whole; tables above 20 GiB are left out.",
        ),
        refusals=found.refusals,
    )


def _verification(
    environment: Environment,
    instance: Mapping[str, Any],
    task: Task,
    backup: str,
    source: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Iterator[Step]:
    timer = output_of("timer", "timer")
    yield step(
        "timer",
        SetTimer(
            seconds=EXPIRES.total_seconds() + 60,
            procedure="backup-sweep",
            request={},
            why=f"what is left of the verification of the {backup} is removed",
        ),
        title="Set a timer that removes the instance, whatever happens",
        undo=undo_by(CancelTimer(timer=timer), "the timer is cancelled"),
        deadline=120.0,
    )
    restored = output_of("restore", "instance")
    remove = DeleteInstance(instance=restored, purpose=VERIFICATION, run=output_of("restore", "run"))
    yield step(
        "restore",
        RestoreInstance(
            prefix=f"{environment.database}{VERIFIED_AS}",
            settings=settings,
            purpose=VERIFICATION,
            expires_seconds=EXPIRES.total_seconds(),
            **source,
        ),
        title=f"Restore the {backup} to a private instance, and wait until it is available",
        undo=undo_by(remove, "the restored instance is removed"),
        deadline=RESTORE_DEADLINE,
    )
    yield login_step(restored, instance)
    register, revision = registration(task, "backup")
    yield register
    as_of = output_of("restore", "taken_at")
    yield step(
        "inspect-restored",
        inspection(task, revision, "the inspection of the restored instance", as_of, output_of("restore", "address")),
        title="Read every row of the restored instance, in a task of its own",
        deadline=INSPECTION_DEADLINE,
    )
    yield step(
        "inspect-source",
        inspection(task, task.definition.name, "the inspection of the source", as_of),
        title="Count the source's rows as of the backup, in a task of its own",
        deadline=INSPECTION_DEADLINE,
    )
    yield step(
        "judge",
        JudgeBackup(
            backup=backup,
            restored=output_of("inspect-restored", "result"),
            source=output_of("inspect-source", "result"),
            taken_at=as_of,
            asked_at=output_of("restore", "asked_at"),
            available_at=output_of("restore", "available_at"),
            tolerance_percent=environment.backups.tolerance_percent,
        ),
        title="Compare schema, rows and newest times, and record the verdict",
        deadline=120.0,
    )
    yield step("remove", remove, title="Remove the restored instance", deadline=RESTORE_DEADLINE)
    yield step(
        "deregister",
        Deregister(task_definition=revision),
        title="Deregister the inspection's task definition",
        deadline=120.0,
    )
    yield step(
        "cancel",
        CancelTimer(timer=timer, saying=output_of("judge", "sentence")),
        title="Cancel the timer: nothing is left",
        deadline=120.0,
    )


def plan_prune_backups(
    request: BackupPruneRequest,
    environment: Environment,
    scope: Scope,
    backups: Backups,
    verifications: Verifications,
    active: ActiveRun,
) -> Plan:
    """Delete snapshots that ``omc backup create`` made and nobody needs: never automated ones, nor the last that was
    found sound."""
    settings = environment.backups
    keep = settings.keep if request.keep is None else request.keep
    days = settings.keep_days if request.days is None else request.days
    if keep < 1 or days < 0:
        raise WrongUse(
            f"Keep one snapshot at least, for no day at least; this would keep {keep}, for {counted(days, 'day')}."
        )
    ours = [one for one in backups.snapshots if one.is_ours and one.status == "available" and one.taken_at]
    sound = _newest_sound(verifications, backups)
    gone = [
        one
        for one in ours[keep:]
        if one.taken_at and scope.now - one.taken_at > timedelta(days=days) and label_of(one) != sound
    ]
    if not gone:
        raise NothingToDo(f"Nothing to prune: each of the {len(ours)} snapshots that omc made is still to be kept.")
    found = _preflight(Verb.BACKUP, environment, scope, active)
    return Plan(
        procedure="backup-prune",
        environment=environment.name,
        request=asdict(request),
        title=f"Delete {counted(len(gone), 'snapshot')} of {environment.database}",
        risk=Risk.DESTRUCTIVE,
        steps=tuple(
            step(
                f"delete-{one.name}",
                DeleteSnapshot(snapshot=one.name),
                title=f"Delete the snapshot {one.name}",
                before="available",
                after="deleted",
                deadline=1800.0,
            )
            for one in gone
        ),
        preconditions={"sound": sound, "gone": [one.name for one in gone]},
        notes=(
            *found.notes,
            f"Kept: the newest {keep}, those of the last {counted(days, 'day')}, and "
            f"{sound or 'no verified one: there is none'}.",
            "Automated snapshots, and those that omc didn't make, are left alone.",
        ),
        refusals=found.refusals,
        undo_on_failure=False,
    )


def _newest_sound(verifications: Verifications, backups: Backups) -> str:
    """The snapshot that was found sound last and that there still is; empty: none. A point in time is no snapshot."""
    there = {label_of(one) for one in backups.snapshots}
    found = (one.found for one in verifications.all if one.found.sound and one.found.compared)
    return next((one.backup for one in found if one.backup in there), "")


def plan_sweep(
    request: BackupSweepRequest, environment: Environment, scope: Scope, backups: Backups, active: ActiveRun
) -> Plan:
    """Remove instances of verifications whose time is over: their runs died, or couldn't remove them."""
    left = [one for one in backups.restored if one.purpose == VERIFICATION and one.expires and one.expires <= scope.now]
    if not left:
        raise NothingToDo("Nothing is left of a verification whose time is over.")
    found = _preflight(Verb.BACKUP, environment, scope, active)
    return Plan(
        procedure="backup-sweep",
        environment=environment.name,
        request=asdict(request),
        title=f"Remove what verifications left: {', '.join(one.name for one in left)}",
        risk=Risk.LOW,
        steps=tuple(
            step(
                f"remove-{one.name}",
                DeleteInstance(instance=one.name, purpose=VERIFICATION, run=one.run),
                title=f"Remove the instance {one.name}, of the run {one.run}",
                before="there",
                after="deleted",
                deadline=RESTORE_DEADLINE,
            )
            for one in left
        ),
        preconditions={"left": [one.name for one in left]},
        notes=found.notes,
        refusals=found.refusals,
        undo_on_failure=False,
    )


# -- what restoring has in common -----------------------------------------------------------------------------------


def required_instance(backups: Backups, environment: Environment) -> Mapping[str, Any]:
    """``Refused`` where there is no database of the name, or a cluster."""
    required_database(environment)
    if backups.instance is None:
        raise Refused(f"There is no DB instance {environment.database} in {environment.region}.")
    return backups.instance


def chosen(snapshot: str, at: str, backups: Backups, environment: Environment) -> tuple[str, Mapping[str, Any]]:
    """What the backup is called, and what the restore is given. ``Refused`` where it can't be restored."""
    if at:
        return _moment(at, backups, environment)
    if snapshot:
        one = backups.named(snapshot)
        if one is None:
            names = ", ".join(each.name for each in backups.usable[:5]) or "none"
            raise Refused(f"{environment.database} has no snapshot {snapshot}. The newest are: {names}.")
    else:
        one = next(iter(backups.usable), None)
        if one is None:
            raise Refused(f"{environment.database} has no snapshot that could be restored. Take one: omc backup create")
    if one.status != "available":
        raise Refused(f"The snapshot {one.name} is {one.status} ({one.progress} %): it can't be restored yet.")
    return label_of(one), {"snapshot": one.name}


def label_of(snapshot: Snapshot) -> str:
    return f"snapshot {snapshot.name}"


def _moment(at: str, backups: Backups, environment: Environment) -> tuple[str, Mapping[str, Any]]:
    instance, zone = required_instance(backups, environment), environment.time_zone
    if backups.latest is None or backups.earliest is None:
        raise Refused(f"{environment.database} keeps no automated backups, so no point in time can be restored.")
    source = {"source": str(instance["DbiResourceId"]), "at": at}
    if at == LATEST:
        return "latest point in time", source
    moment = _definite(at)
    if not backups.earliest <= moment <= backups.latest:
        window = f"{format_time(backups.earliest, zone)} to {format_time(backups.latest, zone)}"
        raise Refused(f"{format_time(moment, zone)} can't be restored: it must be from {window}.")
    return f"point in time {at}", source


def _definite(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise WrongUse(f'"{text}" is neither {LATEST} nor a time with its offset, such as 2026-11-30T18:00+11:00.')
    return moment


def in_the_same_place(instance: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that put a restored instance where its source is, so that the same tasks reach it."""
    return {
        "DBSubnetGroupName": instance["DBSubnetGroup"]["DBSubnetGroupName"],
        "VpcSecurityGroupIds": [each["VpcSecurityGroupId"] for each in instance["VpcSecurityGroups"]],
        "DBParameterGroupName": instance["DBParameterGroups"][0]["DBParameterGroupName"],
        "PubliclyAccessible": False,
    }


def login_step(restored: Any, instance: Mapping[str, Any]) -> Step:
    """RDS takes no managed password in a restore of PostgreSQL, and the old one's secret is the source's."""
    settings: dict[str, Any] = {"ManageMasterUserPassword": True}
    if key := instance.get("MasterUserSecret", {}).get("KmsKeyId"):
        settings["MasterUserSecretKmsKeyId"] = key
    return step(
        "login",
        ConfigureInstance(instance=restored, settings=settings),
        title="Have RDS make a master password of its own for it",
        deadline=1800.0,
    )


def _busy(instance: Mapping[str, Any]) -> tuple[str, ...]:
    status = instance["DBInstanceStatus"]
    if status == "available":
        return ()
    return (f"The database is {status}: RDS takes a snapshot of an available one only. Wait, then ask again.",)


def _preflight(verb: Verb, environment: Environment, scope: Scope, active: ActiveRun) -> preflight.Found:
    return preflight.examine(verb, Situation(environment=environment, scope=scope, active=active))
