"""``omc backup restore``: a new instance from a backup, looked at, and put in the old one's place by renaming both.

The application finds its database by the endpoint's name, which follows the identifier. The old instance stays, under
another name, until somebody deletes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from omc.config import Environment
from omc.facts.active_run import ActiveRun
from omc.facts.backups import RESTORE, Backups
from omc.facts.definitions import Definitions
from omc.facts.incidents import OpenIncidents
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.model.arguments.backups import ConfigureInstance, DeleteInstance, JudgeBackup, RenameInstance, RestoreInstance
from omc.model.arguments.base import output_of
from omc.model.arguments.ecs import Deregister, RollService
from omc.model.plan import Plan, Risk, Step, step, undo_by
from omc.model.requests import BackupRestoreRequest
from omc.procedures import preflight
from omc.procedures.backup_tasks import Task, inspection, migration, registration, task_of
from omc.procedures.backups import (
    INSPECTION_DEADLINE,
    RESTORE_DEADLINE,
    chosen,
    in_the_same_place,
    login_step,
    required_instance,
)
from omc.procedures.deploy_steps import MIGRATION_DEADLINE, ROLL_DEADLINE, digests_of
from omc.procedures.preconditions.situation import OngoingWork, Situation
from omc.procedures.preconditions.table import Verb

TERRAFORM_ADDRESS = "module.stack.module.database.aws_db_instance.this"
RENAME_DEADLINE = 1800.0


def plan_restore(
    request: BackupRestoreRequest,
    environment: Environment,
    scope: Scope,
    backups: Backups,
    services: Services,
    definitions: Definitions,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """Everything up to the renaming leaves the old instance as it is."""
    preflight.require_services((service.name for service in environment.services), environment, services)
    instance = required_instance(backups, environment)
    task = task_of(environment, services, definitions)
    backup, source = chosen(request.snapshot, request.at, backups, environment)
    rolled = [service for service in services.services if service.desired and service.name in definitions.running]
    found = preflight.examine(
        Verb.RESTORE,
        Situation(
            environment=environment,
            scope=scope,
            work=tuple(OngoingWork(service) for service in rolled),
            names=tuple(service.name for service in environment.services),
            services=services,
            incidents=incidents,
            active=active,
        ),
        request.override,
    )
    aside = aside_name(environment.database, str(instance["DbiResourceId"]))
    taken = (f"There is an instance {aside} already: rename or delete it first.",) if aside in backups.others else ()
    steps = [
        *_restored(environment, instance, task, backup, source),
        *_switch(environment, instance, aside),
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
                title=f"Replace all tasks of {service.name}, so that none keeps a connection to the old instance",
                deadline=ROLL_DEADLINE,
            )
            for service in rolled
        ),
    ]
    return Plan(
        procedure="backup-restore",
        environment=environment.name,
        request=asdict(request),
        title=f"Restore the {backup} of {environment.name} in the place of its database",
        risk=Risk.DESTRUCTIVE,
        steps=tuple(steps),
        preconditions={"instance": instance["DbiResourceId"], "backup": backup, "migration": task.definition.name},
        notes=(*found.overridden, *found.notes, *_notes(environment, aside)),
        refusals=(*found.refusals, *taken),
    )


def aside_name(database: str, resource: str) -> str:
    """What the old instance is called afterwards: the same whenever it is asked, and another for another instance."""
    return f"{database}-before-{resource.removeprefix('db-')[:8].lower()}"


def _notes(environment: Environment, aside: str) -> Iterator[str]:
    database, name = environment.database, environment.name
    yield (
        f"What was written to {database} after the backup was taken is not in the new instance. It stays in the old "
        f"one, which is kept as {aside} until somebody deletes it, and costs until then."
    )
    yield (
        "Between the two renamings, some minutes in AWS, the name leads nowhere: the application can't reach its "
        "database."
    )
    yield (
        "Undone by the reverse (omc runs undo): both get their names back, and of the new one a last snapshot is kept. "
        f"Then: omc restart --env {name} all"
    )
    yield (
        "Terraform's state follows the resource id, so that it goes on with the old instance: it would see "
        f"{database} renamed to {aside} and try to take that back, which AWS refuses while the new one has the name. "
        f"Before the next apply: terraform state rm {TERRAFORM_ADDRESS}; "
        f"terraform import {TERRAFORM_ADDRESS} {database}"
    )
    yield (
        "The new instance has a managed master password in another secret. Migrations find it after the next apply, "
        "which gives their task definition the new ARN."
    )


def _restored(
    environment: Environment, instance: Mapping[str, Any], task: Task, backup: str, source: Mapping[str, Any]
) -> Iterator[Step]:
    restored = output_of("restore", "instance")
    yield step(
        "restore",
        RestoreInstance(
            prefix=f"{environment.database}-restored", settings=settings_of(instance), purpose=RESTORE, **source
        ),
        title=f"Restore the {backup} to a new instance, with the old one's settings",
        undo=undo_by(
            DeleteInstance(instance=restored, purpose=RESTORE, run=output_of("restore", "run"), keeps=True),
            "the new instance is deleted",
        ),
        deadline=RESTORE_DEADLINE,
    )
    if later := later_settings_of(instance):
        yield step(
            "configure",
            ConfigureInstance(instance=restored, settings=later),
            title=f"Give it what a restore can't be given: {', '.join(sorted(later))}",
            deadline=3600.0,
        )
    yield login_step(restored, instance)
    register, revision = registration(task, "restore")
    yield register
    address, as_of = output_of("restore", "address"), output_of("restore", "taken_at")
    yield step(
        "inspect",
        inspection(task, revision, "the inspection of the restored instance", as_of, address),
        title="Read every row of it, in a task of its own",
        deadline=INSPECTION_DEADLINE,
    )
    yield step(
        "judge",
        JudgeBackup(
            backup=backup,
            restored=output_of("inspect", "result"),
            taken_at=as_of,
            asked_at=output_of("restore", "asked_at"),
            available_at=output_of("restore", "available_at"),
            tolerance_percent=environment.backups.tolerance_percent,
        ),
        title="Go on only if all of it can be read and it isn't empty",
        deadline=120.0,
    )
    yield step(
        "migrate",
        migration(task, revision, address),
        title="Bring its schema to the running code, and its users to the passwords of today",
        deadline=MIGRATION_DEADLINE,
    )
    yield step("deregister", Deregister(task_definition=revision), title="Deregister that definition", deadline=120.0)


def _switch(environment: Environment, instance: Mapping[str, Any], aside: str) -> Iterator[Step]:
    database, old = environment.database, str(instance["DbiResourceId"])
    restored, new = output_of("restore", "instance"), output_of("restore", "resource")
    yield step(
        "rename-old",
        RenameInstance(resource=old, before=database, after=aside),
        title=f"Rename the old instance to {aside}: from now on the application has no database",
        before=database,
        after=aside,
        undo=undo_by(
            RenameInstance(resource=old, before=aside, after=database), f"the old instance is {database} again"
        ),
        deadline=RENAME_DEADLINE,
    )
    yield step(
        "rename-new",
        RenameInstance(resource=new, before=restored, after=database),
        title=f"Rename the new instance to {database}: the same endpoint leads to it",
        after=database,
        undo=undo_by(
            RenameInstance(resource=new, before=database, after=restored), f"the new instance gives {database} back"
        ),
        deadline=RENAME_DEADLINE,
    )


def settings_of(instance: Mapping[str, Any]) -> dict[str, Any]:
    """What a restore is given so that it comes out like the old one; it inherits next to nothing by itself."""
    settings: dict[str, Any] = {
        **in_the_same_place(instance),
        "DBInstanceClass": instance["DBInstanceClass"],
        "MultiAZ": instance.get("MultiAZ", False),
        "DeletionProtection": instance.get("DeletionProtection", False),
        "CopyTagsToSnapshot": instance.get("CopyTagsToSnapshot", False),
        "AutoMinorVersionUpgrade": instance.get("AutoMinorVersionUpgrade", True),
        "EnableIAMDatabaseAuthentication": instance.get("IAMDatabaseAuthenticationEnabled", False),
        "EnableCloudwatchLogsExports": list(instance.get("EnabledCloudwatchLogsExports", ())),
        "BackupRetentionPeriod": instance.get("BackupRetentionPeriod", 0),
        "Tags": [dict(tag) for tag in instance.get("TagList", ()) if not tag["Key"].startswith("aws:")],
    }
    for name in ("StorageType", "CACertificateIdentifier", "PreferredBackupWindow"):
        if instance.get(name):
            settings[name] = instance[name]
    return settings


def later_settings_of(instance: Mapping[str, Any]) -> dict[str, Any]:
    """What only ModifyDBInstance takes."""
    settings: dict[str, Any] = {
        name: instance[name] for name in ("PreferredMaintenanceWindow", "MaxAllocatedStorage") if instance.get(name)
    }
    if instance.get("MonitoringInterval"):
        settings |= {name: instance[name] for name in ("MonitoringInterval", "MonitoringRoleArn") if name in instance}
    if instance.get("PerformanceInsightsEnabled"):
        settings["EnablePerformanceInsights"] = True
        for name in ("PerformanceInsightsKMSKeyId", "PerformanceInsightsRetentionPeriod"):
            if instance.get(name):
                settings[name] = instance[name]
    return settings
