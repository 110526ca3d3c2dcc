"""Who is on call, as the rotas and the record have it now, and what people are told of their shifts.

The record is read once in a while: whoever takes a shift is paged a few seconds later at the latest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

from omc.config import Stack
from omc.errors import Unknown
from omc.incidents.events import AUTOMATIC
from omc.judgement.escalation import Rung
from omc.model.people import Person
from omc.notify.secrets import secret
from omc.oncall.configured import rotas_from
from omc.oncall.escalation import World, targets_of
from omc.oncall.events import RotaRecord
from omc.oncall.model import Rota
from omc.oncall.notices import due_notices, page_of, recipient_of
from omc.oncall.public_holidays import public_holidays
from omc.oncall.records import note_configured, rota_records, rotas_of, rotas_with, verified_contacts
from omc.responder.policy import Policy, policy_of
from omc.store.deadlines import is_set, set_deadline, take_due
from omc.store.opened import Store, Transaction
from omc.store.outbox import enqueue

KEPT: Final = 5.0
"""Seconds for which the record's word holds."""
NOTICES: Final = "notices"
"""The deadline at which it is looked what people are to be told of their shifts."""
NOTICE_INTERVAL: Final = timedelta(minutes=5)
MAX_BACK: Final = timedelta(hours=12)
"""Notices that are older are of no use any more."""


@dataclass(slots=True)
class Duty:
    """Asks the rotas. Safe to use from many threads."""

    stack: Stack
    store: Store
    clock: Callable[[], float] = time.monotonic
    began: datetime | None = None
    """When this process read its omc.toml; None: just now."""
    _world: World | None = None
    _read_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def resolve(self, rung: Rung, at: datetime) -> Sequence[Person] | str:
        """Who is on a rung of the chain at a time, or why nobody is. Contact methods that were confirmed come first."""
        targets, reasons = targets_of(rung, self.world(), at)
        if not targets:
            return " ".join(reasons) or f"Nobody is known by {rung.role}."
        return [Person(each.person, each.name, each.methods) for each in targets]

    def policy(self) -> Policy:
        """``[on_call]``, with business hours that know public holidays. Without a bot's token nothing is posted in
        Slack, so that no incident waits for a channel that can't be made."""
        found = policy_of(self.stack, holidays_of(self.stack, self.store.now()))
        has_slack = secret("OMC_SLACK_BOT_TOKEN") is not None
        return replace(found, incident_channels=has_slack and self.stack.notify.slack.incident_channels)

    def world(self) -> World:
        """The rotas with what the record has on top."""
        with self._lock:
            if self._world is None or self.clock() - self._read_at > KEPT:
                with self.store.reading() as session:
                    rotas = rotas_of(session, rotas_from(self.stack))
                    self._world = World(rotas, self.stack.persons, verified_contacts(session))
                self._read_at = self.clock()
            return self._world

    def tell(self, environment: str) -> bool:
        """What people are to be told of their shifts, as pages that wake nobody up; whether it was this process's turn
        to look. The deadline's own time says up to when was looked; where there is none yet, it begins now."""
        with self.store.transaction(AUTOMATIC) as transaction:
            taken = take_due(transaction, [NOTICES], [environment])
            if taken is None:
                if not is_set(transaction.session, NOTICES, environment):
                    set_deadline(transaction, NOTICES, environment, "rotas", transaction.at + NOTICE_INTERVAL)
                return False
            since = max(taken.due_at - NOTICE_INTERVAL, transaction.at - MAX_BACK)
            self._tell(transaction, environment, since)
            set_deadline(transaction, NOTICES, environment, "rotas", transaction.at + NOTICE_INTERVAL)
        return True

    def _tell(self, transaction: Transaction, environment: str, since: datetime) -> None:
        configured = rotas_from(self.stack)
        records = rota_records(transaction.session)
        rotas = rotas_with(records, configured)
        before: dict[str, Rota] = {}
        for name, (was, now) in note_configured(transaction, configured, self.began or transaction.at).items():
            record = records.get(name, RotaRecord(name))
            before[name] = record.on(was)
            if name in configured or name not in rotas:  # else an import takes the place of what stood in the file
                rotas[name] = record.on(now)
        for rota in rotas.values():
            for notice in due_notices(rota, since, transaction.at, before.get(rota.name)):
                person = recipient_of(notice, self.stack.persons)
                if person is not None:
                    enqueue(transaction, page_of(notice, person, environment))


def known_holidays(stack: Stack, now: datetime) -> Mapping[date, str]:
    """As ``holidays_of``; none where the calendar isn't installed. For commands that need no business hours but for a
    snooze until then: what escalates (``omc serve``) doesn't begin without it."""
    try:
        return holidays_of(stack, now)
    except Unknown:
        return {}


def holidays_of(stack: Stack, now: datetime) -> Mapping[date, str]:
    """The public holidays of the configured place, last year's to those of three years ahead."""
    return public_holidays(stack.on_call.public_holidays, now.year - 1, now.year + 3)
