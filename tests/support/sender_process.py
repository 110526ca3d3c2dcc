"""A sender in a process of its own, which kills itself at a moment: before the Nth message is sent, or after it was.

python -m support.sender_process STORE_URL RECEIVER before|after|never N
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading

from omc.engine.processes import this_process
from omc.model.people import Channel
from omc.notify.channels.registry import CHANNELS, ChannelContext, PageDelivery
from omc.notify.delivery import Sender
from omc.notify.model import Outcome
from omc.store.database import open_store
from omc.store.location import StoreLocation
from omc.store.outbox import WAITING, pages
from support.notify_world import stack_with

LEASE = 3.0
"""Seconds: more than a busy machine needs for a page, or each is taken from whoever sends it."""
THREADS = 2


def main() -> None:
    url, receiver, moment, number = sys.argv[1:]
    count = itertools.count(1)

    def send(delivery: PageDelivery, context: ChannelContext) -> Outcome:
        last = next(count) == int(number)
        if last and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        outcome = CHANNELS[Channel.WEBHOOK](delivery, context)
        if last and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome

    with open_store(StoreLocation(url=url)) as store:
        context = ChannelContext(stack_with(webhook=receiver), store.now)
        sender = Sender(store, ("staging",), {Channel.WEBHOOK: send}, context, this_process(), lease=LEASE)

        def end_when_all_is_sent() -> None:
            while not sender.stopping.wait(0.1):
                with store.reading() as session:
                    if not pages(session, ["staging"], [WAITING]):
                        sender.stopping.set()

        threading.Thread(target=end_when_all_is_sent, daemon=True).start()
        sender.run_forever(THREADS)


if __name__ == "__main__":
    main()
