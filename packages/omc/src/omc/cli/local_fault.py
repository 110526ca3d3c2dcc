"""``omc local fault``: breaking the stack in the local cloud on purpose, and mending it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from omc.cli.lazy import PlainGroup
from omc.cli.local import STATE_OPTION, site
from omc.cli.show import OUTPUT, show
from omc.config import load
from omc.errors import OmcError, WrongUse
from omc.local import cloud, faults
from omc.local.cloud import LocalCloudError, LocalEndpoint
from omc.local.faults import Fault
from omc.local.lifecycle import site_of
from omc.output import echo, line
from omc.output.document import Document, Field, Row, Severity, Status, Table
from omc.times import format_time


def _reach(context: click.Context, state: Path | None) -> LocalEndpoint:
    return cloud.local_endpoint(site(context, state).state)


def _names(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The running cloud's faults, for the shell; nothing where none answers."""
    try:
        place = site_of(load(context.find_root().params.get("stack")), context.params.get("state"))
        found = faults.listed(cloud.local_endpoint(place.state))
    except OmcError:
        return []
    return [CompletionItem(it.name, help=it.injected) for it in found if it.name.startswith(incomplete)]


@click.group(cls=PlainGroup)
def fault() -> None:
    """Break the stack on purpose, at the cause, to rehearse the response.

    \b
    omc local fault list
    omc local fault start crash-on-start
    omc local fault stop --all
    """


@fault.command("list")
@STATE_OPTION
@OUTPUT
@click.pass_context
def list_(context: click.Context, state: Path | None, output: str) -> None:
    """Every fault: in force or not and since when, what is injected, what will be seen, what can be chosen.

    \b
    omc local fault list
    omc local fault list --output json | jq -r '.faults[] | select(.in_force) | .name'
    """
    show(_document(faults.listed(_reach(context, state)), load(context.obj).time_zone), output)


@fault.command()
@STATE_OPTION
@click.argument("name", shell_complete=_names)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Choose a setting; may be repeated.")
@click.pass_context
def start(context: click.Context, state: Path | None, name: str, settings: Sequence[str]) -> None:
    """Start a fault. It stays in force, even across `omc local down` and `up`, until it is stopped.

    \b
    omc local fault start crash-on-start
    omc local fault start dependency-timeout --set mode=slow --set seconds=3
    """
    chosen: dict[str, str] = {}
    for pair in settings:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise WrongUse(f'--set needs KEY=VALUE, but got "{pair}".')
        chosen[key] = value
    started = faults.start(_reach(context, state), name, chosen)
    for message in (f"{name} is in force{_with(started)}.", started.injected, f"What you will see: {started.symptom}"):
        echo(line(message))
    echo(f"End it: omc local fault stop {name}")


@fault.command()
@STATE_OPTION
@click.argument("name", required=False, shell_complete=_names)
@click.option("--all", "every", is_flag=True, help="Each that is in force.")
@click.pass_context
def stop(context: click.Context, state: Path | None, name: str | None, every: bool) -> None:
    """Undo a fault's cause. What it did to the stack heals as it would in AWS.

    \b
    omc local fault stop crash-on-start
    omc local fault stop --all
    """
    if every == (name is not None):
        raise WrongUse("Say which fault to stop, or --all.")
    reach = _reach(context, state)
    if name is not None:
        echo(f"{name} is over." if faults.stop(reach, name) else f"{name} wasn't in force.")
        return
    # The newest first: one release may stand on another's.
    newest_first = sorted(faults.listed(reach), key=lambda it: it.since, reverse=True)
    in_force = [it.name for it in newest_first if it.in_force]
    failed: list[str] = []
    for each in in_force:
        try:
            faults.stop(reach, each)
            echo(f"{each} is over.")
        except OmcError as error:
            failed.append(error.message)
    if failed:
        raise LocalCloudError(" ".join(failed))
    if not in_force:
        echo("No fault is in force.")


def _with(it: Fault) -> str:
    chosen = ", ".join(f"{key}={value}" for key, value in it.chosen.items() if value)
    return f" with {chosen}" if chosen else ""


def _plain(it: Fault) -> dict[str, object]:
    return {
        "name": it.name,
        "in_force": it.in_force,
        "since": it.since or None,
        "settings": dict(it.chosen),
        "problem": it.problem or None,
        "injected": it.injected,
        "symptom": it.symptom,
        "may_be_set": {key: {"default": s.default, "help": s.help} for key, s in it.settings.items()},
    }


def _document(found: Sequence[Fault], zone: str) -> Document:
    table = Table(("state", "fault", "injected", "seen"), tuple(_row(it, zone) for it in found), below=2)
    return Document("", (table,), data={"faults": [_plain(it) for it in found]})


def _row(it: Fault, zone: str) -> Row:
    since = f"since {format_time(datetime.fromisoformat(it.since), zone)}{_with(it)}" if it.in_force else ""
    evidence = [Field("in force", since)] if since else []
    evidence += [Field("problem", it.problem)] if it.problem else []
    evidence += [Field("", f"--set {key}={setting.default}  # {setting.help}") for key, setting in it.settings.items()]
    status = Status("in force", Severity.WARNING) if it.in_force else "-"
    return Row((status, it.name, it.injected, it.symptom), tuple(evidence))
