"""``omc backup``: the database's backups: taken, listed, verified by restoring them, restored, pruned."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from omc.aws.gateway import Gateway, access_to
from omc.backups.document import backups_document
from omc.cli.change import carry_out, change_options, nothing_to_do, override_option
from omc.cli.options import Moment, RecordGroup, environment_option
from omc.cli.show import OUTPUT, show
from omc.config import environment_of, load
from omc.errors import NothingToDo, WrongUse
from omc.facts.backups import read_backups
from omc.facts.verifications import verifications_at
from omc.model.requests import (
    BackupCreateRequest,
    BackupPruneRequest,
    BackupRestoreRequest,
    BackupSweepRequest,
    BackupVerifyRequest,
)
from omc.store.location import locate_store


class PointInTime(Moment):
    """``latest``, or a time with its offset."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "latest" else super().convert(value, param, ctx)


SNAPSHOT = click.option("--snapshot", default="", metavar="NAME", help="This snapshot.  [default: the newest]")
AT = click.option(
    "--at", type=PointInTime(), metavar="TIME", help="A point in time: latest, or 2026-11-30T18:00+11:00."
)


@click.group(cls=RecordGroup)
def backup() -> None:
    """The database's backups: take one, see what there is, verify one by restoring it, restore one.

    \b
    omc backup list --env staging
    omc backup verify --env staging
    """


@backup.command(name="list")
@environment_option
@OUTPUT
@click.pass_context
def list_backups(context: click.Context, env: str | None, output: str) -> None:
    """Snapshots, the window of a point in time, and what verifications found.

    \b
    omc backup list --env production
    """
    stack = load(context.obj)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    found = read_backups(Gateway(environment, access_to(environment)), environment)
    known = verifications_at(place, environment)
    show(backups_document(found, known, environment, datetime.now(UTC)), output)


@backup.command()
@click.option("--name", default="", metavar="WORDS", help="Part of its name: before-upgrade.")
@change_options
@click.pass_context
def create(context: click.Context, /, name: str, **how: Any) -> None:
    """Take a snapshot of the database, and wait until it is available.

    \b
    omc backup create --env staging --name before-upgrade
    """
    context.exit(carry_out(context, "backup-create", BackupCreateRequest(name.lower()), **how))


@backup.command()
@SNAPSHOT
@AT
@change_options
@click.pass_context
def verify(context: click.Context, /, snapshot: str, at: Any, **how: Any) -> None:
    """Restore a backup to a private instance, compare it with the database as of then, and remove the instance.

    Looks at the schema, the number of rows, the newest times, and reads every row. The verdict is recorded, with how
    long the restore took.

    \b
    omc backup verify --env staging
    omc backup verify --env staging --at latest
    """
    context.exit(carry_out(context, "backup-verify", BackupVerifyRequest(snapshot, _at(snapshot, at)), **how))


@backup.command()
@SNAPSHOT
@AT
@override_option
@change_options
@click.pass_context
def restore(context: click.Context, /, snapshot: str, at: Any, override: str, **how: Any) -> None:
    """Restore a backup to a new instance and put that in the database's place; the old one is kept under another name.

    \b
    omc backup restore --env staging --at 2026-11-30T18:00+11:00 --dry-run
    omc backup restore --env staging --snapshot ohmycoins-staging-before-upgrade-3f9a21c07b11
    """
    request = BackupRestoreRequest(snapshot, _at(snapshot, at), override.strip())
    if not (snapshot or at):
        raise WrongUse("Say what is to be restored: --snapshot NAME or --at TIME. See: omc backup list")
    context.exit(carry_out(context, "backup-restore", request, **how))


@backup.command()
@click.option("--keep", type=click.IntRange(1, 1000), help="The newest that stay.  [default: as omc.toml says]")
@click.option("--days", type=click.IntRange(0, 3650), help="Younger ones stay too.  [default: as omc.toml says]")
@change_options
@click.pass_context
def prune(context: click.Context, /, keep: int | None, days: int | None, **how: Any) -> None:
    """Delete old snapshots that `omc backup create` made; never automated ones, nor the last that was found sound.

    \b
    omc backup prune --env staging --keep 5 --days 35 --dry-run
    """
    _if_any(context, "backup-prune", BackupPruneRequest(keep, days), how)


@backup.command()
@change_options
@click.pass_context
def sweep(context: click.Context, /, **how: Any) -> None:
    """Remove instances that verifications left behind and whose time is over. A timer does this by itself.

    \b
    omc backup sweep --env staging
    """
    _if_any(context, "backup-sweep", BackupSweepRequest(), how)


def _if_any(context: click.Context, procedure: str, request: Any, how: dict[str, Any]) -> None:
    try:
        code = carry_out(context, procedure, request, **how)
    except NothingToDo as nothing:
        code = nothing_to_do(nothing, how["output"])
    context.exit(code)


def _at(snapshot: str, at: Any) -> str:
    if snapshot and at:
        raise WrongUse("Either a snapshot or a point in time: not both.")
    return at.astimezone(UTC).isoformat() if isinstance(at, datetime) else at or ""
