"""Silences in the store, for whoever makes one as part of something else: what they hold, and what is told at their
end, is the responder's."""

from __future__ import annotations

from datetime import timedelta

from omc.model import silences
from omc.model.silences import Created, Silence
from omc.store import alerts, eventlog
from omc.store.deadlines import set_deadline, set_deadlines
from omc.store.opened import Transaction

ALERT = "alert"
"""The kind of alerts' streams, by which those who decide on alerts and silences queue; and the kind of the deadline at
which an alert is looked at again, by its key."""
SILENCE_END = "silence end"
"""The kind of the deadline that each silence has until it is over, and by which those that aren't are found."""
AT_ONCE = timedelta(seconds=1)
"""From now to the end of a silence that is to be over: an end is never in the past."""


def create(
    transaction: Transaction, environment: str, created: Created, link: str | None = None, *, beside: int = 0
) -> Silence:
    """Silence alerts from now on. What an incident knows already stays its own. ``beside``: how many silences this
    transaction has made before."""
    number = eventlog.last_number(transaction.session, silences.TYPES.kind, environment) + 1 + beside
    stream = silences.stream_of(environment, number)
    event = eventlog.append(transaction, silences.TYPES, stream, created, seen=0, link=link)
    silence = silences.from_first_event(environment, number, event)
    set_deadline(transaction, SILENCE_END, environment, str(number), silence.until)
    return silence


def end_soon(transaction: Transaction, environment: str, number: int) -> bool:
    """Have a silence end in a second, so that the responder then tells what it holds; False where it is over, or ends
    sooner, anyhow."""
    stream = silences.stream_of(environment, number)
    events = eventlog.read_stream(transaction.session, silences.TYPES, stream)
    silence = silences.replay(environment, number, events) if events else None
    until = transaction.at + AT_ONCE
    if silence is None or silence.ended_at is not None or silence.until <= until:
        return False
    eventlog.append(transaction, silences.TYPES, stream, silences.Extended(until), seen=silence.events)
    set_deadline(transaction, SILENCE_END, environment, str(number), until)
    held = alerts.held(transaction.session, environment, "silence", str(number))
    set_deadlines(transaction, ALERT, environment, held, until)
    return True


def wait_turn(transaction: Transaction, environment: str) -> None:
    """Wait for those who decide on the environment's alerts just now."""
    eventlog.wait_turn(transaction, (ALERT, environment))
