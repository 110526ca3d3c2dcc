"""``/metrics``: what tells that pages don't get out, in Prometheus's text format. docs/alert-rules.yml has its alerts.

Written by hand: a dozen gauges, read from the store when they are asked for. A library would keep them in the process,
and several processes share one store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fastapi import APIRouter
from sqlalchemy import func, select
from starlette.responses import PlainTextResponse, Response

import omc
from omc.config import Environment
from omc.facts.verifications import Verifications
from omc.incidents.incident import SEVERITIES
from omc.notify.model import REFUSED, TRY_AGAIN, Failure
from omc.responder.api.callers import Reader
from omc.responder.api.context import ApiContext, Context, Sample
from omc.store.backups import verifications_in
from omc.store.deadlines import Deadline, overdue
from omc.store.incidents import incidents_of
from omc.store.outbox import STATES, OutboxRow, oldest_due

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

router = APIRouter(tags=["health"])
MEDIA_TYPE = "text/plain; version=0.0.4"
LATE = timedelta(seconds=30)
"""A deadline counts as overdue when nobody has taken it for so long: a responder looks each second."""
FAILURES_SINCE = timedelta(hours=24)
HELP = {
    "omc_info": "The version that answers.",
    "omc_incidents_open": "Open incidents, by severity.",
    "omc_pages": "Pages in the outbox, by state.",
    "omc_page_failures": "Attempts of the last 24 hours by which a page was not handed over, by channel and reason.",
    "omc_page_oldest_unsent_seconds": "How long the oldest page due, alone or in a summary, has waited; 0: none.",
    "omc_deadlines_overdue": "Deadlines that nobody has taken for 30 seconds, by kind; escalation pages people.",
    "omc_deadline_oldest_overdue_seconds": "How long the oldest of them is overdue; 0: none is.",
    "omc_queue_unread_seconds": "Since when the queue has not answered this process, which reads it all the time.",
    "omc_queue_oldest_seconds": "The age of the oldest message that was received and isn't taken in yet; 0: none is.",
    "omc_backup_sound_timestamp_seconds": "When a backup was last restored and found sound, as Unix time; 0: never.",
    "omc_backup_verify_every_seconds": "How often omc.toml wants a backup verified; 0: it doesn't.",
    "omc_task_is_stale": "Whether a task of this process that pages depend on had no turn for too long.",
}


class Exposition(PlainTextResponse):
    media_type = MEDIA_TYPE


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Exposition,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
def metrics(context: Context, _: Reader) -> Response:
    """Prometheus brings a token by `authorization: {credentials_file: …}`; the role viewer is enough."""
    return Exposition(exposition([*_of_store(context), *context.samples()]), media_type=MEDIA_TYPE)


def exposition(samples: Iterable[Sample]) -> str:
    """The samples as text, those of one name together."""
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    lines = []
    for name, found in by_name.items():
        meaning = next((each.help for each in found if each.help), HELP.get(name, ""))
        lines += [f"# HELP {name} {_escaped(meaning)}", f"# TYPE {name} gauge"]
        for each in found:
            labels = ",".join(f'{label}="{_escaped(value, quoted=True)}"' for label, value in each.labels)
            lines.append(f"{name}{{{labels}}} {each.value:.10g}" if labels else f"{name} {each.value:.10g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str, *, quoted: bool = False) -> str:
    plain = text.replace("\\", "\\\\").replace("\n", "\\n")
    return plain.replace('"', '\\"') if quoted else plain


def _of_store(context: ApiContext) -> Iterator[Sample]:
    names = [each.name for each in context.environments]
    yield Sample("omc_info", 1, (("version", omc.__version__),))
    for name in names:
        count = Counter(each.severity for each in incidents_of(context.store, name) if each.is_open)
        for severity in SEVERITIES:
            yield Sample("omc_incidents_open", count[severity], (("environment", name), ("severity", str(severity))))
    for environment in context.environments:
        yield from _backups(context, environment)
    now = context.store.now()
    with context.store.reading() as session:
        yield from _pages(session, names, now)
        yield from _failures(session, names, now)
        yield from _deadlines(session, names, now)


def _backups(context: ApiContext, environment: Environment) -> Iterator[Sample]:
    """Where no verification is asked for, none is missing: the alert looks at that first."""
    days = environment.backups.verify_every_days or 0
    labels = (("environment", environment.name),)
    sound = Verifications(verifications_in(context.store, environment.name)).sound
    yield Sample("omc_backup_sound_timestamp_seconds", sound.at.timestamp() if sound else 0, labels)
    yield Sample("omc_backup_verify_every_seconds", timedelta(days=days).total_seconds(), labels)


def _pages(session: Session, names: list[str], now: datetime) -> Iterator[Sample]:
    query = select(OutboxRow.environment, OutboxRow.state, func.count()).group_by(
        OutboxRow.environment, OutboxRow.state
    )
    count = {(environment, state): number for environment, state, number in session.execute(query)}
    oldest = oldest_due(session, now)
    for name in names:
        for state in STATES:
            yield Sample("omc_pages", count.get((name, state), 0), (("environment", name), ("state", state)))
    for name in names:
        waited = (now - oldest[name]).total_seconds() if name in oldest else 0
        yield Sample("omc_page_oldest_unsent_seconds", max(0.0, waited), (("environment", name),))


def _failures(session: Session, names: list[str], now: datetime) -> Iterator[Sample]:
    """Each reason is there for each channel that failed, so that a rate of it begins at 0."""
    query = select(OutboxRow.environment, OutboxRow.log).where(
        OutboxRow.environment.in_(names), OutboxRow.attempts > 0, OutboxRow.created_at > now - FAILURES_SINCE
    )
    count: Counter[tuple[str, str, str]] = Counter()
    for environment, log in session.execute(query):
        for each in log:
            if each["outcome"] in (REFUSED, TRY_AGAIN):
                channel = str(each["contact"]).partition(":")[0]
                count[environment, channel, each.get("failure") or str(Failure.OTHER)] += 1
    for environment, channel in sorted({(environment, channel) for environment, channel, _ in count}):
        for reason in Failure:
            labels = (("environment", environment), ("channel", channel), ("reason", str(reason)))
            yield Sample("omc_page_failures", count[environment, channel, str(reason)], labels)


def _deadlines(session: Session, names: list[str], now: datetime) -> Iterator[Sample]:
    late: list[Deadline] = [each for each in overdue(session, now - LATE) if each.environment in names]
    kinds = sorted({"escalation", *(each.kind for each in late)})
    for name in names:
        for kind in kinds:
            found = [each for each in late if (each.environment, each.kind) == (name, kind)]
            yield Sample("omc_deadlines_overdue", len(found), (("environment", name), ("kind", kind)))
    for name in names:
        first = next((each.due_at for each in late if each.environment == name), None)
        seconds = (now - first).total_seconds() if first else 0
        yield Sample("omc_deadline_oldest_overdue_seconds", seconds, (("environment", name),))
