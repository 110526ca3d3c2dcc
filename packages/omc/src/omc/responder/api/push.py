"""The browsers in which whoever asks has allowed web push. What a browser gives when it subscribes is kept for its
person alone and shown to nobody again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from omc.access.model import Caller
from omc.errors import Missing, Refused, WrongUse
from omc.notify.secrets import secret
from omc.notify.web_push import browser_of, private_key, public_key
from omc.output import line
from omc.responder.api.callers import Reader
from omc.responder.api.context import Context
from omc.responder.api.shapes import WHOLE, Body
from omc.store import push
from omc.store.push import MAX_BROWSERS, PushBrowser

router = APIRouter(prefix="/v1/me/browsers", tags=["push"])
Base64Url = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,200}={0,2}$")]
BrowserId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="A browser's id, as the list has it.")]


class KeysBody(Body):
    p256dh: Base64Url
    auth: Base64Url


class SubscriptionBody(Body):
    """A browser's `PushSubscription` as its `toJSON()` gives it, and what the person calls the browser."""

    endpoint: Annotated[str, Field(min_length=10, max_length=2048, pattern=r"^[!-~]+$")]
    keys: KeysBody
    expirationTime: Annotated[float | None, WHOLE] = None  # noqa: N815 - the browser's own name
    name: Annotated[str, Field(max_length=60)] = ""


class BrowserShape(BaseModel):
    """One of her browsers, without what it takes to send to it."""

    model_config = ConfigDict(title="Browser")

    id: str
    name: str
    since: AwareDatetime


class BrowsersShape(BaseModel):
    """Her browsers, and with which key a new one subscribes."""

    model_config = ConfigDict(title="Browsers")

    items: list[BrowserShape]
    public_key: str | None
    """For `applicationServerKey`; null where this server sends no web push."""


@router.get("", summary="The browsers in which you have allowed web push")
def list_browsers(context: Context, caller: Reader) -> BrowsersShape:
    with context.store.reading() as session:
        rows = push.browsers_of(session, caller.person) if caller.person else []
    return BrowsersShape(items=[_shape(each) for each in rows], public_key=_public_key())


@router.post("", status_code=201, summary="Have pages sent to this browser")
def subscribe(context: Context, caller: Reader, body: SubscriptionBody) -> BrowserShape:
    """Once is enough; the same browser again replaces what was kept of it. It is paged where `push` is among the
    contacts of its person in omc.toml."""
    person = _person(caller)
    if _public_key() is None or context.stack.notify.push.contact is None:
        raise Missing("This server sends no web push: it has no OMC_VAPID_KEY, or omc.toml no [notify.push] contact.")
    found = browser_of(body.endpoint, body.keys.p256dh, body.keys.auth, context.stack.notify.push.services)
    name = line(" ".join(body.name.split()))
    with context.store.transaction(caller.name) as transaction:
        kept = push.subscribe(transaction, person, found.id, found.endpoint, body.keys.p256dh, body.keys.auth, name)
        if not kept:
            raise Refused(f"You have {MAX_BROWSERS} browsers already; take one away before.")
        at = transaction.at
    return BrowserShape(id=found.id, name=name, since=at)


@router.delete("/{browser}", summary="Have no more pages sent to a browser")
def unsubscribe(context: Context, caller: Reader, browser: BrowserId) -> BrowsersShape:
    with context.store.transaction(caller.name) as transaction:
        if not caller.person or not push.unsubscribe(transaction, [browser], caller.person):
            raise Missing(f"You have no browser {browser}.")
    return list_browsers(context, caller)


def _person(caller: Caller) -> str:
    if not caller.person:
        raise WrongUse(f"{caller.name} is nobody of [people] in omc.toml, so nothing can be sent to her browsers.")
    return caller.person


def _public_key() -> str | None:
    text = secret("OMC_VAPID_KEY")
    try:
        return public_key(private_key(text)) if text else None
    except ValueError:
        return None


def _shape(row: PushBrowser) -> BrowserShape:
    return BrowserShape(id=row.id, name=row.name, since=row.created_at)
