"""What an incident cost, measured: the requests that failed while it lasted."""

from __future__ import annotations

from datetime import datetime, timedelta

from omc.aws.gateway import Gateway, access_to
from omc.config import Environment
from omc.errors import OmcError
from omc.facts.scope import Scope
from omc.facts.source import Facts
from omc.facts.traffic import Traffic
from omc.incidents.events import Captured
from omc.incidents.incident import Incident
from omc.output.text import line
from omc.responder.postmortem import IMPACT, impact_lines


def read_impact(environment: Environment, incident: Incident, end: datetime) -> Captured:
    """From its opening to ``end``, or why that is unknown. CloudWatch keeps a load balancer's figures by the minute for
    15 days."""
    scope = Scope(end, end - incident.opened_at + timedelta(minutes=1))
    try:
        (traffic,) = Facts(Gateway(environment, access_to(environment)), scope).require(Traffic)
    except OmcError as error:
        return Captured(IMPACT, (), line(error.message))
    return Captured(IMPACT, impact_lines(traffic, incident.opened_at, end, environment.time_zone))
