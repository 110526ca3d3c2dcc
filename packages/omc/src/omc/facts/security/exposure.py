"""What the world could reach: security groups of the VPC with what uses them, and databases, snapshots and buckets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import AwsRefused, NotFound, OmcError
from omc.facts.collector import NO_READING, Reading, reads_in
from omc.facts.load_balancers import LoadBalancers

MOST_SNAPSHOTS = 20
"""Manual snapshots, the newest first, that are each asked who may restore them."""
MOST_BUCKETS = 20


Question = Callable[[Gateway, Environment], "tuple[list[Shared], str]"]
"""What is shared, and what was looked at."""


@dataclass(frozen=True, slots=True)
class OpenRule:
    """A rule that lets something into a security group."""

    id: str
    group: str
    group_name: str
    protocol: str
    """``tcp``, ``-1`` for all."""
    first: int
    last: int
    cidr: str = ""
    peer: str = ""
    """The group that it lets in; else empty."""
    prefix_list: str = ""

    @property
    def ports(self) -> str:
        if self.protocol == "-1" or self.first < 0:
            return "all ports" if self.protocol == "-1" else f"all of {self.protocol}"
        return f"{self.protocol} {self.first}" + (f"-{self.last}" if self.last != self.first else "")


@dataclass(frozen=True, slots=True)
class Interface:
    """What has an address in the VPC."""

    id: str
    description: str
    kind: str
    groups: tuple[str, ...]
    public: str = ""
    """Its public address; else empty."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Something that others may use: with whom."""

    what: str
    name: str
    whom: tuple[str, ...]
    """``all``, or accounts; of a bucket or a database empty where it isn't public."""


@dataclass(frozen=True, slots=True)
class Exposure:
    rules: tuple[OpenRule, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    shared: tuple[Shared, ...] = ()
    """What is public or shared with other accounts."""
    looked_at: tuple[str, ...] = ()
    """``1 database``, ``4 buckets``."""
    problems: tuple[str, ...] = ()
    """What could not be read, and why."""
    vpcs: tuple[str, ...] = ()
    reading: Reading = NO_READING


@reads_in(3)
def read_exposure(aws: Gateway, environment: Environment, balancers: LoadBalancers) -> Exposure:
    """The VPC is the load balancers'. A part that can't be read is told, and costs no other."""
    vpcs = tuple(sorted({str(balancers.every.get(one.name, {}).get("VpcId", "")) for one in balancers.load_balancers}))
    vpcs = tuple(vpc for vpc in vpcs if vpc)
    rules, interfaces = _network(aws, vpcs) if vpcs else ((), ())
    questions: tuple[Callable[[Gateway, Environment], tuple[list[Shared], str]], ...] = (
        _databases,
        _snapshots,
        _buckets,
    )
    answers = parallel_map(lambda ask: _answer(ask, aws, environment), questions)
    return Exposure(
        rules,
        interfaces,
        tuple(one for shared, _, _ in answers for one in shared),
        tuple(looked for _, looked, _ in answers if looked),
        tuple(problem for _, _, problem in answers if problem),
        vpcs,
    )


def _answer(ask: Question, aws: Gateway, environment: Environment) -> tuple[list[Shared], str, str]:
    try:
        return *ask(aws, environment), ""
    except OmcError as error:
        return [], "", error.message


def _network(aws: Gateway, vpcs: tuple[str, ...]) -> tuple[tuple[OpenRule, ...], tuple[Interface, ...]]:
    ec2 = aws.client("ec2")
    here: Any = [{"Name": "vpc-id", "Values": list(vpcs)}]
    groups: dict[str, str] = {}
    for page in ec2.get_paginator("describe_security_groups").paginate(Filters=here):
        groups |= {one["GroupId"]: one.get("GroupName", one["GroupId"]) for one in page["SecurityGroups"]}
    rules: list[OpenRule] = []
    if groups:
        of_groups: Any = [{"Name": "group-id", "Values": list(groups)[:200]}]
        for rule_page in ec2.get_paginator("describe_security_group_rules").paginate(Filters=of_groups):
            rules += [_rule(one, groups) for one in rule_page["SecurityGroupRules"] if not one.get("IsEgress")]
    interfaces = [
        Interface(
            one["NetworkInterfaceId"],
            one.get("Description", ""),
            one.get("InterfaceType", ""),
            tuple(group["GroupId"] for group in one.get("Groups", ())),
            (one.get("Association") or {}).get("PublicIp", ""),
        )
        for interface_page in ec2.get_paginator("describe_network_interfaces").paginate(Filters=here)
        for one in interface_page["NetworkInterfaces"]
    ]
    return tuple(rules), tuple(interfaces)


def _rule(one: Any, groups: Mapping[str, str]) -> OpenRule:
    return OpenRule(
        one.get("SecurityGroupRuleId", ""),
        one["GroupId"],
        groups.get(one["GroupId"], one["GroupId"]),
        str(one.get("IpProtocol", "-1")),
        int(one.get("FromPort", -1)),
        int(one.get("ToPort", -1)),
        one.get("CidrIpv4") or one.get("CidrIpv6") or "",
        (one.get("ReferencedGroupInfo") or {}).get("GroupId", ""),
        one.get("PrefixListId", ""),
    )


def _databases(aws: Gateway, environment: Environment) -> tuple[list[Shared], str]:
    pages = aws.client("rds").get_paginator("describe_db_instances").paginate()
    every = [one for page in pages for one in page["DBInstances"]]
    ours = [one for one in every if str(one.get("DBInstanceIdentifier", "")).startswith(environment.prefix)]
    public = [one["DBInstanceIdentifier"] for one in ours if one.get("PubliclyAccessible")]
    return [Shared("database", name, ("all",)) for name in public], f"{len(ours)} databases"


def _snapshots(aws: Gateway, environment: Environment) -> tuple[list[Shared], str]:
    rds = aws.client("rds")
    pages = rds.get_paginator("describe_db_snapshots").paginate(SnapshotType="manual")
    every = [one for page in pages for one in page["DBSnapshots"]]
    ours = [one for one in every if str(one.get("DBInstanceIdentifier", "")).startswith(environment.prefix)]
    newest = sorted(ours, key=lambda one: str(one.get("SnapshotCreateTime", "")), reverse=True)[:MOST_SNAPSHOTS]
    found = []
    for one in newest:
        try:
            answer = rds.describe_db_snapshot_attributes(DBSnapshotIdentifier=one["DBSnapshotIdentifier"])
        except NotFound:
            continue
        attributes = answer["DBSnapshotAttributesResult"].get("DBSnapshotAttributes", ())
        whom = [each for attribute in attributes if attribute.get("AttributeName") == "restore"
                for each in attribute.get("AttributeValues", ())]  # fmt: skip
        if whom:
            found.append(Shared("snapshot", one["DBSnapshotIdentifier"], tuple(whom)))
    return found, f"{len(newest)} of {len(ours)} manual snapshots"


def _buckets(aws: Gateway, environment: Environment) -> tuple[list[Shared], str]:
    s3 = aws.client("s3")
    names = [str(one.get("Name", "")) for one in s3.list_buckets()["Buckets"]]
    ours = [name for name in names if name.startswith(environment.prefix)][:MOST_BUCKETS]
    public = [name for name in ours if _is_public(aws, name)]
    return [Shared("bucket", name, ("all",)) for name in public], f"{len(ours)} buckets"


def _is_public(aws: Gateway, name: str) -> bool:
    """By its policy, as S3 itself judges it; a bucket without a policy isn't."""
    try:
        return bool(aws.client("s3").get_bucket_policy_status(Bucket=name)["PolicyStatus"].get("IsPublic"))
    except NotFound:
        return False
    except AwsRefused as error:
        if error.code == "NoSuchBucketPolicy":
            return False
        raise
