"""What stands before the services: load balancer, listener, rule, target group; and tasks behind it, ill or gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rehearsal.outside.story import Story
from rehearsal.outside.world import World
from support.stack import CLUSTER


def _listener(world: World) -> dict[str, Any]:
    arn = world.output("load_balancer")["arn"]
    return dict(world.aws("elbv2").describe_listeners(LoadBalancerArn=arn)["Listeners"][0])


def _rule(world: World) -> dict[str, Any]:
    rules = world.aws("elbv2").describe_rules(ListenerArn=_listener(world)["ListenerArn"])["Rules"]
    return dict(next(each for each in rules if not each["IsDefault"]))


@contextmanager
def _listener_deleted(world: World) -> Iterator[None]:
    world.aws("elbv2").delete_listener(ListenerArn=_listener(world)["ListenerArn"])
    try:
        yield
    finally:
        world.apply()


@contextmanager
def _rule_deleted(world: World) -> Iterator[None]:
    world.aws("elbv2").delete_rule(RuleArn=_rule(world)["RuleArn"])
    try:
        yield
    finally:
        world.apply()


@contextmanager
def _rule_leads_elsewhere(world: World) -> Iterator[None]:
    rule, other = _rule(world), world.output("services")["frontend"]["target_group_arn"]
    elb = world.aws("elbv2")
    elb.modify_rule(RuleArn=rule["RuleArn"], Actions=[{"Type": "forward", "TargetGroupArn": other}])
    try:
        yield
    finally:
        elb.modify_rule(
            RuleArn=rule["RuleArn"], Actions=[{k: rule["Actions"][0][k] for k in ("Type", "TargetGroupArn")}]
        )


@contextmanager
def _default_action_fixed(world: World) -> Iterator[None]:
    elb, listener = world.aws("elbv2"), _listener(world)
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "MessageBody": "maintenance"}}
    elb.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=[fixed])
    try:
        yield
    finally:
        before = [{key: each[key] for key in ("Type", "TargetGroupArn")} for each in listener["DefaultActions"]]
        elb.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=before)


@contextmanager
def _target_group_deleted(world: World) -> Iterator[None]:
    """What leads to the backend's target group goes first, as AWS wants it."""
    elb = world.aws("elbv2")
    elb.delete_rule(RuleArn=_rule(world)["RuleArn"])
    elb.delete_target_group(TargetGroupArn=world.output("services")["backend"]["target_group_arn"])
    try:
        yield
    finally:
        world.apply()


@contextmanager
def _wrong_health_check(world: World) -> Iterator[None]:
    elb, group = world.aws("elbv2"), world.output("services")["backend"]["target_group_arn"]
    before = elb.describe_target_groups(TargetGroupArns=[group])["TargetGroups"][0]["HealthCheckPath"]
    elb.modify_target_group(TargetGroupArn=group, HealthCheckPath="/healthz")
    try:
        yield
    finally:
        elb.modify_target_group(TargetGroupArn=group, HealthCheckPath=before)


@contextmanager
def _balancer_group_closed(world: World) -> Iterator[None]:
    """The backend's group lets the load balancer in no longer."""
    ec2, group = world.aws("ec2"), world.output("services")["backend"]["security_group_id"]
    rules = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rules)
    try:
        yield
    finally:
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules)


def _frozen_tasks(service: str, count: int) -> Callable[[World], AbstractContextManager[None]]:
    return lambda world: world.frozen(lambda: world.task_processes(service, count))


def _every_task_frozen(world: World) -> AbstractContextManager[None]:
    return world.frozen(lambda: [*world.task_processes("backend", 9), *world.task_processes("frontend", 9)])


def _dying_tasks(service: str) -> Callable[[World], AbstractContextManager[None]]:
    return lambda world: world.dying(lambda: world.stack.task_pids(service))


def _frozen_balancer(world: World) -> AbstractContextManager[None]:
    return world.frozen(lambda: world.processes("elbv2"))


def _dying_balancer(world: World) -> AbstractContextManager[None]:
    return world.dying(lambda: world.processes("elbv2"), every=0.1)


def _desired(service: str, count: int) -> Callable[[World], AbstractContextManager[None]]:
    @contextmanager
    def fault(world: World) -> Iterator[None]:
        ecs = world.aws("ecs")
        scaling, resource = world.aws("application-autoscaling"), f"service/{CLUSTER}/{service}"
        kind = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount", "ResourceId": resource}
        # Else the autoscaler would take it back to its minimum at once.
        scaling.register_scalable_target(**kind, MinCapacity=count)
        ecs.update_service(cluster=CLUSTER, service=service, desiredCount=count)
        try:
            yield
        finally:
            scaling.register_scalable_target(**kind, MinCapacity=2)
            ecs.update_service(cluster=CLUSTER, service=service, desiredCount=2)

    return fault


@contextmanager
def _service_deleted(world: World) -> Iterator[None]:
    world.aws("ecs").delete_service(cluster=CLUSTER, service="backend", force=True)
    try:
        yield
    finally:
        world.apply()


UNREACHABLE = (
    r"(can't be reached|unreachable|no answer|not answer|doesn't answer|refuse|nobody is served|load balancer)"
)
FEWER = r"(healthy|target|task|answer)"

STORIES = (
    Story(
        "listener-deleted",
        _listener_deleted,
        "the load balancer's only listener is deleted",
        headline=r"listener|" + UNREACHABLE,
        words=(r"listener", r"delet|missing|gone|no longer|not there|has no|isn't there"),
        never=(r"rollback", r"(is|are) unknown"),
        healed_within=480,
    ),
    Story(
        "rule-deleted",
        _rule_deleted,
        "the rule that leads to the backend is deleted",
        headline=r"backend.*rule|rule.*(backend|/api)|rule.*(delet|missing|gone)",
        words=(r"rule", r"/api"),
        never=(r"rollback",),
        healed_within=480,
    ),
    Story(
        "rule-leads-elsewhere",
        _rule_leads_elsewhere,
        "the rule of the backend leads to the frontend",
        headline=r"rule|backend",
        words=(r"rule", r"frontend", r"/api"),
        never=(r"rollback",),
    ),
    Story(
        "default-action-changed",
        _default_action_fixed,
        "the listener answers everybody with a fixed 503",
        headline=r"frontend|listener|default action|503",
        words=(r"default action|fixed", r"503"),
        never=(r"rollback",),
    ),
    Story(
        "target-group-deleted",
        _target_group_deleted,
        "the backend's target group and its rule are deleted",
        headline=r"target group|backend",
        words=(r"target group", r"backend", r"delet|missing|gone|no longer|doesn't exist|not there|isn't there"),
        never=(r"rollback",),
        healed_within=480,
    ),
    Story(
        "wrong-health-check",
        _wrong_health_check,
        "the target group asks for a page that the backend doesn't have",
        headline=r"backend.*(healthy|health check|target)",
        words=(r"404|/healthz",),
        within=120,
    ),
    Story(
        "load-balancer-kept-out",
        _balancer_group_closed,
        "the backend's security group lets the load balancer in no longer",
        headline=r"backend",
        words=(r"sg-\w+|security group", r"Target\.Timeout|time"),
        never=(r"rollback",),
        within=120,
    ),
    Story(
        "load-balancer-frozen",
        _frozen_balancer,
        "the load balancer's process hangs (SIGSTOP)",
        headline=UNREACHABLE,
        words=(r"load balancer|http",),
        never=(r"rollback", r"cache", r"database"),
    ),
    Story(
        "load-balancer-dead",
        _dying_balancer,
        "the load balancer's process is killed whenever it is back",
        headline=UNREACHABLE,
        words=(r"load balancer|http",),
        never=(r"rollback", r"cache", r"database"),
    ),
    Story(
        "one-task-frozen",
        _frozen_tasks("backend", 1),
        "one of the backend's two tasks hangs (SIGSTOP)",
        headline=r"backend.*" + FEWER,
        words=(r"1 of 2|one of", r"backend"),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "all-tasks-frozen",
        _frozen_tasks("backend", 9),
        "all of the backend's tasks hang (SIGSTOP)",
        headline=r"backend.*" + FEWER + "|" + UNREACHABLE,
        words=(r"backend", r"0 of 2|none of|no healthy"),
        never=(r"cache", r"database"),
    ),
    Story(
        "every-task-frozen",
        _every_task_frozen,
        "all tasks of both services hang (SIGSTOP); the load balancer doesn't",
        headline=r"(backend|frontend).*" + FEWER,
        words=(r"backend", r"frontend", r"tasks hang|0 of 2|none of|no healthy"),
        never=(r"cache", r"database", r"load balancer (hangs|is frozen)"),
    ),
    Story(
        "tasks-dying",
        _dying_tasks("frontend"),
        "the frontend's tasks are killed whenever they are back",
        headline=r"frontend.*(killed|137|SIGKILL|task|target)",
        words=(r"137|SIGKILL|killed",),
    ),
    Story(
        "service-at-zero",
        _desired("frontend", 0),
        "the frontend is scaled to zero",
        headline=r"frontend.*(0|zero|no task|none)",
        words=(r"frontend", r"desired|wanted|wants"),
        never=(r"rollback",),
    ),
    Story(
        "service-below-its-minimum",
        _desired("backend", 1),
        "the backend wants one task, and two by the Terraform",
        headline=r"backend.*(1|one|minimum|2|two)",
        words=(r"backend", r"minimum|2|two"),
        never=(r"rollback",),
    ),
    Story(
        "service-deleted",
        _service_deleted,
        "the backend's service is deleted",
        headline=r"backend",
        words=(r"service", r"delet|missing|gone|no longer|INACTIVE|doesn't exist|not there|isn't there"),
        never=(r"rollback",),
        healed_within=480,
    ),
)
