"""``omc mcp``: omc's readings for people who work with agents."""

from __future__ import annotations

from importlib.util import find_spec

import click

from omc.cli.completion import environment_names
from omc.config import environment_of, load
from omc.distribution import install_line
from omc.errors import WrongUse


@click.command()
@click.option(
    "--env",
    "names",
    multiple=True,
    metavar="ENV",
    shell_complete=environment_names,
    help="An environment that may be asked about; may be repeated. Only these can be.  [needed]",
)
@click.pass_context
def mcp(context: click.Context, names: tuple[str, ...]) -> None:
    """Serve omc's readings to an agent, by the Model Context Protocol over stdin and stdout. Reads only.

    A client starts this command and ends it. Its tools are the morning check, diagnosis, weekly review, errors and
    saved queries of the logs, deployments, runs, incidents, alerts, and plans as dry runs. Nothing can be changed,
    approved, acknowledged or recorded through it, whatever rights the credentials have.

    Needs the extra mcp; without it, it says how that is installed.

    \b
    omc mcp --env staging
    omc mcp --env staging --env production
    """
    stack = load(context.obj)
    if not names:
        raise WrongUse(
            f"Say which environments may be asked about: --env NAME, once for each of {', '.join(stack.environments)}."
        )
    environments = [environment_of(stack, name) for name in dict.fromkeys(names)]
    if find_spec("mcp") is None:
        raise WrongUse(f"The Model Context Protocol needs a package that isn't installed: {install_line('mcp')}")
    from omc.agents.server import run

    run(stack, environments)
