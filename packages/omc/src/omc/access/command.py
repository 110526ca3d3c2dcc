"""``omc token``: the API tokens of a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from omc.access.model import PERMISSIONS, ApiToken, Role
from omc.aws.gateway import Gateway, access_to
from omc.cli.options import Period, environment_option
from omc.cli.show import OUTPUT, environment_and_output, show
from omc.config import Environment, Stack, environment_of, load
from omc.engine.actors import Actor, actor_of
from omc.engine.github import refuse_fleeting_record
from omc.errors import WrongUse, did_you_mean
from omc.output import echo, line, to_json
from omc.output.document import Document, Literal, Paragraph, Row, Severity, Status, Table
from omc.output.gate import reveal
from omc.redaction import REDACTED
from omc.store.location import locate_store
from omc.times import format_time, iso

if TYPE_CHECKING:
    from omc.store.opened import Store

LIFETIME = Period(timedelta(days=3650), "hours or days up to 3650d: 12h, 90d", units="hd", name="lifetime")
ROLES = click.Choice([role.value for role in Role])
MEANINGS = "; ".join(f"{role.value}: {', '.join(sorted(each))}" for role, each in PERMISSIONS.items())


@click.group()
def token() -> None:
    """Tokens for omc's server: create one, see which there are, revoke one.

    They belong to the store, and so to all environments whose record is in it.

    \b
    omc token create --name grafana --role viewer --env production
    omc token list --env production
    omc token revoke grafana --env production
    """


@token.command()
@click.option("--name", required=True, help="What the record calls whoever acts with it.")
@click.option("--role", type=ROLES, required=True, help=MEANINGS)
@click.option("--expires", type=LIFETIME, help="After how long it is worth nothing: 90d, 12h.  [default: never]")
@click.option("--person", help="Whose it is, by the name of her table in [people]: she acknowledges with it.")
@environment_and_output
def create(
    context: click.Context,
    name: str,
    role: str,
    expires: timedelta | None,
    person: str | None,
    env: str | None,
    output: str,
) -> None:
    """Create a token and print it, this once: only its SHA-256 is kept.

    \b
    omc token create --name grafana --role viewer --env production
    omc token create --name jo-laptop --role responder --person jo --expires 90d --env production
    """
    from omc.access.records import create_token

    stack, environment = _chosen(context.obj, env)
    if person is not None and person not in stack.persons:
        raise WrongUse(f"There is no [people.{person}] in omc.toml.{did_you_mean(person, list(stack.persons))}")
    with _writing(stack, environment) as (store, actor):
        until = store.now() + expires if expires else None
        made, secret = create_token(store, name, Role(role), actor.name, until, person or "", actor.link)
    if output == "json":
        reveal(to_json({**_data(made, made.created_at), "token": secret}), secret)
        return
    echo(line(f"The token {made.name} ({role}) is made. Keep it now; it is shown this once:"), err=True)
    reveal(REDACTED, secret)


@token.command(name="list")
@environment_option
@click.option("--all", "everything", is_flag=True, help="Also those that are revoked or have expired.")
@OUTPUT
@click.pass_context
def list_tokens(context: click.Context, env: str | None, everything: bool, output: str) -> None:
    """The tokens that are valid, oldest first. Their secrets are kept nowhere.

    \b
    omc token list --env production
    omc token list --env production --all --output json
    """
    from omc.access.records import tokens_of
    from omc.store.database import open_store

    stack, environment = _chosen(context.obj, env)
    place = locate_store(stack, environment)
    shown: list[ApiToken] = []
    now = None
    if place.exists:
        with open_store(place) as store:
            now = store.now()
            shown = [each for each in tokens_of(store) if everything or each.is_valid(now)]
    show(tokens_document(shown, environment.time_zone, now), output)


@token.command()
@click.argument("name")
@click.option("--reason", default="", help="Why, for the record.")
@environment_option
@click.pass_context
def revoke(context: click.Context, name: str, reason: str, env: str | None) -> None:
    """Revoke a token by its name or its id. The next request with it is refused, by every server of this store.

    \b
    omc token revoke grafana --env production
    omc token revoke 3f9c2a… --reason "found in a log" --env production
    """
    from omc.access.records import revoke_token

    stack, environment = _chosen(context.obj, env)
    with _writing(stack, environment) as (store, actor):
        revoked = revoke_token(store, name, actor.name, reason, actor.link)
    echo(line(f"The token {revoked.name} is revoked."))


def tokens_document(tokens: Sequence[ApiToken], zone: str, now: datetime | None) -> Document:
    rows = tuple(
        Row(
            (
                each.name,
                Literal(each.id),
                each.role.value if each.role else "unknown",
                _state(each, now),
                f"{format_time(each.created_at, zone)} by {each.created_by}",
                format_time(each.expires, zone) if each.expires else "never",
            )
        )
        for each in tokens
    )
    table = Table(("token", "id", "role", "state", "created", "expires"), rows)
    data = {"items": [_data(each, now) for each in tokens]}
    return Document("", (table if rows else Paragraph("There is no token."),), data=data)


def _state(token: ApiToken, now: datetime | None) -> Status:
    if token.revoked_at is not None:
        return Status("revoked")
    return Status("valid", Severity.OK) if now is None or token.is_valid(now) else Status("expired")


def _data(token: ApiToken, now: datetime | None) -> dict[str, object]:
    return {
        "name": token.name,
        "id": token.id,
        "role": token.role.value if token.role else None,
        "state": _state(token, now).word,
        "person": token.person or None,
        "created_by": token.created_by,
        "created_at": iso(token.created_at),
        "expires": iso(token.expires),
        "revoked_by": token.revoked_by,
        "revoked_at": iso(token.revoked_at),
    }


def _chosen(file: Path | None, env: str | None) -> tuple[Stack, Environment]:
    stack = load(file)
    return stack, environment_of(stack, env)


@contextmanager
def _writing(stack: Stack, environment: Environment) -> Iterator[tuple[Store, Actor]]:
    from omc.store.database import open_store

    place = locate_store(stack, environment)
    refuse_fleeting_record(place, environment)
    actor = actor_of(Gateway(environment, access_to(environment)))
    with open_store(place) as store:
        yield store, actor
