"""``omc status``: what customers see of an environment, and who has it sent to them."""

from __future__ import annotations

import re

import click

from omc.api_client.http import refuse_server
from omc.cli.lazy import PlainGroup
from omc.cli.options import environment_option
from omc.cli.show import OUTPUT
from omc.cli.show import show as show_document
from omc.config import environment_of, load
from omc.engine.actors import actor_or_user
from omc.engine.github import refuse_fleeting_record
from omc.errors import Missing
from omc.output import echo, line
from omc.responder.status.board import board_of
from omc.store.location import locate_store

ID = re.compile(r"[0-9a-f]{16}")


@click.group(cls=PlainGroup)
def status() -> None:
    """What customers see: how components are and what they were told; and who has it sent to them.

    Updates are written with omc incident update. The feed itself is served by omc serve: docs/status.md.

    \b
    omc status show --env production
    omc status subscribers list --env production
    omc status subscribers remove jo@example.com --env production
    """


@status.command()
@environment_option
@OUTPUT
@click.pass_context
def show(context: click.Context, env: str | None, output: str) -> None:
    """Components, and what customers were told. Exit code 1 where a component suffers.

    Whether alarms are read, only omc serve knows: while they aren't, its feed says "unknown" where this says
    "operational".

    \b
    omc status show --env production
    omc status show --env production --output json
    """
    from omc.maintenance.records import of_environment
    from omc.responder.status.document import board_document
    from omc.store.database import open_store
    from omc.store.incidents import incidents_of

    refuse_server(context.command_path)
    stack = load(context.obj)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    with open_store(place) as store:
        incidents = incidents_of(store, environment.name)
        maintenances = of_environment(store, environment.name)
        board = board_of(stack, environment.name, incidents, store.now(), is_watched=True, maintenances=maintenances)
    is_public = environment.name in stack.status.environments
    show_document(board_document(board, stack.time_zone, is_public=is_public), output)
    if board.state not in ("operational", "under_maintenance", "unknown"):
        context.exit(1)
    if board.state == "unknown":
        context.exit(3)


@status.group()
def subscribers() -> None:
    """Who has updates sent to them. Their addresses are in one table, and nowhere in the record.

    \b
    omc status subscribers list --env production
    omc status subscribers remove 0f1e2d3c4b5a6978 --env production
    """


@subscribers.command(name="list")
@click.option("--addresses", is_flag=True, help="Show whole addresses; else they are masked.")
@environment_option
@OUTPUT
@click.pass_context
def list_subscribers(context: click.Context, addresses: bool, env: str | None, output: str) -> None:
    """All who subscribed, confirmed or not, the oldest first.

    \b
    omc status subscribers list --env production
    """
    from omc.responder.status.document import subscribers_document
    from omc.store.database import open_store
    from omc.store.subscribers import subscribers_of

    refuse_server(context.command_path)
    stack = load(context.obj)
    environment = environment_of(stack, env)
    with open_store(locate_store(stack, environment)) as store, store.reading() as session:
        found = subscribers_of(session, environment.name)
    show_document(subscribers_document(found, environment.name, stack.time_zone, whole=addresses), output)


@subscribers.command()
@click.argument("who", metavar="SUBSCRIBER")
@environment_option
@click.pass_context
def remove(context: click.Context, who: str, env: str | None) -> None:
    """Forget a subscriber, by the id of the list or by the address. What waits to be sent to it is not sent.

    \b
    omc status subscribers remove jo@example.com --env production
    """
    from omc.store.database import open_store
    from omc.store.subscribers import remove as forget
    from omc.store.subscribers import subscribers_of

    refuse_server(context.command_path)
    stack = load(context.obj)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    refuse_fleeting_record(place, environment)
    with open_store(place) as store, store.transaction(actor_or_user(environment).name) as transaction:
        known = subscribers_of(transaction.session, environment.name)
        chosen = [each.id for each in known if who == each.id or who.lower() == each.address.lower()]
        for each in chosen:
            forget(transaction, each)
    if not chosen:
        what = who if ID.fullmatch(who) else "of this address"
        raise Missing(
            f"{environment.name} has no subscriber {line(what)}. See: omc status subscribers list --env "
            f"{environment.name}"
        )
    echo(f"{len(chosen)} of {environment.name}'s subscriptions removed: {', '.join(chosen)}.")
