"""Options that many commands share."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem


def _environments(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The stack file's environments, for the shell; nothing where it can't be read."""
    from omc.errors import OmcError
    from omc.stack import load

    root = context.find_root()
    try:
        names = load(root.params.get("stack")).environments
    except OmcError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


environment_option = click.option(
    "--env",
    metavar="ENV",
    shell_complete=_environments,
    help="local, staging, production: an environment of omc.toml.  [needed, unless omc.toml has a default]",
)
