"""``omc worker``: a worker, in the foreground."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from omc.aws.gateway import Gateway, access_to
from omc.cli.options import environment_option
from omc.config import load
from omc.engine.actors import actor_of
from omc.engine.github import refuse_fleeting_record
from omc.facts.home import require_own_records
from omc.procedures import catalogue
from omc.progress import Progress
from omc.store.location import environments_at

if TYPE_CHECKING:
    from omc.engine.planning import RunContext


@click.command()
@environment_option
@click.option("--once", is_flag=True, help="Exit when there is nothing to do.")
@click.pass_context
def worker(context: click.Context, env: str | None, once: bool) -> None:
    """Perform what no other process performs: runs that were approved or whose process died, timers that
    are due, and maintenances that were started.

    Several may run; each run and each timer is done by one of them. Ctrl-C ends it; a run that it was performing
    continues in another worker, or with `omc runs resume`. Without --env it works for every environment in AWS that
    omc.toml has in the same store.

    \b
    omc worker --env staging
    """

    from omc.engine.worker import Worker
    from omc.maintenance.work import look, tell_notices
    from omc.store.database import open_store

    stack = load(context.obj)
    place, chosen = environments_at(stack, env)
    for environment in chosen:
        refuse_fleeting_record(place, environment)
    progress = Progress()
    stopping = threading.Event()

    def stop(*_: Any) -> None:
        stopping.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    with open_store(place) as store:
        require_own_records(store, chosen)
        actor = actor_of(Gateway(chosen[0], access_to(chosen[0])))

        def beside(name: str, site_of: Callable[[], RunContext]) -> bool:
            has_sent = tell_notices(store, stack, [name])
            return look(store, name, site_of, actor, progress) or has_sent

        worker = Worker(stack, tuple(chosen), store, actor, progress, catalogue, beside, stopping)
        names = ", ".join(each.name for each in chosen)
        progress.note(f"{actor.words} works for {names} ({place}). Ctrl-C ends it.")
        try:
            if once:
                while worker.run_once():
                    pass
            else:
                worker.run_forever()
        except KeyboardInterrupt:
            progress.note("Ended. What it was performing stays where it is; another worker continues it.")
