"""AWS's calls about load balancers: ours where targets are meant, moto's answers mended everywhere else."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import Answer, AwsError, Call, PageRequest, operation, page, patch_response
from localcloud.services.elbv2 import access_logs
from localcloud.services.elbv2.component import LoadBalancers

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

HOSTED_ZONE = "Z1GM3OXH4ZPM65"
"""The hosted zone of application load balancers in ap-southeast-2 (AWS's table of service endpoints)."""


def _record(cloud: Cloud, arn: str) -> Any:
    record = cloud.moto("elbv2").target_groups.get(arn)
    if record is None:
        raise AwsError("TargetGroupNotFound", f"Target groups '{arn}' not found")
    return record


def _targets(record: Any, call: Call) -> list[tuple[str, int]]:
    """The (address, port) pairs that a call names; the group's port where it names none."""
    found = []
    for each in call.params.get("Targets") or []:
        port = each.get("Port") or record.port
        if port is None:
            raise AwsError("ValidationError", f"Target '{each['Id']}' must have a port")
        found.append((each["Id"], int(port)))
    return found


@operation("elbv2", "RegisterTargets")
def register_targets(cloud: Cloud, call: Call) -> Answer:
    record = _record(cloud, call.params["TargetGroupArn"])
    targets = _targets(record, call)
    if record.target_type != "ip":
        raise AwsError(
            "ValidationError",
            f"localcloud has no targets of type '{record.target_type}'; make the target group with target type 'ip'",
        )
    for address, _ in targets:
        try:
            ipaddress.IPv4Address(address)
        except ValueError:
            raise AwsError("ValidationError", f"The IP address '{address}' is not a valid IPv4 address") from None
    for address, port in targets:
        cloud.part(LoadBalancers).register(record.arn, address, port, by_call=True)
    return {}


@operation("elbv2", "DeregisterTargets")
def deregister_targets(cloud: Cloud, call: Call) -> Answer:
    record = _record(cloud, call.params["TargetGroupArn"])
    known = {(each.address, each.port) for each in cloud.part(LoadBalancers).health(record.arn)}
    for named in call.params["Targets"]:
        # Without a port, every port of that address is meant.
        for address, port in sorted(known):
            if address == named["Id"] and named.get("Port") in (None, port):
                cloud.part(LoadBalancers).deregister(record.arn, address, port)
    return {}


@operation("elbv2", "DescribeTargetHealth")
def describe_target_health(cloud: Cloud, call: Call) -> Answer:
    record = _record(cloud, call.params["TargetGroupArn"])
    states = {(each.address, each.port): each for each in cloud.part(LoadBalancers).health(record.arn)}
    requested = _targets(record, call) or sorted(states)
    shown = []
    for address, port in requested:
        state = states.get((address, port))
        health: dict[str, Any] = {
            "State": "unused",
            "Reason": "Target.NotRegistered",
            "Description": "Target is not registered to the target group",
        }
        if state:
            health = {"State": state.state}
            if state.reason:
                health |= {"Reason": state.reason, "Description": state.description}
        check_port = str(record.health_check_port or "traffic-port")
        each: dict[str, Any] = {
            "Target": {"Id": address, "Port": port, "AvailabilityZone": _zone(cloud, address)},
            "HealthCheckPort": str(port) if check_port == "traffic-port" else check_port,
            "TargetHealth": health,
        }
        if {"All", "AnomalyDetection"} & set(call.params.get("Include") or ()):
            each["AnomalyDetection"] = {"Result": "normal", "MitigationInEffect": "no"}
        shown.append(each)
    return {"TargetHealthDescriptions": shown}


def _zone(cloud: Cloud, address: str) -> str | None:
    for interface in cloud.moto("ec2").enis.values():
        if interface.private_ip_address == address:
            return str(interface.subnet.availability_zone)
    return None


@operation("elbv2", "DeleteLoadBalancer")
def delete_load_balancer(cloud: Cloud, call: Call) -> Answer:
    arn = call.params["LoadBalancerArn"]
    backend = cloud.moto("elbv2")
    record = backend.load_balancers.get(arn)
    if record is None:
        return {}  # deleting what is gone succeeds in AWS too
    if str(record.attrs.get("deletion_protection.enabled")).lower() == "true":
        message = f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
        raise AwsError("OperationNotPermitted", message)
    cloud.part(LoadBalancers).write_access_logs(cloud, arn)
    backend.delete_load_balancer(arn)
    cloud.part(LoadBalancers).remove(cloud, arn)
    return {}


@patch_response("elbv2", "CreateLoadBalancer")
def create_load_balancer(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    for shown in answer["LoadBalancers"]:
        record = cloud.moto("elbv2").load_balancers[shown["LoadBalancerArn"]]
        record.scheme = record.scheme or "internet-facing"
        record.canonical_hosted_zone_id = HOSTED_ZONE
        record.attrs.setdefault("idle_timeout.timeout_seconds", "60")
        try:
            cloud.part(LoadBalancers).place(cloud, record)
        except AwsError:
            cloud.moto("elbv2").load_balancers.pop(record.arn, None)
            raise
        shown |= {
            "DNSName": record.dns_name,
            "CanonicalHostedZoneId": HOSTED_ZONE,
            "Scheme": record.scheme,
            "State": {"Code": "provisioning"},
        }
    return answer


@patch_response("elbv2", "ModifyLoadBalancerAttributes")
def modify_load_balancer_attributes(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    """AWS leaves a file in the bucket of access logs that shows that it may write there."""
    if access_logs.BUCKET in {each.get("Key") for each in call.params["Attributes"]}:
        attributes = cloud.moto("elbv2").load_balancers[call.params["LoadBalancerArn"]].attrs
        if str(attributes.get(access_logs.ENABLED)).lower() == "true":
            key = access_logs.folder(attributes.get(access_logs.PREFIX, ""), cloud.settings.account)
            bucket, text = attributes[access_logs.BUCKET], f"Enable AccessLog for ELB: at {call.at:%Y-%m-%dT%H:%M:%SZ}"
            cloud.moto("s3", "aws").put_object(
                bucket, key + access_logs.TEST_FILE, text.encode(), disable_notification=True
            )
    cloud.part(LoadBalancers).changed()
    return answer


@patch_response("elbv2", "SetSubnets")
def set_subnets(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    cloud.part(LoadBalancers).place(cloud, cloud.moto("elbv2").load_balancers[call.params["LoadBalancerArn"]])
    return answer


@patch_response("elbv2", "SetSecurityGroups")
def set_security_groups(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    cloud.part(LoadBalancers).place(cloud, cloud.moto("elbv2").load_balancers[call.params["LoadBalancerArn"]])
    return answer


@patch_response("elbv2", "DeleteTargetGroup")
def delete_target_group(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    cloud.part(LoadBalancers).forget_group(call.params["TargetGroupArn"])
    return answer


@patch_response("elbv2", "DescribeTargetGroups")
def describe_target_groups(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    """moto counts a load balancer once for each rule, and never forgets it."""
    from localcloud.services.elbv2 import model

    users = model.in_use(cloud.moto("elbv2"))
    for shown in answer.get("TargetGroups", []):
        shown["LoadBalancerArns"] = sorted(users.get(shown["TargetGroupArn"], ()))
    return answer


def _changes(name: str) -> None:
    @patch_response("elbv2", name)
    def changed(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
        cloud.part(LoadBalancers).changed()
        return answer


for _name in (
    "CreateListener",
    "CreateRule",
    "CreateTargetGroup",
    "DeleteListener",
    "DeleteRule",
    "ModifyListener",
    "ModifyRule",
    "ModifyTargetGroup",
    "ModifyTargetGroupAttributes",
    "SetRulePriorities",
):
    _changes(_name)


@page("access-logs")
def access_logs_page(cloud: Cloud, request: PageRequest) -> dict[str, Any]:
    """What waits to be written; POST writes it now, before the five minutes are over."""
    return cloud.part(LoadBalancers).access_logs(deliver=request.method == "POST")
