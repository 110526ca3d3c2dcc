"""Rules of security groups, gateways, routes and flow logs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omc.aws.batches import batches
from omc.aws.gateway import Gateway
from omc.facts.expected import Thing
from omc.facts.listings.common import Facts, Wanted, named
from omc.facts.terraform_values import Values


def flow_logs(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    for page in aws.client("ec2").get_paginator("describe_flow_logs").paginate():
        for one in page["FlowLogs"]:
            values = {"log_destination": one.get("LogDestination"), "traffic_type": one.get("TrafficType")}
            yield Thing("aws_flow_log", {"id": one.get("FlowLogId"), "vpc_id": one.get("ResourceId"), **values})


def group_rules(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    for some in batches(named(wanted, "security_group_id"), 200):
        pages = aws.client("ec2").get_paginator("describe_security_group_rules")
        for page in pages.paginate(Filters=[{"Name": "group-id", "Values": list(some)}]):
            for one in page["SecurityGroupRules"]:
                egress = bool(one.get("IsEgress"))
                yield Thing(
                    f"aws_vpc_security_group_{'egress' if egress else 'ingress'}_rule",
                    {
                        "security_group_rule_id": one["SecurityGroupRuleId"],
                        "security_group_id": one["GroupId"],
                        "egress": egress,
                        "ip_protocol": one["IpProtocol"],
                        "from_port": one.get("FromPort"),
                        "to_port": one.get("ToPort"),
                        "cidr_ipv4": one.get("CidrIpv4"),
                        "cidr_ipv6": one.get("CidrIpv6"),
                        "prefix_list_id": one.get("PrefixListId"),
                        "referenced_security_group_id": one.get("ReferencedGroupInfo", {}).get("GroupId"),
                    },
                )


def gateways(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    states: Any = [{"Name": "state", "Values": ["pending", "available"]}]
    for page in aws.client("ec2").get_paginator("describe_nat_gateways").paginate(Filters=states):
        for one in page["NatGateways"]:
            yield Thing("aws_nat_gateway", {"id": one.get("NatGatewayId")})


def routes(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    names = {
        "destination_cidr_block": "DestinationCidrBlock",
        "destination_ipv6_cidr_block": "DestinationIpv6CidrBlock",
        "destination_prefix_list_id": "DestinationPrefixListId",
        "nat_gateway_id": "NatGatewayId",
        "gateway_id": "GatewayId",
        "transit_gateway_id": "TransitGatewayId",
        "vpc_peering_connection_id": "VpcPeeringConnectionId",
        "network_interface_id": "NetworkInterfaceId",
    }
    tables: Any = [{"Name": "route-table-id", "Values": named(wanted, "route_table_id")}]
    for page in aws.client("ec2").get_paginator("describe_route_tables").paginate(Filters=tables):
        for table in page["RouteTables"]:
            for one in table.get("Routes") or ():
                if one.get("State") == "blackhole":  # what it leads to is gone: it leads nowhere
                    continue
                values: Values = {name: one.get(theirs) for name, theirs in names.items()}
                yield Thing("aws_route", {"route_table_id": table["RouteTableId"], **values})
