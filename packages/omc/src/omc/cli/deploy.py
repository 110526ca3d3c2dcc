"""``omc deploy``: other images, or new tasks, as one release of the services together."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import click

from omc.cli.change import carry_out, change_options, nothing_to_do, override_option
from omc.cli.completion import service_names
from omc.errors import NothingToDo
from omc.model.requests import DeployRequest


class Images(click.ParamType[dict[str, str]]):
    """``backend=REF[,frontend=REF]``."""

    name = "images"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        found: dict[str, str] = {}
        for part in str(value).split(","):
            service, equals, reference = part.strip().partition("=")
            if not equals or not service or not reference:
                self.fail(f"{part!r} is not SERVICE=REFERENCE, such as backend=sha256:0123….", param, ctx)
            if service in found:
                self.fail(f"{service} is named twice.", param, ctx)
            found[service] = reference
        return found


class Length(click.ParamType[float]):
    """``90s``, ``2m``, ``1h``, in seconds; ``0`` for none."""

    name = "length"
    units = {"s": 1, "m": 60, "h": 3600}  # noqa: RUF012 - click's own convention for class attributes

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value)
        found = re.fullmatch(r"([0-9]{1,6})([smh])|0", text)
        if found is None:
            self.fail(f"{value!r} is not a length of time; allowed are 0, 90s, 2m, 1h.", param, ctx)
        seconds = int(found[1] or 0) * self.units[found[2] or "s"]
        if seconds > timedelta(days=1).total_seconds():
            self.fail("a release is watched for a day at most.", param, ctx)
        return float(seconds)


@click.command()
@click.option(
    "--image",
    "images",
    type=Images(),
    metavar="SERVICE=REF[,…]",
    default={},
    shell_complete=service_names,
    help="Digest, repository@digest or tag.",
)
@click.option(
    "--force-new",
    multiple=True,
    metavar="SERVICE",
    shell_complete=service_names,
    help="New tasks without a change: after a secret rotates.",
)
@click.option("--watch", type=Length(), metavar="TIME", help="How long to watch the release.  [as omc.toml says]")
@click.option("--no-migrate", is_flag=True, help="Don't run the migration.")
@click.option("--allow-tag", is_flag=True, help="Accept a tag of a repository whose tags are mutable.")
@click.option("--keep-definition", is_flag=True, help="Change the image only, whatever Terraform has changed since.")
@override_option
@click.option("--if-changed", is_flag=True, help="Exit with 0 if every service already runs its image.")
@change_options
@click.pass_context
def deploy(
    context: click.Context,
    /,
    images: dict[str, str],
    force_new: tuple[str, ...],
    watch: float | None,
    no_migrate: bool,
    allow_tag: bool,
    keep_definition: bool,
    override: str,
    if_changed: bool,
    **how: Any,
) -> None:
    """Deploy images by digest, migrate, roll the services, and watch until the outcome is known.

    Registers revisions that differ from the running ones only where the plan says, runs the migration as a task of its
    own, rolls services in the order of omc.toml, and compares errors, latency and alarms with the last verified
    release. What fails is undone in reverse order; a fix that doesn't end an incident is left in place and reported as
    such (3). A tag is resolved to the digest that it names now, and that digest is deployed.

    \b
    Exit codes: 0 succeeded, 1 failed or refused, 2 wrong use, 3 unknown, 4 rolled back, 5 superseded, 6 waits for an
    approval, 7 cancelled.

    \b
    omc deploy --env staging --image backend=sha256:4f5e… --dry-run
    omc deploy --env staging --image backend=build-1a2b3c4,frontend=build-1a2b3c4
    omc deploy --env production --image backend=sha256:4f5e… --watch 10m
    omc deploy --env staging --force-new backend
    """
    request = DeployRequest(
        images=images,
        force_new=list(force_new),
        watch_seconds=watch,
        migrate=not no_migrate,
        allow_tag=allow_tag,
        keep_definition=keep_definition,
        override=override.strip(),
    )
    try:
        code = carry_out(context, "deploy", request, **how)
    except NothingToDo as nothing:
        if not if_changed:
            raise
        code = nothing_to_do(nothing, how["output"])
    context.exit(code)
