"""The database's maintenance: a reboot, another class, more storage, parameters, a new master password, another
certificate authority, and what AWS itself wants done. Versions are in ``procedures/database_upgrade.py``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from omc.config import Environment
from omc.errors import NothingToDo, Refused, WrongUse, did_you_mean
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.backups import Backups
from omc.facts.database_options import (
    AskedParameters,
    MasterSecret,
    OfferedClass,
    Parameter,
    RunningVersion,
    StorageChange,
)
from omc.facts.definitions import Definitions
from omc.facts.incidents import OpenIncidents
from omc.facts.pending import Pending
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.model.arguments.data_stores import (
    ApplyMaintenance,
    ModifyInstance,
    RebootInstance,
    RotateMasterSecret,
    SetParameters,
)
from omc.model.arguments.ecs import RollService
from omc.model.plan import Plan, Risk, Step, step, undo_by
from omc.model.requests import (
    DatabaseApplyRequest,
    DatabaseCertificateRequest,
    DatabaseClassRequest,
    DatabaseParameterRequest,
    DatabaseRebootRequest,
    DatabaseRotateRequest,
    DatabaseStorageRequest,
)
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
from omc.procedures.deploy_steps import ROLL_DEADLINE, digests_of
from omc.procedures.preconditions.data import RECENT_BACKUP, no_backup
from omc.procedures.preconditions.table import Verb
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
FAILS_OVER = "A failover typically takes 60 to 120 seconds (RDS's guide, Multi-AZ)."
DATABASE_MODULE = "infrastructure/terraform/modules/database/main.tf"


def standby_of(instance: Mapping[str, Any]) -> bool:
    return bool(instance.get("MultiAZ"))


# -- reboot ---------------------------------------------------------------------------------------------------------


def plan_reboot(
    request: DatabaseRebootRequest,
    environment: Environment,
    scope: Scope,
    backups: Backups,
    pending: Pending,
    services: Services,
    definitions: Definitions,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """A restart of PostgreSQL; in two zones a failover, where that is asked for."""
    instance, name = required_instance(backups, environment), environment.database
    if request.failover and not standby_of(instance):
        raise Refused(f"{name} is in one zone and has no standby to fail over to. Leave out --failover.")
    interruption = f"{name} restarts. {FAILS_OVER if request.failover else IS_DOWN} {RECONNECT}"
    place, own = connection_place(environment, services, definitions)
    found = examined(
        Verb.DATABASE,
        request.override,
        environment,
        scope,
        services,
        alarms,
        incidents,
        active,
        interruption,
        own,
    )
    along = tuple(each for each in waiting(pending, "database") if each.waits.value == "reboot")
    how = "by a failover to its standby" if request.failover else "in place"
    return Plan(
        procedure="database-reboot",
        environment=environment.name,
        request=asdict(request),
        title=f"Reboot the database {name}, {how}",
        risk=Risk.HIGH,
        steps=(
            _reboot(name, failover=request.failover),
            *connecting(place),
            *serving(services, environment),
        ),
        preconditions={"instance": instance["DbiResourceId"], "comes_along": texts(along)},
        notes=joined(
            found.overridden,
            found.notes,
            (f"Expected interruption: {interruption}",),
            comes_along(along),
            ("A reboot can't be undone, and changes nothing. Nothing of Terraform's changes.",),
        ),
        refusals=(*found.refusals, *busy("database", name, instance["DBInstanceStatus"])),
        undo_on_failure=False,
    )


def _reboot(name: str, *, failover: bool = False) -> Step:
    return step(
        "reboot",
        RebootInstance(instance=name, failover=failover),
        title=f"Restart {name}, and wait until it is available",
        deadline=REBOOT_DEADLINE,
    )


# -- class ----------------------------------------------------------------------------------------------------------


def plan_class(
    request: DatabaseClassRequest,
    environment: Environment,
    scope: Scope,
    backups: Backups,
    pending: Pending,
    offered: OfferedClass,
    services: Services,
    definitions: Definitions,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """Another class: another machine, with the same disks."""
    instance, name = required_instance(backups, environment), environment.database
    before, after = str(instance["DBInstanceClass"]), request.instance_class
    if before == after:
        raise NothingToDo(f"{name} is a {after} already.")
    if not offered.is_offered:
        version = instance.get("EngineVersion", "")
        raise Refused(f"RDS has no class {after} for {instance.get('Engine')} {version} in {environment.region}.")
    if standby_of(instance) and not offered.offers_standby:
        raise Refused(f"RDS has the class {after} in one zone only, and {name} is in two.")
    how = (
        f"The standby is changed first, then takes over. {FAILS_OVER}"
        if standby_of(instance)
        else "An outage occurs while it is changed (API reference, ModifyDBInstance); in one zone it is some minutes."
    )
    interruption = f"{name} gets another machine. {how} {RECONNECT}"
    place, own = connection_place(environment, services, definitions)
    found = examined(
        Verb.DATABASE,
        request.override,
        environment,
        scope,
        services,
        alarms,
        incidents,
        active,
        interruption,
        {**own, RECENT_BACKUP: no_backup(backups, environment, scope)},
    )
    along = waiting(pending, "database")
    return Plan(
        procedure="database-class",
        environment=environment.name,
        request=asdict(request),
        title=f"Make the database {name} a {after}",
        risk=Risk.HIGH,
        steps=(
            step(
                "class",
                ModifyInstance(instance=name, settings={"DBInstanceClass": after}),
                title=f"Change the class of {name}, and wait until it is available with it",
                before=before,
                after=after,
                undo=undo_by(
                    ModifyInstance(instance=name, settings={"DBInstanceClass": before}),
                    f"back to {before}, with the same interruption",
                ),
                deadline=MODIFY_DEADLINE,
            ),
            *connecting(place),
            *serving(services, environment),
        ),
        preconditions={"instance": instance["DbiResourceId"], "class": before, "comes_along": texts(along)},
        notes=joined(
            found.overridden,
            found.notes,
            (f"Expected interruption: {interruption}",),
            comes_along(along),
            (
                "max_connections stays as the parameter group sets it: a smaller class must have the memory for it.",
                f"Undone by omc runs undo: {before} again, with the same interruption. It isn't undone by itself.",
                terraform(environment, f'database.instance_class = "{after}", and database.memory_mib is its memory'),
            ),
        ),
        refusals=(*found.refusals, *busy("database", name, instance["DBInstanceStatus"])),
        undo_on_failure=False,
    )


# -- storage --------------------------------------------------------------------------------------------------------


def plan_storage(
    request: DatabaseStorageRequest,
    environment: Environment,
    scope: Scope,
    backups: Backups,
    pending: Pending,
    changed: StorageChange,
    services: Services,
    definitions: Definitions,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """More storage; there is no way to less."""
    instance, name = required_instance(backups, environment), environment.database
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
    along = waiting(pending, "database", reboot=False)
    interruption = (
        f"What waits for {name} is applied along with the storage, and may interrupt it: {'; '.join(texts(along))}."
        if along
        else ""
    )
    place, own = connection_place(environment, services, definitions)
    found = examined(
        Verb.DATABASE, request.override, environment, scope, services, alarms, incidents, active, interruption, own
    )
    return Plan(
        procedure="database-storage",
        environment=environment.name,
        request=asdict(request),
        title=f"Grow the storage of the database {name} to {after} GiB",
        risk=Risk.HIGH,
        steps=(
            step(
                "storage",
                ModifyInstance(
                    instance=name, settings={"AllocatedStorage": after}, flags=_storage_flags(instance, after)
                ),
                title=f"Grow the storage of {name}; it is used as soon as it is there, and optimized afterwards",
                before=f"{before} GiB",
                after=f"{after} GiB",
                deadline=MODIFY_DEADLINE,
            ),
            *connecting(place),
            *serving(services, environment),
        ),
        preconditions={"instance": instance["DbiResourceId"], "gib": before, "comes_along": texts(along)},
        notes=joined(
            found.overridden,
            found.notes,
            (f"Expected interruption: {interruption or 'none; RDS grows storage while it is used.'}",),
            comes_along(along),
            _storage_notes(environment, before, after),
        ),
        refusals=(*found.refusals, *_storage_refusals(environment, instance, changed)),
        undo_on_failure=False,
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


def _storage_refusals(environment: Environment, instance: Mapping[str, Any], changed: StorageChange) -> Iterator[str]:
    name, status = environment.database, str(instance["DBInstanceStatus"])
    if status == "storage-optimization":
        yield f"The storage of {name} is still being optimized after its last change. Wait until that is done."
    else:
        yield from busy("database", name, status, "available", "storage-full")
    if changed.at is not None:
        until = format_time(changed.at + STORAGE_PAUSE, environment.time_zone)
        yield f"The storage of {name} was changed less than six hours ago: RDS takes the next change from {until}."


# -- parameters -----------------------------------------------------------------------------------------------------


def plan_parameter(
    request: DatabaseParameterRequest,
    environment: Environment,
    scope: Scope,
    backups: Backups,
    pending: Pending,
    parameters: AskedParameters,
    services: Services,
    definitions: Definitions,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """Values of the instance's own parameter group; a static one with a reboot."""
    instance, name = required_instance(backups, environment), environment.database
    chosen = _chosen(request, parameters)
    static = [each.name for each in chosen if each.is_static]
    reboots = bool(static) and request.reboot
    interruption = f"{name} restarts for {', '.join(static)}. {IS_DOWN} {RECONNECT}" if reboots else ""
    place, own = connection_place(environment, services, definitions)
    found = examined(
        Verb.DATABASE, request.override, environment, scope, services, alarms, incidents, active, interruption, own
    )
    along = [each for each in waiting(pending, "database") if each.waits.value == "reboot"] if reboots else []
    values: dict[str, str | None] = {each.name: request.values[each.name] for each in chosen}
    before: dict[str, str | None] = {each.name: each.value if each.is_set else None for each in chosen}
    methods = {each.name: "pending-reboot" if each.is_static else "immediate" for each in chosen}
    setting = SetParameters(group=parameters.group, instance=name, values=values, methods=methods)
    shown = {key: "default" if value is None else value for key, value in before.items()}
    return Plan(
        procedure="database-parameter",
        environment=environment.name,
        request=asdict(request),
        title=f"Set {', '.join(f'{key} = {value}' for key, value in values.items())} in {parameters.group}",
        risk=Risk.HIGH,
        steps=(
            step(
                "parameters",
                setting,
                title=f"Set the parameters in {parameters.group}",
                before=", ".join(f"{key} = {value}" for key, value in shown.items()),
                after=", ".join(f"{key} = {value}" for key, value in values.items()),
                undo=undo_by(
                    SetParameters(group=parameters.group, instance=name, values=before, methods=methods),
                    "the values of before are set again" + ("; they need another reboot" if static else ""),
                ),
            ),
            *([_reboot(name)] if reboots else []),
            *connecting(place),
            *serving(services, environment),
        ),
        preconditions={"group": parameters.group, "before": before, "comes_along": texts(along)},
        notes=joined(
            found.overridden,
            found.notes,
            (f"Expected interruption: {interruption or 'none.'}",),
            comes_along(along),
            _parameter_notes(environment, values, static, reboots=reboots),
        ),
        refusals=(*found.refusals, *busy("database", name, instance["DBInstanceStatus"])),
        undo_on_failure=False,
    )


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


def plan_rotate(
    request: DatabaseRotateRequest,
    environment: Environment,
    scope: Scope,
    backups: Backups,
    pending: Pending,
    secret: MasterSecret,
    services: Services,
    definitions: Definitions,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """A new master password, carried through to each service that was started with it."""
    instance, name = required_instance(backups, environment), environment.database
    if not secret.arn:
        raise Refused(f"RDS doesn't manage the master password of {name}, so it can't be rotated by it.")
    readers = [
        service
        for service in services.services
        if service.status == "ACTIVE"
        and service.desired
        and service.name in definitions.running
        and _reads(definitions.running[service.name].body, secret.arn)
    ]
    names = [service.name for service in readers]
    interruption = (
        f"From the rotation until its restart, {' and '.join(names)} can open no new connection to {name}."
        if readers
        else ""
    )
    place, own = connection_place(environment, services, definitions)
    found = examined(
        Verb.DATABASE, request.override, environment, scope, services, alarms, incidents, active, interruption, own
    )
    return Plan(
        procedure="database-rotate",
        environment=environment.name,
        request=asdict(request),
        title=f"Rotate the master password of the database {name}",
        risk=Risk.HIGH,
        steps=(
            step(
                "rotate",
                RotateMasterSecret(instance=name, secret=secret.arn, version=secret.version),
                title="Have RDS make a new master password, and wait until it is in force",
            ),
            *(
                step(
                    f"restart-{service.name}",
                    RollService(
                        service=service.name,
                        task_definition=service.task_definition,
                        digests=digests_of(definitions.running[service.name]),
                        force_new=True,
                        instead_of=(service.task_definition,),
                        settle_seconds=environment.settle_seconds,
                    ),
                    title=f"Replace all tasks of {service.name}, which read the password as they start",
                    deadline=ROLL_DEADLINE,
                )
                for service in readers
            ),
            *connecting(place),
            *serving(services, environment),
        ),
        preconditions={"secret": secret.arn, "version": secret.version, "readers": names},
        notes=joined(
            found.overridden,
            found.notes,
            (
                f"Expected interruption: {interruption or 'none: no service was started with this password.'}",
                "Who is logged in stays; whoever logs in from now on needs the new password.",
                "It can't be undone: the old password is gone from the database.",
                "Nothing of Terraform's changes: it doesn't know this password. The application's own users are other "
                "secrets: raise database_password_version by one in terraform.tfvars, apply, and deploy.",
            ),
            _also_waiting(pending),
        ),
        refusals=(*found.refusals, *busy("database", name, instance["DBInstanceStatus"], "available", "backing-up")),
        undo_on_failure=False,
    )


def _reads(body: Mapping[str, Any], arn: str) -> bool:
    return any(
        each["valueFrom"].startswith(arn)
        for container in body["containerDefinitions"]
        for each in container.get("secrets", ())
    )


def _also_waiting(pending: Pending) -> Iterator[str]:
    if found := texts(waiting(pending, "database")):
        yield f"It waits already, and goes on waiting: {'; '.join(found)}."


# -- the certificate ------------------------------------------------------------------------------------------------


def plan_certificate(
    request: DatabaseCertificateRequest,
    environment: Environment,
    scope: Scope,
    backups: Backups,
    pending: Pending,
    running: RunningVersion,
    services: Services,
    definitions: Definitions,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """A certificate of another authority, or a new one of the same by AWS's maintenance (``omc database apply``)."""
    instance, name = required_instance(backups, environment), environment.database
    before, after = str(instance.get("CACertificateIdentifier", "")), request.authority
    if before == after:
        raise NothingToDo(f"The certificate of {name} is of {after} already.")
    if running.authorities and after not in running.authorities:
        names = ", ".join(running.authorities)
        raise WrongUse(f"{after} isn't an authority of {running.version}: there are {names}.")
    restarts = not running.rotates_without_restart
    along = waiting(pending, "database")
    interruption = f"{name} restarts for its new certificate. {IS_DOWN} {RECONNECT}" if restarts else ""
    if along and not restarts:
        interruption = f"What waits for {name} is applied along: {'; '.join(texts(along))}."
    place, own = connection_place(environment, services, definitions)
    found = examined(
        Verb.DATABASE, request.override, environment, scope, services, alarms, incidents, active, interruption, own
    )
    return Plan(
        procedure="database-certificate",
        environment=environment.name,
        request=asdict(request),
        title=f"Give the database {name} a certificate of {after}",
        risk=Risk.HIGH,
        steps=(
            step(
                "certificate",
                ModifyInstance(instance=name, settings={"CACertificateIdentifier": after}),
                title=f"Change the authority of {name}'s certificate",
                before=before,
                after=after,
                undo=undo_by(
                    ModifyInstance(instance=name, settings={"CACertificateIdentifier": before}),
                    f"a certificate of {before} again",
                ),
                deadline=MODIFY_DEADLINE,
            ),
            *connecting(place),
            *serving(services, environment),
        ),
        preconditions={"instance": instance["DbiResourceId"], "authority": before, "comes_along": texts(along)},
        notes=joined(
            found.overridden,
            found.notes,
            (
                f"Expected interruption: {interruption or 'none; this version takes a certificate without a restart.'}",
                f"Clients that verify the certificate must trust {after} first, by the bundle in their image.",
                f"Undone by omc runs undo: a certificate of {before} again, as long as that authority is valid.",
                terraform(environment, f'ca_cert_identifier = "{after}"', DATABASE_MODULE),
            ),
            comes_along(along),
        ),
        refusals=(*found.refusals, *busy("database", name, instance["DBInstanceStatus"])),
        undo_on_failure=False,
    )


# -- AWS's own maintenance ------------------------------------------------------------------------------------------


def plan_apply(
    request: DatabaseApplyRequest,
    environment: Environment,
    scope: Scope,
    backups: Backups,
    pending: Pending,
    services: Services,
    definitions: Definitions,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """What AWS has announced, now instead of when AWS does it."""
    instance, name = required_instance(backups, environment), environment.database
    announced = [each for each in pending.maintenance if each.resource.startswith("the database ") and each.name]
    chosen = [each for each in announced if request.action in ("", each.name)]
    if not announced:
        raise NothingToDo(f"AWS has announced no maintenance of {name}.")
    if not chosen:
        names = ", ".join(each.name for each in announced)
        raise WrongUse(f"AWS has announced no {request.action} of {name}; it has announced {names}.")
    whats = [each.what for each in chosen]
    interruption = (
        f"{name} is maintained by AWS ({'; '.join(whats)}). "
        + (FAILS_OVER if standby_of(instance) else "In one zone it is away for some minutes.")
        + f" {RECONNECT}"
    )
    place, own = connection_place(environment, services, definitions)
    found = examined(
        Verb.DATABASE, request.override, environment, scope, services, alarms, incidents, active, interruption, own
    )
    return Plan(
        procedure="database-apply",
        environment=environment.name,
        request=asdict(request),
        title=f"Apply AWS's maintenance of the database {name}: {', '.join(each.name for each in chosen)}",
        risk=Risk.HIGH,
        steps=(
            *(
                step(
                    f"apply-{each.name}",
                    ApplyMaintenance(instance=name, arn=str(instance["DBInstanceArn"]), action=each.name),
                    title=f"Apply {each.what}, and wait until AWS announces it no more",
                    deadline=MAINTENANCE_DEADLINE,
                )
                for each in chosen
            ),
            *connecting(place),
            *serving(services, environment),
        ),
        preconditions={"instance": instance["DbiResourceId"], "announced": [each.name for each in chosen]},
        notes=joined(
            found.overridden,
            found.notes,
            (f"Expected interruption: {interruption}",),
            (
                f"Otherwise AWS does {each.what} {format_time(each.applied, environment.time_zone)}."
                for each in chosen
                if each.applied
            ),
            ("It can't be undone, nor stopped once it has begun. Nothing of Terraform's changes.",),
            _also_waiting(pending),
        ),
        refusals=(*found.refusals, *busy("database", name, instance["DBInstanceStatus"])),
        undo_on_failure=False,
    )
