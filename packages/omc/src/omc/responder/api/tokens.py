"""API tokens: which there are, and an end to one. None is made here: who has stolen one could make others that last
longer. `omc token create` needs the store itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict

from omc.access.model import ApiToken
from omc.access.records import revoke_token, tokens_of
from omc.responder.api.callers import Admin
from omc.responder.api.context import Context
from omc.times import iso

router = APIRouter(prefix="/v1/tokens", tags=["tokens"])


class TokenShape(BaseModel):
    """A token; its secret is kept nowhere."""

    model_config = ConfigDict(title="Token")

    id: str
    name: str
    role: str | None
    person: str | None
    is_valid: bool
    created_by: str
    created_at: str
    expires: str | None
    revoked_by: str | None
    revoked_at: str | None


class TokensShape(BaseModel):
    model_config = ConfigDict(title="Tokens")

    items: list[TokenShape]
    """Under the name of a secret, all of it would be masked."""


@router.get("", summary="The tokens that there are and were")
def list_tokens(context: Context, _: Admin) -> TokensShape:
    return TokensShape(items=[_shape(each, context) for each in tokens_of(context.store)])


@router.delete("/{token_id}", summary="Revoke a token")
def revoke(
    context: Context,
    caller: Admin,
    token_id: Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="The token's id.")],
) -> TokenShape:
    """The next request with it is refused, by every server of this store."""
    return _shape(revoke_token(context.store, token_id, caller.name), context)


def _shape(token: ApiToken, context: Context) -> TokenShape:
    return TokenShape(
        id=token.id,
        name=token.name,
        role=token.role.value if token.role else None,
        person=token.person or None,
        is_valid=token.is_valid(context.store.now()),
        created_by=token.created_by,
        created_at=iso(token.created_at) or "",
        expires=iso(token.expires),
        revoked_by=token.revoked_by,
        revoked_at=iso(token.revoked_at),
    )
