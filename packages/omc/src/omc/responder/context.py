"""What a responder looks at an environment's incidents with, made of omc.toml."""

from __future__ import annotations

from omc.config import Stack
from omc.responder.health import read_health
from omc.responder.life import OnCallContext
from omc.responder.policy import Policy, Resolve, policy_of, resolve_by_chain
from omc.store.opened import Store


def context_from(
    stack: Stack, environment: str, store: Store, resolve: Resolve | None = None, policy: Policy | None = None
) -> OnCallContext:
    """``resolve``: who is on call; without, whom the chain itself names."""
    chosen = stack.environments[environment]
    return OnCallContext(
        policy or policy_of(stack), resolve or resolve_by_chain(stack), lambda: read_health(chosen, store)
    )
