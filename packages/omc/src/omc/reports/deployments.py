"""What was deployed, when, and how it ended: omc's own releases beside ECS's history, as a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from omc.config import Environment
from omc.facts.deployments import History
from omc.facts.releases import Ledger
from omc.facts.services import Services
from omc.facts.serving import Served, Serving
from omc.model.releases import Release, ReleasedService
from omc.output.document import Block, Document, Items, Paragraph, Row, Section, Table
from omc.procedures.candidates import reach
from omc.times import format_duration, format_time

LOOK_BACK = timedelta(days=90)
"""As far as ECS remembers."""


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


def deployments_document(
    history: History, ledger: Ledger, services: Services, serving: Serving, environment: Environment, most: int
) -> Document:
    """What runs now, beside the newest ``most`` of both, newest first."""
    lines = sorted(lines_of(history, ledger, services), key=lambda line: line.at, reverse=True)[:most]
    now = _served_now(serving, services, ledger, environment)
    return _document(lines, _reach(history, services, environment), now, environment)


@dataclass(frozen=True, slots=True)
class Now:
    """What runs of one service, beside what the ledger has it run."""

    service: str
    images: tuple[str, ...]
    tasks: int
    since: datetime | None
    beside: str
    """What the ledger says of it."""
    differs: bool


def served_now(serving: Serving, services: Services, ledger: Ledger) -> tuple[Now, ...]:
    """One a service and set of images; one for a service of which nothing runs."""
    release, found = ledger.current, list[Now]()
    for service in services.services:
        released = release.services.get(service.name) if release else None
        here = [each for each in serving.served if each.service == service.name]
        for each in here:
            images = tuple(f"{name} {_digest(image)}" for name, image in sorted(each.digests.items()))
            differs, beside = _compared(each, released, release)
            found.append(Now(service.name, images, each.tasks, each.since, beside, differs))
        if not here:
            wanted = f"release {release.number} has it run" if release and released else "nothing was released"
            found.append(Now(service.name, (), 0, None, wanted, differs=released is not None))
    return tuple(found)


def _compared(served: Served, released: ReleasedService | None, release: Release | None) -> tuple[bool, str]:
    """By images, since a revision may be another one of the same; only those that the ledger has pinned."""
    if release is None or released is None:
        return False, "omc has released nothing of it"
    pinned = {name: _digest(image) for name, image in released.images.items() if "@sha256:" in image}
    other = [
        name for name, digest in pinned.items() if name in served.digests and _digest(served.digests[name]) != digest
    ]
    if not other:
        return False, f"as in release {release.number}"
    names = " and ".join(f"{name} {pinned[name]}" for name in other)
    return True, f"release {release.number} has {names}"


def _digest(image: str) -> str:
    """Twelve digits of it; an image without one as it is named."""
    _, sign, digest = image.rpartition("sha256:")
    return digest[:12] if sign else image


def _served_now(
    serving: Serving, services: Services, ledger: Ledger, environment: Environment
) -> tuple[tuple[Block, ...], list[dict[str, Any]]]:
    every, zone = served_now(serving, services, ledger), environment.time_zone
    rows = tuple(
        Row(
            (
                each.service,
                ", ".join(each.images) or "nothing",
                str(each.tasks),
                format_time(each.since, zone) if each.since else "",
                each.beside,
            )
        )
        for each in every
    )
    blocks: list[Block] = [Section("Runs now", (Table(("service", "images", "tasks", "since", "ledger"), rows),))]
    if different := [each for each in every if each.differs]:
        blocks.append(
            Items(
                tuple(
                    f"{each.service} differs from the ledger"
                    + (f" since {format_time(each.since, zone)}" if each.since else "")
                    + f": {', '.join(each.images) or 'no task'} runs, and {each.beside}."
                    for each in different
                )
            )
        )
    records = [
        {
            "service": each.service,
            "images": list(each.images),
            "tasks": each.tasks,
            "since": each.since.isoformat() if each.since else None,
            "ledger": each.beside,
            "differs": each.differs,
        }
        for each in every
    ]
    return tuple(blocks) if every else (), records


def _reach(history: History, services: Services, environment: Environment) -> dict[str, str]:
    """By service, how far ECS's own history was read."""
    return {service.name: reach(service, history, environment.time_zone) for service in services.services}


def lines_of(history: History, ledger: Ledger, services: Services) -> list[Line]:
    """One a release, and one a deployment that the ledger doesn't tell of."""
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


def _document(
    lines: Sequence[Line],
    reach: dict[str, str],
    now: tuple[tuple[Block, ...], list[dict[str, Any]]],
    environment: Environment,
) -> Document:
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
    blocks, running = now
    data = {"environment": environment.name, "running": running, "deployments": records, "reach": reach}
    return Document("", (*blocks, table, read), data=data)


def _cells(line: Line, zone: str) -> tuple[str, ...]:
    served = "" if line.what == "ECS" else format_duration((line.until or datetime.now(UTC)) - line.at)
    proof = "; ".join(part for part in (line.revisions, line.proof) if part)
    return format_time(line.at, zone), line.what, line.state, served, line.who.rpartition("/")[2], proof
