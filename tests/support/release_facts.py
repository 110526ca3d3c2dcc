"""Plain values for stories about releases: two services, their revisions, what is known of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from omc.config import Environment, load
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.backups import Backups, Snapshot
from omc.facts.cache_group import CacheGroup, CacheMember
from omc.facts.candidates import Candidates
from omc.facts.collector import dependencies
from omc.facts.connections import Connections
from omc.facts.database_options import RunningVersion, UpgradeTarget
from omc.facts.definitions import RUN_TAG, Definition, Definitions
from omc.facts.deployed_images import DeployedImages
from omc.facts.deployments import History, ServiceDeployment
from omc.facts.images import Image, Wanted, WantedImages
from omc.facts.incidents import OpenIncidents
from omc.facts.quotas import Quotas
from omc.facts.releases import Ledger
from omc.facts.requirements import CandidateNeeds, Requirements
from omc.facts.scaling import ScalableTarget, Scaling
from omc.facts.scope import Scope
from omc.facts.services import Deployment, EcsService, Services
from omc.facts.standing_images import StandingImages
from omc.facts.subnets import Subnet, Subnets
from omc.facts.temporary import Temporary
from omc.facts.workers import Workers
from omc.model.plan import Plan
from omc.model.releases import Release, ReleasedService
from omc.procedures.catalogue import planner

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
REGISTRY = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com"
SCOPE = Scope(NOW)
MIGRATION = "ohmycoins-migrate-backend"
ROOT = Path(__file__).resolve().parents[2]


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def pinned(service: str, letter: str) -> str:
    return f"{REGISTRY}/ohmycoins/{service}@{digest(letter)}"


def environment(**more: Any) -> Environment:
    return replace(load(ROOT / "omc.toml").environments["staging"], **more)


def definition(service: str, revision: int, letter: str, *, by: str = "omc", **variables: str) -> Definition:
    body = {
        "family": f"ohmycoins-{service}",
        "containerDefinitions": [
            {
                "name": service,
                "image": pinned(service, letter),
                "environment": [{"name": name, "value": value} for name, value in sorted(variables.items())],
                "secrets": [{"name": "SECRET_KEY", "valueFrom": "arn:aws:secretsmanager:a:1:secret:key-AbCdEf"}],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {"awslogs-group": f"/ecs/ohmycoins-staging/{service}", "awslogs-stream-prefix": service},
                },
            }
        ],
        "executionRoleArn": f"arn:aws:iam::123456789012:role/{service}-execution",
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "cpu": "256",
        "memory": "512",
    }
    name = f"ohmycoins-{service}:{revision}"
    tags = {RUN_TAG: "run-0"} if by == "omc" else {"ManagedBy": "terraform"}
    return Definition(name, f"arn:aws:ecs:a:1:task-definition/{name}", "ACTIVE", body, tags)


def migration(letter: str, revision: int = 2, *, by: str = "terraform") -> Definition:
    """What migrates the backend, with its own secret."""
    made = definition("backend", revision, letter, by=by)
    [container] = made.body["containerDefinitions"]
    secret = {"name": "POSTGRES_PASSWORD", "valueFrom": "arn:aws:secretsmanager:a:1:secret:rds!db-1-AbCdEf:password::"}
    server = {"name": "POSTGRES_SERVER", "value": "ohmycoins-staging.abc.eu-west-1.rds.amazonaws.com"}
    body = {
        **made.body,
        "family": "ohmycoins-migrate-backend",
        "containerDefinitions": [
            {**container, "environment": [*container["environment"], server], "secrets": [secret]}
        ],
    }
    return replace(made, name=f"ohmycoins-migrate-backend:{revision}", body=body)


def service(name: str, revision: int, *, desired: int = 2, **more: Any) -> EcsService:
    running = f"ohmycoins-{name}:{revision}"
    primary = Deployment("ecs-svc/1", "PRIMARY", "COMPLETED", "", desired, desired, 0, 0, running, NOW, NOW)
    known: dict[str, Any] = {
        "network": {"awsvpcConfiguration": {"subnets": ["subnet-a"], "securityGroups": ["sg-a"]}},
        "launch": {"launchType": "FARGATE"},
        "breaker": True,
        "alarms": (f"ohmycoins-staging-{name}-unhealthy",),
        "target_groups": (f"arn:aws:elasticloadbalancing:a:1:targetgroup/{name}/1",),
    }
    return EcsService(name, "ACTIVE", desired, desired, 0, running, (primary,), (), **(known | more))


def deployed(revision: str, hours_ago: float, status: str = "SUCCESSFUL", **more: Any) -> ServiceDeployment:
    at = NOW - timedelta(hours=hours_ago)
    finished = None if status in ("PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS") else at
    return ServiceDeployment(f"arn:{revision}:{hours_ago}", status, "", revision, at, finished, **more)


def release(number: int, hours_ago: float, backend: int, frontend: int, **more: Any) -> Release:
    services = {
        "backend": ReleasedService(f"ohmycoins-backend:{backend}", {"backend": pinned("backend", "a")}),
        "frontend": ReleasedService(f"ohmycoins-frontend:{frontend}", {"frontend": pinned("frontend", "a")}),
    }
    verified = NOW - timedelta(hours=hours_ago)
    known: dict[str, Any] = {
        "services": services,
        "verified": verified,
        "ended": None,
        "who": "ann",
        "run": f"r{number}",
    }
    return Release(number=number, environment="staging", **(known | more))


def ledger(*releases: Release) -> Ledger:
    return Ledger(tuple(sorted(releases, key=lambda each: each.number, reverse=True)))


def wanted(letter: str = "b", *, name: str = "backend", **more: Any) -> Wanted:
    image = Image(REGISTRY, f"ohmycoins/{name}", digest(letter), ("build-1a2b3c4",), ("amd64",))
    known: dict[str, Any] = {"requested": digest(letter), "image": image}
    return Wanted(**(known | more))


def facts(**more: Any) -> dict[str, Any]:
    """Everything that a deployment is planned from, healthy; by the planner's parameters."""
    one, two = definition("backend", 7, "a"), definition("frontend", 3, "a")
    healthy: dict[str, Any] = {
        "environment": environment(),
        "scope": SCOPE,
        "services": Services((service("backend", 7), service("frontend", 3))),
        "definitions": Definitions({"backend": one, "frontend": two}, {}, {"backend": migration("a")}),
        "images": WantedImages({"backend": wanted()}),
        "requirements": Requirements({}),
        "history": History(
            {"backend": (deployed("ohmycoins-backend:7", 5),), "frontend": (deployed("ohmycoins-frontend:3", 5),)}
        ),
        "alarms": Alarms(()),
        "subnets": Subnets({name: (Subnet("subnet-a", "a", 200),) for name in ("backend", "frontend")}),
        "connections": Connections(80, {"backend": 6}),
        "scaling": Scaling(tuple(ScalableTarget(name, 2, 10, False, ("cpu",)) for name in ("backend", "frontend"))),
        "ledger": ledger(release(1, 5, 7, 3)),
        "deployed": DeployedImages({}),
        "incidents": OpenIncidents(()),
        "quotas": Quotas(64.0, {"backend": 0.25, "frontend": 0.25}, 1.0),
        "current": StandingImages({}),
        "active": ActiveRun(),
    }
    return healthy | more


def backups(**more: Any) -> Backups:
    """A database with an automated snapshot of yesterday and one of omc's, and a window of three days."""
    instance = {
        "DBInstanceIdentifier": "ohmycoins-staging",
        "DBInstanceStatus": "available",
        "DbiResourceId": "db-ABCDEFGHIJ",
        "DBInstanceClass": "db.t4g.micro",
        "DBInstanceArn": "arn:aws:rds:ap-southeast-2:123456789012:db:ohmycoins-staging",
        "Engine": "postgres",
        "EngineVersion": "17.6",
        "AllocatedStorage": 20,
        "MaxAllocatedStorage": 40,
        "StorageType": "gp3",
        "Iops": 3000,
        "MultiAZ": False,
        "CACertificateIdentifier": "rds-ca-rsa2048-g1",
        "DBSubnetGroup": {"DBSubnetGroupName": "ohmycoins-staging"},
        "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1", "Status": "active"}],
        "DBParameterGroups": [{"DBParameterGroupName": "ohmycoins-staging-postgres17"}],
        "BackupRetentionPeriod": 3,
        "PreferredMaintenanceWindow": "sat:16:00-sat:18:00",
        "MonitoringInterval": 60,
        "MonitoringRoleArn": "arn:aws:iam::1:role/monitoring",
        "MasterUserSecret": {"SecretArn": "arn:aws:secretsmanager:a:1:secret:rds!db-1-AbCdEf", "KmsKeyId": "arn:key"},
        "TagList": [{"Key": "Project", "Value": "ohmycoins"}, {"Key": "aws:made", "Value": "by"}],
    }
    known: dict[str, Any] = {
        "instance": instance,
        "snapshots": (snapshot("one", 2), snapshot("rds:ohmycoins-staging-2026-11-22-13-00", 23, kind="automated")),
        "earliest": NOW - timedelta(days=3),
        "latest": NOW - timedelta(minutes=5),
        "others": ("ohmycoins-staging",),
    }
    return Backups(**(known | more))


def running_version() -> RunningVersion:
    """17.6, with a newer minor and a newer major version."""
    targets = (UpgradeTarget("17.7", is_major=False), UpgradeTarget("18.1", is_major=True))
    return RunningVersion("17.6", targets, ("rds-ca-rsa2048-g1", "rds-ca-ecc384-g1"), rotates_without_restart=True)


def cache(**more: Any) -> CacheGroup:
    """A replication group of a primary and a replica, failing over by itself."""
    names = ("ohmycoins-staging-redis-001", "ohmycoins-staging-redis-002")
    record = {
        "ReplicationGroupId": "ohmycoins-staging-redis",
        "ARN": "arn:aws:elasticache:ap-southeast-2:123456789012:replicationgroup:ohmycoins-staging-redis",
        "Status": "available",
        "Engine": "redis",
        "CacheNodeType": "cache.t4g.micro",
        "AutomaticFailover": "enabled",
        "NodeGroups": [{"NodeGroupId": "0001"}],
        "ClusterEnabled": False,
    }
    members = tuple(
        CacheMember(name, "available", name == names[0], "7.1.0", "ohmycoins-staging-redis7") for name in names
    )
    return CacheGroup(**({"record": record, "members": members} | more))


def snapshot(name: str, hours_ago: float, *, kind: str = "manual", **more: Any) -> Snapshot:
    tags = {"omc:purpose": "backup"} if kind == "manual" else {}
    known: dict[str, Any] = {"status": "available", "progress": 100, "tags": tags, "resource": "db-ABCDEFGHIJ"}
    known |= {"taken_at": NOW - timedelta(hours=hours_ago), "size_gib": 20, "encrypted": True}
    return Snapshot(name, kind, **(known | more))


def planned(procedure: str, request: Any, **more: Any) -> Plan:
    """A procedure's plan in this world; what else it needs comes with ``more``, by its parameters."""
    of = planner(procedure)
    known = facts() | {"needs": CandidateNeeds({}), "temporary": Temporary(), "workers": Workers()} | more
    return of(request, **{name: known[name] for name in dependencies(of) if name != "request"})


def candidates(*definitions: Definition, gone: tuple[str, ...] = ()) -> Candidates:
    """The registry holds the images of all of them but those of ``gone`` (letters of digests)."""
    images = {
        (f"ohmycoins/{name}", digest(letter))
        for name in ("backend", "frontend")
        for letter in "abcdef"
        if letter not in gone
    }
    return Candidates({each.name: each for each in definitions}, frozenset(images), region="ap-southeast-2")
