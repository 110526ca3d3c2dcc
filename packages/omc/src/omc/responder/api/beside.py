"""The API beside a responder that runs in the same process: it knows what that one knows, and wakes it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from omc.responder.api.context import ApiContext, Sample, make_context
from omc.responder.api.serving import bound, serve

if TYPE_CHECKING:
    from omc.responder.service import Responder

LISTEN_VARIABLE = "OMC_LISTEN"
"""Goes before omc.toml's address, for a container whose port somebody else chooses."""
LABEL = "environment"


@contextmanager
def answering(responder: Responder) -> Iterator[str | None]:
    """Answer for as long as the block lasts; the address, or None where there is none to listen at.
    ``WrongUse`` where that address can't be had: better now than at night."""
    listen = os.environ.get(LISTEN_VARIABLE) or responder.stack.server.listen
    if listen is None:
        yield None
        return
    context = context_beside(responder)
    listening = bound(listen)
    is_over, has_begun = threading.Event(), threading.Event()
    addresses: list[str] = []

    def announce(address: str) -> None:
        addresses.append(address)
        has_begun.set()

    def run() -> None:
        try:
            serve(context, listening, announce, is_over.is_set)
        except Exception as error:  # noqa: BLE001 - pages still go out; /metrics and the load balancer miss it
            responder.report(f"The API has ended: {type(error).__name__}: {error}")
        finally:
            has_begun.set()

    thread = threading.Thread(target=run, name="api")
    thread.start()
    try:
        has_begun.wait()
        yield addresses[0] if addresses else None
    finally:
        is_over.set()
        thread.join()


def context_beside(responder: Responder) -> ApiContext:
    return make_context(
        responder.stack,
        responder.environments,
        responder.store,
        on_call=responder.context_of,
        samples=lambda: samples_of(responder),
        log=responder.report,
        wake=responder.wake,
        is_watched=responder.is_watching,
    )


def samples_of(responder: Responder) -> Iterator[Sample]:
    """What only this process knows."""
    for name, seconds in responder.unread().items():
        yield Sample("omc_queue_unread_seconds", seconds, ((LABEL, name),))
    for name, seconds in responder.oldest_in_hand().items():
        yield Sample("omc_queue_oldest_seconds", seconds, ((LABEL, name),))
    stale = responder.stale()
    for task in responder.tasks:
        yield Sample("omc_task_is_stale", float(task.name in stale), (("task", task.name),))
