"""``omc database``: maintenance of the environment's database, each change as a plan with what it interrupts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from omc.cli.change import carry_out, change_options, nothing_to_do, override_option
from omc.cli.options import RecordGroup
from omc.errors import NothingToDo, WrongUse
from omc.model.requests import (
    DatabaseApplyRequest,
    DatabaseCertificateRequest,
    DatabaseClassRequest,
    DatabaseCleanupRequest,
    DatabaseParameterRequest,
    DatabaseRebootRequest,
    DatabaseRotateRequest,
    DatabaseStorageRequest,
    DatabaseUpgradeRequest,
)


@click.group(cls=RecordGroup)
def database() -> None:
    """The database's maintenance: reboot, class, storage, parameters, password, version, certificate.

    Each is applied immediately, and what interrupts users is refused outside a maintenance window. The plan says how
    long that is, how it is undone or that it can't be, and what Terraform must say afterwards.

    \b
    omc database class db.t4g.small --env staging --dry-run
    omc database parameter max_connections=120 --env staging
    """


def _carry_out(context: click.Context, procedure: str, request: Any, how: dict[str, Any]) -> None:
    try:
        code = carry_out(context, procedure, request, **how)
    except NothingToDo as nothing:
        code = nothing_to_do(nothing, how["output"])
    context.exit(code)


@database.command()
@click.option("--failover", is_flag=True, help="Make the standby the primary: the database is in two zones.")
@override_option
@change_options
@click.pass_context
def reboot(context: click.Context, /, failover: bool, override: str, **how: Any) -> None:
    """Restart the database, and wait until it takes connections and the services serve.

    What waits for a reboot in its parameter group comes into force.

    \b
    omc database reboot --env staging
    omc database reboot --env production --failover
    """
    _carry_out(context, "database-reboot", DatabaseRebootRequest(failover, override.strip()), how)


@database.command(name="class")
@click.argument("instance_class", metavar="CLASS")
@override_option
@change_options
@click.pass_context
def class_(context: click.Context, /, instance_class: str, override: str, **how: Any) -> None:
    """Give the database another class.

    \b
    omc database class db.t4g.small --env staging
    """
    _carry_out(context, "database-class", DatabaseClassRequest(instance_class, override.strip()), how)


@database.command()
@click.argument("gib", type=click.IntRange(20, 65536))
@override_option
@change_options
@click.pass_context
def storage(context: click.Context, /, gib: int, override: str, **how: Any) -> None:
    """Grow the database's storage to so many GiB. It never gets smaller, and waits six hours between two changes.

    \b
    omc database storage 30 --env staging
    """
    _carry_out(context, "database-storage", DatabaseStorageRequest(gib, override.strip()), how)


@database.command()
@click.argument("values", nargs=-1, required=True, metavar="NAME=VALUE...")
@click.option("--reboot/--no-reboot", default=True, help="Restart for a static one.  [reboot]")
@override_option
@change_options
@click.pass_context
def parameter(context: click.Context, /, values: Sequence[str], reboot: bool, override: str, **how: Any) -> None:
    """Set parameters of the database, and restart it where one of them is static.

    \b
    omc database parameter log_min_duration_statement=500 --env staging
    omc database parameter max_connections=120 --env staging
    """
    request = DatabaseParameterRequest(_pairs(values), reboot, override.strip())
    _carry_out(context, "database-parameter", request, how)


def _pairs(values: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in values:
        name, equals, value = each.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise WrongUse(f'"{each}" is no parameter with a value: write NAME=VALUE.')
        if name.strip() in found:
            raise WrongUse(f"{name.strip()} is named twice.")
        found[name.strip()] = value.strip()
    return found


@database.command()
@override_option
@change_options
@click.pass_context
def rotate(context: click.Context, /, override: str, **how: Any) -> None:
    """Rotate the master password, restart the services that were started with it, and log in with the new one.

    \b
    omc database rotate --env staging
    """
    _carry_out(context, "database-rotate", DatabaseRotateRequest(override.strip()), how)


@database.command()
@click.argument("version")
@click.option("--in-place", is_flag=True, help="A major version too, with an outage of minutes and no way back.")
@override_option
@change_options
@click.pass_context
def upgrade(context: click.Context, /, version: str, override: str, *, in_place: bool, **how: Any) -> None:
    """Upgrade the database: to a minor version in place, to a major one by a copy that is switched to.

    A major upgrade is this command twice: the first time makes the copy, which may take hours and interrupts nothing;
    the second time switches over. RDS makes no copy where it manages the master password: then it is made in place.

    \b
    omc database upgrade 17.7 --env staging
    omc database upgrade 18.1 --env staging --dry-run
    omc database upgrade 18.1 --in-place --env staging
    """
    _carry_out(context, "database-upgrade", DatabaseUpgradeRequest(version, override.strip(), in_place=in_place), how)


@database.command()
@override_option
@change_options
@click.pass_context
def cleanup(context: click.Context, /, override: str, **how: Any) -> None:
    """Remove what a major upgrade left: the copy before the switchover, the old instance after it.

    \b
    omc database cleanup --env staging
    """
    _carry_out(context, "database-cleanup", DatabaseCleanupRequest(override.strip()), how)


@database.command()
@click.argument("authority", metavar="CA")
@override_option
@change_options
@click.pass_context
def certificate(context: click.Context, /, authority: str, override: str, **how: Any) -> None:
    """Give the database a certificate of another authority; without a restart where its version can.

    \b
    omc database certificate rds-ca-ecc384-g1 --env staging
    """
    _carry_out(context, "database-certificate", DatabaseCertificateRequest(authority, override.strip()), how)


@database.command()
@click.argument("action", default="")
@override_option
@change_options
@click.pass_context
def apply(context: click.Context, /, action: str, override: str, **how: Any) -> None:
    """Apply maintenance that AWS has announced now, all of it or one action.

    \b
    omc database apply --env staging
    omc database apply system-update --env production
    """
    _carry_out(context, "database-apply", DatabaseApplyRequest(action, override.strip()), how)
