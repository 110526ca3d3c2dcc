"""The way to the service and from it to what it needs: load balancer, groups, network ACL, route. Not tuned for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rehearsal.outside.story import Story
from rehearsal.outside.world import World
from support.stack import CLUSTER, all_tasks

ANYWHERE = "0.0.0.0/0"


def _listener(world: World) -> str:
    elb, balancer = world.aws("elbv2"), world.output("load_balancer")["arn"]
    return str(elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"][0]["ListenerArn"])


@contextmanager
def _listener_moved(world: World) -> Iterator[None]:
    elb, listener = world.aws("elbv2"), _listener(world)
    elb.modify_listener(ListenerArn=listener, Port=8080)
    try:
        yield
    finally:
        elb.modify_listener(ListenerArn=listener, Port=80)


@contextmanager
def _maintenance_rule(world: World) -> Iterator[None]:
    """Somebody's page for a maintenance that is long over: everything is answered by the load balancer itself."""
    elb = world.aws("elbv2")
    answer = {"StatusCode": "503", "ContentType": "text/plain", "MessageBody": "back soon"}
    made = elb.create_rule(
        ListenerArn=_listener(world),
        Priority=1,
        Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}],
        Actions=[{"Type": "fixed-response", "FixedResponseConfig": answer}],
    )["Rules"][0]["RuleArn"]
    try:
        yield
    finally:
        elb.delete_rule(RuleArn=made)


@contextmanager
def _targets_deregistered(world: World) -> Iterator[None]:
    elb, group = world.aws("elbv2"), world.output("services")["backend"]["target_group_arn"]
    payload = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    targets = [{"Id": each["Target"]["Id"], "Port": each["Target"]["Port"]} for each in payload]
    elb.deregister_targets(TargetGroupArn=group, Targets=targets)
    try:
        yield
    finally:
        alive = {
            detail["value"]
            for task in all_tasks(world.stack, CLUSTER, "RUNNING")
            for attachment in task["attachments"]
            for detail in attachment["details"]
            if detail["name"] == "privateIPv4Address"
        }
        if kept := [target for target in targets if target["Id"] in alive]:
            elb.register_targets(TargetGroupArn=group, Targets=kept)


@contextmanager
def _balancer_group_without_frontend(world: World) -> Iterator[None]:
    """The load balancer's group lets out to the backend alone: the frontend's own group is as it should be."""
    ec2 = world.aws("ec2")
    balancer = world.aws("elbv2").describe_load_balancers(LoadBalancerArns=[world.output("load_balancer")["arn"]])
    group = balancer["LoadBalancers"][0]["SecurityGroups"][0]
    frontend = world.output("services")["frontend"]["security_group_id"]
    every = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
    rules = [rule for rule in every if any(pair["GroupId"] == frontend for pair in rule["UserIdGroupPairs"])]
    assert rules, f"{group} has no rule to {frontend}: {every}"
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=rules)
    try:
        yield
    finally:
        ec2.authorize_security_group_egress(GroupId=group, IpPermissions=rules)


@contextmanager
def _acl_denies_postgresql(world: World) -> Iterator[None]:
    """Every security group is right; the subnets' network ACL isn't. The pools connect anew."""
    ec2, subnets = world.aws("ec2"), world.output("network")["data_subnet_ids"]
    found = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": subnets}])["NetworkAcls"]
    acls = [each["NetworkAclId"] for each in found]
    assert acls
    for acl in acls:
        ec2.create_network_acl_entry(
            NetworkAclId=acl,
            RuleNumber=10,
            Protocol="6",
            RuleAction="deny",
            Egress=False,
            CidrBlock=ANYWHERE,
            PortRange={"From": 5432, "To": 5432},
        )
    try:
        world.end_sessions()
        yield
    finally:
        for acl in acls:
            ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=10, Egress=False)


@contextmanager
def _no_route_out(world: World) -> Iterator[None]:
    """The application's subnets have no way to the internet: no exchange, on AWS no registry and no API either."""
    ec2, tables = world.aws("ec2"), list(world.output("network")["app_route_table_ids"].values())
    routes = {}
    for table in ec2.describe_route_tables(RouteTableIds=tables)["RouteTables"]:
        [gateway] = [each["NatGatewayId"] for each in table["Routes"] if "NatGatewayId" in each]
        routes[table["RouteTableId"]] = gateway
    for table in routes:
        ec2.delete_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE)
    try:
        yield
    finally:
        for table, gateway in routes.items():
            ec2.create_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, NatGatewayId=gateway)


STORIES = (
    Story(
        "listener-on-another-port",
        _listener_moved,
        "the load balancer's listener was moved from port 80 to 8080",
        headline=r"listener|port (80|8080)\b|can.?t be reached|unreachable|nobody can reach|refuse[sd]",
        words=(r"listener", r"8080"),
        never=(r"rollback", r"database"),
        within=60,
    ),
    Story(
        "maintenance-rule-left",
        _maintenance_rule,
        "a rule of priority 1 answers every path with a fixed 503",
        headline=r"\brule\b|fixed|503",
        words=(r"\brule\b", r"fixed.response|priority 1\b|load balancer itself", r"503"),
        never=(r"rollback", r"database"),
        within=60,
    ),
    Story(
        "targets-deregistered",
        _targets_deregistered,
        "all of the backend's targets were deregistered; its tasks run on",
        headline=r"backend.*(target|regist)|(target|regist).*backend",
        words=(r"no (healthy )?targets?\b|0 (of \d+ )?(healthy )?targets|not registered|deregister|targets? .*gone",),
        never=(r"rollback", r"database"),
        within=60,
    ),
    Story(
        "balancer-group-without-frontend",
        _balancer_group_without_frontend,
        "the load balancer's security group lets nothing out to the frontend",
        headline=r"frontend.*(security group|sg-|\brule|reach)|(security group|sg-|\brule|reach).*frontend",
        words=(r"sg-\w+", r"frontend"),
        never=(r"rollback", r"database"),
    ),
    Story(
        "acl-denies-postgresql",
        _acl_denies_postgresql,
        "the data subnets' network ACL denies port 5432, and the pools make new connections",
        headline=r"database.*(network ACL|acl-|reach|time)|(network ACL|acl-|reach).*database",
        words=(r"network ACL|acl-\w+", r"5432|PostgreSQL"),
        never=(r"rollback", r"authorize-security-group"),
    ),
    Story(
        "no-route-out",
        _no_route_out,
        "the application subnets' routes to the NAT gateway were deleted",
        headline=r"route|NAT|way out|exchange|internet",
        words=(r"rtb-\w+|\broutes?\b|NAT gateway", r"exchange"),
        never=(r"rollback",),
        within=90,
    ),
)
