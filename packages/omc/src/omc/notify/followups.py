"""What is sent after a page, to where it was sent: that it was acknowledged, or that all is well.

An alert of PagerDuty is acknowledged or resolved there, a message in Slack loses its buttons. What was never handed
over needs no follow-up.
"""

from __future__ import annotations

from dataclasses import replace

from omc.model.pages import Message, Page
from omc.model.people import Channel, ContactMethod
from omc.model.typed_json import Misfit, from_json
from omc.notify.model import FOLLOW_UPS, SENT, log_from
from omc.store.opened import Transaction
from omc.store.outbox import OVER, SUMMARISED, OutboxRow, enqueue, of_incident, summarised


def follow_up(transaction: Transaction, environment: str, incident: int, what: str, message: Message) -> int:
    """Have everybody who was paged about an incident see that it was acknowledged or resolved; to how many that goes.
    ``what`` is ``acknowledge`` or ``resolve``; asked twice, it is sent once."""
    if what not in FOLLOW_UPS:
        raise ValueError(what)
    count = 0
    for row in of_incident(transaction.session, environment, incident):
        if row.key.partition(":")[0] in FOLLOW_UPS:
            continue
        try:
            page = from_json(Page, row.page)
        except Misfit:  # of a newer omc, which will see to it
            continue
        if what == "resolve" and row.state == SUMMARISED:
            row.state = OVER
            transaction.record("page.over", row)
            count += _end_summary(transaction, row.summary or "", message)
        for method in _where(row, page):
            followed = replace(page, key=f"{what}:{row.key}", methods=(method,), message=message)
            count += enqueue(transaction, replace(followed, is_urgent=False, actions=()))
    return count


def _end_summary(transaction: Transaction, key: str, message: Message) -> int:
    """What a summary says is over once each incident that it names is; to how many that goes."""
    transaction.session.flush()
    row = transaction.session.get(OutboxRow, key)
    if row is None or any(each.state == SUMMARISED for each in summarised(transaction.session, key)):
        return 0
    try:
        page = from_json(Page, row.page)
    except Misfit:
        return 0
    followed = [replace(page, key=f"resolve:{key}", methods=(each,), message=message) for each in _where(row, page)]
    return sum(enqueue(transaction, replace(each, is_urgent=False, actions=())) for each in followed)


def _where(row: OutboxRow, page: Page) -> tuple[ContactMethod, ...]:
    """The one place in which it can be followed up: of a page that a method took over, that; of one that may have
    reached PagerDuty before its sender died, PagerDuty, which does nothing about what it never had."""
    for entry in log_from(row.log):
        if entry.outcome == SENT and entry.method < len(page.methods):
            method = page.methods[entry.method]
            if method.channel is Channel.SLACK and entry.reference:
                return (ContactMethod(Channel.SLACK, entry.reference),)
            return (method,) if method.channel is Channel.PAGERDUTY else ()
    began = row.attempts > 0 or row.holder is not None
    return tuple(method for method in page.methods if method.channel is Channel.PAGERDUTY)[:1] if began else ()
