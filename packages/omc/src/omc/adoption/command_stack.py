"""``omc stack``: what omc.toml says, resolved, and where AWS has it otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
from msgspec import structs, to_builtins

from omc.adoption.differences import Compared, compare
from omc.adoption.discovery import discover_named
from omc.adoption.document import data as comparison_data
from omc.adoption.document import section
from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway, access_to
from omc.cli.lazy import PlainGroup
from omc.cli.show import environment_and_output
from omc.cli.show import show as print_document
from omc.config import Environment, Service, Stack, environment_of, load
from omc.config.model import Job
from omc.config.stores import cache_name, database_name
from omc.config.tables import Responder
from omc.config.windows import MaintenanceWindow
from omc.errors import OmcError
from omc.output.document import Block, Document, Field, Fields, Paragraph, Row, Section, Table
from omc.output.text import counted
from omc.store.location import locate_store
from omc.times import format_time


@click.group(cls=PlainGroup)
def stack() -> None:
    """The stack file, omc.toml.

    \b
    omc stack show --env production
    """


@stack.command()
@click.option("--offline", is_flag=True, help="Show the file alone; ask AWS nothing.")
@environment_and_output
def show(context: click.Context, env: str | None, output: str, *, offline: bool) -> int:
    """Print the stack file resolved, and where AWS has it otherwise: the line, what AWS has, what to write.

    Compared are names, limits and targets: cluster, services, task definitions, containers, ports, target groups, log
    groups, autoscaling, database, cache, load balancer, alarms. Ends with 1 where something differs, with 3 where it
    could not be told. Reads only.

    \b
    omc stack show                          every environment that the credentials reach
    omc stack show --env production
    omc stack show --offline                the file alone
    omc stack show --env staging --output json
    """
    stack = load(context.obj)
    named = [environment_of(stack, env)] if env else list(stack.environments.values())
    compared: dict[str, Compared | str] = {}
    if not offline:
        text = stack.file.read_text(encoding="utf-8")
        gateways = [_gateway(each) for each in named]
        answers = parallel_map(lambda aws: aws if isinstance(aws, str) else _compared(stack, text, aws), gateways)
        compared = {each.name: answer for each, answer in zip(named, answers, strict=True)}
    print_document(_document(stack, named, datetime.now(UTC), compared), output)
    return _exit_code(compared)


def _gateway(environment: Environment) -> Gateway | str:
    """The way to it, with whoever has to be asked for it asked; or why there is none."""
    try:
        aws = Gateway(environment, access_to(environment))
    except OmcError as error:
        return error.message
    aws.log_in()
    return aws


def _compared(stack: Stack, text: str, aws: Gateway) -> Compared | str:
    """An environment beside AWS, or why not."""
    try:
        return compare(stack, text, aws.environment, discover_named(aws, aws.environment.clusters))
    except OmcError as error:
        return error.message


def _exit_code(compared: Mapping[str, Compared | str]) -> int:
    """Of several environments those count that could be compared, if any could."""
    read = [each for each in compared.values() if isinstance(each, Compared)]
    if any(each.differences for each in read):
        return 1
    if compared and (not read or any(each.unknown for each in read)):
        return 3
    return 0


def _document(
    stack: Stack, environments: list[Environment], now: datetime, compared: Mapping[str, Compared | str]
) -> Document:
    blocks: list[Block] = []
    for environment in environments:
        rows = [*_settings(environment, now), ("record", str(locate_store(stack, environment)))]
        blocks.append(Section(environment.name, (_fields(rows),)))
    shared = environments[0]
    columns = (
        "service",
        "tasks",
        "scales on",
        "port",
        "task definition",
        "container",
        "status page",
        "users' page",
        "migrates by",
    )
    services = tuple(
        Row(
            (
                service.name,
                f"{service.minimum}-{service.maximum}" if service.scales else "-",
                _scales_on(service),
                str(service.port or "-"),
                service.family,
                service.container,
                service.status_path or "-",
                service.public_path or "-",
                " ".join(service.migrate) or "-",
            )
        )
        for service in shared.services
    )
    blocks.append(Table(columns, services))
    blocks.append(Section("thresholds", (_fields(_thresholds(shared)),)))
    blocks.append(Section("on call, until somebody acknowledges", (_fields(_on_call(stack)),)))
    channels = ", ".join(f"{name} {channel or 'none'}" for name, channel in structs.asdict(stack.channels).items())
    blocks.append(Paragraph(f"channels: {channels}"))
    blocks.append(Paragraph(f"runbook: {stack.runbook.address or 'the one that comes with omc, omc runbook list'}"))
    blocks += [section(answer, name) for name, answer in compared.items()]
    data = _data(stack, environments, now)
    for name, answer in compared.items():
        data["environments"][name]["aws"] = comparison_data(answer)
    return Document(f"{stack.name}, from {stack.file}", tuple(blocks), data=data)


def _fields(rows: list[tuple[str, str]]) -> Fields:
    return Fields(tuple(Field(name, value) for name, value in rows))


def _settings(environment: Environment, now: datetime) -> list[tuple[str, str]]:
    """Names and values of one environment, in the order in which they are shown."""
    rows = [
        ("region", environment.region),
        ("account", environment.account or "any that the credentials belong to"),
        ("profile", environment.profile or "the shell's"),
        ("cluster", environment.cluster),
        (
            "load balancer",
            environment.load_balancer or f"the one called {environment.prefix} or {environment.prefix}-…"
            if environment.has_load_balancer
            else "none",
        ),
        ("database", database_name(environment) or "none"),
        ("cache", cache_name(environment) or "none"),
        ("alarms", f"{environment.alarm_prefix}…"),
        (
            "record's head",
            ", ".join(filter(None, (environment.audit_bucket, environment.record_log_group))) or "nowhere",
        ),
        ("Terraform", str(environment.terraform) if environment.has_terraform else "none"),
        ("url", environment.url or "the load balancer's own name"),
        ("asked as users do", "yes" if environment.probe else "no (probe = false)"),
    ]
    if environment.local_state:
        rows.insert(1, ("local cloud", str(environment.local_state)))
    rows += [
        (service.name, f"{service.ecs_service} in {service.cluster}, log group {service.log_group}, {_led_to(service)}")
        for service in environment.services
    ]
    rows += [(f"job {job.name}", _job(job)) for job in environment.jobs]
    rows.append(("approvals", _approvals(environment)))
    rows += [("maintenance", _window(each, environment, now)) for each in environment.windows]
    if not environment.windows:
        rows.append(("maintenance", "at any time"))
    rows.append(("releases", f"watched for {environment.release_watch_seconds} s before they count as good"))
    rows.append(
        ("new tasks", f"must stay healthy for {environment.settle_seconds} s after a restart, a scaling, a rollback")
    )
    zone = environment.time_zone
    rows += [
        ("freeze", f"{format_time(freeze.begin, zone)} to {format_time(freeze.end, zone)}: {freeze.reason}")
        for freeze in environment.freezes
    ]
    return rows


def _led_to(service: Service) -> str:
    groups = service.target_groups
    if not groups:
        return "no target group"
    return f"target group{'s' * (len(groups) > 1)} {', '.join(groups)}"


def _job(job: Job) -> str:
    starts = f"started by {job.schedule}" if job.schedule else "started by hand"
    return f"{job.family} in {job.cluster}, container {job.container}, log group {job.log_group}, {starts}"


def _scales_on(service: Service) -> str:
    if not service.scales:
        return "nothing: omc scale sets its count"
    memory = f", memory {service.memory_target} %" if service.memory_target else ""
    return f"CPU {service.cpu_target} %{memory}"


def _approvals(environment: Environment) -> str:
    policy = environment.approvals
    message = (
        f"low {policy.low}, high {policy.high}, destructive {policy.destructive}, for {policy.expires_minutes} min"
    )
    message += "; break-glass in a SEV-1" if policy.break_glass else ""
    message += "; its name is typed" if policy.type_name else ""
    message += "; in GitHub Actions with a review there" if policy.github_review else ""
    risks = ("low", "high", "destructive")
    if not any(policy.needed(risk) for risk in risks):
        return f"{message}. Whoever works alone needs nobody"
    lonely = [why for risk in risks if (why := environment.nobody_to_approve(risk))]
    alone = "The numbers are other people than the one who asks: whoever works alone sets them to 0"
    return f"{message}. {' '.join(lonely) or alone}"


def _thresholds(environment: Environment) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in structs.asdict(environment.thresholds).items()]


def _on_call(stack: Stack) -> list[tuple[str, str]]:
    on_call = stack.on_call
    begin, end = on_call.business_hours
    return [
        *((f"after {each.after_minutes} min", f"{each.role}: {_rung(each)}") for each in on_call.chain),
        (f"after {on_call.everyone_again_after_minutes} min", "all of them again"),
        ("acknowledged", f"the next is paged when it isn't mitigated after {on_call.mitigation_minutes} min"),
        *_acknowledgement(on_call.acknowledgement_minutes),
        ("quiet", f"resolved after {on_call.quiet_minutes} min without an alert, if all is well then"),
        ("SEV-1", f"pages all of them at once; customers are told each {on_call.customer_update_minutes} min"),
        ("SEV-3", f"waits for business hours, {begin:%H:%M}-{end:%H:%M} Monday to Friday, {stack.time_zone}"),
        ("public holidays", on_call.public_holidays or "none"),
        *(
            (f"rota {name}", f"{counted(len(rota.layers), 'layer')}: omc oncall schedule {name}")
            for name, rota in stack.rotas.items()
        ),
    ]


def _acknowledgement(minutes: int) -> list[tuple[str, str]]:
    if not minutes:
        return []
    return [("no sign of work", f"an acknowledgement lapses after {minutes} min, and people are paged again")]


def _window(window: MaintenanceWindow, environment: Environment, now: datetime) -> str:
    zone = environment.time_zone
    begin, end = window.next_after(now)
    for_aws = f"for AWS: {window.aws}" if window.aws else "AWS has no window like it"
    message = f"{window.title} ({for_aws}); next: {format_time(begin, zone)} to {format_time(end, zone)}"
    return message + ("; deployments in it only" if window.required else "")


def _rung(rung: Responder) -> str:
    return f"whoever is on call in {rung.rota}" if rung.rota else rung.person or rung.name


def _data(stack: Stack, environments: list[Environment], now: datetime) -> dict[str, Any]:
    def plain(environment: Environment) -> dict[str, Any]:
        values = asdict(environment)
        values["thresholds"] = structs.asdict(environment.thresholds)
        values["review"] = to_builtins(environment.review)
        values["backups"] = to_builtins(environment.backups)
        values["doors"] = to_builtins(environment.doors)
        values["github"] = structs.asdict(environment.github)
        values["terraform"] = str(environment.terraform)
        values["runbook"] = structs.asdict(environment.runbook)
        values["local_state"] = str(environment.local_state) if environment.local_state else None
        values["windows"] = [
            {
                "name": window.name,
                "day": window.day,
                "weeks": list(window.weeks),
                "start": f"{window.start:%H:%M}",
                "end": f"{window.end:%H:%M}",
                "zone": window.zone_name,
                "required": window.required,
                "aws": window.aws,
                "next": [moment.isoformat() for moment in window.next_after(now)],
            }
            for window in environment.windows
        ]
        values["freezes"] = [
            {"begin": freeze.begin.isoformat(), "end": freeze.end.isoformat(), "reason": freeze.reason}
            for freeze in environment.freezes
        ]
        return values

    on_call = structs.asdict(stack.on_call)
    on_call["chain"] = [structs.asdict(responder) for responder in stack.on_call.chain]
    on_call["business_hours"] = [f"{hour:%H:%M}" for hour in stack.on_call.business_hours]
    return {
        "name": stack.name,
        "file": str(stack.file),
        "time_zone": stack.time_zone,
        "environments": {
            environment.name: plain(environment) | {"record": str(locate_store(stack, environment))}
            for environment in environments
        },
        "on_call": on_call,
        "channels": structs.asdict(stack.channels),
    }
