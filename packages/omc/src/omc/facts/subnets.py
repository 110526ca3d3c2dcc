"""The subnets that the services' tasks live in, and the addresses that are left in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.services import Services


@dataclass(frozen=True, slots=True)
class Subnet:
    id: str
    zone: str
    free: int
    """Addresses that nothing holds. A Fargate task takes one."""


@dataclass(frozen=True, slots=True)
class Subnets:
    """By service: where its tasks are put."""

    of: Mapping[str, tuple[Subnet, ...]]
    reading: Reading = NO_READING

    def free(self, service: str) -> int:
        """Addresses left for tasks of a service, all its subnets together."""
        return sum(subnet.free for subnet in self.of.get(service, ()))


@reads
def read_subnets(aws: Gateway, services: Services) -> Subnets:
    """One call for all of them."""
    wanted = {service.name: service.subnets for service in services.services}
    ids = sorted({identifier for subnets in wanted.values() for identifier in subnets})
    if not ids:
        return Subnets({})
    records = aws.client("ec2").describe_subnets(SubnetIds=ids)["Subnets"]
    found = {
        subnet["SubnetId"]: Subnet(subnet["SubnetId"], subnet["AvailabilityZone"], subnet["AvailableIpAddressCount"])
        for subnet in records
    }
    return Subnets({name: tuple(found[each] for each in subnets if each in found) for name, subnets in wanted.items()})
