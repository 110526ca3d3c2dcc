"""Security groups that are closed, to the database and to the cache: at once, and when connections are made anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rehearsal.outside.story import Story
from rehearsal.outside.world import World


def _closed(of: str, *, renewed: bool = False) -> Callable[[World], AbstractContextManager[None]]:
    """No inbound rule of the database's or the cache's group; connections that stand are ended where ``renewed``."""

    @contextmanager
    def fault(world: World) -> Iterator[None]:
        ec2, group = world.aws("ec2"), world.output(of)["security_group_id"]
        rules = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rules)
        try:
            if renewed and of == "database":
                world.end_sessions()
            elif renewed:
                world.redis(["CLIENT", "KILL", "TYPE", "normal"])
            yield
        finally:
            world.apply()  # a rule that is made again by hand is another one to Terraform

    return fault


@contextmanager
def _no_way_out(world: World) -> Iterator[None]:
    """The application's group lets nothing out to the database: the other side of the same wall."""
    ec2, group = world.aws("ec2"), world.output("services")["backend"]["security_group_id"]
    rules = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=rules)
    try:
        world.end_sessions()
        yield
    finally:
        world.apply()


STORIES = (
    Story(
        "database-group-closed",
        _closed("database"),
        "the database's security group lets nobody in; connections that stand go on",
        headline=r"database.*(security group|rule|closed)|(security group|sg-\w+|rule).*database",
        words=(r"sg-\w+",),
        never=(r"rollback",),
        healed_within=480,
        exits=(0, 1),
        within=60,
    ),
    Story(
        "database-group-closed-and-pools-renewed",
        _closed("database", renewed=True),
        "the database's security group lets nobody in, and the pools make new connections",
        headline=r"database.*(security group|sg-|rule|closed|reach)|(security group|sg-|rule).*database",
        words=(r"sg-\w+", r"backend"),
        never=(r"rollback",),
        healed_within=480,
    ),
    Story(
        "cache-group-closed",
        _closed("cache"),
        "the cache's security group lets nobody in; connections that stand go on",
        headline=r"cache.*(security group|rule|closed)|(security group|sg-\w+|rule).*cache",
        words=(r"sg-\w+",),
        never=(r"rollback",),
        healed_within=480,
        exits=(0, 1),
        within=60,
    ),
    Story(
        "cache-group-closed-and-connections-renewed",
        _closed("cache", renewed=True),
        "the cache's security group lets nobody in, and the tasks make new connections",
        headline=r"cache.*(security group|sg-|rule|closed|reach)|(security group|sg-|rule).*cache",
        words=(r"sg-\w+",),
        never=(r"rollback",),
        healed_within=480,
    ),
    Story(
        "backend-group-lets-nothing-out",
        _no_way_out,
        "the backend's security group lets nothing out, and its pools make new connections",
        headline=r"(database|backend).*(security group|sg-|rule|reach)|(security group|sg-|rule).*(database|backend)",
        words=(r"sg-\w+",),
        never=(r"rollback",),
        healed_within=480,
    ),
)
