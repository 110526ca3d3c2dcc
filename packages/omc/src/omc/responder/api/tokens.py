"""API tokens: which there are, and an end to one. None is made here: who has stolen one could make others that last
longer. `omc token create` needs the store itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from omc.access.document import tokens_document
from omc.access.model import ApiToken
from omc.access.records import revoke_token, tokens_of
from omc.responder.api.answers import DOCUMENT, Answer
from omc.responder.api.callers import Admin
from omc.responder.api.context import ApiContext, Context
from omc.responder.api.once import AlreadyDone, Once, store_for
from omc.responder.api.shapes import Body
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
    next: int | None
    """The offset of the next page; null on the last one."""


class RevokeBody(Body):
    reason: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] = ""


Id = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="The token's id.")]


@router.get("", summary="The tokens that there are and were", response_model=TokensShape, responses=DOCUMENT)
def list_tokens(
    context: Context,
    _: Admin,
    answer: Answer,
    state: Annotated[Literal["valid", "all"], Query(description="`valid`: those that can be used.")] = "all",
    name: Annotated[str | None, Query(max_length=60, description="Those of this name.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 500,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="`next` of the page before.")] = 0,
) -> Any:
    """The oldest first."""
    now = context.store.now()
    found = [
        each
        for each in tokens_of(context.store)
        if (state == "all" or each.is_valid(now)) and (name is None or each.name == name)
    ]
    page = found[offset : offset + limit]
    following = offset + limit if len(found) > offset + limit else None
    if answer.is_whole:
        return answer(tokens_document(page, context.stack.time_zone, now), next=following)
    return TokensShape(items=[_shape(each, context) for each in page], next=following)


@router.delete("/{token_id}", summary="Revoke a token")
def revoke(context: Context, caller: Admin, token_id: Id) -> TokenShape:
    """The next request with it is refused, by every server of this store."""
    return _shape(revoke_token(context.store, token_id, caller.name), context)


@router.post("/{token_id}/revoke", summary="Revoke a token, and say why")
def revoke_with_reason(context: Context, caller: Admin, token_id: Id, body: RevokeBody, once: Once) -> TokenShape:
    """As by DELETE."""
    try:
        gone = revoke_token(store_for(context, once.of(caller)), token_id, caller.name, body.reason)
    except AlreadyDone:
        gone = next(each for each in tokens_of(context.store) if each.id == token_id)
    return _shape(gone, context)


def _shape(token: ApiToken, context: ApiContext) -> TokenShape:
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
