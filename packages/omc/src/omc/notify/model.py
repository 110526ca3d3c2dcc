"""What became of an attempt to send a page, and what is tried next. Pure: the log of attempts is all its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from omc.model.pages import Page
from omc.model.typed_json import from_json, to_json

SENT, REFUSED, TRY_AGAIN, ANEW = "sent", "refused", "try again", "anew"
"""Outcomes of an attempt. ``anew`` is none: somebody asked for the page to be sent once more, from its first method."""
FOLLOW_UPS = ("acknowledge", "resolve")
"""What a page's key begins with that says what became of another page."""
MAX_REASON = 300
"""Characters."""


class Failure(StrEnum):
    """Why a channel didn't take a page over, as a metric tells it. Few, so that none needs an alert of its own."""

    RIGHTS = "rights"
    """A secret isn't set, isn't valid, or doesn't allow it."""
    RATE = "rate"
    """It was asked too often."""
    ADDRESS = "address"
    """There is no such address, or nobody is behind it any more."""
    UNREACHABLE = "unreachable"
    """No connection came about, or it ended."""
    TIME = "time"
    """No answer came in time."""
    SERVER = "server"
    """It says that something is wrong with itself."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Sent:
    """The channel took it over. That is not yet somebody who has read it."""

    reference: str = ""
    """What the channel calls it: for Slack the channel and the time, ``C024BE91L/1355517523.000005``."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It will never be taken over as it is: a number that doesn't exist, a token that isn't valid."""

    reason: str
    failure: Failure = field(default=Failure.OTHER, compare=False)
    is_gone: bool = field(default=False, kw_only=True)
    """There is nobody at the address, whatever is sent: a mailbox that doesn't exist, 410 of a webhook."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """It may be taken over later."""

    reason: str
    after: float | None = None
    """Seconds that the channel asks to be left alone for (``Retry-After``)."""
    may_have_arrived: bool = False
    """The answer was lost, so that nobody knows."""
    failure: Failure = field(default=Failure.OTHER, compare=False)


Outcome = Sent | Refused | TryAgain


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt, as the outbox's log keeps it."""

    at: datetime
    """When it ended."""
    method: int
    """Which of the page's methods, from 0."""
    round: int
    """From 1: how often all methods were gone through before, and once more."""
    contact: str
    """That method: ``sms:+61400000000``."""
    outcome: str
    """``SENT``, ``REFUSED``, ``TRY_AGAIN`` or ``ANEW``."""
    seconds: float = 0.0
    reason: str = ""
    after: float | None = None
    may_have_arrived: bool = False
    reference: str = ""
    failure: str = ""
    """One of ``Failure``; empty where it was sent, and in logs of an omc that didn't tell them apart."""


def entry_of(outcome: Outcome, at: datetime, tried: Attempt | FallOver, contact: str, seconds: float) -> Entry:
    """The line of the log for what became of an attempt."""
    method, number = tried.method, tried.round
    match outcome:
        case Sent(reference):
            return Entry(at, method, number, contact, SENT, seconds, reference=reference)
        case Refused(reason, failure):
            return Entry(at, method, number, contact, REFUSED, seconds, reason[:MAX_REASON], failure=str(failure))
        case TryAgain(reason, after, may_have_arrived, failure):
            made = Entry(at, method, number, contact, TRY_AGAIN, seconds, reason[:MAX_REASON], after, may_have_arrived)
            return replace(made, failure=str(failure))


def log_from(document: Any) -> tuple[Entry, ...]:
    """The log of a row of the outbox. ``Misfit`` where it is none."""
    return tuple(from_json(Entry, each) for each in document)


def log_document(log: Sequence[Entry]) -> list[Any]:
    return [to_json(each) for each in log]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long what is tried."""

    delays: tuple[timedelta, ...]
    """Between the attempts with one method, in the first round."""
    bound: timedelta
    """Time for one method in the first round, from its first attempt: what can't be tried again within it isn't."""
    pauses: tuple[timedelta, ...]
    """Between rounds in which each method is tried once; the last one is repeated."""
    give_up: timedelta
    """After the first attempt of all."""


def _seconds(*numbers: float) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=number) for number in numbers)


URGENT = RetryPolicy(_seconds(2, 5), timedelta(seconds=15), _seconds(30, 60, 120), timedelta(minutes=30))
"""Somebody has to be woken: a dead channel costs a quarter of a minute."""
NOTICE = RetryPolicy(_seconds(30, 120, 600), timedelta(minutes=20), _seconds(1800, 3600), timedelta(hours=24))


@dataclass(frozen=True, slots=True)
class Attempt:
    """The same method again, or the first one."""

    method: int
    due_at: datetime
    round: int = 1


@dataclass(frozen=True, slots=True)
class FallOver:
    """Another method; or the first that is left, in a new round."""

    method: int
    due_at: datetime
    round: int = 1
    is_new_round: bool = False
    """All have been tried in vain, and some might still work: each is tried once more. Who waits for the page should
    hear of it now."""


@dataclass(frozen=True, slots=True)
class Failed:
    """No method is left."""

    sentence: str


Next = Attempt | FallOver | Failed


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What the owner of a page is told, once for each of the two: every method has failed, and then that it is given
    up."""

    sentence: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the owner of a page to an incident's own channel is told: it is there."""

    contact: str
    """By which method: ``slack:#inc-staging-3``."""
    reference: str
    """``Sent.reference``."""


def next_attempt(page: Page, log: Sequence[Entry], now: datetime) -> Next:
    """What is tried next, after all that the log has. Not to be asked of a page that was sent.

    It gives the same method and round whenever it is asked; a time that has passed is ``now``.
    """
    log = current(log)
    policy = URGENT if page.is_urgent else NOTICE
    if not page.methods:
        return Failed(f"{page.recipient} has no contact method.")
    if not log:
        return Attempt(0, now)
    last = log[-1]
    if last.round == 1 and (again := _again(policy, [each for each in log if each.method == last.method])) is not None:
        return Attempt(last.method, max(again, now))
    usable = [number for number in range(len(page.methods)) if not _is_refused(log, number)]
    for number in usable:
        if number > last.method and _free_at(log, number) <= last.at:
            return FallOver(number, now, last.round)
    if not usable:
        return Failed(in_vain(page, log))
    due_at = last.at + policy.pauses[min(last.round, len(policy.pauses)) - 1]
    free = [number for number in usable if _free_at(log, number) <= due_at]
    number = free[0] if free else min(usable, key=lambda each: _free_at(log, each))
    due_at = max(due_at, _free_at(log, number))
    if due_at - log[0].at > policy.give_up:
        return Failed(in_vain(page, log))
    return FallOver(number, max(due_at, now), last.round + 1, is_new_round=True)


def current(log: Sequence[Entry]) -> Sequence[Entry]:
    """Since somebody last asked for it to be sent once more."""
    start = max((number for number, each in enumerate(log, start=1) if each.outcome == ANEW), default=0)
    return log[start:]


def in_vain(page: Page, log: Sequence[Entry]) -> str:
    """What each method came to, in a sentence."""
    last: dict[int, Entry] = {each.method: each for each in current(log)}
    reasons = "; ".join(f"{last[number].contact}: {last[number].reason.rstrip('.')}" for number in sorted(last))
    return f"{page.recipient} was not reached. {reasons}."


def _again(policy: RetryPolicy, own: Sequence[Entry]) -> datetime | None:
    """When the method is tried again within its bound; None where it isn't."""
    last = own[-1]
    if last.outcome != TRY_AGAIN or len(own) > len(policy.delays):
        return None
    due_at = max(last.at + policy.delays[len(own) - 1], _free_at(own, last.method))
    began = own[0].at - timedelta(seconds=own[0].seconds)
    return due_at if due_at - began <= policy.bound else None


def _is_refused(log: Sequence[Entry], method: int) -> bool:
    return any(each.method == method and each.outcome == REFUSED for each in log)


def _free_at(log: Sequence[Entry], method: int) -> datetime:
    """From when on the channel may be asked again; the first attempt of all where it didn't say."""
    last = next((each for each in reversed(log) if each.method == method), None)
    return last.at + timedelta(seconds=last.after) if last is not None and last.after else log[0].at
