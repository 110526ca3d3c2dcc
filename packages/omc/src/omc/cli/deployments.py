"""``omc deployments``: what was deployed, when, and how it ended. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from omc.aws.gateway import Gateway, access_to
from omc.cli.options import environment_option
from omc.cli.show import OUTPUT, show
from omc.config import Environment, environment_of, load
from omc.facts.deployments import History
from omc.facts.releases import Ledger
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.source import Facts
from omc.model.releases import Release
from omc.output.document import Document, Items, Paragraph, Row, Table
from omc.procedures.candidates import reach
from omc.store.location import locate_store
from omc.store.opened import Store
from omc.times import format_duration, format_time


@dataclass(frozen=True, slots=True)
class Line:
    """One deployment of one service, or one release of several."""

    at: datetime
    state: str
    what: str
    revisions: str
    until: datetime | None
    who: str
    proof: str


@click.command()
@environment_option
@OUTPUT
@click.option("--most", type=click.IntRange(1, 200), default=15, show_default=True, help="How many, newest first.")
@click.pass_context
def deployments(context: click.Context, env: str | None, output: str, most: int) -> None:
    """The releases that omc verified, and ECS's own history where omc recorded nothing.

    \b
    omc deployments --env staging
    omc deployments --env production --most 50 --output markdown
    """
    stack = load(context.obj)
    environment = environment_of(stack, env)
    history, ledger, services = read(stack, environment)
    lines = sorted(_lines(history, ledger, services), key=lambda line: line.at, reverse=True)[:most]
    show(_document(lines, _reach(history, services, environment), environment), output)


def read(stack: Any, environment: Environment) -> tuple[History, Ledger, Services]:
    """Both histories, and the services. Raises what made one of them unreadable."""
    from omc.store.database import open_store

    with open_store(locate_store(stack, environment)) as store:
        gateway = Gateway(environment, access_to(environment))
        facts = Facts(gateway, Scope(datetime.now(UTC), timedelta(days=90)), {Store: store})
        history, ledger, services = facts.require(History, Ledger, Services)
    return history, ledger, services


def _reach(history: History, services: Services, environment: Environment) -> dict[str, str]:
    """By service, how far ECS's own history was read."""
    return {service.name: reach(service, history, environment.time_zone) for service in services.services}


def _lines(history: History, ledger: Ledger, services: Services) -> list[Line]:
    lines = [_of_release(release, services) for release in ledger.releases]
    verified = {
        (name, service.task_definition, release.verified)
        for release in ledger.releases
        for name, service in release.services.items()
    }
    for service, found in history.of.items():
        for deployment in found:
            at = deployment.finished or deployment.created
            if any(
                (name, revision) == (service, deployment.left) and timedelta(0) <= moment - at < timedelta(days=1)
                for name, revision, moment in verified
            ):
                continue  # the ledger tells of it, with more
            why = deployment.rollback_reason or deployment.reason
            back = f", back to {deployment.back_to}" if deployment.back_to else ""
            lines.append(
                Line(
                    at=deployment.created,
                    state=deployment.status.lower().replace("_", " "),
                    what="ECS",
                    revisions=f"{service} {deployment.task_definition}{back}",
                    until=None,
                    who="",
                    proof=why,
                )
            )
    return lines


def _serves(release: Release, services: Services) -> tuple[str, str]:
    """Of a release that no other has ended in the ledger: whether it serves, and what does instead."""
    whole, instead = True, []
    some = False
    for service in services.services:
        if service.name not in release.services:
            continue
        wanted = release.services[service.name].task_definition
        running = {each.task_definition: each.running for each in service.deployments if each.running}
        others = [name for name in running if name != wanted]
        some = some or wanted in running
        whole = whole and set(running) == {wanted}
        if others:
            instead.append(f"{service.name} runs {' and '.join(others)}, which omc did not release with it")
        elif not running:
            instead.append(f"no task of {service.name} runs")
    gone = [name for name in release.services if name in services.missing]
    instead += [f"{name} does not exist any more" for name in gone]
    state = "serving" if whole and not gone and some else "serving in part" if some else "not serving"
    return state, "; ".join(instead)


def _of_release(release: Release, services: Services) -> Line:
    revisions = ", ".join(f"{name} {service.task_definition}" for name, service in sorted(release.services.items()))
    schema = f"schema {release.schema}" if release.schema is not None else ""
    commits = ", ".join(sorted({service.commit for service in release.services.values() if service.commit}))
    state, instead = ("ended", "") if release.ended else _serves(release, services)
    parts = (release.doubt, instead, schema, f"commit {commits}" if commits else "", f"run {release.run}")
    proof = [part for part in parts if part]
    return Line(
        at=release.verified,
        state=state,
        what=f"release {release.number}{', a rollback' if release.is_rollback else ''}",
        revisions=revisions,
        until=release.ended,
        who=release.who,
        proof=", ".join(proof),
    )


def _document(lines: list[Line], reach: dict[str, str], environment: Environment) -> Document:
    columns = ("when", "what", "state", "served", "by", "revisions and proof")
    rows = tuple(Row(_cells(line, environment.time_zone)) for line in lines)
    read = Items(tuple(reach.values()) or (f"None of {environment.name}'s services exists.",))
    table = Table(columns, rows) if rows else Paragraph("omc has recorded no release.")
    records = [
        {
            "at": line.at.isoformat(),
            "state": line.state,
            "source": "ecs" if line.what == "ECS" else "ledger",
            "what": line.what,
            "revisions": line.revisions,
            "until": line.until.isoformat() if line.until else None,
            "who": line.who,
            "proof": line.proof,
        }
        for line in lines
    ]
    return Document("", (table, read), data={"environment": environment.name, "deployments": records, "reach": reach})


def _cells(line: Line, zone: str) -> tuple[str, ...]:
    served = "" if line.what == "ECS" else format_duration((line.until or datetime.now(UTC)) - line.at)
    proof = "; ".join(part for part in (line.revisions, line.proof) if part)
    return format_time(line.at, zone), line.what, line.state, served, line.who.rpartition("/")[2], proof
