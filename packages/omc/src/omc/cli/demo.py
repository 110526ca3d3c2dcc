"""``omc demo``: the main job from end to end, on this machine, in a cloud of its own."""

from __future__ import annotations

from pathlib import Path

import click

from omc.config import load
from omc.interrupts import reraise_interrupts
from omc.local import demo as story
from omc.local.lifecycle import site_of
from omc.output import echo
from omc.progress import Progress


@click.command()
@click.option("--keep", is_flag=True, help="Leave the demo's cloud running at the end.")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of the demo's cloud. It is deleted at the end.  [default: .localcloud-demo beside omc.toml]",
)
@click.pass_context
def demo(context: click.Context, keep: bool, state: Path | None) -> None:
    """Watch the stack come up, pass its morning check and break, and read what broke and why. About three minutes.

    \b
    omc demo
    omc demo --keep     and look around in it afterwards
    """
    stack = load(context.obj)
    place = site_of(stack, state or stack.file.parent / ".localcloud-demo")
    try:
        with reraise_interrupts():
            story.run(place, Progress(), echo, keep=keep)
    except KeyboardInterrupt:
        echo("\nInterrupted; the demo's cloud was removed.", err=True)
        raise SystemExit(130) from None
