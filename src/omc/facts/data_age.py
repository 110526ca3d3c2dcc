"""How old the data is that users see, as the application itself says."""

from __future__ import annotations

from dataclasses import dataclass

from omc.aws.gateway import Gateway
from omc.aws.pages import get_json
from omc.errors import AccessDenied, AwsRefused, BadAnswer, Unreachable
from omc.facts.collector import UNREAD, Reading, reads
from omc.facts.load_balancers import LoadBalancer, LoadBalancers
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
    """``data_age_seconds`` of each status page, asked the way users come: by its name, through the load balancer."""
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
    balancer = load_balancers.load_balancers[0]
    if certificate := _certificate(aws, balancer):
        return f"https://{_certified_name(aws, balancer, certificate, environment)}"
    port = 80 + aws.access.port_shift if aws.access.port_shift else 80
    host = balancer.dns_name
    if not host:
        raise BadAnswer(f"ELB doesn't tell the DNS name of {balancer.name}. Try again.")
    return f"http://{host}" if port == 80 else f"http://{host}:{port}"


def _certificate(aws: Gateway, balancer: LoadBalancer) -> str | None:
    """The certificate of the load balancer's HTTPS listener; None where it speaks plain HTTP alone."""
    pages = aws.client("elbv2").get_paginator("describe_listeners").paginate(LoadBalancerArn=balancer.arn)
    for listener in (listener for page in pages for listener in page["Listeners"]):
        if listener["Protocol"] == "HTTPS":
            for certificate in listener.get("Certificates", []):
                return certificate.get("CertificateArn")
    return None


def _certified_name(aws: Gateway, balancer: LoadBalancer, certificate: str, environment: Environment) -> str:
    """The one name that the certificate is of: there can be none of the load balancer's own name.

    Raises ``BadAnswer`` with what to write where the certificate doesn't say: it is a pattern's, or can't be read.
    """
    set_url = f'Set url = "https://…" in [environments.{environment.name}] of omc.toml.'
    try:
        name = str(
            aws.client("acm").describe_certificate(CertificateArn=certificate)["Certificate"].get("DomainName", "*")
        )
    except (AccessDenied, AwsRefused) as error:
        raise BadAnswer(
            f"{balancer.name} serves HTTPS under a name that only its certificate tells, which can't be read "
            f"({error.message.rstrip('.')}). {set_url}"
        ) from error
    if "*" in name:
        raise BadAnswer(f"{balancer.name} serves HTTPS with the certificate of {name}, which is no one name. {set_url}")
    return name
