"""Who asks, and whether she may: a dependency of each route."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from omc.access.model import Caller, NotAuthenticated, Permission, require, role_for
from omc.responder.api.context import Context
from omc.responder.api.guard import address_of
from omc.responder.api.problems import TooManyRequests

COST_OF_A_GUESS = 9.0
"""Requests that a token that is none costs its address, beside the one that it was."""
BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token of `omc token create`, or one of the identity provider that omc.toml names.",
)


def caller_with(permission: Permission) -> Callable[..., Caller]:
    """Lets a request pass whose caller may do this."""

    def caller(
        request: Request, context: Context, _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
    ) -> Caller:
        brought = request.headers.getlist("Authorization")
        try:
            found = context.authenticator.caller(brought[0] if len(brought) == 1 else None)
        except NotAuthenticated:
            context.address_rates.charge(address_of(request.scope), COST_OF_A_GUESS)
            raise
        request.state.caller = found.name
        seconds = context.caller_rates.take(found.name)
        if seconds:
            raise TooManyRequests(seconds)
        require(found, permission)
        return found

    caller.__doc__ = f"Needs the role {role_for(permission)}."
    return caller


Reader = Annotated[Caller, Depends(caller_with(Permission.READ))]
Responder = Annotated[Caller, Depends(caller_with(Permission.RESPOND))]
Admin = Annotated[Caller, Depends(caller_with(Permission.ADMINISTER))]
