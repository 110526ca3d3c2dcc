"""Who asks, and whether she may: a dependency of each route."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from omc.access.model import Caller, NotAuthenticated, Permission, require, role_for
from omc.errors import WrongUse, did_you_mean
from omc.responder.api.context import Context
from omc.responder.api.guard import address_of
from omc.responder.api.problems import TooManyRequests

if TYPE_CHECKING:
    from fastapi.dependencies.models import Dependant

COST_OF_A_GUESS = 9.0
"""Requests that a token that is none costs its address, beside the one that it was."""
ASKED: dict[Callable[..., Any] | None, Permission] = {}
"""The dependencies that let a caller pass, with what she must be allowed to do."""
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
        _refuse_unknown_parameters(request)
        return found

    caller.__doc__ = f"Needs the role {role_for(permission)}."
    ASKED[caller] = permission
    return caller


def needed(dependant: Dependant) -> Permission | None:
    """What a route's caller must be allowed to do, by the dependencies that it has; None: it asks nobody who she is."""
    found = [ASKED[dependant.call]] if dependant.call in ASKED else []
    found += [each for each in map(needed, dependant.dependencies) if each is not None]
    return found[0] if found else None


def _refuse_unknown_parameters(request: Request) -> None:
    """A parameter that is mistyped would be passed over, and the answer be another one's."""
    operation = request.app.openapi()["paths"][request.scope["route"].path][request.method.lower()]
    known = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
    for name in request.query_params:
        if name not in known:
            near = did_you_mean(name, known)
            raise WrongUse(f"There is no such parameter here.{near} Known are: {', '.join(known) or 'none'}.")


Reader = Annotated[Caller, Depends(caller_with(Permission.READ))]
Responder = Annotated[Caller, Depends(caller_with(Permission.RESPOND))]
Approver = Annotated[Caller, Depends(caller_with(Permission.APPROVE))]
Admin = Annotated[Caller, Depends(caller_with(Permission.ADMINISTER))]
