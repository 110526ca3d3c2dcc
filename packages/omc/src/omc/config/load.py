"""Finding omc.toml and reading it into ``omc.config.model``. Nothing here asks AWS."""

from __future__ import annotations

import configparser
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import TypeVar

from msgspec.structs import asdict

from omc.config.environment_tables import REGION, ApprovalsTable, EnvironmentTable, WindowTable
from omc.config.mistakes import Source, read_as
from omc.config.model import (
    LOCAL_POLICY,
    LOCAL_ROOT,
    PRODUCTION_POLICY,
    ROOTS,
    STAGING_POLICY,
    ApprovalPolicy,
    Environment,
    Freeze,
    Job,
    Service,
    Stack,
)
from omc.config.names import filled, names_of, placeholder_values, services_in
from omc.config.people import People, canonical_name
from omc.config.rules import problems
from omc.config.service_tables import JobTable, ServiceKeys
from omc.config.tables import PersonTable, StackTable
from omc.config.windows import MaintenanceWindow
from omc.errors import StackError, WrongUse, did_you_mean
from omc.model.people import Channel, ContactMethod, Person
from omc.times import zone_named

Value = TypeVar("Value")
FILE_NAME = "omc.toml"
DEFAULT_REGION = "ap-southeast-2"
WATCH_SECONDS, LOCAL_WATCH_SECONDS = 420, 120
"""How long a release is watched where the stack file doesn't say: figures of the local cloud aren't late."""
SETTLE_SECONDS, LOCAL_SETTLE_SECONDS = 90, 10
"""How long new tasks must stay well where the stack file doesn't say."""


def find(start: Path | None = None) -> Path:
    """The stack file: ``OMC_STACK``, else omc.toml in this folder or the nearest one above it."""
    if named := os.environ.get("OMC_STACK"):
        return Path(named)
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / FILE_NAME).is_file():
            return candidate / FILE_NAME
    raise StackError(
        f"There is no {FILE_NAME} in {folder} or above it. Change to the stack's folder, or name the file with "
        "--stack. To make one: omc init, of what runs in an account, or omc local sample FOLDER, to try omc with."
    )


def load(file: Path | None = None) -> Stack:
    """Read and check the stack file. ``StackError`` names file, line, key and what is allowed."""
    file = file or find()
    shown_file = _short(file)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise StackError(
            f"The stack file {shown_file} can't be read: {(error.strerror or str(error)).lower()}."
        ) from error
    except UnicodeDecodeError as error:
        raise StackError(f"{shown_file} is not UTF-8 text (byte {error.start}), as TOML must be.") from error
    return parse(text, file)


def parse(text: str, file: Path) -> Stack:
    """The text of a stack file that is, or will be, at ``file``. ``StackError`` as with ``load``."""
    shown_file = _short(file)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem, _, place = str(error).rpartition(" (at ")
        line = re.match(r"line (\d+)", place)
        where = f"line {line[1]}" if line else "its end"
        raise StackError(f"{shown_file}, {where}: this is not TOML: {(problem or str(error)).lower()}.") from error
    source = Source(shown_file, text)
    table = read_as(StackTable, data, source)
    for path, problem in problems(table):
        raise source.error(path, problem)
    return _stack(table, file.resolve())


def _short(file: Path) -> Path:
    """As a person here would name the file."""
    try:
        return file.resolve().relative_to(Path.cwd())
    except ValueError:
        return file


def _stack(table: StackTable, file: Path) -> Stack:
    people = _people(table.people)
    environments = {
        name: _environment(name, section, table, people, file) for name, section in table.environments.items()
    }
    return Stack(
        file=file,
        runbook=table.runbook,
        name=table.name,
        time_zone=table.time_zone,
        default_environment=table.default_environment,
        environments=environments,
        on_call=table.on_call,
        channels=table.channels,
        store=table.store,
        alerts=table.alerts,
        logs=table.logs,
        maintenance=table.maintenance,
        notify=table.notify,
        server=table.server,
        persons={name: _person(name, each) for name, each in table.people.items()},
        rotas=table.rotas,
        github=table.github,
        status=table.status,
        contacts=table.contacts,
    )


def _environment(name: str, table: EnvironmentTable, stack: StackTable, people: People, file: Path) -> Environment:
    prefix = table.prefix or f"{stack.name}-{name}"
    state = None
    if table.local_state is not None:
        state = file.parent / (os.environ.get("OMC_LOCAL_STATE") or table.local_state)
    root = LOCAL_ROOT if state else name
    values = placeholder_values(name, table, stack)
    cluster = table.cluster or prefix
    usual_region = DEFAULT_REGION if state else region_of(table.profile) or DEFAULT_REGION
    watch = _or(table.release_watch_seconds, LOCAL_WATCH_SECONDS if state else WATCH_SECONDS)
    return Environment(
        name=name,
        prefix=prefix,
        region=table.region or usual_region,
        account=table.account,
        profile=table.profile,
        local_state=state,
        cluster=cluster,
        load_balancer=table.load_balancer or None,
        has_load_balancer=table.load_balancer != "",
        database=_or(table.database, "" if table.database_cluster else prefix),
        database_cluster=table.database_cluster,
        cache=_or(table.cache, "" if table.cache_serverless else f"{prefix}-redis"),
        cache_serverless=table.cache_serverless,
        terraform=file.parent / (table.terraform or ROOTS / root),
        has_terraform=bool(table.terraform_state or table.terraform) or (file.parent / ROOTS / root).is_dir(),
        alarm_prefix=table.alarm_prefix or f"{prefix}-",
        audit_bucket=_or(table.audit_bucket, f"{prefix}-audit-{{account}}"),
        record_log_group=_or(table.record_log_group, f"/omc/{prefix}/record"),
        terraform_state=_or(
            table.terraform_state, f"s3://{stack.name}-{root}-tfstate-{{account}}/{root}/terraform.tfstate"
        ),
        url=table.url,
        probe=table.probe,
        time_zone=stack.time_zone,
        services=tuple(_service(service, each, cluster, values) for service, each in services_in(table, stack).items()),
        runbook=stack.runbook,
        jobs=tuple(_job(job, each, cluster, values) for job, each in stack.jobs.items()),
        thresholds=stack.thresholds,
        review=stack.review,
        doors=stack.doors,
        monthly_budget_usd=table.monthly_budget_usd,
        windows=tuple(_window(each) for each in table.window or ()),
        backups=table.backups,
        release_watch_seconds=watch,
        incident_watch_seconds=_or(table.incident_watch_seconds, 2 * watch),
        settle_seconds=_or(table.settle_seconds, LOCAL_SETTLE_SECONDS if state else SETTLE_SECONDS),
        freezes=tuple(
            Freeze(freeze.begin.astimezone(UTC), freeze.end.astimezone(UTC), freeze.reason)
            for freeze in table.freeze or ()
        ),
        approvals=_approvals(stack.approvals.get(name), _usual_policy(name, is_local=state is not None)),
        people=people,
        github=stack.github,
    )


def _or(value: Value | None, default: Value) -> Value:
    """The default only where the file says nothing: 0 and "" are something."""
    return default if value is None else value


def region_of(profile: str | None) -> str | None:
    """The region of a profile in the aws CLI's configuration: the one given, else the shell's ``AWS_PROFILE``. None
    where there is none, or none that can be read: whoever asks AWS then says what is wrong there."""
    name = profile or os.environ.get("AWS_PROFILE")
    if name is None:
        return None
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(Path(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser().read_text())
        region = parser.get("default" if name == "default" else f"profile {name}", "region", fallback="")
    except (OSError, ValueError, configparser.Error):
        return None
    return region if re.fullmatch(REGION, region) else None


def _usual_policy(environment: str, *, is_local: bool) -> ApprovalPolicy:
    if is_local:
        return LOCAL_POLICY
    return STAGING_POLICY if environment == "staging" else PRODUCTION_POLICY


def _approvals(table: ApprovalsTable | None, usual: ApprovalPolicy) -> ApprovalPolicy:
    written = asdict(table) if table else {}
    return replace(usual, **{name: value for name, value in written.items() if value is not None})


def _people(tables: Mapping[str, PersonTable]) -> People:
    return People(
        at_aws={canonical_name(name): person for person, table in tables.items() for name in table.aws},
        at_github={canonical_name(name): person for person, table in tables.items() for name in table.github},
    )


def _person(id_: str, table: PersonTable) -> Person:
    return Person(id_, table.name or id_, tuple(_contact(each) for each in table.contacts))


def _contact(text: str) -> ContactMethod:
    channel, _, address = text.partition(":")
    return ContactMethod(Channel(channel), address)


def _service(name: str, table: ServiceKeys, cluster: str, environment: Mapping[str, str]) -> Service:
    values = {**environment, "service": name}
    names = {key: [filled(each, values) for each in named] for key, named in names_of(table, cluster).items()}
    return Service(
        name=name,
        ecs_service=names["ecs_service"][0],
        cluster=names["cluster"][0],
        family=names["family"][0],
        container=names["container"][0],
        log_group=names["log_group"][0],
        target_groups=tuple(names["target_group"]),
        port=table.port,
        minimum=table.minimum,
        maximum=table.maximum,
        cpu_target=table.cpu_target,
        memory_target=table.memory_target,
        status_path=table.status_path,
        migrate=table.migrate or (),
        migrate_family=next(iter(names["migrate_family"]), None),
        public_path=table.public_path,
        connections=table.connections,
    )


def _job(name: str, table: JobTable, cluster: str, environment: Mapping[str, str]) -> Job:
    values = {**environment, "service": name}
    names = {key: [filled(each, values) for each in named] for key, named in names_of(table, cluster).items()}
    return Job(
        name=name,
        family=names["family"][0],
        cluster=names["cluster"][0],
        container=names["container"][0],
        log_group=names["log_group"][0],
        schedule=next(iter(names["schedule"]), None),
    )


def _window(table: WindowTable) -> MaintenanceWindow:
    return MaintenanceWindow(
        day=table.day,
        start=table.start,
        end=table.end,
        zone=zone_named(table.zone),
        zone_name=table.zone,
        required=table.required,
        weeks=table.weeks,
        name=table.name,
    )


def environment_of(stack: Stack, name: str | None) -> Environment:
    """The environment of this name, or the stack file's default; ``WrongUse`` names those that there are."""
    choices = list(stack.environments)
    if name is None:
        name = stack.default_environment
    if name is None:
        raise WrongUse(
            f"Say which environment: --env {'|'.join(choices)}; or set OMC_ENV, or default_environment in "
            f"{stack.file.name}."
        )
    if name not in stack.environments:
        raise WrongUse(
            f'There is no environment "{name}" in {stack.file}; there are {", ".join(choices)}.'
            f"{did_you_mean(name, choices)}"
        )
    return stack.environments[name]
