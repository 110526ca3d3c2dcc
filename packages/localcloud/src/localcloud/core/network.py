"""Addresses in the VPC: network interfaces of databases, cache nodes and load balancers, kept with moto's EC2 records.

An interface's true VPC address is what the API shows; where it really listens, ``Settings.real_address`` says.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


ADDRESS_VARIABLE = "LOCALCLOUD_ADDRESS"
"""The environment variable with a task's address in the VPC: by it the network knows whose connections these are."""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface that a service holds in a subnet."""

    id: str
    address: str
    """In the VPC."""
    subnet: str
    zone: str


def allocate(cloud: Cloud, subnet_id: str, groups: Sequence[str], description: str) -> Interface:
    """An interface with a free address of the subnet. Call it under the cloud's lock."""
    ec2, subnet = cloud.moto("ec2"), find_subnet(cloud, subnet_id)
    address = free_address(cloud, subnet_id)
    groups = list(groups) or default_groups(ec2, subnet.vpc_id)
    made = ec2.create_network_interface(subnet, address, group_ids=groups, description=description)
    made.requester_managed = True
    made.status = "in-use"
    return Interface(made.id, address, subnet_id, subnet.availability_zone)


def free_address(cloud: Cloud, subnet_id: str) -> str:
    """An address of the subnet that nobody has. Call it under the cloud's lock."""
    subnet = find_subnet(cloud, subnet_id)
    network = ipaddress.ip_network(subnet.cidr_block)
    provided, taken, real = set(subnet._subnet_ips), listening(cloud), cloud.settings.real_address
    # AWS keeps the first four addresses of a subnet and the last for itself. A random free one, so that an address
    # isn't given away again right after its release, while clients may still believe in it.
    free = [
        address
        for number in range(4, min(network.num_addresses - 1, 1 << 16))
        if (address := str(network[number])) not in provided and real(address) not in taken
    ]
    if not free:
        raise AwsError(
            "InsufficientFreeAddressesInSubnet", f"The subnet {subnet_id} has no free addresses for this request."
        )
    return random.choice(free)  # noqa: S311


def listening(cloud: Cloud) -> set[str]:
    """The real addresses that somebody has. Of one VPC's 10.0.1.5 and another's 192.168.1.5 only one can listen, so no
    subnet gives away what any has given."""
    found = {cloud.settings.address, cloud.settings.outside_address}
    for interface in cloud.moto("ec2").enis.values():
        held = [interface.private_ip_address, *(each["PrivateIpAddress"] for each in interface.private_ip_addresses)]
        found |= {cloud.settings.real_address(address) for address in held if address}
    return found


def release(cloud: Cloud, interface: Interface) -> None:
    """Give an interface back; nothing if it is gone. Call it under the cloud's lock."""
    cloud.moto("ec2").enis.pop(interface.id, None)


def set_groups(cloud: Cloud, interface: Interface, groups: Sequence[str]) -> None:
    """Change the security groups of an interface. Call it under the cloud's lock."""
    ec2 = cloud.moto("ec2")
    if held := ec2.enis.get(interface.id):
        chosen = list(groups) or default_groups(ec2, held.subnet.vpc_id)
        ec2.modify_network_interface_attribute(interface.id, chosen)


def default_groups(ec2: Any, vpc: str) -> list[str]:
    """The VPC's default security group, which an interface is in that is given none."""
    group = ec2.get_security_group_from_name("default", vpc)
    return [group.id] if group else []


def find_subnet(cloud: Cloud, subnet_id: str) -> Any:
    """moto's subnet; AWS's error where there is none."""
    for zone in cloud.moto("ec2").subnets.values():
        if subnet_id in zone:
            return zone[subnet_id]
    raise AwsError("InvalidSubnet", f"The subnet ID '{subnet_id}' does not exist")
