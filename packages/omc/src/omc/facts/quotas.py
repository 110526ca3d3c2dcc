"""How much Fargate the account may run, and how much of that the environment's services use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.definitions import Definitions
from omc.facts.services import Services

SERVICE, VCPUS = "fargate", "L-3032A538"
"""Service Quotas' codes of "Fargate On-Demand vCPU resource count": vCPUs of all tasks at a time, of an account in a
region. Source: AWS General Reference, Amazon ECS endpoints and quotas."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """vCPUs: a thousand and twenty-four CPU units each."""

    vcpus: float | None
    """The account's limit in this region; None where it is not known."""
    each_task: Mapping[str, float]
    """By service, of a task of the revision that it runs."""
    wanted: float
    """Of all tasks that the environment's services want now."""
    reading: Reading = NO_READING


@reads
def read_quotas(aws: Gateway, services: Services, definitions: Definitions) -> Quotas:
    """One call."""
    each = {name: int(definition.body.get("cpu", 0)) / 1024 for name, definition in definitions.running.items()}
    wanted = sum(each.get(service.name, 0.0) * service.desired for service in services.services)
    quota = aws.client("service-quotas").get_service_quota(ServiceCode=SERVICE, QuotaCode=VCPUS)["Quota"]
    return Quotas(quota["Value"], each, wanted)
