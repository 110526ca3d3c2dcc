"""What stands beside the things that Terraform manages, and that Terraform therefore doesn't see.

Rules in a managed security group, listeners and rules of a managed load balancer, policies of a managed role, what
moves a managed service's count, subscriptions of a managed topic, a managed bucket's policy: each kind is one question
to AWS about what the state says is managed. What the code sets, Terraform compares by itself; it is not asked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from omc.aws.batches import batches
from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import AwsRefused, NotFound, OmcError
from omc.facts.collector import NO_READING, Reading
from omc.facts.differences import ABSENT, Item, Path, differences, path_text
from omc.facts.scaling import DIMENSION, NAMESPACE
from omc.facts.terraform_json import Change, Difference
from omc.facts.trail import NOBODY, Author, Trail

Values = Mapping[str, Any]


class StateLacks(OmcError):
    """The state lacks an attribute that a question needs."""


class Attributes(dict[str, Any]):
    """A resource's values in the state. What they lack is missing from the state, not from AWS's answer."""

    def __init__(self, address: str, values: Values) -> None:
        super().__init__(values)
        self.address = address

    def __missing__(self, key: str) -> Any:
        raise StateLacks(f"the state has no {key} for {self.address}")


SUSPENSIONS = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
TARGET_GROUP_DEFAULTS: Mapping[str, tuple[str, str]] = {
    "load_balancing.algorithm.type": ("round_robin", "load_balancing_algorithm_type"),
    "load_balancing.algorithm.anomaly_mitigation": ("off", "load_balancing_anomaly_mitigation"),
    "load_balancing.cross_zone.enabled": ("use_load_balancer_configuration", "load_balancing_cross_zone_enabled"),
    "stickiness.enabled": ("false", "stickiness"),
    "target_group_health.dns_failover.minimum_healthy_targets.count": ("1", "target_group_health"),
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": ("off", "target_group_health"),
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": ("1", "target_group_health"),
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": ("off", "target_group_health"),
}
"""ELB's defaults, and the argument with which code sets each: where it isn't set, Terraform accepts what it finds."""


@dataclass(frozen=True, slots=True)
class Managed:
    """What the state holds, by type and address, and which arguments the code sets."""

    resources: Mapping[str, Mapping[str, Values]]
    set_by_code: Mapping[str, frozenset[str]]
    """By address without indexes."""

    def of(self, *kinds: str) -> dict[str, Values]:
        return {
            address: Attributes(address, values)
            for kind in kinds
            for address, values in self.resources.get(kind, {}).items()
        }

    def sets(self, address: str, argument: str) -> bool:
        return argument in self.set_by_code.get(without_indexes(address), ())


NOT_KNOWN = Managed({}, {})


@dataclass(frozen=True, slots=True)
class Extra:
    """One thing that is in AWS and in no code, with the difference from what the code has."""

    subject: str
    """``the security group ohmycoins-staging-backend``."""
    what: str
    """``has a rule that Terraform doesn't know``."""
    differences: tuple[Difference, ...]
    events: tuple[str, ...] = ()
    """The operations that make it."""
    mentions: tuple[str, ...] = ()
    """What their parameters name."""
    author: Author = NOBODY


@dataclass(frozen=True, slots=True)
class BesideTerraform:
    """All that was found, and which questions had no answer."""

    extras: tuple[Extra, ...]
    unknown: tuple[str, ...] = ()
    reading: Reading = NO_READING


Probe = Callable[[Gateway, Managed], Iterable[Extra]]


def read_beside(aws: Gateway, managed: Managed) -> BesideTerraform:
    """All kinds side by side; CloudTrail only for what was found. A question without an answer affects no other."""
    answers = parallel_map(lambda probe: _asked(probe, aws, managed), PROBES.items())
    extras = [extra for found, _ in answers for extra in found]
    trail = Trail(aws)
    named = tuple(replace(one, author=trail.author(one.events, *one.mentions)) for one in extras)
    return BesideTerraform(named, tuple(problem for _, problem in answers if problem))


def last_changes(aws: Gateway, changes: Iterable[Change]) -> dict[str, Author]:
    """By address, who last changed what Terraform found changed; the newest call on it may not be the one that did."""
    trail = Trail(aws)
    names = {
        one.address: [str(one.before[key]) for key in ("id", "name", "arn") if one.before.get(key)] for one in changes
    }
    return {address: trail.last_call(*dict.fromkeys(some)) for address, some in names.items()}


def _asked(probe: tuple[str, Probe], aws: Gateway, managed: Managed) -> tuple[list[Extra], str]:
    what, ask = probe
    try:
        return list(ask(aws, managed)), ""
    except OmcError as error:
        return [], f"{what}: {error.message}"
    except KeyError as error:
        return [], f"{what}: AWS's answer lacks {error}"


def _added(kind: str, name: str, value: Any) -> tuple[Difference, ...]:
    above: Path = (kind, Item(name)) if name else (kind,)
    return tuple(Difference(path_text((*above, *at)), old, new) for at, old, new in differences(ABSENT, value))


# -- security groups -------------------------------------------------------------------------------------------------

RULE_KINDS = ("aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule")


def _security_group_rules(aws: Gateway, managed: Managed) -> Iterator[Extra]:
    """Where rules are resources of their own: a group whose rules stand inside of it Terraform compares whole."""
    rules = managed.of(*RULE_KINDS)
    known = {values.get("security_group_rule_id") or values.get("id") for values in rules.values()}
    groups = {
        values["id"]: values.get("name", values["id"])
        for address, values in managed.of("aws_security_group").items()
        if not managed.sets(address, "ingress") and not managed.sets(address, "egress")
    }
    mixed = {values.get("security_group_id") for values in managed.of("aws_security_group_rule").values()}
    for some in batches([group for group in groups if group not in mixed], 200):
        pages = aws.client("ec2").get_paginator("describe_security_group_rules")
        for page in pages.paginate(Filters=[{"Name": "group-id", "Values": list(some)}]):
            for rule in page["SecurityGroupRules"]:
                if rule["SecurityGroupRuleId"] not in known:
                    yield _rule(groups[rule["GroupId"]], rule)


def _rule(group: str, rule: Mapping[str, Any]) -> Extra:
    way = "egress" if rule["IsEgress"] else "ingress"
    other = rule.get("CidrIpv4") or rule.get("CidrIpv6") or rule.get("PrefixListId")
    other = other or rule.get("ReferencedGroupInfo", {}).get("GroupId", "somewhere")
    low, high = rule.get("FromPort", -1), rule.get("ToPort", -1)
    ports = "all ports" if low == -1 else f"port {low}" if low == high else f"ports {low}-{high}"
    protocol = "all protocols" if rule["IpProtocol"] == "-1" else rule["IpProtocol"]
    event = "AuthorizeSecurityGroupEgress" if rule["IsEgress"] else "AuthorizeSecurityGroupIngress"
    text = f"{protocol}, {ports}, {'to' if rule['IsEgress'] else 'from'} {other}"
    return Extra(
        f"the security group {group}",
        "has a rule that Terraform doesn't know",
        _added(way, rule["SecurityGroupRuleId"], text),
        (event, "ModifySecurityGroupRules"),
        (rule["GroupId"],),
    )


# -- load balancers --------------------------------------------------------------------------------------------------


def _listeners(aws: Gateway, managed: Managed) -> Iterator[Extra]:
    elb = aws.client("elbv2")
    known = {values["arn"] for values in managed.of("aws_lb_listener", "aws_alb_listener").values()}
    for balancer in managed.of("aws_lb", "aws_alb").values():
        for page in elb.get_paginator("describe_listeners").paginate(LoadBalancerArn=balancer["arn"]):
            for one in page["Listeners"]:
                if one["ListenerArn"] not in known:
                    record = {
                        "port": one.get("Port"),
                        "protocol": one.get("Protocol"),
                        "default": one["DefaultActions"],
                    }
                    yield Extra(
                        f"the load balancer {balancer['name']}",
                        "has a listener that Terraform doesn't know",
                        _added("listener", str(one.get("Port")), _actions(record)),
                        ("CreateListener",),
                        (balancer["arn"], str(one.get("Port"))),
                    )


def _listener_rules(aws: Gateway, managed: Managed) -> Iterator[Extra]:
    elb = aws.client("elbv2")
    known = {values["arn"] for values in managed.of("aws_lb_listener_rule", "aws_alb_listener_rule").values()}
    listeners = list(managed.of("aws_lb_listener", "aws_alb_listener").values())

    def rules_of(arn: str) -> list[Mapping[str, Any]]:
        pages = elb.get_paginator("describe_rules").paginate(ListenerArn=arn)
        return [dict(rule) for page in pages for rule in page["Rules"]]

    found = parallel_map(rules_of, [values["arn"] for values in listeners])
    for values, rules in zip(listeners, found, strict=True):
        for rule in rules:
            if rule["RuleArn"] not in known and not rule["IsDefault"]:
                record = {"conditions": rule["Conditions"], "actions": rule["Actions"]}
                yield Extra(
                    f"the listener on port {values.get('port')}",
                    "has a rule that Terraform doesn't know",
                    _added("rule", f"priority-{rule['Priority']}", _actions(record)),
                    ("CreateRule",),
                    (values["arn"],),
                )


def _actions(record: Mapping[str, Any]) -> Any:
    """Without what AWS answers empty, and ARNs by their names."""
    return {key: _short(value) for key, value in record.items() if value not in (None, [], {})}


def _short(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _short(item) for key, item in value.items() if item not in (None, [], {}, "")}
    if isinstance(value, list):
        return [_short(item) for item in value]
    return value.rpartition(":")[2] if isinstance(value, str) and value.startswith("arn:") else value


def _target_groups(aws: Gateway, managed: Managed) -> Iterator[Extra]:
    elb = aws.client("elbv2")
    groups = managed.of("aws_lb_target_group", "aws_alb_target_group")

    def attributes_of(arn: str) -> dict[str, str]:
        records = elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
        return {one["Key"]: one["Value"] for one in records}

    found = parallel_map(attributes_of, [values["arn"] for values in groups.values()])
    for (address, values), attributes in zip(groups.items(), found, strict=True):
        for key, (default, argument) in TARGET_GROUP_DEFAULTS.items():
            if attributes.get(key, default) != default and not managed.sets(address, argument):
                yield Extra(
                    f"the target group {values['name']}",
                    "has an attribute that no code sets",
                    (Difference(key, default, attributes[key]),),
                    ("ModifyTargetGroupAttributes",),
                    (values["arn"],),
                )


# -- roles -----------------------------------------------------------------------------------------------------------


def _role_policies(aws: Gateway, managed: Managed) -> Iterator[Extra]:
    roles = [
        values["name"]
        for address, values in managed.of("aws_iam_role").items()
        if not managed.sets(address, "inline_policy") and not managed.sets(address, "managed_policy_arns")
    ]
    inline = {(values["role"], values["name"]) for values in managed.of("aws_iam_role_policy").values()}
    attached = {
        (values["role"], values["policy_arn"]) for values in managed.of("aws_iam_role_policy_attachment").values()
    }
    exclusive = managed.of("aws_iam_role_policies_exclusive", "aws_iam_role_policy_attachments_exclusive").values()
    taken = {values.get("role_name") for values in exclusive}
    for extras in parallel_map(
        lambda role: _of_role(aws, role, inline, attached), [r for r in roles if r not in taken]
    ):
        yield from extras


def _of_role(aws: Gateway, role: str, inline: set[Any], attached: set[Any]) -> list[Extra]:
    iam, found = aws.client("iam"), []
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=role):
        for name in page["PolicyNames"]:
            if (role, name) not in inline:
                document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
                grants = _added("policy", name, document)
                what = "has an inline policy that Terraform doesn't know"
                found.append(Extra(f"the role {role}", what, grants, ("PutRolePolicy",), (role, name)))
    for attachments in iam.get_paginator("list_attached_role_policies").paginate(RoleName=role):
        for one in attachments["AttachedPolicies"]:
            if (role, one["PolicyArn"]) not in attached:
                grants = _added("attached_policy", "", one["PolicyArn"])
                what = "has a policy attached that Terraform doesn't know"
                found.append(Extra(f"the role {role}", what, grants, ("AttachRolePolicy",), (role, one["PolicyArn"])))
    return found


# -- scaling ---------------------------------------------------------------------------------------------------------


def _scaling(aws: Gateway, managed: Managed) -> Iterator[Extra]:
    """Limits Terraform sees; it doesn't see suspensions that no code sets, nor further policies and schedules."""
    client = aws.client("application-autoscaling")
    targets = {
        values["resource_id"]: address
        for address, values in managed.of("aws_appautoscaling_target").items()
        if values.get("scalable_dimension") == DIMENSION
    }
    if not targets:
        return
    for some in batches(list(targets), 50):
        pages = client.get_paginator("describe_scalable_targets")
        for page in pages.paginate(ServiceNamespace=NAMESPACE, ResourceIds=list(some), ScalableDimension=DIMENSION):
            for one in page["ScalableTargets"]:
                if managed.sets(targets[one["ResourceId"]], "suspended_state"):
                    continue
                state: Mapping[str, Any] = {**one.get("SuspendedState", {})}
                off = tuple(Difference(kind, "false", "true") for kind in SUSPENSIONS if state.get(kind))
                if off:
                    subject, records = f"the autoscaler of {one['ResourceId']}", (one["ResourceId"],)
                    yield Extra(subject, "is suspended", off, ("RegisterScalableTarget",), records)
    kinds = (
        ("describe_scaling_policies", "ScalingPolicies", "PolicyName", "policy", "PutScalingPolicy"),
        ("describe_scheduled_actions", "ScheduledActions", "ScheduledActionName", "schedule", "PutScheduledAction"),
    )
    known = {
        (values["resource_id"], values["name"])
        for values in managed.of("aws_appautoscaling_policy", "aws_appautoscaling_scheduled_action").values()
    }
    for operation, key, name, word, event in kinds:
        for page in client.get_paginator(operation).paginate(ServiceNamespace=NAMESPACE):  # type: ignore[call-overload]
            for one in page[key]:
                if one["ResourceId"] in targets and (one["ResourceId"], one[name]) not in known:
                    subject, mentions = f"the autoscaler of {one['ResourceId']}", (one["ResourceId"], one[name])
                    does = one.get("Schedule") or one.get("PolicyType") or "set"
                    if action := one.get("ScalableTargetAction"):
                        does = f"{does}: {action.get('MinCapacity', '?')}-{action.get('MaxCapacity', '?')} tasks"
                    change = _added(word, one[name], does)
                    yield Extra(subject, f"has a {word} that Terraform doesn't know", change, (event,), mentions)


# -- topics and buckets ----------------------------------------------------------------------------------------------


def _subscriptions(aws: Gateway, managed: Managed) -> Iterator[Extra]:
    """One that nobody has confirmed has no ARN yet: it is told by whom it reaches."""
    sns, known, ends = aws.client("sns"), set(), set()
    for values in managed.of("aws_sns_topic_subscription").values():
        known.add(values.get("arn"))
        ends.add((values.get("topic_arn"), values.get("protocol"), values.get("endpoint")))
    for topic in managed.of("aws_sns_topic").values():
        for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic["arn"]):
            for one in page["Subscriptions"]:
                end = (topic["arn"], one["Protocol"], one["Endpoint"])
                if one["SubscriptionArn"] not in known and end not in ends:
                    reached = f"{one['Protocol']} {one['Endpoint']}"
                    subject, change = f"the topic {topic['name']}", _added("subscription", "", reached)
                    what = "has a subscription that Terraform doesn't know"
                    yield Extra(subject, what, change, ("Subscribe",), (topic["arn"],))


def _bucket_policies(aws: Gateway, managed: Managed) -> Iterator[Extra]:
    s3 = aws.client("s3")
    managed_ones = {values["bucket"] for values in managed.of("aws_s3_bucket_policy").values()}
    for address, values in managed.of("aws_s3_bucket").items():
        if values["bucket"] in managed_ones or managed.sets(address, "policy"):
            continue
        try:
            policy = s3.get_bucket_policy(Bucket=values["bucket"])["Policy"]
        except NotFound:
            continue
        except AwsRefused as error:
            if error.code == "NoSuchBucketPolicy":
                continue
            raise
        subject, change = f"the bucket {values['bucket']}", _added("policy", "", policy)
        what = "has a policy that Terraform doesn't know"
        yield Extra(subject, what, change, ("PutBucketPolicy",), (values["bucket"],))


PROBES: Mapping[str, Probe] = {
    "rules of security groups": _security_group_rules,
    "listeners": _listeners,
    "rules of listeners": _listener_rules,
    "attributes of target groups": _target_groups,
    "policies of roles": _role_policies,
    "autoscaling": _scaling,
    "subscriptions of topics": _subscriptions,
    "policies of buckets": _bucket_policies,
}
KINDS = frozenset(
    {
        *("aws_security_group", "aws_security_group_rule", *RULE_KINDS),
        *("aws_lb", "aws_alb", "aws_lb_listener", "aws_alb_listener", "aws_lb_listener_rule", "aws_alb_listener_rule"),
        *("aws_lb_target_group", "aws_alb_target_group", "aws_iam_role", "aws_iam_role_policy"),
        *("aws_iam_role_policy_attachment", "aws_iam_role_policies_exclusive"),
        *("aws_iam_role_policy_attachments_exclusive", "aws_appautoscaling_target", "aws_appautoscaling_policy"),
        *("aws_appautoscaling_scheduled_action", "aws_sns_topic", "aws_sns_topic_subscription"),
        *("aws_s3_bucket", "aws_s3_bucket_policy"),
    }
)
"""Types of the state that the questions are about."""


def managed_in(plan: Mapping[str, Any]) -> Managed:
    """From a plan's JSON: the state as it was refreshed, and the code's own arguments."""
    found: dict[str, dict[str, Values]] = {}
    for kind, address, values in _resources(plan.get("prior_state", {}).get("values", {}).get("root_module", {})):
        found.setdefault(kind, {})[address] = values
    code = {
        address: frozenset(name for name, payload in arguments.items() if payload)
        for address, arguments in _arguments(plan.get("configuration", {}).get("root_module", {}), "")
    }
    return Managed(found, code)


def _resources(module: Mapping[str, Any]) -> Iterator[tuple[str, str, Values]]:
    for one in module.get("resources", ()):
        if one.get("mode") == "managed" and one.get("type") in KINDS:
            yield one["type"], one["address"], one.get("values") or {}
    for child in module.get("child_modules", ()):
        yield from _resources(child)


def _arguments(module: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for one in module.get("resources", ()):
        if one.get("mode") == "managed":
            yield f"{prefix}{one['address']}", one.get("expressions") or {}
    for name, call in module.get("module_calls", {}).items():
        yield from _arguments(call.get("module", {}), f"{prefix}module.{name}.")


def without_indexes(address: str) -> str:
    """``module.stack.module.service["backend"].aws_x.this[0]`` is ``module.stack.module.service.aws_x.this``."""
    words, inside, quoted = "", False, False
    for at, letter in enumerate(address):
        if letter == '"' and address[at - 1] != "\\":
            quoted = not quoted
        elif letter in "[]" and not quoted:
            inside = letter == "["
        elif not inside:
            words += letter
    return words
