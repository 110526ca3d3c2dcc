"""``omc serve``: a responder, in the foreground."""

from __future__ import annotations

import signal
import threading
from typing import Any

import click

from omc.cli.options import environment_option
from omc.config import load
from omc.engine.github import refuse_fleeting_record
from omc.facts.home import require_own_records
from omc.output import line
from omc.progress import Progress
from omc.store.location import environments_at


@click.command()
@environment_option
@click.pass_context
def serve(context: click.Context, env: str | None) -> None:
    """Watch alarms and page people: reads the queue of alarms, keeps incidents, escalates, sends pages, and takes
    answers from Slack.

    Several may run on one store; what one was doing when it died another goes on with. A message is deleted from the
    queue only after everything that it led to is committed. It asks CloudWatch each minute for what nobody has told it,
    and sends the heartbeat whose silence is an alarm of its own. Without --env it serves every environment that
    omc.toml has in the same store. Where [server] has an address to listen at, it answers the HTTP API there. Ctrl-C
    ends it.

    \b
    omc serve --env production
    OMC_SLACK_BOT_TOKEN=… OMC_SLACK_APP_TOKEN=… omc serve --env staging
    """

    from omc.responder.api.beside import answering
    from omc.responder.service import Responder
    from omc.store.database import open_store

    stack = load(context.obj)
    place, chosen = environments_at(stack, env)
    for environment in chosen:
        refuse_fleeting_record(place, environment)
    progress = Progress()
    stopping = threading.Event()

    def stop(*_: Any) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with open_store(place) as store:
        require_own_records(store, chosen)
        responder = Responder(stack, tuple(chosen), store, lambda text: progress.note(line(text)), stopping)
        names = ", ".join(each.name for each in chosen)
        with answering(responder) as address:
            progress.note(f"Watching the alarms of {names} ({place}). Ctrl-C ends it.")
            if address:
                progress.note(f"The API answers at {address}.")
            responder.run_forever()
    progress.note("Ended. What was waiting waits for the next one.")
