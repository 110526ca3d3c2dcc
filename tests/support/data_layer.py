"""A database instance and a replication group in a small cloud, made through the API as the Terraform modules do it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import redis

from localcloud.backends import certificates
from localcloud.core.cloud import Cloud
from localcloud.services.rds import Databases
from support.waiting import eventually

Clients = Callable[..., Any]


class Database:
    """An instance with a parameter group of its own, as the Terraform module makes it."""

    def __init__(self, cloud: Cloud, aws: Clients, name: str = "shop", **more: Any) -> None:
        self.cloud, self.aws, self.rds, self.name = cloud, aws, aws("rds"), name
        ec2 = aws("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{20 + n}.0/24", AvailabilityZone=zones[n])["Subnet"][
                "SubnetId"
            ]
            for n in range(2)
        ]
        group = ec2.create_security_group(GroupName="db", Description="db", VpcId=vpc)["GroupId"]
        self.rds.create_db_subnet_group(DBSubnetGroupName=name, DBSubnetGroupDescription="d", SubnetIds=subnets)
        self.rds.create_db_parameter_group(
            DBParameterGroupName=name, DBParameterGroupFamily="postgres17", Description="p"
        )
        self.set(max_connections=("20", "pending-reboot"), log_min_duration_statement=("0", "immediate"))
        self.created = self.rds.create_db_instance(
            **{
                "DBInstanceIdentifier": name,
                "DBInstanceClass": "db.t4g.micro",
                "Engine": "postgres",
                "EngineVersion": "17",
                "AllocatedStorage": 20,
                "DBName": "shop",
                "MasterUsername": "keeper",
                "ManageMasterUserPassword": True,
                "DBSubnetGroupName": name,
                "DBParameterGroupName": name,
                "VpcSecurityGroupIds": [group],
                "BackupRetentionPeriod": 0,
                "EnablePerformanceInsights": True,
                "Tags": [{"Key": "a", "Value": "b"}],
                **more,
            }
        )["DBInstance"]
        self.available()

    def set(self, **values: tuple[str, str]) -> None:
        changes = [
            {"ParameterName": name.replace("__", "."), "ParameterValue": value, "ApplyMethod": method}
            for name, (value, method) in values.items()
        ]
        self.rds.modify_db_parameter_group(DBParameterGroupName=self.name, Parameters=changes)

    def shown(self) -> dict[str, Any]:
        instances = self.rds.describe_db_instances(DBInstanceIdentifier=self.name)["DBInstances"]
        return dict(instances[0])

    def available(self) -> dict[str, Any]:
        eventually("the instance is available", lambda: self.shown()["DBInstanceStatus"] == "available")
        return self.shown()

    def password(self) -> str:
        return self.password_of(self.name)

    def password_of(self, name: str) -> str:
        """The managed one of any instance."""
        shown = self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        arn = shown["MasterUserSecret"]["SecretArn"]
        secret = json.loads(self.aws("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
        assert secret["username"] == "keeper"
        return str(secret["password"])

    def url(self, **more: Any) -> dict[str, Any]:
        endpoint = self.shown()["Endpoint"]
        return {
            "host": endpoint["Address"],
            "port": endpoint["Port"],
            "user": "keeper",
            "password": more.get("password") or self.password(),
            "dbname": "shop",
            "sslmode": "verify-full",
            "sslrootcert": str(certificates.authority(self.cloud.settings.state)),
            "connect_timeout": 30,
            **more,
        }

    def data(self) -> Path:
        """The folder of PostgreSQL's own files."""
        return self.cloud.part(Databases).server(self.name).data

    def ask(self, query: str, **more: Any) -> Any:
        with psycopg.connect(**self.url(**more), autocommit=True) as connection:
            cursor = connection.execute(query)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None


class Cache:
    """A replication group as the Terraform module makes it."""

    def __init__(self, cloud: Cloud, aws: Clients, name: str, members: int) -> None:
        self.cloud, self.aws, self.name, self.elasticache = cloud, aws, name, aws("elasticache")
        ec2 = aws("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
        # Two VPCs of the same block would give out the same real addresses.
        third = 2 * len(ec2.describe_vpcs()["Vpcs"])
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{third + n}.0/24", AvailabilityZone=zones[n])["Subnet"][
                "SubnetId"
            ]
            for n in range(2)
        ]
        client = self.elasticache
        client.create_cache_subnet_group(CacheSubnetGroupName=name, CacheSubnetGroupDescription="d", SubnetIds=subnets)
        client.create_cache_parameter_group(
            CacheParameterGroupName=name, CacheParameterGroupFamily="redis7", Description="p"
        )
        self.set("maxmemory-policy", "allkeys-lru")
        kinds = {"slow-log": f"/{name}/slow", "engine-log": f"/{name}/engine"}
        for log_group in kinds.values():
            aws("logs").create_log_group(logGroupName=log_group)
        client.create_replication_group(
            ReplicationGroupId=name,
            ReplicationGroupDescription="a cache",
            NumCacheClusters=members,
            AutomaticFailoverEnabled=members > 1,
            CacheNodeType="cache.t4g.micro",
            Engine="redis",
            EngineVersion="7.1",
            CacheParameterGroupName=name,
            CacheSubnetGroupName=name,
            TransitEncryptionEnabled=True,
            AtRestEncryptionEnabled=True,
            Tags=[{"Key": "a", "Value": "b"}],
            LogDeliveryConfigurations=[
                {
                    "LogType": kind,
                    "DestinationType": "cloudwatch-logs",
                    "DestinationDetails": {"CloudWatchLogsDetails": {"LogGroup": log_group}},
                    "LogFormat": "json",
                }
                for kind, log_group in kinds.items()
            ],
        )
        self.available()

    def set(self, name: str, value: str) -> None:
        self.elasticache.modify_cache_parameter_group(
            CacheParameterGroupName=self.name,
            ParameterNameValues=[{"ParameterName": name, "ParameterValue": value}],
        )

    def shown(self) -> dict[str, Any]:
        groups = self.elasticache.describe_replication_groups(ReplicationGroupId=self.name)["ReplicationGroups"]
        return dict(groups[0])

    def available(self) -> dict[str, Any]:
        eventually("the group is available", lambda: self.shown()["Status"] == "available")
        return self.shown()

    def event_messages(self, source: str) -> list[str]:
        """The messages of the events of the last hour, oldest first."""
        events = self.elasticache.describe_events(SourceIdentifier=source)["Events"]
        return [str(each["Message"]) for each in events]

    def roles(self) -> dict[str, str]:
        members = self.shown()["NodeGroups"][0]["NodeGroupMembers"]
        return {member["CacheClusterId"]: member["CurrentRole"] for member in members}

    def connect(self, which: str = "PrimaryEndpoint", **more: Any) -> redis.Redis:
        endpoint = self.shown()["NodeGroups"][0][which]
        settings: dict[str, Any] = {
            "host": endpoint["Address"],
            "port": endpoint["Port"],
            "ssl": True,
            "ssl_ca_certs": str(certificates.bundle(self.cloud.settings.state)),
            "decode_responses": True,
            "socket_timeout": 5,
            **more,
        }
        return redis.Redis(**settings)


def newest(
    cloudwatch: Any, namespace: str, metric: str, statistic: str = "Average", *, within: float = 60, **dimensions: str
) -> float | None:
    """The newest value of a metric in periods of ten seconds; None where there was none in so many seconds."""
    now = datetime.now(UTC)
    values = cloudwatch.get_metric_data(
        StartTime=now - timedelta(seconds=within),
        EndTime=now + timedelta(seconds=10),
        ScanBy="TimestampDescending",
        MetricDataQueries=[
            {
                "Id": "m",
                "MetricStat": {
                    "Metric": {
                        "Namespace": namespace,
                        "MetricName": metric,
                        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                    },
                    "Period": 10,
                    "Stat": statistic,
                },
            }
        ],
    )["MetricDataResults"][0]["Values"]
    return float(values[0]) if values else None


def below(value: float | None, limit: float) -> bool:
    """Whether a metric has a value below this; zero is one, too."""
    return value is not None and value < limit
