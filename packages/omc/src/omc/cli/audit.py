"""``omc audit``: the record of all that was changed, and the proof that it is unbroken."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from omc.aws.gateway import Gateway, access_to
from omc.cli.lazy import PlainGroup
from omc.cli.options import environment_option
from omc.cli.show import OUTPUT
from omc.cli.show import show as print_document
from omc.cli.stores import find_run, places_meant
from omc.config import Environment, environment_of, load
from omc.errors import Altered, OmcError, Refused, WrongUse
from omc.output import echo, line, to_json
from omc.output.document import Block, Document, Items, Paragraph, Row, Severity, Status, Table, Verdict
from omc.store.location import StoreLocation, locate_store
from omc.times import format_time

if TYPE_CHECKING:
    from omc.store.audit import Head
    from omc.store.models import AuditEvent


@click.group(cls=PlainGroup)
def audit() -> None:
    """The record: append-only, each event chained to the one before.

    \b
    omc audit verify
    omc audit show --run 0vqk3m7x
    """


@audit.command()
@environment_option
@click.option("--expect", metavar="HASH", help="A head that you kept elsewhere; it must still be in the record.")
@click.option("--inside", is_flag=True, help="Check the record alone, without the heads that are kept outside of it.")
@OUTPUT
@click.pass_context
def verify(context: click.Context, env: str | None, expect: str | None, inside: bool, output: str) -> None:
    """Recompute the chain, compare it with the runs, and with the heads that were kept outside of the record.

    At the end of each run, and by the worker, the record's head is written into the audit bucket, locked, and into a
    log group, where the record's owner can't rewrite it. So verify also finds a tail that was cut off, a rewritten
    record and a wiped store. --expect compares with a head that you kept yourself.

    Exit codes: 0 unbroken, 1 it was tampered with, 3 the heads outside could not be read (--inside does without them).

    \b
    omc audit verify --env production
    omc audit verify --env production --expect 9b1c…
    """
    stack = load(context.obj)
    intended = list(stack.environments.values()) if env is None else [environment_of(stack, env)]
    places = places_meant(stack, None) if env is None else [locate_store(stack, intended[0])]
    if expect and len(places) != 1:
        raise WrongUse("--expect is about one record: name its environment with --env.")
    documents = []
    for place in places:
        around = (
            [] if inside else [environment for environment in intended if locate_store(stack, environment) == place]
        )
        document = _verified(place, around, expect)
        documents += [document] if document else []
    broken = any(document["problems"] for document in documents)
    unknown = any(document["unread"] for document in documents)
    if output == "json":
        echo(to_json({"unbroken": not broken, "stores": documents}))
    else:
        for document in documents:
            print_document(_proof(document, inside=inside), output)
        if not documents:
            echo("There is no record yet.")
    context.exit(1 if broken else 3 if unknown else 0)


def _verified(place: StoreLocation, environments: list[Environment], expect: str | None) -> dict[str, Any] | None:
    """One record's proof as a document; None where there is no record and none was ever kept there."""
    from omc.store.audit import Proof, compare
    from omc.store.audit import verify as proven
    from omc.store.database import open_store

    heads, unread = _heads_outside(environments)
    if place.exists:
        with open_store(place) as store, store.reading() as session:
            proof = proven(session, expect, heads, place.identity)
    else:
        proof = Proof(problems=list(compare(heads, {}, place.identity)))
        if expect:
            proof.problems.append(f"There is no record, so no event has the hash {expect}.")
        if not proof.problems and not unread:
            return None
    return {
        "store": str(place),
        "events": proof.events,
        "head": proof.head,
        "problems": list(proof.problems),
        "heads_outside": sum(head.place == place.identity for head in heads),
        "unread": unread,
    }


def _heads_outside(environments: list[Environment]) -> tuple[list[Head], list[str]]:
    """The heads that were kept in the environments, and why some could not be read."""
    from omc.facts.record_heads import heads_in_bucket, heads_in_log_group

    heads: list[Head] = []
    unread: list[str] = []
    for environment in environments:
        wanted = ((environment.audit_bucket, heads_in_bucket), (environment.record_log_group, heads_in_log_group))
        for name, read in wanted:
            try:
                heads += read(Gateway(environment, access_to(environment))) if name else []
            except OmcError as error:
                unread.append(f"{environment.name}, {name}: {error.message}")
    return heads, unread


def _proof(document: dict[str, Any], *, inside: bool) -> Document:
    """One record's proof, as it is shown."""
    items = [*document["problems"], *(f"not read: {reason}" for reason in document["unread"])]
    if document["problems"]:
        status = Status("broken", Severity.FAILURE)
    elif document["unread"]:
        status = Status("unbroken in itself, but not all heads outside of it could be read", Severity.UNKNOWN)
    else:
        status = Status("unbroken", Severity.OK)
    if inside:
        items.append(
            "not compared with the heads kept outside (--inside): a tail cut off with its rows wouldn't be noticed"
        )
    elif not document["heads_outside"] and not items:
        items.append("no head has been kept outside of it yet: a tail cut off with its rows wouldn't be noticed")
    blocks: tuple[Block, ...] = (Items(tuple(items)),) if items else ()
    found = f"{document['events']} events in {document['store']}, head {document['head']}"
    return Document("", blocks, verdict=Verdict(status, found), data=document)


@audit.command()
@environment_option
@click.option("--run", "run_id", metavar="RUN", help="Only this run's.")
@click.option("--last", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many events.")
@OUTPUT
@click.pass_context
def show(context: click.Context, env: str | None, run_id: str | None, last: int, output: str) -> None:
    """The newest events, the latest at the end.

    \b
    omc audit show --env staging
    omc audit show --run 0vqk3m7x --output json
    """
    from sqlalchemy import select

    from omc.store.database import open_store
    from omc.store.models import AuditEvent

    stack = load(context.obj)
    events: list[AuditEvent] = []
    for place in places_meant(stack, env):
        with open_store(place) as store:
            query = select(AuditEvent).order_by(AuditEvent.number.desc()).limit(last)
            if env is not None:
                query = query.where(AuditEvent.environment == env)
            if run_id is not None:
                try:
                    query = query.where(AuditEvent.run == find_run(store, run_id).id)
                except WrongUse:
                    continue
            with store.reading() as session:
                events += session.execute(query).scalars()
    events.sort(key=lambda event: (event.at, event.number))
    events = events[-last:]
    bodies = [_body(event) | {"hash": event.hash} for event in events]
    rows = tuple(
        Row((str(body["number"]), format_time(event.at, stack.time_zone), body["kind"], body["run"] or "", _what(body)))
        for event, body in zip(events, bodies, strict=True)
    )
    table = Table(("event", "at", "kind", "run", "what"), rows) if rows else Paragraph("There is no event yet.")
    print_document(Document("", (table,), data=bodies), output)


@audit.command()
@environment_option
@click.option("--yes", is_flag=True, help="Answer the question with yes.")
@click.pass_context
def begin(context: click.Context, env: str | None, yes: bool) -> None:
    """Begin an environment's record anew, where its name has come to mean another account, region or local cloud.

    What was recorded before stays in the record, and nothing is built on it any more: no rollback goes to a release of
    before, and timers of before are cancelled. Nothing is changed in AWS.

    \b
    omc audit begin --env staging
    """
    from omc.engine.actors import actor_of
    from omc.facts.home import home_at
    from omc.store.database import open_store
    from omc.store.homes import begin_anew, home_of

    stack = load(context.obj)
    environment = environment_of(stack, env)
    gateway = Gateway(environment, access_to(environment))
    with open_store(locate_store(stack, environment)) as store:
        here = home_at(gateway)
        with store.reading() as session:
            known = home_of(session, environment.name)
        if known == here:
            raise Refused(f"The record of {environment.name} is {here.words}'s already. Nothing was changed.")
        before = f"{known.words}'s until now" if known else "not said to be anybody's"
        question = f"The record of {environment.name} is {before}: begin it anew for {here.words}?"
        if not yes and not sys.stdin.isatty():
            raise WrongUse(f"This would begin {environment.name}'s record anew, and there is nobody to ask: say --yes.")
        if not yes and not click.confirm(line(question), err=True):
            raise Refused("Nothing was changed.")
        gone = begin_anew(store, environment.name, here, actor_of(gateway).name)
    cancelled = f" Cancelled with it: {', '.join(gone)}." if gone else ""
    echo(line(f"From now on the record of {environment.name} is {here.words}'s.{cancelled}"))


def _body(event: AuditEvent) -> dict[str, Any]:
    """What the event says. ``Altered`` for one that omc did not write."""
    from omc.store.audit import said_in

    try:
        said_in(event.body)
        payload: dict[str, Any] = json.loads(event.body)
    except (ValueError, RecursionError) as error:
        raise Altered(
            f"Event {event.number} of omc's own record can't be read, so somebody changed it. What else was changed: "
            "omc audit verify"
        ) from error
    row = {"number": event.number, "kind": event.kind, "run": event.run, "actor": "?", "details": {}}
    return row | payload


def _what(body: dict[str, Any]) -> str:
    """An event in a line: who, and what became what."""
    shown = {name: value for name, value in (body["changes"] | body["details"]).items() if name not in ("plan", "id")}
    message = ", ".join(f"{name}={_short(value)}" for name, value in shown.items() if value not in (None, "", {}, []))
    key = " ".join(str(part) for part in body["key"]) if body["table"] != "runs" else ""
    return f"{body['actor']}: {body['table']} {key} {message}".replace("  ", " ")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
