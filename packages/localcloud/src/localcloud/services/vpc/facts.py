"""The VPC as moto's EC2 holds it, read into the plain values of ``reachability``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from localcloud.services.vpc.reachability import Entry, Group, Interface, Nat, Route, Rule, Subnet, VpcSnapshot

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


def read(cloud: Cloud) -> VpcSnapshot:
    """Everything that decides about connections. Takes the cloud's lock for some milliseconds."""
    with cloud.lock:
        ec2 = cloud.moto("ec2")
        interfaces = {
            eni.private_ip_address: _interface(eni)
            for eni in ec2.enis.values()
            if eni.private_ip_address and eni.subnet
        }
        by_id = {each.id: each for each in interfaces.values()}
        return VpcSnapshot(
            interfaces=interfaces,
            groups={
                group.id: _group(group, ec2.managed_prefix_lists)
                for groups in ec2.groups.values()
                for group in groups.values()
            },
            subnets=_subnets(ec2),
            nats={
                nat.id: Nat(nat.id, by_id[nat._eni.id], nat.state == "available")
                for nat in ec2.nat_gateways.values()
                if nat._eni.id in by_id
            },
        )


def _interface(eni: Any) -> Interface:
    groups = tuple(group.id for group in eni.group_set)
    return Interface(eni.id, eni.private_ip_address, eni.subnet.id, groups, str(eni.public_ip or ""))


def _group(group: Any, prefix_lists: Mapping[str, Any]) -> Group:
    return Group(
        group.id,
        tuple(_rule(rule, prefix_lists) for rule in group.ingress_rules),
        tuple(_rule(rule, prefix_lists) for rule in group.egress_rules),
    )


def _rule(rule: Any, prefix_lists: Mapping[str, Any]) -> Rule:
    blocks: tuple[str, ...] = ()
    if rule.ip_range.get("CidrIp"):
        blocks = (rule.ip_range["CidrIp"],)
    elif rule.prefix_list_id in prefix_lists:
        held = prefix_lists[rule.prefix_list_id]
        entries = held.entries.get(held.version) or ()
        blocks = tuple(entry["Cidr"] for entry in entries if ":" not in entry["Cidr"])
    group = str((rule.source_group or {}).get("GroupId") or "")
    return Rule(str(rule.ip_protocol), rule.from_port, rule.to_port, blocks, group)


def _subnets(ec2: Any) -> dict[str, Subnet]:
    known = {subnet.id: subnet for zone in ec2.subnets.values() for subnet in zone.values()}
    acls, tables = _acls(ec2.network_acls.values()), _tables(ec2.route_tables.values())
    found = {}
    for subnet in known.values():
        acl = acls.get(subnet.id) or acls.get(subnet.vpc_id)
        table = tables.get(subnet.id) or tables.get(subnet.vpc_id)
        found[subnet.id] = Subnet(
            subnet.id,
            subnet.vpc_id,
            acl.id if acl else "",
            tuple(_entries(acl)) if acl else (),
            tuple(_routes(table)) if table else (),
        )
    return found


def _acls(acls: Iterable[Any]) -> dict[str, Any]:
    """By subnet; the default one by VPC too."""
    found = {}
    for acl in acls:
        if acl.default:
            found[acl.vpc_id] = acl
        found |= {each.subnet_id: acl for each in acl.associations}
    return found


def _entries(acl: Any) -> Iterator[Entry]:
    for each in acl.network_acl_entries:
        if not each.cidr_block:
            continue
        first = None if each.port_range_from is None else int(each.port_range_from)
        last = None if each.port_range_to is None else int(each.port_range_to)
        outbound = str(each.egress).lower() == "true"
        allow = each.rule_action == "allow"
        yield Entry(int(each.rule_number), outbound, allow, str(each.protocol), each.cidr_block, first, last)


def _tables(tables: Iterable[Any]) -> dict[str, Any]:
    """By subnet; the main one by VPC too."""
    found = {}
    for table in tables:
        if table.main_association_id:
            found[table.vpc_id] = table
        found |= {each["SubnetId"]: table for each in table.associations if "SubnetId" in each}
    return found


def _routes(table: Any) -> Iterator[Route]:
    for route in table.routes:
        if route.destination_cidr_block:
            target = route.nat_gateway_id or route.gateway_id or route.instance_id or route.network_interface_id or ""
            yield Route(route.destination_cidr_block, target)
