"""A plan, written where the services keep what happened."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localcloud.core.flow import FlowRecord
from localcloud.core.interfaces import LogSink, MetricSink
from localcloud.front.call_log import CallLog, Record, is_read, resources_of
from localcloud.history.plan import Plan, PlannedCall, PlannedFlow, PlannedHour, PlannedSnapshot, wrong
from localcloud.services.costs import Costs

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

INTERVAL = 60
"""Seconds of a flow record."""


def write(cloud: Cloud, made: Plan) -> dict[str, Any]:
    """What was written, counted. Names that the cloud can't resolve are found before anything is written."""
    hours = [(each, _dimensions(cloud, each)) for each in made.hours]
    flows = _flows(cloud, made.flows)
    if made.costs:
        cloud.part(Costs).seed(json.dumps(made.costs).encode())
    log = cloud.part(CallLog)
    if made.moved:
        log.move(made.moved)
    for call in made.calls:
        log.append(_record(cloud, call))
    log.flush()
    for resource, records in flows.items():
        cloud.part(LogSink).put_flows([resource], records)
    for each, dimensions in hours:
        put = cloud.part(MetricSink).put_values
        put(each.namespace, each.name, dimensions, each.values, unit=each.unit, at=each.at)
    for snapshot in made.snapshots:
        _snapshot(cloud, snapshot)
    cloud.touch()
    return {
        "usage_types": len(made.costs.get("usage", ())),
        "calls": len(made.calls),
        "flow_records": len(made.flows),
        "hours_of_metrics": len(made.hours),
        "snapshots": len(made.snapshots),
        "anomalies": list(made.anomalies),
    }


def _record(cloud: Cloud, call: PlannedCall) -> Record:
    kind, _, rest = call.caller.partition(" ")
    arn = cloud.settings.arn
    if kind == "root" and not rest:
        principal, user, shown = arn("iam", "root", is_global=True), "root", "Root"
    elif kind == "user" and rest:
        principal, user, shown = arn("iam", f"user/{rest}", is_global=True), rest, "IAMUser"
    elif kind == "role" and rest:
        role, _, session = rest.partition("/")
        user, shown = session or role, "AssumedRole"
        principal = arn("sts", f"assumed-role/{role}/{user}", is_global=True)
    else:
        raise wrong(f'a caller is "root", "user NAME" or "role NAME/SESSION", not "{call.caller}"')
    return Record(
        at=call.at,
        service=call.service,
        operation=call.operation,
        read_only=is_read(call.operation),
        principal=principal,
        user_name=user,
        user_kind=shown,
        access_key="",
        source_ip=call.address,
        user_agent=call.agent,
        request_id=call.id,
        region=cloud.settings.region,
        error_code=call.error or None,
        error_message=call.error or None,
        params=json.dumps(dict(call.params)),
        milliseconds=1.0,
        resources=resources_of(call.params),
        event=json.dumps(dict(call.event)) if call.event else "",
    )


def _flows(cloud: Cloud, planned: Iterable[PlannedFlow]) -> Mapping[str, list[FlowRecord]]:
    """By the VPC that records them."""
    found: dict[str, list[FlowRecord]] = defaultdict(list)
    places: dict[str, tuple[str, str, str]] = {}
    for each in planned:
        if each.interface not in places:
            places[each.interface] = _interface(cloud, each.interface)
        vpc, interface, own = places[each.interface]
        start = int(each.at.timestamp())
        found[vpc].append(
            FlowRecord(
                account=cloud.settings.account,
                interface=interface,
                source=own if each.source == each.interface else each.source,
                destination=own if each.destination == each.interface else each.destination,
                source_port=each.source_port,
                destination_port=each.port,
                protocol=each.protocol,
                packets=each.packets,
                bytes=each.bytes,
                start=start - INTERVAL,
                end=start,
                accepted=each.accepted,
            )
        )
    return found


def _interface(cloud: Cloud, name: str) -> tuple[str, str, str]:
    """The VPC, the id and the address of the interface: of the first NAT gateway or load balancer, or by its id."""
    with cloud.lock:
        backend = cloud.moto("ec2")
        if name == "nat":
            gateways = [each for each in backend.nat_gateways.values() if each.state == "available"]
            if not gateways:
                raise wrong("there is no NAT gateway to tell flows of")
            address = gateways[0].nat_gateway_addresses[0] if hasattr(gateways[0], "nat_gateway_addresses") else {}
            held = backend.enis[address.get("networkInterfaceId") or address["NetworkInterfaceId"]]
        elif name == "balancer":
            balancers = [each for each in backend.enis.values() if each.description.startswith("ELB app/")]
            if not balancers:
                raise wrong("there is no load balancer to tell flows of")
            held = balancers[0]
        elif name in backend.enis:
            held = backend.enis[name]
        else:
            raise wrong(f'an interface is "nat", "balancer" or the id of one that is there, not "{name}"')
        return held.subnet.vpc_id, held.id, held.private_ip_address


def _dimensions(cloud: Cloud, each: PlannedHour) -> dict[str, str]:
    return {key: re.sub(r"\{(\w+)(?::([\w-]+))?\}", lambda m: _named(cloud, m[1], m[2] or ""), value)
            for key, value in each.dimensions}  # fmt: skip


def _named(cloud: Cloud, kind: str, name: str) -> str:
    """``{balancer}``: the first load balancer's dimension; ``{group:backend}``: of the target group that ends so."""
    with cloud.lock:
        backend = cloud.moto("elbv2")
        if kind == "balancer" and not name:
            arns = [str(arn) for arn, each in backend.load_balancers.items() if each.type == "application"]
            ends = ":loadbalancer/"
        elif kind == "group":
            arns = [str(arn) for arn, each in backend.target_groups.items() if each.name.endswith(name)]
            ends = ":"
        else:
            raise wrong(f"a dimension's value has {{balancer}} or {{group:NAME}}, not {{{kind}}}")
    if not arns:
        raise wrong(f"there is no {'load balancer' if kind == 'balancer' else f'target group {name}'}")
    return arns[0].rpartition(ends)[2]


def _snapshot(cloud: Cloud, planned: PlannedSnapshot) -> None:
    """A volume's, whose volume is gone."""
    with cloud.lock:
        backend = cloud.moto("ec2")
        zone = next(iter(backend.describe_availability_zones())).name
        volume = backend.create_volume(size=planned.gib, zone_name=zone)
        made = backend.create_snapshot(volume.id, planned.description)
        made.start_time = _as_moto(planned.at, made.start_time)
        backend.delete_volume(volume.id)


def _as_moto(at: datetime, like: datetime) -> datetime:
    return at if like.tzinfo else at.replace(tzinfo=None)
