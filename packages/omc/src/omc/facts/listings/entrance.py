"""Load balancers, target groups, listeners, their rules, and the firewall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.facts.expected import Thing
from omc.facts.listings.common import Facts, Wanted, fact
from omc.facts.terraform_values import balancer_of


def balancers(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    for name, payload in fact(facts.balancers).every.items():
        yield Thing("aws_lb", {"name": name, "security_groups": payload.get("SecurityGroups") or []})


def target_groups(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    for name, payload in fact(facts.groups).every.items():
        check = {
            "protocol": payload.get("HealthCheckProtocol"),
            "path": payload.get("HealthCheckPath"),
            "port": payload.get("HealthCheckPort"),
            "matcher": (payload.get("Matcher") or {}).get("HttpCode") or (payload.get("Matcher") or {}).get("GrpcCode"),
            "interval": payload.get("HealthCheckIntervalSeconds"),
            "timeout": payload.get("HealthCheckTimeoutSeconds"),
            "healthy_threshold": payload.get("HealthyThresholdCount"),
            "unhealthy_threshold": payload.get("UnhealthyThresholdCount"),
        }
        settings = {"port": payload.get("Port"), "protocol": payload.get("Protocol"), "health_check": [check]}
        yield Thing("aws_lb_target_group", {"name": name, **settings})


def listeners(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:
    for one in _listeners(aws, wanted, facts):
        certificates = [each.get("CertificateArn") for each in one.get("Certificates") or ()]
        yield Thing(
            "aws_lb_listener",
            {
                "arn": one["ListenerArn"],
                "load_balancer_arn": one["LoadBalancerArn"],
                "port": one.get("Port"),
                "protocol": one.get("Protocol"),
                "default_action": [_action(each) for each in one.get("DefaultActions") or ()],
                "certificate_arn": certificates[0] if certificates else None,
                "ssl_policy": one.get("SslPolicy"),
            },
        )


def rules(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:
    if (denied := fact(facts.listeners).denied) is not None:
        raise denied
    for listener in _listeners(aws, wanted, facts):
        for one in listener["Rules"]:
            if not one.get("IsDefault"):
                yield Thing(
                    "aws_lb_listener_rule",
                    {
                        "arn": one["RuleArn"],
                        "_port": listener.get("Port"),
                        "priority": one.get("Priority", 0),
                        "action": [_action(each) for each in one.get("Actions") or ()],
                        "condition": [_condition(each) for each in one.get("Conditions") or ()],
                    },
                )


def _listeners(aws: Gateway, wanted: Wanted, facts: Facts) -> list[Mapping[str, Any]]:
    """Those of the environment's load balancers are read already; of others that are expected they are asked for."""
    known, every = fact(facts.listeners).records, fact(facts.balancers).every
    names = {str(thing.keys[-1][0]) for thing in wanted} - {balancer_of(one["LoadBalancerArn"]) for one in known}
    ours = {balancer.name for balancer in fact(facts.balancers).load_balancers if balancer.kind == "application"}
    elb = aws.client("elbv2")

    def of_balancer(arn: str) -> list[Mapping[str, Any]]:
        pages = elb.get_paginator("describe_listeners").paginate(LoadBalancerArn=arn)
        found = [one for page in pages for one in page["Listeners"]]
        return [{**one, "LoadBalancerArn": arn, "Rules": rules_of(one["ListenerArn"])} for one in found]

    def rules_of(arn: str) -> list[Mapping[str, Any]]:
        pages = elb.get_paginator("describe_rules").paginate(ListenerArn=arn)
        return [dict(one) for page in pages for one in page["Rules"]]

    others = [str(every[name]["LoadBalancerArn"]) for name in sorted(names - ours) if name in every]
    return [*known, *(one for some in parallel_map(of_balancer, others) for one in some)]


def _action(record: Mapping[str, Any]) -> dict[str, Any]:
    groups = (record.get("ForwardConfig") or {}).get("TargetGroups") or ()
    redirect, fixed = record.get("RedirectConfig") or {}, record.get("FixedResponseConfig") or {}
    return {
        "type": record.get("Type"),
        "order": record.get("Order"),
        "target_group_arn": record.get("TargetGroupArn"),
        "forward": [
            {"target_group": [{"arn": one.get("TargetGroupArn"), "weight": one.get("Weight")} for one in groups]}
        ]
        if len(groups) > 1 or not record.get("TargetGroupArn")
        else [],
        "redirect": [
            {name.lower(): value for name, value in redirect.items()} | {"status_code": redirect["StatusCode"]}
        ]
        if redirect
        else [],
        "fixed_response": [{"status_code": fixed.get("StatusCode")}] if fixed else [],
    }


CONDITIONS = {
    "host-header": ("host_header", "HostHeaderConfig"),
    "path-pattern": ("path_pattern", "PathPatternConfig"),
    "http-header": ("http_header", "HttpHeaderConfig"),
    "http-request-method": ("http_request_method", "HttpRequestMethodConfig"),
    "query-string": ("query_string", "QueryStringConfig"),
    "source-ip": ("source_ip", "SourceIpConfig"),
}
"""ELB's name of a condition to Terraform's block and ELB's settings of it."""


def _condition(record: Mapping[str, Any]) -> dict[str, Any]:
    name, settings = CONDITIONS.get(str(record.get("Field")), (str(record.get("Field")), ""))
    payload = record.get(settings) or {}
    values: Any = payload.get("Values") or record.get("Values") or []
    if name == "query_string":
        return {name: [{"key": one.get("Key") or "", "value": one.get("Value")} for one in values]}
    header = {"http_header_name": payload["HttpHeaderName"]} if payload.get("HttpHeaderName") else {}
    return {name: [{"values": values, **header}]}
