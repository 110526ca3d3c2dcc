"""What a responder looks at an environment's incidents with, made of omc.toml."""

from __future__ import annotations

from omc.config import Stack
from omc.responder.duty import Duty
from omc.responder.health import read_health
from omc.responder.life import OnCallContext
from omc.responder.policy import Policy, Resolve
from omc.store.opened import Store


def context_from(
    stack: Stack, environment: str, store: Store, resolve: Resolve | None = None, policy: Policy | None = None
) -> OnCallContext:
    """``resolve`` and ``policy``: who is on call, and after how long; without, what the rotas and omc.toml say."""
    chosen = stack.environments[environment]
    duty = Duty(stack, store)
    return OnCallContext(policy or duty.policy(), resolve or duty.resolve, lambda: read_health(chosen, store))
