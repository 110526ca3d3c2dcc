"""Web push of the console. There is no console yet that a browser could subscribe at."""

from __future__ import annotations

from omc.model.people import Channel
from omc.notify.channels.registry import CHANNELS, ChannelContext, PageDelivery
from omc.notify.model import Outcome, Refused


@CHANNELS.register(Channel.PUSH)
def send(delivery: PageDelivery, context: ChannelContext) -> Outcome:  # noqa: ARG001 - every channel takes both
    return Refused("web push isn't set up: no browser has subscribed")
