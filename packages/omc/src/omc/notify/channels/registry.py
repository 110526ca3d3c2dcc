"""What a channel is: a function from a delivery to what became of it, registered under its ``Channel``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from omc.aws.gateway import Gateway, access_to
from omc.config import Stack
from omc.model.pages import Page
from omc.model.people import Channel, ContactMethod
from omc.model.registry import Registry
from omc.notify.http import client
from omc.notify.model import Failure, Outcome, Refused
from omc.notify.secrets import secret, variable_of
from omc.store.opened import Store

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True)
class PageDelivery:
    """One attempt to send a page by one of its methods."""

    page: Page
    method: ContactMethod
    may_have_arrived: bool = False
    """An earlier attempt by this method had no answer, or the process that made it died: it may be there already."""


@dataclass(slots=True)
class ChannelContext:
    """What channels work with, for all threads of a sender."""

    stack: Stack
    now: Callable[[], datetime]
    http: httpx.Client = field(default_factory=client)
    store: Store | None = None
    """For what a channel knows of a recipient beside her address: her browsers."""
    _gateways: dict[str, Gateway] = field(default_factory=dict)

    def gateway(self, environment: str) -> Gateway | None:
        """The way to write to the AWS of an environment; None for one that omc.toml doesn't have."""
        if environment not in self.stack.environments:
            return None
        if environment not in self._gateways:
            place = self.stack.environments[environment]
            self._gateways[environment] = Gateway(place, access_to(place), writes=True)
        return self._gateways[environment]


Send = Callable[[PageDelivery, ChannelContext], Outcome]
CHANNELS: Registry[Channel, Send] = Registry("channel")


def secret_or_refusal(variable: str, name: str = "") -> str | Refused:
    """The secret, or that it isn't set and what to set."""
    found = secret(variable, name)
    return found if found is not None else Refused(f"{variable_of(variable, name)} is not set", Failure.RIGHTS)
