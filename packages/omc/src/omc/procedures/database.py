"""The database's maintenance: a reboot, another class, more storage, parameters, a new master password, another
certificate authority, and what AWS itself wants done. Versions are in ``procedures/database_upgrade.py``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from omc.config import Environment
from omc.errors import NothingToDo, Refused, WrongUse, did_you_mean
from omc.facts.database_options import (
    AskedParameters,
    MasterSecret,
    OfferedClass,
    Parameter,
    RunningVersion,
    StorageChange,
)
from omc.facts.pending import Waits
from omc.model.arguments.data_stores import (
    ApplyMaintenance,
    ModifyInstance,
    RebootInstance,
    RotateMasterSecret,
    SetParameters,
)
from omc.model.plan import Plan, Step, step, undo_by
from omc.model.requests import (
    DatabaseApplyRequest,
    DatabaseCertificateRequest,
    DatabaseClassRequest,
    DatabaseParameterRequest,
    DatabaseRebootRequest,
    DatabaseRotateRequest,
    DatabaseStorageRequest,
)
from omc.procedures.data_stores import Database, also_waiting, busy, planned, takes_ongoing, terraform, works_again
from omc.procedures.deploy_steps import ROLL_DEADLINE
from omc.procedures.preconditions.data import RECENT_BACKUP, no_backup
from omc.procedures.restart import new_tasks
from omc.times import format_time

REBOOT_DEADLINE = 1800.0
MODIFY_DEADLINE = 2 * 3600.0
MAINTENANCE_DEADLINE = 4 * 3600.0
LEAST_GROWTH_PERCENT = 10
"""RDS rounds less growth of the storage up to this share (API reference, ModifyDBInstance: AllocatedStorage)."""
STORAGE_PAUSE = timedelta(hours=6)
"""Between two changes of the storage (RDS's guide, "Increasing DB instance storage capacity")."""
BASELINE_GIB = 400
"""From which gp3 takes an Iops of its own for PostgreSQL (RDS's guide, "gp3 storage")."""
COPIES_FROM_GIB = 400
"""From which growth is an I/O-intensive operation (RDS's guide, "I/O-intensive storage modifications")."""
RECONNECT = "Connections end, requests fail meanwhile, and tasks connect again by themselves."
IS_DOWN = "A restart is a momentary outage (API reference, RebootDBInstance)."
FAILS_OVER = (
    "A failover typically takes 60 to 120 seconds "
    "(https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.MultiAZ.Failover.html)."
)
UNPUBLISHED = "AWS publishes no figure for one zone"
DATABASE_MODULE = "infrastructure/terraform/modules/database/main.tf"


# -- reboot ---------------------------------------------------------------------------------------------------------


@takes_ongoing
def plan_reboot(request: DatabaseRebootRequest, now: Database) -> Plan:
    """A restart of PostgreSQL; in two zones a failover, where that is asked for."""
    name = now.name
    if request.failover and not now.has_standby:
        raise Refused(f"{name} is in one zone and has no standby to fail over to. Leave out --failover.")
    return planned(
        "database-reboot",
        request,
        now,
        after=works_again(now),
        title=f"Reboot the database {name}, {'by a failover to its standby' if request.failover else 'in place'}",
        steps=[_reboot(name, failover=request.failover)],
        interruption=f"{name} restarts. {FAILS_OVER if request.failover else IS_DOWN} {RECONNECT}",
        along=now.waiting(Waits.REBOOT),
        notes=["A reboot can't be undone, and changes nothing. Nothing of Terraform's changes."],
    )


def _reboot(name: str, *, failover: bool = False) -> Step:
    return step(
        "reboot",
        RebootInstance(instance=name, failover=failover),
        title=f"Restart {name}, and wait until it is available",
        deadline=REBOOT_DEADLINE,
    )


# -- class ----------------------------------------------------------------------------------------------------------


@takes_ongoing
def plan_class(request: DatabaseClassRequest, now: Database, offered: OfferedClass) -> Plan:
    """Another class: another machine, with the same disks."""
    instance, name, environment = now.instance, now.name, now.environment
    before, after = str(instance["DBInstanceClass"]), request.instance_class
    if before == after:
        raise NothingToDo(f"{name} is a {after} already.")
    if not offered.is_offered:
        version = instance.get("EngineVersion", "")
        raise Refused(f"RDS has no class {after} for {instance.get('Engine')} {version} in {environment.region}.")
    if now.has_standby and not offered.offers_standby:
        raise Refused(f"RDS has the class {after} in one zone only, and {name} is in two.")
    how = (
        f"The standby is changed first, then takes over. {FAILS_OVER}"
        if now.has_standby
        else f"An outage occurs while it is changed (API reference, ModifyDBInstance); {UNPUBLISHED}: expect minutes."
    )
    return planned(
        "database-class",
        request,
        now,
        after=works_again(now),
        title=f"Make the database {name} a {after}",
        steps=[
            _modify(
                now,
                "class",
                {"DBInstanceClass": after},
                f"Change the class of {name}, and wait until it is available with it",
                back={"DBInstanceClass": before},
                undo=f"back to {before}, with the same interruption",
            )
        ],
        interruption=f"{name} gets another machine. {how} {RECONNECT}",
        along=now.waiting(Waits.WINDOW, Waits.REBOOT),
        preconditions={"class": before},
        objections={RECENT_BACKUP: no_backup(now.backups, environment, now.scope)},
        notes=[
            "max_connections stays as the parameter group sets it: a smaller class must have the memory for it.",
            f"Undone by omc runs undo: {before} again, with the same interruption. It isn't undone by itself.",
            terraform(environment, f'database.instance_class = "{after}", and database.memory_mib is its memory'),
        ],
    )


def _modify(now: Database, name: str, settings: dict[str, Any], title: str, *, back: dict[str, Any], undo: str) -> Step:
    """One setting of the instance, and the way back."""
    [before], [after] = back.values(), settings.values()
    return step(
        name,
        ModifyInstance(instance=now.name, settings=settings),
        title=title,
        before=before,
        after=after,
        undo=undo_by(ModifyInstance(instance=now.name, settings=back), undo),
        deadline=MODIFY_DEADLINE,
    )


# -- storage --------------------------------------------------------------------------------------------------------


@takes_ongoing
def plan_storage(request: DatabaseStorageRequest, now: Database, changed: StorageChange) -> Plan:
    """More storage; there is no way to less."""
    instance, name = now.instance, now.name
    before, after = int(instance["AllocatedStorage"]), request.gib
    if after == before:
        raise NothingToDo(f"{name} has {after} GiB already.")
    if after < before:
        raise Refused(
            f"{name} has {before} GiB, and RDS never makes storage smaller. Less is a new instance, restored by hand."
        )
    least = before + -(-before * LEAST_GROWTH_PERCENT // 100)
    if after < least:
        raise Refused(f"RDS grows storage by {LEAST_GROWTH_PERCENT} % at least: {least} GiB or more, not {after}.")
    settings, flags = {"AllocatedStorage": after}, _storage_flags(instance, after)
    return planned(
        "database-storage",
        request,
        now,
        after=works_again(now),
        title=f"Grow the storage of the database {name} to {after} GiB",
        steps=[
            step(
                "storage",
                ModifyInstance(instance=name, settings=settings, flags=flags),
                title=f"Grow the storage of {name}; it is used as soon as it is there, and optimized afterwards",
                before=f"{before} GiB",
                after=f"{after} GiB",
                deadline=MODIFY_DEADLINE,
            )
        ],
        calm="none; RDS grows storage while it is used.",
        along=now.waiting(Waits.WINDOW),
        preconditions={"gib": before},
        notes=_storage_notes(now.environment, before, after),
        refusals=_storage_refusals(now, changed),
    )


def _storage_flags(instance: Mapping[str, Any], after: int) -> dict[str, Any]:
    """RDS wants Iops named with provisioned ones; of gp3 below its threshold it takes none."""
    kind, flags = instance.get("StorageType"), {}
    is_provisioned = kind in ("io1", "io2") or (kind == "gp3" and after >= BASELINE_GIB)
    if is_provisioned and instance.get("Iops"):
        flags["Iops"] = max(instance["Iops"], 12_000) if kind == "gp3" else instance["Iops"]
    most = instance.get("MaxAllocatedStorage")
    if most:  # Terraform's module has twice the storage
        flags["MaxAllocatedStorage"] = max(most, after * 2)
    return flags


def _storage_notes(environment: Environment, before: int, after: int) -> Iterator[str]:
    yield "It can't be undone: RDS never makes storage smaller."
    yield (
        "For six hours, and until it is optimized, RDS takes no other change of the storage, and autoscaling does none."
    )
    if before < COPIES_FROM_GIB <= after:
        yield "Above 400 GiB RDS copies the data to more volumes: reads and writes are slower until that is done."
    yield terraform(environment, f"database.storage_gb = {after}; the limit of autoscaling follows as twice that")


def _storage_refusals(now: Database, changed: StorageChange) -> Iterator[str]:
    if now.status == "storage-optimization":
        yield f"The storage of {now.name} is still being optimized after its last change. Wait until that is done."
    else:
        yield from busy(now, "available", "storage-full")
    if changed.at is not None:
        until = format_time(changed.at + STORAGE_PAUSE, now.environment.time_zone)
        yield f"The storage of {now.name} was changed less than six hours ago: RDS takes the next change from {until}."


# -- parameters -----------------------------------------------------------------------------------------------------


@takes_ongoing
def plan_parameter(request: DatabaseParameterRequest, now: Database, parameters: AskedParameters) -> Plan:
    """Values of the instance's own parameter group; a static one with a reboot."""
    name, group = now.instance["DBInstanceIdentifier"], parameters.group
    chosen = _chosen(request, parameters)
    static = [each.name for each in chosen if each.is_static]
    reboots = bool(static) and request.reboot
    values: dict[str, str | None] = {each.name: request.values[each.name] for each in chosen}
    before: dict[str, str | None] = {each.name: each.value if each.is_set else None for each in chosen}
    methods = {each.name: "pending-reboot" if each.is_static else "immediate" for each in chosen}
    back = SetParameters(group=group, instance=name, values=before, methods=methods)
    setting = step(
        "parameters",
        SetParameters(group=group, instance=name, values=values, methods=methods),
        title=f"Set the parameters in {group}",
        before=_shown(before),
        after=_shown(values),
        undo=undo_by(back, "the values of before are set again" + ("; they need another reboot" if static else "")),
    )
    return planned(
        "database-parameter",
        request,
        now,
        after=works_again(now),
        title=f"Set {_shown(values)} in {group}",
        steps=[setting, *([_reboot(name)] if reboots else [])],
        interruption=f"{name} restarts for {', '.join(static)}. {IS_DOWN} {RECONNECT}" if reboots else "",
        along=now.waiting(Waits.REBOOT) if reboots else (),
        preconditions={"group": group, "before": before},
        notes=_parameter_notes(now.environment, values, static, reboots=reboots),
    )


def _shown(values: Mapping[str, str | None]) -> str:
    return ", ".join(f"{key} = {'default' if value is None else value}" for key, value in values.items())


def _chosen(request: DatabaseParameterRequest, parameters: AskedParameters) -> list[Parameter]:
    """Those that change. ``WrongUse`` for one that doesn't exist, ``Refused`` for one that can't be set."""
    if not parameters.group or parameters.group.startswith("default."):
        raise Refused(f"The database has AWS's own parameter group {parameters.group}, and that can't be changed.")
    chosen = []
    for name, value in request.values.items():
        known = parameters.parameters.get(name)
        if known is None:
            raise WrongUse(
                f"{parameters.group} has no parameter {name}.{did_you_mean(name, list(parameters.parameters))}"
            )
        if not known.is_modifiable:
            raise Refused(f"RDS keeps {name} for itself: it can't be set.")
        if not is_allowed(value, known.allowed):
            raise WrongUse(f"{name} can't be {value}: RDS allows {known.allowed}.")
        if known.value != value or not known.is_set:
            chosen.append(known)
    if not chosen:
        raise NothingToDo(f"{parameters.group} has these values already.")
    return chosen


def is_allowed(value: str, allowed: str) -> bool:
    """By RDS's own words: ``6-8388607``, ``on,off``. A formula, and words of another form, are left to RDS."""
    if not allowed or "{" in value:
        return True
    if (bounds := re.fullmatch(r"(-?\d+(?:\.\d+)?)-(-?\d+(?:\.\d+)?)", allowed)) is not None:
        try:
            return float(bounds[1]) <= float(value) <= float(bounds[2])
        except ValueError:
            return False
    choices = [each.strip() for each in allowed.split(",")]
    is_list_of_words = all(re.fullmatch(r"[\w.]+", each) for each in choices)
    return not is_list_of_words or all(part.strip() in choices for part in value.split(","))


def _parameter_notes(
    environment: Environment, values: Mapping[str, str | None], static: Sequence[str], *, reboots: bool
) -> Iterator[str]:
    if static and not reboots:
        yield (
            f"{', '.join(static)} waits for a reboot, and no window brings one: omc database reboot "
            f"--env {environment.name}"
        )
    yield (
        "Undone by omc runs undo: the values of before are set again"
        + (", and in force after another reboot." if static else ".")
    )
    if "max_connections" in values:
        yield terraform(environment, f"database.max_connections = {values['max_connections']}")
    if "log_min_duration_statement" in values:
        wanted = f"default = {values['log_min_duration_statement']} of slow_statement_ms"
        yield terraform(environment, wanted, "infrastructure/terraform/modules/database/variables.tf")
    others = [name for name in values if name not in ("max_connections", "log_min_duration_statement")]
    for name in others:
        method = ', apply_method = "pending-reboot"' if name in static else ""
        yield terraform(
            environment, f'parameter {{ name = "{name}", value = "{values[name]}"{method} }}', DATABASE_MODULE
        )


# -- the master password --------------------------------------------------------------------------------------------


@takes_ongoing
def plan_rotate(request: DatabaseRotateRequest, now: Database, secret: MasterSecret) -> Plan:
    """A new master password, carried through to each service that was started with it."""
    name = now.instance["DBInstanceIdentifier"]
    if not secret.arn:
        raise Refused(f"RDS doesn't manage the master password of {name}, so it can't be rotated by it.")
    readers = {
        service.name: service
        for service in now.services.services
        if service.status == "ACTIVE"
        and service.desired
        and service.name in now.definitions.running
        and _reads(now.definitions.running[service.name].body, secret.arn)
    }
    rotate = step(
        "rotate",
        RotateMasterSecret(instance=name, secret=secret.arn, version=secret.version),
        title="Have RDS make a new master password, and wait until it is in force",
    )
    restarts = [
        new_tasks(
            service,
            now.definitions.running[reader],
            now.environment,
            title=f"Replace all tasks of {reader}, which read the password as they start",
            deadline=ROLL_DEADLINE,
        )
        for reader, service in readers.items()
    ]
    cut = f"From the rotation until its restart, {' and '.join(readers)} can open no new connection to {name}."
    return planned(
        "database-rotate",
        request,
        now,
        after=works_again(now),
        title=f"Rotate the master password of the database {name}",
        steps=[rotate, *restarts],
        interruption=cut if readers else "",
        calm="none: no service was started with this password.",
        preconditions={"secret": secret.arn, "version": secret.version, "readers": list(readers)},
        notes=[
            "Who is logged in stays; whoever logs in from now on needs the new password.",
            "It can't be undone: the old password is gone from the database.",
            "Nothing of Terraform's changes: it doesn't know this password. The application's own users are other "
            "secrets: raise database_password_version by one in terraform.tfvars, apply, and deploy.",
            *also_waiting(now),
        ],
        refusals=busy(now, "available", "backing-up"),
    )


def _reads(body: Mapping[str, Any], arn: str) -> bool:
    return any(
        each["valueFrom"].startswith(arn)
        for container in body["containerDefinitions"]
        for each in container.get("secrets", ())
    )


# -- the certificate ------------------------------------------------------------------------------------------------


@takes_ongoing
def plan_certificate(request: DatabaseCertificateRequest, now: Database, running: RunningVersion) -> Plan:
    """A certificate of another authority, or a new one of the same by AWS's maintenance (``omc database apply``)."""
    name = now.name
    before, after = str(now.instance.get("CACertificateIdentifier", "")), request.authority
    if before == after:
        raise NothingToDo(f"The certificate of {name} is of {after} already.")
    if running.authorities and after not in running.authorities:
        names = ", ".join(running.authorities)
        raise WrongUse(f"{after} isn't an authority of {running.version}: there are {names}.")
    restarts = not running.rotates_without_restart
    return planned(
        "database-certificate",
        request,
        now,
        after=works_again(now),
        title=f"Give the database {name} a certificate of {after}",
        steps=[
            _modify(
                now,
                "certificate",
                {"CACertificateIdentifier": after},
                f"Change the authority of {name}'s certificate",
                back={"CACertificateIdentifier": before},
                undo=f"a certificate of {before} again",
            )
        ],
        interruption=f"{name} restarts for its new certificate. {IS_DOWN} {RECONNECT}" if restarts else "",
        calm="none; this version takes a certificate without a restart.",
        along=now.waiting(Waits.WINDOW, *([Waits.REBOOT] if restarts else [])),
        preconditions={"authority": before},
        notes=[
            f"Clients that verify the certificate must trust {after} first, by the bundle in their image.",
            f"Undone by omc runs undo: a certificate of {before} again, as long as that authority is valid.",
            terraform(now.environment, f'ca_cert_identifier = "{after}"', DATABASE_MODULE),
        ],
    )


# -- AWS's own maintenance ------------------------------------------------------------------------------------------


@takes_ongoing
def plan_apply(request: DatabaseApplyRequest, now: Database) -> Plan:
    """What AWS has announced, now instead of when AWS does it."""
    instance, name = now.instance, now.name
    chosen = now.announced(request.action, "maintenance")
    how = FAILS_OVER if now.has_standby else f"{UNPUBLISHED}: expect minutes."
    return planned(
        "database-apply",
        request,
        now,
        after=works_again(now),
        title=f"Apply AWS's maintenance of the database {name}: {', '.join(each.name for each in chosen)}",
        steps=[
            step(
                f"apply-{each.name}",
                ApplyMaintenance(instance=name, arn=str(instance["DBInstanceArn"]), action=each.name),
                title=f"Apply {each.what}, and wait until AWS announces it no more",
                deadline=MAINTENANCE_DEADLINE,
            )
            for each in chosen
        ],
        interruption=f"{name} is maintained by AWS ({'; '.join(each.what for each in chosen)}). {how} {RECONNECT}",
        preconditions={"announced": [each.name for each in chosen]},
        notes=[
            *(
                f"Otherwise AWS does {each.what} {format_time(each.applied, now.environment.time_zone)}."
                for each in chosen
                if each.applied
            ),
            "It can't be undone, nor stopped once it has begun. Nothing of Terraform's changes.",
            *also_waiting(now),
        ],
    )
