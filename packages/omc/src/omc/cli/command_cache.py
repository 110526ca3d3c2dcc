"""``omc cache``: maintenance of the environment's cache, each change as a plan with what it interrupts."""

from __future__ import annotations

from typing import Any

import click

from omc.cli.change import carry_out, change_options, nothing_to_do, override_option
from omc.cli.options import RecordGroup
from omc.errors import NothingToDo
from omc.model.requests import (
    CacheApplyRequest,
    CacheFailoverRequest,
    CacheRebootRequest,
    CacheScaleRequest,
    CacheUpgradeRequest,
    CacheValkeyRequest,
)


@click.group(cls=RecordGroup)
def cache() -> None:
    """The cache's maintenance: failover, node type, replicas, version, Valkey, AWS's updates.

    Each is applied immediately, and what interrupts users is refused outside a maintenance window.

    \b
    omc cache failover --env production --dry-run
    omc cache scale cache.t4g.small --env staging
    """


def _carry_out(context: click.Context, procedure: str, request: Any, how: dict[str, Any]) -> None:
    try:
        code = carry_out(context, procedure, request, **how)
    except NothingToDo as nothing:
        code = nothing_to_do(nothing, how["output"])
    context.exit(code)


@cache.command()
@override_option
@change_options
@click.pass_context
def failover(context: click.Context, /, override: str, **how: Any) -> None:
    """Make a replica the primary, and wait until all members are back and the services serve.

    \b
    omc cache failover --env production
    """
    _carry_out(context, "cache-failover", CacheFailoverRequest(override.strip()), how)


@cache.command()
@click.argument("node_type", metavar="[TYPE]", default="")
@click.option("--replicas", type=click.IntRange(0, 4), help="Members beside the primary.")
@override_option
@change_options
@click.pass_context
def scale(context: click.Context, /, node_type: str, replicas: int | None, override: str, **how: Any) -> None:
    """Give the cache another node type, another number of replicas, or both.

    \b
    omc cache scale cache.t4g.small --env staging
    omc cache scale --replicas 1 --env staging
    """
    _carry_out(context, "cache-scale", CacheScaleRequest(node_type, replicas, override.strip()), how)


@cache.command()
@click.argument("version")
@override_option
@change_options
@click.pass_context
def upgrade(context: click.Context, /, version: str, override: str, **how: Any) -> None:
    """Upgrade the cache to a newer version of its engine. There is no way back.

    \b
    omc cache upgrade 7.1 --env staging
    """
    _carry_out(context, "cache-upgrade", CacheUpgradeRequest(version, override.strip()), how)


@cache.command()
@click.option("--version", default="8.0", show_default=True, help="Of Valkey.")
@override_option
@change_options
@click.pass_context
def valkey(context: click.Context, /, version: str, override: str, **how: Any) -> None:
    """Make a cache of Redis one of Valkey, with the parameters that were set. There is no way back.

    \b
    omc cache valkey --env staging --dry-run
    """
    _carry_out(context, "cache-valkey", CacheValkeyRequest(version, override.strip()), how)


@cache.command()
@click.argument("member")
@override_option
@change_options
@click.pass_context
def reboot(context: click.Context, /, member: str, override: str, **how: Any) -> None:
    """Restart one member, which loses what it holds.

    \b
    omc cache reboot ohmycoins-staging-redis-001 --env staging
    """
    _carry_out(context, "cache-reboot", CacheRebootRequest(member, override.strip()), how)


@cache.command()
@click.argument("update", default="")
@override_option
@change_options
@click.pass_context
def apply(context: click.Context, /, update: str, override: str, **how: Any) -> None:
    """Apply AWS's service updates now, all of them or one.

    \b
    omc cache apply --env staging
    """
    _carry_out(context, "cache-apply", CacheApplyRequest(update, override.strip()), how)
