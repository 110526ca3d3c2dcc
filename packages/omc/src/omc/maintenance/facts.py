"""What a maintenance reads: figures, alarms, the record of the environment before, whether a message arrived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from omc.aws.gateway import Gateway
from omc.checks.finding import Level
from omc.config import Stack, environment_of
from omc.engine.planning import RunContext
from omc.facts.alarms import Alarms
from omc.facts.answers import read_answers
from omc.facts.load_balancers import LoadBalancers
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.source import Facts
from omc.maintenance.checks import PastRun, Verdict, images_of
from omc.maintenance.figures import Figures
from omc.output.text import counted
from omc.reports.headline import headline
from omc.reports.morning import morning
from omc.store.database import open_store
from omc.store.location import locate_store
from omc.store.models import Run
from omc.store.outbox import FAILED, SENT, OutboxRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PERIOD, LOCAL_PERIOD = 60, 10
"""Seconds of a datapoint: a load balancer's in AWS, and in the local cloud."""
MOST_RUNS = 200
DASHBOARD = (
    "https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#dashboards/dashboard/{prefix}-{name}"
)


def read_figures(aws: Gateway, begin: datetime, end: datetime) -> Figures:
    """How users were served from ``begin`` to ``end``, and what runs and fires now. Raises the error of the first that
    can't be read."""
    environment = aws.environment
    balancers, services, alarms = Facts(aws, Scope(end, end - begin)).require(LoadBalancers, Services, Alarms)
    period = LOCAL_PERIOD if environment.is_local else PERIOD
    answers = read_answers(aws, balancers.load_balancers, begin, end, period)
    return Figures(
        begin=begin,
        end=end,
        requests=answers.total,
        error_percent=answers.error_percent,
        p95_seconds=answers.p95_seconds,
        running={each.name: each.running for each in services.services},
        desired={each.name: each.desired for each in services.services},
        firing=tuple(
            sorted(
                each.name
                for each in alarms.alarms
                if each.state == "ALARM" and each.acts and each.name.startswith(environment.alarm_prefix)
            )
        ),
    )


def dashboard_of(aws: Gateway) -> str:
    """Where people watch it: the Terraform's dashboard of the application."""
    environment = aws.environment
    return DASHBOARD.format(region=environment.region, prefix=environment.prefix, name="application")


def read_health(site: RunContext, since: timedelta) -> Verdict:
    """The morning check, as people read it."""
    report = morning(site.reads, since, place=site.store.place)
    bad = [each for each in report.findings if each.level in (Level.FAIL, Level.UNKNOWN)]
    if bad:
        return Verdict(False, headline(report))
    return Verdict(True, f"The morning check found nothing that fails, in {counted(len(report.findings), 'finding')}.")


@dataclass(frozen=True, slots=True)
class Readings:
    """How a maintenance reads the world: of AWS, or of a world that stands for it."""

    figures: Callable[[Gateway, datetime, datetime], Figures] = read_figures
    health: Callable[[RunContext, timedelta], Verdict] = read_health


WORLD = Readings()


def runs_of(session: Session, environment: str) -> tuple[PastRun, ...]:
    """The newest runs of an environment that ended."""
    query = (
        select(Run)
        .where(Run.environment == environment, Run.ended_at.is_not(None))
        .order_by(Run.created_at.desc())
        .limit(MOST_RUNS)
    )
    return tuple(past(each) for each in session.scalars(query))


def past(run: Run) -> PastRun:
    """A run that has ended, as the checklist takes it."""
    at = run.ended_at or run.created_at
    images = images_of((step["action"], step["arguments"]) for step in run.plan.get("steps", ()))
    return PastRun(run.id, run.procedure, run.plan.get("request", {}), run.verdict or "", at, images)


def runs_before(stack: Stack, earlier: str) -> tuple[PastRun, ...]:
    """The runs of the environment in which changes are made first, from wherever its record is."""
    place = locate_store(stack, environment_of(stack, earlier))
    if not place.exists:
        return ()
    with open_store(place) as store, store.reading() as session:
        return runs_of(session, earlier)


def delivery(session: Session, key: str) -> tuple[bool | None, str]:
    """Whether a message arrived; None while it is on its way. With a sentence."""
    row = session.get(OutboxRow, key)
    if row is None:
        return False, "The message isn't in the outbox any more."
    if row.state == SENT:
        return True, f"The message to {row.recipient} was sent."
    if row.state == FAILED:
        tried = [str(each.get("reason") or "") for each in row.log or ()]
        last = next((each for each in reversed(tried) if each), "no way to send it worked")
        return False, f"The message to {row.recipient} couldn't be sent: {last}"
    return None, f"The message to {row.recipient} is on its way."
