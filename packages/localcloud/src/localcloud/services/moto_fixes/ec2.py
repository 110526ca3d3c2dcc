"""EC2: of security group rules what moto forgets or takes for a difference, the default group's own, and where in its
subnet a NAT gateway is."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule

from localcloud.core import network
from localcloud.core.registry import Answer, Call, patch_response

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

PREFIX_LIST = list(inspect.signature(SecurityGroupRule).parameters).index("prefix_list_id")

_make = SecurityGroupRule.__init__


def _make_and_keep(rule: Any, *provided: Any, **named: Any) -> None:
    _make(rule, *provided, **named)
    prefix_list = named.get("prefix_list_id") or (provided[PREFIX_LIST] if len(provided) > PREFIX_LIST else None)
    rule.prefix_list_description = (prefix_list or {}).get("Description")


def _description(rule: Any) -> str | None:
    """A rule that names a group or a prefix list has its description there, not in an address range."""
    found: str | None = rule.ip_range.get("Description") or rule.source_group.get("Description")
    return found or rule.prefix_list_description


def _place(rule: Any) -> tuple[Any, ...]:
    """What makes two rules the same one: a description is no part of it, and needn't be given to revoke a rule (API
    reference, RevokeSecurityGroupIngress), nor does another one make a second rule. A group's id needs no owner."""
    protocol, source, addresses = rule.ip_protocol, rule.source_group, rule.ip_range
    ports = (None, None) if protocol == "-1" else (rule.from_port, rule.to_port)
    group = source.get("GroupId") or source.get("GroupName")
    return (protocol, *ports, addresses.get("CidrIp"), addresses.get("CidrIpv6"), group, rule.prefix_list_id)


SecurityGroupRule.__eq__ = lambda rule, other: _place(rule) == _place(other)
SecurityGroupRule.__init__ = _make_and_keep
SecurityGroupRule.description = property(_description)

_make_group = SecurityGroup.__init__


def _make_group_and_open_it_to_itself(group: Any, *provided: Any, **named: Any) -> None:
    """A VPC's default group lets in whatever is in the same group (VPC user guide, "Default security groups")."""
    _make_group(group, *provided, **named)
    if group.is_default:
        owner = group.ec2_backend.account_id
        itself = {"GroupId": group.id, "UserId": owner, "OwnerId": owner}
        group.ingress_rules.append(
            SecurityGroupRule(group.ec2_backend, "-1", group.id, None, None, {}, itself, is_egress=False)
        )


SecurityGroup.__init__ = _make_group_and_open_it_to_itself


@patch_response("ec2", "CreateNatGateway")
def create_nat_gateway(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    """moto gives it any private address at all; it has one of its subnet."""
    made = answer["NatGateway"]
    ec2 = cloud.moto("ec2")
    gateway = ec2.nat_gateways[made["NatGatewayId"]]
    address = network.free_address(cloud, gateway.subnet_id)
    gateway.private_ip = gateway._eni.private_ip_address = address
    gateway._eni.status = "in-use"
    gateway._eni.requester_managed = True
    gateway._eni.interface_type = "nat_gateway"
    gateway._eni.description = f"Interface for NAT Gateway {gateway.id}"
    for held in (*gateway._eni.private_ip_addresses, *gateway.address_set, *made.get("NatGatewayAddresses", ())):
        for name in ("PrivateIpAddress", "privateIp", "PrivateIp"):
            if name in held:
                held[name] = address
    return answer
