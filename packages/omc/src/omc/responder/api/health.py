"""Whether this process lives, and whether it can answer."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from omc.errors import Unknown
from omc.responder.api.context import Context
from omc.store.database import schema_of

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    status: Literal["ok"] = "ok"
    store_schema: str
    """The version of the store's tables."""


@router.get("/healthz", summary="Whether the process lives")
async def healthz() -> Alive:
    """Asks nothing of anybody: a process that answers need not be replaced, whatever its database does."""
    return Alive()


@router.get("/readyz", summary="Whether it can answer")
def readyz(context: Context) -> Ready:
    """The store answers, and has the tables that this version of omc knows."""
    found, known = schema_of(context.store)
    if found != known:
        raise Unknown(f"omc's database has the schema {found or 'of none'}, and this omc knows {known}. Update omc.")
    return Ready(store_schema=found)
