"""People's contacts: whether they reach them. A code is sent by a page and stands in no answer, log or error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from omc.config import Stack
from omc.errors import Missing, Refused, did_you_mean
from omc.model.people import ContactMethod, Person
from omc.oncall import changing
from omc.oncall.lookups import method_of
from omc.oncall.records import verified_contacts
from omc.responder.api.changes import Change, Changing
from omc.responder.api.oncall import PersonName
from omc.responder.api.shapes import Body, Sentence
from omc.store.opened import Store

router = APIRouter(prefix="/v1/on-call/people/{person}", tags=["on call"])
Result = TypeVar("Result")


class DoneShape(BaseModel):
    """What was done."""

    model_config = ConfigDict(title="Done")

    sentence: str


class InEnvironment(Body):
    environment: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
    """In whose name the page is sent."""


class ContactBody(Body):
    contact: Annotated[str, Field(min_length=1, max_length=300)]
    """As in omc.toml: `sms:+61400000000`."""


class CodeBody(ContactBody, InEnvironment):
    pass


class ConfirmBody(ContactBody):
    code: Annotated[str, Field(min_length=1, max_length=40)]
    """As it arrived there."""


class WithdrawBody(ContactBody):
    reason: Sentence


@router.post("/test", summary="Send her a test page")
def test(change: Changing, person: PersonName, body: InEnvironment) -> DoneShape:
    """As urgent as a real one."""
    known, stack = _person(change.context.stack, person), change.context.stack
    name = change.context.environment(body.environment).name
    again = f"A test page to {known.name} was asked for before."
    return _done(change, lambda store: changing.send_test(store, stack, known, name, change.actor.name), lambda: again)


@router.post("/contacts/code", summary="Have a code sent to a contact")
def send_code(change: Changing, person: PersonName, body: CodeBody) -> DoneShape:
    """Whoever gets it enters it: so it is confirmed that pages reach her there."""
    stack = change.context.stack
    known, contact = _contact(stack, person, body.contact)
    name = change.context.environment(body.environment).name
    again = f"A code was sent to {contact} when it was asked for before."
    return _done(
        change, lambda store: changing.send_code(store, stack, known, contact, name, change.actor), lambda: again
    )


@router.post("/contacts/confirm", summary="Enter the code that arrived")
def confirm(change: Changing, person: PersonName, body: ConfirmBody) -> DoneShape:
    """A few wrong ones, and it is worth nothing."""
    known, contact = _contact(change.context.stack, person, body.contact)

    def before() -> str:
        with change.context.store.reading() as session:
            if str(contact) in verified_contacts(session).get(known.id, ()):
                return changing.confirmed_sentence(known, contact)
        raise Refused(f"That isn't the code that was sent to {contact}. It stays unconfirmed.")

    return _done(change, lambda store: changing.enter_code(store, known, contact, body.code, change.actor), before)


@router.post("/contacts/withdraw", summary="Have a contact count as unconfirmed")
def withdraw(change: Changing, person: PersonName, body: WithdrawBody) -> DoneShape:
    """It doesn't reach her any more."""
    known, contact = _contact(change.context.stack, person, body.contact)
    return _done(
        change,
        lambda store: changing.withdraw(store, known, contact, body.reason, change.actor),
        lambda: changing.withdrawn_sentence(known, contact),
    )


def _done(change: Change, act: Callable[[Store], str], before: Callable[[], str]) -> DoneShape:
    return DoneShape(sentence=change.done(act, before))


def _person(stack: Stack, name: str) -> Person:
    if name not in stack.persons:
        raise Missing(f"There is no [people.{name}] in omc.toml.{did_you_mean(name, list(stack.persons))}")
    return stack.persons[name]


def _contact(stack: Stack, person: str, method: str) -> tuple[Person, ContactMethod]:
    known = _person(stack, person)
    return known, method_of(known, method)
