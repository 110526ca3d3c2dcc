"""The database and the cache behind a tunnel: where it leads, and as whom one logs in there."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import AccessDenied, Unknown, WrongUse
from omc.facts.data_doors import (
    DatabasePlace,
    Login,
    login_of,
    read_cache,
    read_container,
    read_database,
    secret_place,
)
from omc.sessions.authorities import cache_context, database_authorities
from omc.sessions.cache import CacheConnection
from omc.sessions.database import Target
from omc.sessions.doors import Doorway, choose_place, service_of
from omc.sessions.forwarding import LOOPBACK, Lead
from omc.sessions.places import CACHE, DATABASE, Wanted, with_port


def leads_of(
    aws: Gateway, environment: Environment, place: Doorway, wanted: Iterable[Wanted]
) -> list[tuple[Lead, Doorway]]:
    """Where each leads, and through which task: a service's port through a task of its own."""
    return [_lead(aws, environment, place, each) for each in wanted]


def _lead(aws: Gateway, environment: Environment, place: Doorway, wanted: Wanted) -> tuple[Lead, Doorway]:
    if wanted.place in (DATABASE, CACHE):
        found = read_database(aws) if wanted.place == DATABASE else read_cache(aws)
        full = with_port(wanted, found.port)
        return Lead(_local(full), found.address, full.port or found.port, wanted.place), place
    service = service_of(environment, wanted.place)
    full = with_port(wanted, service.port)
    if full.port is None:
        raise WrongUse(f"{service.name} has no port in omc.toml. Say which one: {service.name}:8080 for example.")
    own = place if place.service == service.name else choose_place(aws, service)
    return Lead(_local(full), "", full.port, service.name), own


def _local(wanted: Wanted) -> int:
    """The port that was given; else the same number where it can be had, else a free one."""
    if wanted.local is not None:
        return wanted.local
    number = wanted.port or 0
    if number < 1024:
        return 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, number))
        except OSError:
            return 0
    return number


def database_target(aws: Gateway, place: Doorway, port: int, *, writes: bool) -> Target:
    """The database as omc db connects to it."""
    found, doors = read_database(aws), aws.environment.doors
    name, user, password = _database_login(
        aws, place, found, doors.database_writer if writes else doors.database_reader
    )
    return Target(
        _address(found, writes=writes), port, name, user, password, database_authorities(aws.environment), writes, doors
    )


def _address(found: DatabasePlace, *, writes: bool) -> str:
    """Whoever only reads is sent to a cluster's readers, where it has some."""
    return found.address if writes else found.reader_address or found.address


def _database_login(aws: Gateway, place: Doorway, found: DatabasePlace, named: str | None) -> tuple[str, str, str]:
    """The database's name, the user and the password, which for a user that omc.toml names is a token of IAM."""
    if named is not None:
        if not found.has_iam:
            raise WrongUse(
                f"omc.toml has {named} log in by IAM, and the database {found.identifier} has IAM authentication off. "
                "Switch it on, or leave the user out of [doors]."
            )
        return found.name, named, _token(aws, found, named)
    login = login_of(read_container(aws, place.task.definition, place.container), found.address)
    if login is None or not login.user or not login.secret:
        if not found.master_secret:
            raise WrongUse(
                f"How {place.service} logs in at {found.identifier} isn't to be seen in its task definition, and RDS "
                "manages no password of it. Name a user in omc.toml: [doors] database_reader"
            )
        login = Login(found.master, f"{found.master_secret}:password::", found.name)
    return login.name or found.name, login.user, read_secret(aws, login.secret)


def _token(aws: Gateway, found: DatabasePlace, user: str) -> str:
    """For fifteen minutes; it is signed here, and asks nothing of AWS."""
    client: Any = aws.client("rds")
    return str(client.generate_db_auth_token(DBHostname=found.address, Port=found.port, DBUsername=user))


def read_secret(aws: Gateway, reference: str) -> str:
    """The password that a ``valueFrom`` names, with the caller's own right to it."""
    arn, name = secret_place(reference)
    try:
        found: Any = aws.client("secretsmanager").get_secret_value(SecretId=arn)
    except AccessDenied as error:
        raise AccessDenied(
            f"The door is closed: {error.message} It is the password's, and a key of KMS may want kms:Decrypt too.",
            error.action,
        ) from error
    if "SecretString" not in found:
        raise Unknown(
            f"The secret {arn.rpartition(':secret:')[2]} holds bytes and no text: no password can be read there."
        )
    text = str(found["SecretString"])
    if not name:
        return text
    try:
        return str(json.loads(text)[name])
    except (ValueError, KeyError, TypeError) as error:
        raise Unknown(f"The secret {arn.rpartition(':secret:')[2]} has no {name}.") from error


def cache_connection(aws: Gateway, place: Doorway, port: int) -> CacheConnection:
    """A connection to the cache, with its password where it has one."""
    found = read_cache(aws)
    password = ""
    if found.has_token:
        login = login_of(read_container(aws, place.task.definition, place.container), found.address)
        if login is None or not login.secret:
            raise WrongUse(
                f"The cache {found.identifier} wants a password, and {place.service}'s task definition names no secret "
                "beside its address. Go through a service that logs in there: --service NAME"
            )
        password = read_secret(aws, login.secret)
    return CacheConnection(port, found.address, cache_context(aws.environment) if found.has_tls else None, password)
