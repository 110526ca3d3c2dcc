"""How old the data is that users see, as the application itself says."""

from __future__ import annotations

from dataclasses import dataclass

from omc.aws.gateway import Gateway
from omc.aws.pages import get_json
from omc.errors import BadAnswer, Unreachable
from omc.facts.collector import UNREAD, Reading, reads
from omc.facts.load_balancers import LoadBalancers
from omc.stack import Environment

TIMEOUT = 5.0
"""Seconds. Users would have gone by then."""


@dataclass(frozen=True, slots=True)
class ServiceData:
    """What one service says of its data."""

    service: str
    url: str
    age_seconds: float | None
    """None: it did not say."""
    problem: str
    """Why it did not say; else empty."""


@dataclass(frozen=True, slots=True)
class DataAge:
    """Of every service that has a ``status_path`` in the stack file."""

    services: tuple[ServiceData, ...]
    reading: Reading = UNREAD


@reads
def read_data_age(aws: Gateway, environment: Environment, load_balancers: LoadBalancers) -> DataAge:
    """``data_age_seconds`` of each status page, asked the way users come: through the load balancer."""
    asked = [service for service in environment.services if service.status_path]
    if not asked:
        return DataAge(())
    base = environment.url or _load_balancer_url(aws, load_balancers, environment)
    return DataAge(tuple(_ask(service.name, base.rstrip("/") + str(service.status_path)) for service in asked))


def _ask(service: str, url: str) -> ServiceData:
    try:
        answer = get_json(url, TIMEOUT)
    except Unreachable as error:
        return ServiceData(service, url, None, error.message)
    age = answer.get("data_age_seconds") if isinstance(answer, dict) else None
    if isinstance(age, int | float) and not isinstance(age, bool) and age >= 0:
        return ServiceData(service, url, float(age), "")
    return ServiceData(service, url, None, f"{url} does not say data_age_seconds.")


def _load_balancer_url(aws: Gateway, load_balancers: LoadBalancers, environment: Environment) -> str:
    if not load_balancers.load_balancers:
        raise BadAnswer(
            f"{environment.name} has no load balancer whose name begins with {environment.prefix}, and no url in "
            "omc.toml, so its status page can't be asked."
        )
    port = 80 + aws.access.port_shift if aws.access.port_shift else 80
    host = load_balancers.load_balancers[0].dns_name
    if not host:
        raise BadAnswer(f"ELB doesn't tell the DNS name of {load_balancers.load_balancers[0].name}. Try again.")
    return f"http://{host}" if port == 80 else f"http://{host}:{port}"
