"""What the API works with: the store, the environments, who may ask, and what this process knows besides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Path, Request

from omc.access.authenticate import Authenticator
from omc.access.jwks import ProviderKeys
from omc.access.rates import RateLimiter
from omc.config import Environment, Stack
from omc.errors import Missing, did_you_mean
from omc.incidents.events import Captured
from omc.incidents.incident import Incident
from omc.output import echo, line
from omc.responder.impact import read_impact
from omc.responder.life import OnCallContext
from omc.responder.sns import SnsDoor, sns_door
from omc.responder.status.board import Board
from omc.store.opened import Store


@dataclass(frozen=True, slots=True)
class Sample:
    """A figure of this process for ``/metrics``: the age of the queue's oldest message, for example."""

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
    """Values that omc.toml or omc itself chooses; never a name from outside, of which there may be any number."""
    help: str = ""


@dataclass(slots=True)
class Boards:
    """What customers see of each environment, as it was last made: anybody may ask, and making it reads all
    incidents."""

    made: dict[str, tuple[float, Board]] = field(default_factory=dict)
    """When, by the monotonic clock."""
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class ApiContext:
    """One server's."""

    stack: Stack
    environments: tuple[Environment, ...]
    """Those whose record is in the store."""
    store: Store
    authenticator: Authenticator
    on_call: Callable[[str], OnCallContext]
    """By an environment's name."""
    samples: Callable[[], Iterable[Sample]]
    log: Callable[[str], None]
    wake: Callable[[], None]
    """There is something to look at, or to send: the responder needn't wait for its next look."""
    measure: Callable[[Environment, Incident, datetime], Captured]
    """What failed while an incident lasted, as CloudWatch has it."""
    address_rates: RateLimiter
    caller_rates: RateLimiter
    sns: SnsDoor | None = None
    """By which messages of SNS come in; None where none are taken."""
    is_watched: Callable[[str], bool] = lambda _: False
    """Whether somebody reads an environment's alarms just now, so that silence means that all is well."""
    boards: Boards = field(default_factory=Boards)
    open_connections: set[object] = field(default_factory=set)

    def environment(self, name: str) -> Environment:
        """``Missing`` where this server doesn't have it."""
        found = next((each for each in self.environments if each.name == name), None)
        if found is None:
            names = [each.name for each in self.environments]
            raise Missing(
                f'This server has no environment "{name}"; it has {", ".join(names)}.{did_you_mean(name, names)}'
            )
        return found


def make_context(
    stack: Stack,
    environments: Sequence[Environment],
    store: Store,
    *,
    on_call: Callable[[str], OnCallContext],
    samples: Callable[[], Iterable[Sample]] = tuple,
    log: Callable[[str], None] | None = None,
    wake: Callable[[], None] = lambda: None,
    sns: SnsDoor | None = None,
    measure: Callable[[Environment, Incident, datetime], Captured] = read_impact,
    is_watched: Callable[[str], bool] = lambda _: False,
) -> ApiContext:
    """The context of a server, by omc.toml."""
    settings = stack.server
    keys = ProviderKeys(settings.oidc) if settings.oidc else None
    return ApiContext(
        stack=stack,
        environments=tuple(environments),
        store=store,
        authenticator=Authenticator(store, settings.oidc, keys, environments[0].people),
        on_call=on_call,
        samples=samples,
        log=log or (lambda text: echo(line(text), err=True)),
        wake=wake,
        measure=measure,
        is_watched=is_watched,
        address_rates=RateLimiter(settings.limits.address_requests_per_minute),
        caller_rates=RateLimiter(settings.limits.requests_per_minute),
        sns=sns or sns_door(stack, {each.name: each for each in environments}, store.now),
    )


def context_of(request: Request) -> ApiContext:
    context: ApiContext = request.app.state.context
    return context


def environment_of(
    request: Request,
    environment: Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,31}$", description="An environment of omc.toml.")],
) -> Environment:
    return context_of(request).environment(environment)


Context = Annotated[ApiContext, Depends(context_of)]
Chosen = Annotated[Environment, Depends(environment_of)]
