"""``omc token``: the API tokens of a store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from omc.access.document import token_data, tokens_document
from omc.access.model import PERMISSIONS, ApiToken, Role
from omc.api_client import documents as through
from omc.api_client.http import Server, configured, refuse_server, segment
from omc.aws.gateway import Gateway, access_to
from omc.cli.lazy import PlainGroup
from omc.cli.options import Period, environment_option
from omc.cli.show import OUTPUT, environment_and_output, show
from omc.config import Environment, Stack, environment_of, load
from omc.engine.actors import Actor, actor_of
from omc.engine.github import refuse_fleeting_record
from omc.errors import Missing, WrongUse, did_you_mean
from omc.output import echo, line, to_json
from omc.output.gate import reveal
from omc.redaction import REDACTED
from omc.store.location import locate_store

if TYPE_CHECKING:
    from omc.store.opened import Store

LIFETIME = Period(timedelta(days=3650), "hours or days up to 3650d: 12h, 90d", units="hd", name="lifetime")
TOKENS = "/v1/tokens"
ROLES = click.Choice([role.value for role in Role])
MEANINGS = "; ".join(f"{role.value}: {', '.join(sorted(each))}" for role, each in PERMISSIONS.items())


@click.group(cls=PlainGroup)
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

    refuse_server(context.command_path)
    stack, environment = _chosen(context.obj, env)
    if person is not None and person not in stack.persons:
        raise WrongUse(f"There is no [people.{person}] in omc.toml.{did_you_mean(person, list(stack.persons))}")
    with _writing(stack, environment) as (store, actor):
        until = store.now() + expires if expires else None
        made, secret = create_token(store, name, Role(role), actor.name, until, person or "", actor.link)
    if output == "json":
        reveal(to_json({**token_data(made, made.created_at), "token": secret}), secret)
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
    stack, environment = _chosen(context.obj, env)
    if (server := configured()) is not None:
        query = {"state": "all" if everything else "valid"}
        show(through.read_all(server, TOKENS, query, "items", "offset"), output)
        return
    from omc.access.records import tokens_of
    from omc.store.database import open_store

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
    stack, environment = _chosen(context.obj, env)
    if (server := configured()) is not None:
        echo(line(f"The token {_revoke_through(server, name, reason)} is revoked."))
        return
    from omc.access.records import revoke_token

    with _writing(stack, environment) as (store, actor):
        revoked = revoke_token(store, name, actor.name, reason, actor.link)
    echo(line(f"The token {revoked.name} is revoked."))


def _revoke_through(server: Server, name: str, reason: str) -> str:
    """By its id or its name, of which the valid one is meant; the name that it has."""
    try:
        ids = [name] if re.fullmatch(r"[0-9a-f]{16}", name) else []
        if not ids:
            found = server.get(TOKENS, {"name": name, "state": "all"})["items"]
            ids = [each["id"] for each in found if each["is_valid"]] or [each["id"] for each in found]
        if not ids:
            raise Missing(f"There is no token {name}. See: omc token list")
        return str(server.post(f"{TOKENS}/{segment(ids[-1])}/revoke", {"reason": reason})["name"])
    except (KeyError, TypeError) as error:
        raise server.strange() from error


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
