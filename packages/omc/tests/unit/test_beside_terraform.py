"""What Terraform doesn't see: one question a kind, each thing found with who did it; what omc changed for a while."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from omc.errors import AccessDenied, AwsRefused
from omc.facts import temporary as temporary_facts
from omc.facts.beside_terraform import (
    KINDS,
    PROBES,
    BesideTerraform,
    Extra,
    Managed,
    managed_in,
    read_beside,
    without_indexes,
)
from omc.facts.collector import dependencies
from omc.facts.infrastructure import SavedPlan
from omc.facts.pending import Pending, PendingChange, Waits
from omc.facts.releases import Ledger
from omc.facts.scaling import ScalableTarget, Scaling
from omc.facts.services import Services
from omc.facts.temporary import AlarmsOff, ScaledForAWhile, ScaledForGood, Temporary
from omc.facts.terraform_json import Change, Difference, changes
from omc.facts.trail import Author
from omc.infrastructure.planned_change import PlannedChange
from omc.procedures.infrastructure import apply
from omc.procedures.infrastructure_drift import (
    NOT_KNOWN,
    drift,
    not_as_deployed,
    not_known,
    read_beside_the_plan,
    releases_that_run,
)
from omc.store.models import Run
from support import release_facts as example
from support.fake_gateway import FakeGateway

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
STAGING = example.environment()
BACKEND = "service/ohmycoins-staging/backend"
BALANCER, LISTENER, GROUP, TOPIC = "arn:lb", "arn:listener", "arn:tg", "arn:topic"

STATE: dict[str, list[dict[str, Any]]] = {
    "aws_security_group": [{"id": "sg-1", "name": "shop-backend"}],
    "aws_vpc_security_group_ingress_rule": [{"security_group_rule_id": "sgr-known", "security_group_id": "sg-1"}],
    "aws_lb": [{"arn": BALANCER, "name": "shop"}],
    "aws_lb_listener": [{"arn": LISTENER, "port": 443}],
    "aws_lb_listener_rule": [{"arn": "arn:rule-known"}],
    "aws_lb_target_group": [{"arn": GROUP, "name": "shop-backend"}],
    "aws_iam_role": [{"name": "shop-task"}],
    "aws_iam_role_policy": [{"role": "shop-task", "name": "exec"}],
    "aws_iam_role_policy_attachment": [{"role": "shop-task", "policy_arn": "arn:policy-known"}],
    "aws_appautoscaling_target": [{"resource_id": BACKEND, "scalable_dimension": "ecs:service:DesiredCount"}],
    "aws_appautoscaling_policy": [{"resource_id": BACKEND, "name": "cpu"}],
    "aws_sns_topic": [{"arn": TOPIC, "name": "alerts"}],
    "aws_sns_topic_subscription": [
        {"arn": "arn:sub-known", "topic_arn": TOPIC, "protocol": "sqs", "endpoint": "q"},
        {"arn": "PendingConfirmation", "topic_arn": TOPIC, "protocol": "email", "endpoint": "ops@example.com"},
    ],
    "aws_s3_bucket": [{"bucket": "logs"}, {"bucket": "exports"}],
    "aws_s3_bucket_policy": [{"bucket": "logs"}],
}


def managed(code: dict[str, Any] | None = None) -> Managed:
    """From a plan's JSON, one resource ``this`` of each kind (a second is ``this["1"]``)."""
    resources = [
        {"mode": "managed", "type": kind, "address": f'module.a["x.y"].{kind}.this["{at}"]', "values": values}
        for kind, all_of_them in STATE.items()
        for at, values in enumerate(all_of_them)
    ]
    arguments = [
        {"mode": "managed", "address": f"{kind}.this", "expressions": (code or {}).get(kind, {})} for kind in STATE
    ]
    return managed_in(
        {
            "prior_state": {"values": {"root_module": {"child_modules": [{"resources": resources}]}}},
            "configuration": {"root_module": {"module_calls": {"a": {"module": {"resources": arguments}}}}},
        }
    )


def rule(name: str, **more: Any) -> dict[str, Any]:
    known = {"SecurityGroupRuleId": name, "GroupId": "sg-1", "IsEgress": False, "IpProtocol": "tcp"}
    return known | {"FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0"} | more


CLEAN: dict[tuple[str, str], Any] = {
    ("ec2", "describe_security_group_rules"): {"SecurityGroupRules": [rule("sgr-known")]},
    ("elbv2", "describe_listeners"): {"Listeners": [{"ListenerArn": LISTENER, "Port": 443, "DefaultActions": []}]},
    ("elbv2", "describe_rules"): {
        "Rules": [
            {"RuleArn": "arn:default", "IsDefault": True, "Priority": "default", "Conditions": [], "Actions": []},
            {"RuleArn": "arn:rule-known", "IsDefault": False, "Priority": "10", "Conditions": [], "Actions": []},
        ]
    },
    ("elbv2", "describe_target_group_attributes"): {"Attributes": [{"Key": "stickiness.enabled", "Value": "false"}]},
    ("iam", "list_role_policies"): {"PolicyNames": ["exec"]},
    ("iam", "list_attached_role_policies"): {"AttachedPolicies": [{"PolicyArn": "arn:policy-known"}]},
    ("application-autoscaling", "describe_scalable_targets"): {
        "ScalableTargets": [{"ResourceId": BACKEND, "SuspendedState": {"DynamicScalingInSuspended": False}}]
    },
    ("application-autoscaling", "describe_scaling_policies"): {
        "ScalingPolicies": [{"ResourceId": BACKEND, "PolicyName": "cpu"}, {"ResourceId": "else", "PolicyName": "x"}]
    },
    ("application-autoscaling", "describe_scheduled_actions"): {"ScheduledActions": []},
    ("sns", "list_subscriptions_by_topic"): {
        "Subscriptions": [
            {"SubscriptionArn": "arn:sub-known", "Protocol": "sqs", "Endpoint": "q"},
            {"SubscriptionArn": "PendingConfirmation", "Protocol": "email", "Endpoint": "ops@example.com"},
        ]
    },
    ("s3", "get_bucket_policy"): AwsRefused("no policy", "NoSuchBucketPolicy"),
    ("cloudtrail", "lookup_events"): {"Events": []},
}


def read(answers: dict[tuple[str, str], Any], code: dict[str, Any] | None = None) -> BesideTerraform:
    return read_beside(FakeGateway(CLEAN | answers), managed(code))


def lines(extra: Extra) -> list[str]:
    return [f"{one.path}: {one.before} → {one.after}" for one in extra.differences]


def test_what_is_all_managed_is_nothing_and_nobody_is_asked_who() -> None:
    gateway = FakeGateway(dict(CLEAN))
    found = read_beside(gateway, managed())
    assert (found.extras, found.unknown) == ((), ())
    assert gateway.calls("lookup_events") == []
    assert [params["Bucket"] for params in gateway.calls("get_bucket_policy")] == ["exports"]


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("aws_security_group", "id"),
        ("aws_lb", "arn"),
        ("aws_lb_listener", "arn"),
        ("aws_lb_listener_rule", "arn"),
        ("aws_lb_target_group", "arn"),
        ("aws_iam_role", "name"),
        ("aws_iam_role_policy", "role"),
        ("aws_iam_role_policy_attachment", "policy_arn"),
        ("aws_appautoscaling_target", "resource_id"),
        ("aws_appautoscaling_policy", "name"),
        ("aws_sns_topic", "arn"),
        ("aws_s3_bucket", "bucket"),
    ],
)
def test_what_the_state_lacks_is_not_awss_fault(kind: str, key: str) -> None:
    known = managed()
    lacking = {
        address: {name: value for name, value in values.items() if name != key}
        for address, values in known.resources[kind].items()
    }
    state = replace(known, resources={**known.resources, kind: lacking})
    found = read_beside(FakeGateway(dict(CLEAN)), state)
    assert found.unknown
    for problem in found.unknown:
        assert f"the state has no {key} for " in problem
        assert f".{kind}." in problem
        assert "AWS" not in problem


def added(answer: tuple[str, str], key: str, **more: Any) -> dict[tuple[str, str], Any]:
    return {answer: {key: [*CLEAN[answer][key], more]}}


SCALING = "application-autoscaling"
FOUND: list[tuple[dict[tuple[str, str], Any], str, str]] = [
    (
        added(("ec2", "describe_security_group_rules"), "SecurityGroupRules", **rule("sgr-2")),
        "the security group shop-backend has a rule",
        "ingress[sgr-2]: nothing → tcp, port 22, from 0.0.0.0/0",
    ),
    (
        added(
            ("ec2", "describe_security_group_rules"),
            "SecurityGroupRules",
            **rule("sgr-3", IsEgress=True, IpProtocol="-1", FromPort=-1, ToPort=-1, CidrIpv6="::/0", CidrIpv4=None),
        ),
        "the security group shop-backend has a rule",
        "egress[sgr-3]: nothing → all protocols, all ports, to ::/0",
    ),
    (
        added(
            ("ec2", "describe_security_group_rules"),
            "SecurityGroupRules",
            **rule("sgr-4", FromPort=1, ToPort=9, CidrIpv4=None, ReferencedGroupInfo={"GroupId": "sg-9"}),
        ),
        "the security group shop-backend has a rule",
        "ingress[sgr-4]: nothing → tcp, ports 1-9, from sg-9",
    ),
    (
        added(
            ("elbv2", "describe_listeners"),
            "Listeners",
            ListenerArn="arn:l2",
            Port=8443,
            Protocol="HTTPS",
            DefaultActions=[{"Type": "forward"}],
        ),
        "the load balancer shop has a listener",
        'listener[8443]: nothing → {"default": [{"Type": "forward"}], "port": 8443, "protocol": "HTTPS"}',
    ),
    (
        added(
            ("elbv2", "describe_rules"),
            "Rules",
            RuleArn="arn:r2",
            IsDefault=False,
            Priority="5",
            Conditions=[{"Field": "path-pattern", "Values": ["/admin"]}],
            Actions=[{"Type": "forward", "TargetGroupArn": "arn:aws:elb:r:1:targetgroup/evil/1"}],
        ),
        "the listener on port 443 has a rule",
        "targetgroup/evil/1",
    ),
    (
        {
            ("elbv2", "describe_target_group_attributes"): {
                "Attributes": [{"Key": "load_balancing.algorithm.type", "Value": "least_outstanding_requests"}]
            }
        },
        "the target group shop-backend has an attribute that no code sets",
        "load_balancing.algorithm.type: round_robin → least_outstanding_requests",
    ),
    (
        {
            ("iam", "list_role_policies"): {"PolicyNames": ["exec", "debug"]},
            ("iam", "get_role_policy"): {"PolicyDocument": {"Statement": [{"Action": "s3:*"}]}},
        },
        "the role shop-task has an inline policy",
        'policy[debug]: nothing → {"Statement": [{"Action": "s3:*"}]}',
    ),
    (
        added(("iam", "list_attached_role_policies"), "AttachedPolicies", PolicyArn="arn:aws:iam::aws:policy/Admin"),
        "the role shop-task has a policy attached",
        "attached_policy: nothing → arn:aws:iam::aws:policy/Admin",
    ),
    (
        {
            (SCALING, "describe_scalable_targets"): {
                "ScalableTargets": [{"ResourceId": BACKEND, "SuspendedState": {"DynamicScalingOutSuspended": True}}]
            }
        },
        f"the autoscaler of {BACKEND} is suspended",
        "DynamicScalingOutSuspended: false → true",
    ),
    (
        added((SCALING, "describe_scaling_policies"), "ScalingPolicies", ResourceId=BACKEND, PolicyName="mine"),
        f"the autoscaler of {BACKEND} has a policy",
        "policy[mine]: nothing → set",
    ),
    (
        added(
            (SCALING, "describe_scheduled_actions"),
            "ScheduledActions",
            ResourceId=BACKEND,
            ScheduledActionName="night",
            Schedule="cron(0 20 * * ? *)",
            ScalableTargetAction={"MinCapacity": 0, "MaxCapacity": 1},
        ),
        f"the autoscaler of {BACKEND} has a schedule",
        "schedule[night]: nothing → cron(0 20 * * ? *): 0-1 tasks",
    ),
    (
        added(
            ("sns", "list_subscriptions_by_topic"),
            "Subscriptions",
            SubscriptionArn="arn:s2",
            Protocol="email",
            Endpoint="x@example.com",
        ),
        "the topic alerts has a subscription",
        "subscription: nothing → email x@example.com",
    ),
    (
        {("s3", "get_bucket_policy"): {"Policy": json.dumps({"Statement": [{"Principal": "*"}]})}},
        "the bucket exports has a policy",
        'policy: nothing → {"Statement": [{"Principal": "*"}]}',
    ),
]


@pytest.mark.parametrize(("answers", "says", "line"), FOUND, ids=[says for _, says, _ in FOUND])
def test_each_kind_is_found_by_what_it_is_with_its_arrow(
    answers: dict[tuple[str, str], Any], says: str, line: str
) -> None:
    found = read(answers)
    [extra] = found.extras
    assert says in f"{extra.subject} {extra.what}"
    assert any(line in each for each in lines(extra)), lines(extra)
    assert all(each.split(": ", 1)[1].startswith(("nothing → ", "false → ", "round_robin → ")) for each in lines(extra))
    assert "unknown" in extra.author.who
    assert found.unknown == ()


@pytest.mark.parametrize("kind", PROBES)
def test_a_question_without_an_answer_is_unknown_and_costs_no_other(kind: str) -> None:
    first = {
        "rules of security groups": ("ec2", "describe_security_group_rules"),
        "listeners": ("elbv2", "describe_listeners"),
        "rules of listeners": ("elbv2", "describe_rules"),
        "attributes of target groups": ("elbv2", "describe_target_group_attributes"),
        "policies of roles": ("iam", "list_role_policies"),
        "autoscaling": (SCALING, "describe_scalable_targets"),
        "subscriptions of topics": ("sns", "list_subscriptions_by_topic"),
        "policies of buckets": ("s3", "get_bucket_policy"),
    }[kind]
    problem = AccessDenied(f"{first[1]} is not allowed.", f"{first[0]}:X")
    broken: Any
    for broken in (problem, {}):
        found = read({first: broken})
        assert [each.partition(":")[0] for each in found.unknown] == [kind]
        assert found.extras == ()


def test_what_the_code_sets_is_terraforms_own_matter() -> None:
    code: dict[str, Any] = {
        "aws_security_group": {"ingress": {"constant_value": []}},
        "aws_iam_role": {"inline_policy": [{"name": {}}]},
        "aws_appautoscaling_target": {"suspended_state": [{}]},
        "aws_lb_target_group": {"load_balancing_algorithm_type": {"constant_value": "x"}},
        "aws_s3_bucket": {"policy": {"references": ["x"]}},
    }
    quiet = {
        name: answers for answers, name, _ in FOUND if name.startswith(("the sec", "the role", "the target", "the b"))
    }
    quiet[""] = FOUND[8][0]
    for answers in quiet.values():
        set_by_code = {kind: {key: value or [{}] for key, value in payload.items()} for kind, payload in code.items()}
        assert read(answers, set_by_code).extras == ()


def test_who_added_the_rule_and_since_when() -> None:
    arn = "arn:aws:iam::1:user/ann"
    record: dict[str, Any] = {"eventName": "AuthorizeSecurityGroupIngress", "eventTime": "2026-11-23T10:00:00Z"}
    record |= {"userIdentity": {"type": "IAMUser", "userName": "ann", "arn": arn}}
    events = [
        {"CloudTrailEvent": json.dumps(record | {"requestParameters": {"groupId": group}, **more})}
        for group, more in (("sg-9", {}), ("sg-1", {"errorCode": "Denied"}), ("sg-1", {}))
    ]
    found = read(FOUND[0][0] | {("cloudtrail", "lookup_events"): {"Events": events}})
    assert (found.extras[0].author.who, found.extras[0].author.at) == ("ann", datetime(2026, 11, 23, 10, tzinfo=UTC))


def test_iams_calls_are_recorded_in_another_region() -> None:
    [extra] = read(FOUND[7][0]).extras
    assert extra.author.who == "who is unknown: CloudTrail records IAM's calls in us-east-1"


@pytest.mark.parametrize(
    ("address", "bare"),
    [
        ("aws_lb.this", "aws_lb.this"),
        ("aws_lb.this[0]", "aws_lb.this"),
        ('module.a["x.y"].aws_lb.this["b"]', "module.a.aws_lb.this"),
        ('module.a["x]y"].aws_lb.this', "module.a.aws_lb.this"),
        (r'module.a["x\"]y"].aws_lb.this', "module.a.aws_lb.this"),
    ],
)
def test_an_address_without_its_indexes(address: str, bare: str) -> None:
    assert without_indexes(address) == bare


def test_every_kind_that_is_asked_about_is_kept_of_the_state() -> None:
    assert set(STATE) <= KINDS


# -- what omc changed for a while ------------------------------------------------------------------------------------

UNTIL = datetime(2026, 11, 24, 2, tzinfo=UTC)
SCALED = ScaledForAWhile("backend", "0vqk3m7x", "alice", UNTIL, (4, 10), (2, 10))
OFF = AlarmsOff("backend", "1abc", "bob", NOW, is_under_way=True)
TEMPORARY = Temporary((SCALED,), (OFF,))
WORDS = (
    "alice's temporary change until Tue 24 Nov 13:00:00 AEDT (02:00 UTC): backend is kept at 4-10 tasks "
    "(timer 0vqk3m7x)"
)


def resource(kind: str, before: dict[str, Any], after: dict[str, Any] | None) -> Change:
    actions = ["update"] if after else ["delete"]
    record = {"actions": actions, "before": before, "after": after and before | after}
    return changes([{"address": f"{kind}.this", "mode": "managed", "type": kind, "change": record}])[0]


def plan(*some: Change, found: tuple[Change, ...] = ()) -> SavedPlan:
    return SavedPlan("5" * 64, "staging", 7, "l", "", some, found, (), 10, {}, {}, (), 7, "l")


def target(now: int, then: int, service: str = "backend") -> Change:
    known = {"resource_id": f"service/ohmycoins-staging/{service}", "min_capacity": now, "max_capacity": 10}
    return resource("aws_appautoscaling_target", known, {"min_capacity": then})


def refusals(*some: Change, temporary: Temporary = TEMPORARY) -> str:
    request = PlannedChange("/x", "/x", "s", "/x/p", "5" * 64)
    made = apply(request, STAGING, plan(*some), Services((), ()), temporary=temporary)
    return " ".join(made.refusals)


def test_an_apply_does_not_end_a_temporary_change_silently() -> None:
    message = refusals(target(4, 2))
    assert f"The apply would end {WORDS}" in message
    assert "omc runs cancel 0vqk3m7x" in message


@pytest.mark.parametrize(
    "change",
    [
        target(4, 2, "frontend"),
        resource("aws_appautoscaling_target", {"resource_id": BACKEND, "tags": {"a": "b"}}, {"tags": {"a": "c"}}),
        resource("aws_ecs_service", {"name": "backend", "tags": {"a": "b"}}, {"tags": {"a": "c"}}),
        resource(
            "aws_ecs_service", {"name": "frontend", "alarms": [{"enable": False}]}, {"alarms": [{"enable": True}]}
        ),
        resource("aws_lb", {"name": "backend", "idle_timeout": 1}, {"idle_timeout": 2}),
    ],
)
def test_an_apply_of_something_else_goes_on(change: Change) -> None:
    assert refusals(change) == ""


def test_the_end_of_an_autoscaler_is_an_end_of_what_was_set_on_it_too() -> None:
    gone = resource("aws_appautoscaling_target", {"resource_id": BACKEND, "min_capacity": 4}, None)
    assert "alice's temporary change" in refusals(gone)


def test_alarms_that_are_off_for_a_way_back_are_left_until_it_ends() -> None:
    change = resource(
        "aws_ecs_service", {"name": "backend", "alarms": [{"enable": False}]}, {"alarms": [{"enable": True}]}
    )
    assert "omc runs show 1abc" in refusals(change)
    ended = Temporary((), (replace(OFF, is_under_way=False),))
    assert refusals(change, temporary=ended) == "", "an apply is what turns them on again"


def test_without_a_record_a_plan_says_that_it_is_not_known() -> None:
    request = PlannedChange("/x", "/x", "s", "/x/p", "5" * 64)
    made = apply(request, STAGING, plan(target(4, 2)), Services((), ()), temporary=Temporary(unknown="no answer"))
    assert any("is unknown: no answer" in note for note in made.notes)


def test_drift_names_what_omc_changed_with_who_and_until_when() -> None:
    service = resource(
        "aws_ecs_service", {"name": "backend", "alarms": [{"enable": True}]}, {"alarms": [{"enable": False}]}
    )
    back = resource(
        "aws_ecs_service", {"name": "backend", "alarms": [{"enable": False}]}, {"alarms": [{"enable": True}]}
    )
    saved = plan(target(4, 2), back, found=(target(2, 4), service))
    plain = drift(saved)
    assert len(plain.outside) == 2
    found = drift(saved, environment=STAGING, temporary=TEMPORARY)
    assert found.outside == ()
    assert found.is_none
    [(limits, words), (alarms, others)] = found.for_a_while
    assert words == WORDS
    assert [(one.path, one.before, one.after) for one in limits.differences] == [("min_capacity", "2", "4")]
    assert "the run 1abc by bob turned the deployment alarms of backend off" in others
    assert [(one.before, one.after) for one in alarms.differences] == [("true", "false")]


@pytest.mark.parametrize(
    ("limits", "service", "found", "known"),
    [
        ((4, 10), "backend", (2, 4), True),
        ((4, 12), "backend", (2, 4), True),  # the upper limit is as it was
        ((5, 10), "backend", (2, 4), False),
        ((4, 10), "frontend", (2, 4), False),
        ((10, 4), "backend", (2, 4), False),
    ],
)
def test_limits_that_omc_set_for_good_are_drift_with_their_run(
    limits: tuple[int, int], service: str, found: tuple[int, int], known: bool
) -> None:
    temporary = Temporary(for_good=(ScaledForGood(service, "1abc", "alice", NOW, limits),))
    made = drift(plan(target(4, 2), found=(target(*found),)), environment=STAGING, temporary=temporary)
    [change] = made.outside
    assert made.authors == ({change.address: Author("alice by omc scale (run 1abc)", NOW)} if known else {})


@pytest.mark.parametrize(
    ("steps", "limits"),
    [
        ([("scaling.set", {"service": "backend", "minimum": 4, "maximum": 10})], [(4, 10)]),
        ([("scaling.set", {"service": "backend", "minimum": None, "maximum": None})], []),  # no autoscaler
        ([("scaling.set", {"service": "backend", "minimum": 4, "maximum": 10}), ("timers.set", {"seconds": 60})], []),
        ([("ecs.roll_service", {"service": "backend"})], []),
    ],
)
def test_what_a_run_of_omc_scale_left_behind(steps: list[Any], limits: list[tuple[int, int]]) -> None:
    written = {"steps": [{"action": action, "arguments": arguments} for action, arguments in steps]}
    run = Run(id="1abc", actor="alice", plan=written, created_at=NOW, ended_at=NOW)
    assert [one.limits for one in temporary_facts._set_by(run)] == limits


def test_limits_that_somebody_set_after_the_timer_are_drift() -> None:
    saved = plan(target(7, 2), found=(target(2, 7),))
    found = drift(saved, environment=STAGING, temporary=TEMPORARY)
    assert len(found.outside) == 1
    assert found.for_a_while == ()


# -- pending in drift ------------------------------------------------------------------------------------------------


def waiting(after: str, wait: Waits = Waits.WINDOW) -> PendingChange:
    step = Difference("instance_class", "db.t4g.micro", after)
    return PendingChange("the database shop", "shop", step, wait, "sat:16:00-sat:18:00")


def test_a_pending_value_is_drift_unless_it_is_what_the_code_says() -> None:
    code = resource(
        "aws_db_instance", {"identifier": "shop", "instance_class": "db.t4g.micro"}, {"instance_class": "b"}
    )
    by_hand = drift(plan(), environment=STAGING, pending=Pending((waiting("db.t4g.small"),)))
    assert (len(by_hand.pending), by_hand.coming, by_hand.is_none) == (1, (), False)
    applied = drift(plan(code), environment=STAGING, pending=Pending((waiting("b"),)))
    assert (applied.pending, len(applied.coming)) == ((), 1)
    reboot = drift(plan(), environment=STAGING, pending=Pending((waiting("x", Waits.REBOOT),)))
    assert reboot.is_none


def test_what_stands_beside_is_drift_and_what_was_not_asked_is_reported() -> None:
    extra = Extra("the role x", "has a policy", (Difference("p", "nothing", "y"),))
    assert not drift(plan(), environment=STAGING, beside=BesideTerraform((extra,))).is_none
    found = drift(plan(), environment=STAGING, beside=BesideTerraform((), ("listeners: denied",)))
    assert (found.is_none, found.unknown) == (True, ("listeners: denied",))


# -- what ignore_changes hides ---------------------------------------------------------------------------------------


def test_a_revision_is_named_by_its_release_or_as_one_that_nobody_knows() -> None:
    services = Services((example.service("backend", 9),), ())
    limits = Scaling((ScalableTarget("backend", 2, 10, False, ()),))
    known = replace(plan(), current={"a": {"family": "ohmycoins-backend", "revision": 9}})
    assert list(not_as_deployed(known, services, limits, None)) == []
    [message] = not_as_deployed(plan(), services, limits, Ledger(()))
    assert (
        message
        == "backend runs ohmycoins-backend:9, which Terraform doesn't know, and omc's record has no release with it."
    )
    [message] = not_as_deployed(plan(), services, limits, None)
    assert "there is no record of omc's here to ask" in message
    ledger = Ledger((example.release(4, 2.0, 9, 3),))
    assert list(not_as_deployed(plan(), services, limits, ledger)) == []
    [message] = releases_that_run(services, ledger, STAGING)
    assert "backend runs ohmycoins-backend:9: omc's release 4 by " in message


def test_limits_that_can_not_be_read_are_unknown_and_not_absent() -> None:
    services = Services((example.service("backend", 9, desired=12),), ())
    known = replace(plan(), current={"a": {"family": "ohmycoins-backend", "revision": 9}})
    assert list(not_as_deployed(known, services, None, None)) == []
    assert not_known(Scaling, "not allowed.") == (
        "whether the services' counts are within their autoscalers' limits: not allowed."
    )
    assert set(dependencies(read_beside_the_plan).values()) == set(NOT_KNOWN)


def test_a_count_outside_of_the_limits_is_reported() -> None:
    services = Services((example.service("backend", 9, desired=12),), ())
    known = replace(plan(), current={"a": {"family": "ohmycoins-backend", "revision": 9}})
    [message] = not_as_deployed(known, services, Scaling((ScalableTarget("backend", 2, 10, True, ()),)), None)
    assert "backend wants 12 tasks, outside of its autoscaler's limits 2-10" in message
