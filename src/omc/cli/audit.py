"""``omc audit``: the record of all that was changed, and the proof that it is unbroken."""

from __future__ import annotations

import json
from typing import Any

import click

from omc.cli.options import environment_option


@click.group()
def audit() -> None:
    """The record: append-only, each event chained to the one before.

    \b
    omc audit verify
    omc audit show --run 0vqk3m7x
    """


@audit.command()
@environment_option
@click.option("--expect", metavar="HASH", help="A head that was kept elsewhere: it must still be in the record.")
@click.option("--output", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
@click.pass_context
def verify(context: click.Context, env: str | None, expect: str | None, output: str) -> None:
    """Recompute the chain, compare it with the runs, and print its head.

    Keep the head elsewhere (a ticket, a mail): --expect then also finds a record whose end was cut off. Exit code 1: it
    was tampered with.

    \b
    omc audit verify --env production
    omc audit verify --env production --expect 9b1c…
    """
    from omc.cli.stores import places_meant
    from omc.errors import WrongUse
    from omc.stack import load
    from omc.store.audit import verify as proven
    from omc.store.database import open_store

    documents: list[dict[str, Any]] = []
    places = places_meant(load(context.obj), env)
    if expect and len(places) != 1:
        raise WrongUse("--expect is about one record: say whose with --env.")
    for place in places:
        with open_store(place) as store, store.reading() as session:
            proof = proven(session, expect)
        documents.append(
            {"store": str(place), "events": proof.events, "head": proof.head, "problems": list(proof.problems)}
        )
    broken = any(document["problems"] for document in documents)
    if output == "json":
        click.echo(json.dumps({"unbroken": not broken, "stores": documents}, indent=2))
    else:
        for document in documents:
            click.echo(_told(document, markdown=output == "markdown"))
        if not documents:
            click.echo("There is no record yet.")
    context.exit(1 if broken else 0)


def _told(document: dict[str, Any], *, markdown: bool) -> str:
    head = f"{document['events']} events in {document['store']}, head {document['head']}"
    if not document["problems"]:
        return f"**Unbroken**: {head}" if markdown else f"UNBROKEN: {head}"
    lines = [f"- {problem}" for problem in document["problems"]]
    return "\n".join([f"**Broken**: {head}\n" if markdown else f"BROKEN: {head}", *lines])


@audit.command()
@environment_option
@click.option("--run", "run_id", metavar="RUN", help="Only this run's.")
@click.option("--last", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many events.")
@click.option("--output", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
@click.pass_context
def show(context: click.Context, env: str | None, run_id: str | None, last: int, output: str) -> None:
    """The newest events, the latest at the end.

    \b
    omc audit show --env staging
    omc audit show --run 0vqk3m7x --output json
    """
    from sqlalchemy import select

    from omc.cli.stores import find_run, places_meant
    from omc.cli.table import Row, table, width_of
    from omc.errors import WrongUse
    from omc.stack import load
    from omc.store.database import open_store
    from omc.store.models import Event
    from omc.times import moment

    stack = load(context.obj)
    events: list[Event] = []
    for place in places_meant(stack, env):
        with open_store(place) as store:
            query = select(Event).order_by(Event.number.desc()).limit(last)
            if env is not None:
                query = query.where(Event.environment == env)
            if run_id is not None:
                try:
                    query = query.where(Event.run == find_run(store, run_id).id)
                except WrongUse:
                    continue
            with store.reading() as session:
                events += session.execute(query).scalars()
    events.sort(key=lambda event: (event.at, event.number))
    events = events[-last:]
    bodies = [json.loads(event.body) | {"hash": event.hash} for event in events]
    if output == "json":
        click.echo(json.dumps(bodies, indent=2, ensure_ascii=False))
        return
    cells = [
        (str(body["number"]), moment(event.at, stack.time_zone), body["kind"], body["run"] or "", _what(body))
        for event, body in zip(events, bodies, strict=True)
    ]
    if output == "markdown":
        click.echo("| event | at | kind | run | |\n|---|---|---|---|---|")
        for row in cells:
            click.echo("| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in row) + " |")
    else:
        click.echo(table([Row(row) for row in cells], width=width_of()) or "There is no event yet.")


def _what(body: dict[str, Any]) -> str:
    """An event in a line: who, and what became what."""
    shown = {name: value for name, value in (body["changes"] | body["details"]).items() if name not in ("plan", "id")}
    told = ", ".join(f"{name}={_short(value)}" for name, value in shown.items() if value not in (None, "", {}, []))
    key = " ".join(str(part) for part in body["key"]) if body["table"] != "runs" else ""
    return f"{body['actor']}: {body['table']} {key} {told}".replace("  ", " ")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
