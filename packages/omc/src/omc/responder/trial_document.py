"""A test of the alarm path as documents: what it would do, and what became of it, hop by hop. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from omc.notify.outbox_document import hops_of, verdict_of
from omc.output.document import Document, Notice, Paragraph, Row, Severity, Status, Table, Verdict
from omc.responder.trial import Received
from omc.responder.trying import AlarmPath, Ran, Waiting
from omc.times import format_time, iso

OK, FAILED, UNKNOWN = Status("ok", Severity.OK), Status("failed", Severity.FAILURE), Status("unknown", Severity.UNKNOWN)


def plan_document(path: AlarmPath, environment: str) -> Document:
    """What a test does, for whoever is asked."""
    name = path.topic.rpartition(":")[2]
    methods = ", ".join(map(str, path.methods))
    whom = f"{path.recipient} ({methods})" if path.methods else "nobody: that it came is recorded"
    rows = (
        Row(("publish", f"a marked message to the topic {name}")),
        Row(("queue", "a responder (omc serve) reads it; no alert and no incident comes of it")),
        Row(("hand over", f"a notice to {whom}, that wakes nobody")),
    )
    warning = Status("warning", Severity.WARNING)
    notes = [
        Notice(warning, f"{number} by {protocol} get what is published there directly, this test too.")
        for protocol, number in path.direct
    ]
    return Document(f"A test of the alarm path of {environment}", (Table(("hop", "what happens"), rows), *notes))


def trial_document(ran: Ran, zone: str) -> Document:
    """Each hop with its time; at the one where it stopped, what to do next."""
    rows = [_published(ran, zone)]
    if not ran.refused:
        rows += _received(*ran.received, zone) if ran.received else [_lost(ran)]
    if ran.page is not None:
        rows += hops_of(ran.page, zone)
    elif ran.received:
        rows.append(Row(("hand over", UNKNOWN if ran.path.methods else OK, "", _not_handed_over(ran))))
    verdict, do = _verdict(ran)
    blocks = (Table(("hop", "outcome", "at", "time"), tuple(rows)), *((Paragraph(do),) if do else ()))
    return Document("Test of the alarm path", blocks, verdict=verdict, data=_data(ran, verdict, do))


def exit_code(document: Document) -> int:
    """0: all of it went through; 1: a hop failed; 3: what became of it isn't known."""
    severity = document.verdict.status.severity if document.verdict else Severity.UNKNOWN
    return {Severity.OK: 0, Severity.FAILURE: 1}.get(severity, 3)


def _published(ran: Ran, zone: str) -> Row:
    outcome = FAILED if ran.refused else OK
    return Row(("SNS: publish", outcome, format_time(ran.published_at, zone), f"{ran.publish_seconds:.2f} s"))


def _received(at: datetime, received: Received, zone: str) -> list[Row]:
    to_queue = _seconds(received.published_at, received.queued_at)
    to_responder = _seconds(received.queued_at, at)
    return [
        Row(("SQS: in the queue", OK, format_time(received.queued_at, zone), f"{to_queue} after SNS had it")),
        Row(("responder: read and committed", OK, format_time(at, zone), f"{to_responder} after it was in the queue")),
    ]


def _seconds(since: datetime, until: datetime) -> str:
    """Between two clocks: what comes out negative is none."""
    return f"{max(0.0, (until - since).total_seconds()):.2f} s"


def _lost(ran: Ran) -> Row:
    where = {"queue": "SQS: in the queue", "responder": "responder: read and committed"}[_stopped_at(ran)]
    return Row((where, FAILED if isinstance(ran.waiting, Waiting) else UNKNOWN, "", "not yet"))


def _stopped_at(ran: Ran) -> str:
    waiting = ran.waiting
    if isinstance(waiting, Waiting) and not (waiting.visible or waiting.in_hand):
        return "queue"
    return "responder"


def _not_handed_over(ran: Ran) -> str:
    return (
        "not written: it lay in the queue for too long" if ran.path.methods else "recorded, as no recipient was named"
    )


def _verdict(ran: Ran) -> tuple[Verdict, str]:
    """How it went in a sentence, and what to do next."""
    name = ran.path.topic.rpartition(":")[2]
    if ran.refused:
        sentence = f"SNS didn't take it: {ran.refused}"
        return Verdict(FAILED, sentence), f"Whoever asks for a test needs sns:Publish on {name}, and kms on its key."
    if ran.received is None:
        return _verdict_of_lost(ran)
    if ran.page is not None:
        do = "" if ran.page.sent_at else "See: omc notify outbox. omc serve sends what is in it."
        return verdict_of(ran.page), do
    at, received = ran.received
    total = _seconds(received.published_at, at)
    if ran.path.methods:
        return Verdict(UNKNOWN, "It came, and no notice of it was written."), "Ask for another test."
    return Verdict(OK, f"A responder had it {total} after SNS. Nobody was told: name somebody with --to."), ""


def _verdict_of_lost(ran: Ran) -> tuple[Verdict, str]:
    waiting = ran.waiting
    if not isinstance(waiting, Waiting):
        sentence = f"No responder has recorded it, and its queue can't be read: {waiting}"
        return Verdict(UNKNOWN, sentence), "Ask for sqs:GetQueueAttributes, and look whether omc serve runs."
    if waiting.visible or waiting.in_hand:
        many = "1 message" if waiting.visible == 1 else f"{waiting.visible} messages"
        sentence = f"No responder has recorded it; the queue has {many} that nobody has taken."
        do = "Start omc serve with the record (OMC_STORE_URL) that this command has, and read what it reports."
        return Verdict(FAILED, sentence), do
    dead = f" The dead-letter queue has {waiting.dead}." if waiting.dead else ""
    sentence = f"It is neither in the queue nor in this record.{dead}"
    do = (
        "Either SNS couldn't deliver it: see the topic's subscription, the queue's policy and its key (omc doctor). "
        "Or a responder with another record took it: see its report, and the OMC_STORE_URL of both."
    )
    return Verdict(FAILED, sentence), do


def _data(ran: Ran, verdict: Verdict, do: str) -> dict[str, Any]:
    at, received = ran.received or (None, None)
    return {
        "id": ran.id,
        "topic": ran.path.topic,
        "recipient": ran.path.recipient or None,
        "published_at": iso(ran.published_at),
        "publish_seconds": round(ran.publish_seconds, 3),
        "queued_at": iso(received.queued_at) if received else None,
        "committed_at": iso(at),
        "read_by": received.by if received else None,
        "page": ran.page.key if ran.page else None,
        "page_state": ran.page.state if ran.page else None,
        "handed_over_at": iso(ran.page.sent_at) if ran.page else None,
        "outcome": verdict.status.word,
        "sentence": verdict.sentence,
        "next": do or None,
    }
