"""Tools that read AWS: how the stack is, why it is broken, what the logs say. Each gives a document."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from omc.agents.arguments import Diagnose, LogErrors, LogQuery, Morning, Weekly, length_of, moment_of, span_of
from omc.agents.context import CallContext, narrowed
from omc.config import Environment
from omc.diagnosis.document import diagnosis_document
from omc.diagnosis.run import diagnose as find_causes
from omc.errors import WrongUse
from omc.logs.costs import cost_of
from omc.logs.documents import bytes_shown, errors_document, query_document
from omc.logs.insights import GIGABYTE, ask, extent_of
from omc.logs.model import Span
from omc.logs.queries import groups_over, query_named
from omc.logs.reading import read_errors
from omc.output.document import Document
from omc.reports import about
from omc.reports import morning as examined
from omc.reports.report_document import report_document
from omc.review.document import review_document
from omc.review.parts import PARTS
from omc.review.records import memory_of
from omc.review.run import review

PATIENCE = 60.0
"""Seconds that a query of Logs Insights may take; what there is by then is shown."""
TWO_WEEKS, FIVE_WEEKS, WEEK = timedelta(days=14), timedelta(days=35), timedelta(days=7)
MAX_LOG = timedelta(days=90)


def morning_check(context: CallContext, request: Morning) -> Document:
    environment = context.environment(request.env)
    chosen = narrowed(environment, [request.service] if request.service else [])
    since = length_of(request.since, TWO_WEEKS)
    report = examined(context.gateway(chosen), since, is_part=bool(request.service), place=context.place(environment))
    return report_document(about(report, ()))


def diagnose(context: CallContext, request: Diagnose) -> Document:
    environment = context.environment(request.env)
    now = datetime.now(UTC)
    found = find_causes(
        context.gateway(environment),
        request.symptom,
        since=length_of(request.since, WEEK),
        at=moment_of(request.at, now),
        place=context.place(environment),
    )
    return diagnosis_document(found)


def weekly_review(context: CallContext, request: Weekly) -> Document:
    """Nothing of it is recorded."""
    environment = context.environment(request.env)
    chosen = [part for part in PARTS if request.part in ("all", part.name)]
    since = length_of(request.since, FIVE_WEEKS)
    memory = memory_of(context.place(environment), environment.name)
    return review_document(review(context.gateway(environment), chosen, memory, since), environment)


def log_errors(context: CallContext, request: LogErrors) -> Document:
    environment = narrowed(context.environment(request.env), [request.service] if request.service else [])
    now = datetime.now(UTC)
    span = span_of(request.since, MAX_LOG, now)
    _refuse_costly(context, environment, [service.log_group for service in environment.services], span, now)
    found = read_errors(context.gateway(environment), environment, span, PATIENCE, context.report)
    if request.only_new:
        found = replace(found, shapes=tuple(shape for shape in found.shapes if shape.is_new))
    return errors_document(found, environment.name, context.stack.time_zone, span)


def log_query(context: CallContext, request: LogQuery) -> Document:
    """Saved queries alone: a text from outside is never run."""
    environment = narrowed(context.environment(request.env), [request.service] if request.service else [])
    now = datetime.now(UTC)
    span = span_of(request.since, MAX_LOG, now)
    saved = query_named(context.stack.logs, request.name)
    groups = groups_over(saved, environment)
    _refuse_costly(context, environment, groups, span, now)
    answer = ask(context.gateway(environment), groups, saved.text, span, patience=PATIENCE, report=context.report)
    return query_document(saved, answer, groups, span, context.stack.time_zone)


def _refuse_costly(
    context: CallContext, environment: Environment, groups: list[str] | tuple[str, ...], span: Span, now: datetime
) -> None:
    """What a person would be asked about isn't begun: nobody can be asked here."""
    size = extent_of(context.gateway(environment), groups, span, now).bytes
    if size > context.stack.logs.ask_above_gigabytes * GIGABYTE:
        raise WrongUse(
            f"This would look at about {bytes_shown(size)} and cost {cost_of(size, environment.region)}, which a "
            "person has to decide. Nothing was started. Ask for a shorter time or one service, or have somebody run "
            "omc logs."
        )
