"""``omc deployments``: what was deployed, when, and how it ended. Reads only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from omc.aws.gateway import Gateway, access_to
from omc.cli.options import environment_option
from omc.cli.show import OUTPUT, show
from omc.config import Environment, environment_of, load
from omc.facts.deployments import History
from omc.facts.home import require_own_record
from omc.facts.releases import Ledger
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.serving import Serving
from omc.facts.source import Facts
from omc.reports.deployments import LOOK_BACK, deployments_document
from omc.store.location import locate_store
from omc.store.opened import Store


@click.command()
@environment_option
@OUTPUT
@click.option("--most", type=click.IntRange(1, 200), default=15, show_default=True, help="How many, newest first.")
@click.pass_context
def deployments(context: click.Context, env: str | None, output: str, most: int) -> None:
    """What ECS serves now, beside the releases that omc verified, and ECS's own history where omc recorded nothing.

    \b
    omc deployments --env staging
    omc deployments --env production --most 50 --output markdown
    """
    stack = load(context.obj)
    environment = environment_of(stack, env)
    history, ledger, services, serving = read(stack, environment)
    show(deployments_document(history, ledger, services, serving, environment, most), output)


def read(stack: Any, environment: Environment) -> tuple[History, Ledger, Services, Serving]:
    """Both histories, the services, and what runs of them. Raises what made one of them unreadable."""
    from omc.store.database import open_store

    with open_store(locate_store(stack, environment)) as store:
        gateway = Gateway(environment, access_to(environment))
        require_own_record(store, gateway)
        facts = Facts(gateway, Scope(datetime.now(UTC), LOOK_BACK), {Store: store})
        history, ledger, services, serving = facts.require(History, Ledger, Services, Serving)
    return history, ledger, services, serving
