"""The rows of ``test_refusals``: what AWS refuses, by which error code, and what it takes.

Each begins with where its truth is from: ``model`` is botocore's (a constraint that it holds, or its documentation's
words), ``report`` a public report that shows AWS's own answer, ``knowledge`` an engineer's memory: no text was found
for it, ``ours`` what AWS takes and would wait for, for ever in this cloud. Where no code is given the call is taken.
SUBNET, NETWORK, TOPIC and QUEUE stand for what the test makes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

Row: TypeAlias = tuple[str, str, str, dict[str, Any], str, str]
"""Source, service, operation, parameters, error code, words of the message."""

TAKEN = ""
NOW = datetime.now(UTC)
CASE = {
    "family": "refusals",
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "256",
    "memory": "512",
    "executionRoleArn": "arn:aws:iam::100000000002:role/x",
}
LISTENER = {
    "LoadBalancerArn": "arn:aws:elasticloadbalancing:ap-southeast-2:100000000002:loadbalancer/app/a/1",
    "Protocol": "HTTPS",
    "Port": 443,
    "Certificates": [{"CertificateArn": "arn:aws:acm:ap-southeast-2:100000000002:certificate/none"}],
    "DefaultActions": [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
}
SECRET = "arn:aws:ssm:ap-southeast-2:100000000002:parameter/x"


def definition(source: str, code: str, text: str = "", *, container: dict[str, Any] | None = None, **more: Any) -> Row:
    """A row that registers a task definition with one container."""
    params = {**CASE, "containerDefinitions": [{"name": "a", "image": "x", **(container or {})}], **more}
    return (source, "ecs", "RegisterTaskDefinition", params, code, text)


def assumed(**more: Any) -> dict[str, Any]:
    """What an AssumeRole of a role in an account that isn't there is given."""
    session = {} if "SAMLAssertion" in more else {"RoleSessionName": "session"}
    return {"RoleArn": "arn:aws:iam::999999999999:role/somebody", **session, **more}


def logging(driver: str) -> dict[str, Any]:
    return {"logConfiguration": {"logDriver": driver}}


def service(source: str, code: str, text: str = "", **more: Any) -> Row:
    params = {"serviceName": "s", "taskDefinition": "refusals", "desiredCount": 0, "launchType": "FARGATE", **more}
    return (source, "ecs", "CreateService", params, code, text)


def database(source: str, code: str, text: str = "", **more: Any) -> Row:
    """Of an instance class that nobody has: where nothing else is refused, that is."""
    params = {
        "DBInstanceIdentifier": "refused",
        "DBInstanceClass": "db.none",
        "Engine": "postgres",
        "MasterUsername": "master",
        "MasterUserPassword": "correct-horse",
        **more,
    }
    return (source, "rds", "CreateDBInstance", params, code, text)


def cache(source: str, code: str, text: str = "", **more: Any) -> Row:
    params = {
        "ReplicationGroupId": "refused",
        "ReplicationGroupDescription": "d",
        "CacheNodeType": "cache.none",
        **more,
    }
    return (source, "elasticache", "CreateReplicationGroup", params, code, text)


def network(subnets: list[str], groups: list[str] | None = None) -> dict[str, Any]:
    return {"awsvpcConfiguration": {"subnets": subnets, **({"securityGroups": groups} if groups else {})}}


def metric(**more: Any) -> dict[str, Any]:
    return {"Namespace": "Own", "MetricData": [{"MetricName": "m", "Value": 1.0, **more}]}


CLIENT, INVALID, WRONG = "ClientException", "InvalidParameterException", "InvalidParameterValue"
CLASS_IS_WRONG = WRONG  # what a database or cache row is refused for where all else in it is right
BOTH = {"launchType": "FARGATE", "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]}
SCALABLE = {"ServiceNamespace": "ecs", "ResourceId": "service/a/b"}
LONG = {
    "Namespace": "Own",
    "MetricName": "m",
    "StartTime": NOW - timedelta(days=2),
    "EndTime": NOW,
    "Statistics": ["Sum"],
}
BATCH = [{"Id": f"n{number}", "Message": "x" * 30_000} for number in range(10)]

ROWS: list[Row] = [
    # ECS task definitions
    definition("model", TAKEN, cpu=".25 vCPU", memory="0.5 GB"),
    definition("model", TAKEN, cpu="1 vcpu", memory="2GB"),
    definition("model", TAKEN, cpu="0.5vCPU", memory="1024"),
    definition("model", CLIENT, "No Fargate configuration exists", cpu="256", memory="4096"),
    definition("model", CLIENT, "No Fargate configuration exists", cpu="4096", memory="31744"),
    definition("report", CLIENT, "Invalid 'cpu' setting for task", cpu="a lot"),
    definition("knowledge", CLIENT, "Invalid 'memory' setting for task", memory="512 MB"),
    definition("knowledge", CLIENT, "Fargate requires that 'cpu' and 'memory'", cpu=""),
    definition("report", CLIENT, "Fargate only supports network mode", networkMode="bridge"),
    definition("model", INVALID, "'networkMode' failed to satisfy constraint", networkMode="overlay"),
    definition("report", INVALID, "'requiresCompatibilities' failed", requiresCompatibilities=["LAMBDA"]),
    definition("report", CLIENT, "do not support pidMode 'host'", pidMode="host"),
    definition("report", TAKEN, pidMode="task"),
    definition("report", CLIENT, "do not support ipcMode", ipcMode="none"),
    definition("model", CLIENT, "privileged", container={"privileged": True}),
    definition("model", CLIENT, "at least one essential container", container={"essential": False}),
    definition("report", CLIENT, "Container list cannot be empty", containerDefinitions=[]),
    definition("model", INVALID, "Member must not be null", containerDefinitions=None),
    definition("knowledge", CLIENT, "duplicate values", containerDefinitions=[{"name": "a", "image": "x"}] * 2),
    definition(
        "report",
        CLIENT,
        "secret name must be unique and not shared",
        container={"environment": [{"name": "A", "value": "1"}], "secrets": [{"name": "A", "valueFrom": SECRET}]},
    ),
    definition("knowledge", CLIENT, "Container.name contains invalid characters", container={"name": "a b"}),
    definition("model", CLIENT, "Family contains invalid characters", family="a/b"),
    definition("knowledge", CLIENT, "Unknown volume 'v'", container={"mountPoints": [{"sourceVolume": "v"}]}),
    definition(
        "report",
        CLIENT,
        "host ports and container ports",
        container={"portMappings": [{"containerPort": 80, "hostPort": 8080}]},
    ),
    definition("model", CLIENT, "interval is 5 to 300", container={"healthCheck": {"command": ["x"], "interval": 2}}),
    definition("model", CLIENT, "Ephemeral storage", ephemeralStorage={"sizeInGiB": 500}),
    definition("model", CLIENT, "awslogs requires options", container=logging("awslogs")),
    definition("model", CLIENT, "log drivers", container=logging("syslog")),
    definition("model", INVALID, "logDriver", container=logging("smoke-signals")),
    definition("model", "SerializationException", "", container={"cpu": "many"}),
    # ECS services and tasks
    service("model", TAKEN, serviceName="taken", networkConfiguration="NETWORK"),
    service("model", INVALID, "'launchType' failed to satisfy constraint", launchType="BALLOON"),
    service("ours", INVALID, "No Container Instances", launchType="EC2"),
    service("report", INVALID, "both a launch type and capacity provider", **BOTH),
    service("report", INVALID, "The subnet ID 'subnet-0' does not", networkConfiguration=network(["subnet-0"])),
    service(
        "report", INVALID, "security group 'sg-0' does not exist", networkConfiguration=network(["SUBNET"], ["sg-0"])
    ),
    service("model", INVALID, "CODE_DEPLOY", deploymentController={"type": "CODE_DEPLOY"}),
    service("model", INVALID, "deploymentController.type", deploymentController={"type": "MAGIC"}),
    service("knowledge", INVALID, "minimumHealthyPercent", deploymentConfiguration={"minimumHealthyPercent": -1}),
    service("knowledge", INVALID, "maximumPercent", deploymentConfiguration={"maximumPercent": 50}),
    service("report", INVALID, "block deployments", deploymentConfiguration={"maximumPercent": 100}),
    service("knowledge", INVALID, "negative", desiredCount=-1),
    service("model", "PlatformUnknownException", "", platformVersion="9.9"),
    service("report", INVALID, "Placement constraints", placementConstraints=[{"type": "distinctInstance"}]),
    service("report", INVALID, "grace period", healthCheckGracePeriodSeconds=60),
    service("model", INVALID, "service name", serviceName="a b"),
    service(
        "report",
        INVALID,
        "not associated with the cluster",
        launchType=None,
        capacityProviderStrategy=[{"capacityProvider": "mine"}],
    ),
    ("report", "ecs", "RunTask", {"taskDefinition": "refusals", "launchType": "EC2"}, INVALID, "Instances"),
    ("model", "ecs", "RunTask", {"taskDefinition": "refusals", "count": 11}, INVALID, ""),
    ("model", "ecs", "RunTask", {"taskDefinition": "refusals", "startedBy": "x" * 129}, INVALID, "128"),
    ("model", "ecs", "ListTasks", {"maxResults": 0}, INVALID, "between 1 and 100"),
    ("model", "ecs", "ListTasks", {"maxResults": 101}, INVALID, "between 1 and 100"),
    ("model", "ecs", "ListTasks", {"maxResults": 100}, TAKEN, ""),
    ("model", "ecs", "ListTasks", {"desiredStatus": "GONE"}, INVALID, "desiredStatus"),
    ("model", "ecs", "DescribeTasks", {}, INVALID, "Member must not be null"),
    # STS, IAM, KMS, Secrets Manager, ECR
    ("report", "sts", "AssumeRole", assumed(), "AccessDenied", "is not authorized to perform: sts:AssumeRole"),
    *(
        ("report", "sts", f"AssumeRoleWith{how}", assumed(**more), "AccessDenied", f"perform sts:AssumeRoleWith{how}")
        for how, more in (
            ("WebIdentity", {"WebIdentityToken": "token"}),
            ("SAML", {"PrincipalArn": "arn:aws:iam::100000000002:saml-provider/p", "SAMLAssertion": "assertion"}),
        )
    ),
    (
        "model", "sts", "AssumeRole", {"RoleArn": "arn:aws:iam::100000000002:role/x", "RoleSessionName": "plan/github"},
        "ValidationError", "'roleSessionName' failed to satisfy constraint",
    ),
    (
        "model", "sts", "AssumeRole", {"RoleArn": "arn:aws:iam::100000000002:role/x", "RoleSessionName": "p"},
        "ValidationError", "length greater than or equal to 2",
    ),
    (
        "model", "sts", "AssumeRole",
        {"RoleArn": "arn:aws:iam::100000000002:role/x", "RoleSessionName": "plan", "DurationSeconds": 60},
        "ValidationError", "value greater than or equal to 900",
    ),
    ("model", "iam", "CreateUser", {"UserName": "a b"}, "ValidationError", "regular expression"),
    ("model", "iam", "CreateUser", {"UserName": "jo@example.com"}, TAKEN, ""),
    (
        "model", "iam", "CreateUser", {"UserName": "tagged", "Tags": [{"Key": "Über uns", "Value": "日本"}]}, TAKEN, "",
    ),
    (
        "report", "kms", "Encrypt", {"KeyId": "k", "Plaintext": b"x" * 4097}, "ValidationException",
        "Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096",
    ),
    (
        "report", "iam", "CreateOpenIDConnectProvider",
        {"Url": "https://idp.example.com", "ThumbprintList": ["short"]}, "ValidationError",
        "[short]' at 'thumbprintList' failed to satisfy constraint: Member must satisfy constraint: [Member must have",
    ),
    (
        "report", "logs", "DescribeLogStreams",
        {"logGroupIdentifier": "arn:aws:logs:ap-southeast-2:100000000002:log-group:g:*"}, INVALID,
        "Value at 'logGroupIdentifier' failed to satisfy constraint: Member must satisfy regular expression pattern: [",
    ),
    ("model", "kms", "CreateKey", {"KeyUsage": "DOOR"}, "ValidationException", "enum value set"),
    ("model", "secretsmanager", "GetRandomPassword", {"PasswordLength": 5000}, "ValidationException", "4096"),
    ("model", "ecr", "CreateRepository", {"repositoryName": "Upper"}, INVALID, "repositoryName"),
    ("model", "dynamodb", "ListTables", {"Limit": 101}, "ValidationException", "less than or equal to 100"),
    # CloudWatch
    ("model", "cloudwatch", "DescribeAlarms", {"AlarmNames": [f"x{n}" for n in range(101)]}, "ValidationError", "100"),
    ("model", "cloudwatch", "DescribeAlarms", {"AlarmNames": [f"x{n}" for n in range(100)]}, TAKEN, ""),
    ("model", "cloudwatch", "DescribeAlarms", {"StateValue": "PANIC"}, "ValidationError", "enum value set"),
    ("model", "cloudwatch", "DescribeAlarms", {"MaxRecords": 101}, "ValidationError", "100"),
    ("model", "cloudwatch", "PutMetricData", metric(Unit="Furlongs"), "ValidationError", "metricData.1.member.unit"),
    ("model", "cloudwatch", "PutMetricData", metric(Unit="Seconds"), TAKEN, ""),
    ("model", "cloudwatch", "PutMetricData", {"MetricData": []}, "MissingParameter", "namespace"),
    (
        "model", "cloudwatch", "PutMetricData",
        {"Namespace": "Own", "MetricData": [{"MetricName": "m", "Value": 1.0}] * 1001}, WRONG, "1000",
    ),
    ("model", "cloudwatch", "GetMetricStatistics", {**LONG, "Period": 60}, "InvalidParameterCombination", "1,440"),
    ("model", "cloudwatch", "GetMetricStatistics", {**LONG, "Period": 120}, TAKEN, ""),
    ("model", "cloudwatch", "GetMetricStatistics", {**LONG, "Period": 0}, "ValidationError", "period"),
    (
        "model", "cloudwatch", "GetMetricData",
        {
            "StartTime": NOW - timedelta(hours=1), "EndTime": NOW,
            "MetricDataQueries": [{"Id": f"a{n}", "Expression": "1"} for n in range(501)],
        },
        "ValidationError", "500",
    ),
    # Logs
    (
        "report", "logs", "FilterLogEvents",
        {"logGroupIdentifier": "arn:aws:logs:ap-southeast-2:100000000002:log-group:g:*"}, INVALID, "logGroupIdentifier",
    ),
    (
        "report", "logs", "StartQuery",
        {
            "logGroupIdentifiers": ["arn:aws:logs:ap-southeast-2:100000000002:log-group:g:*"],
            "startTime": 0, "endTime": 1, "queryString": "fields @message",
        },
        INVALID, "logGroupIdentifiers",
    ),
    ("report", "logs", "DescribeSubscriptionFilters", {"logGroupName": "*"}, INVALID, r"[\.\-_/#A-Za-z0-9]+"),
    ("model", "logs", "FilterLogEvents", {"logGroupName": "g", "limit": 0}, INVALID, "limit"),
    ("model", "logs", "FilterLogEvents", {"logGroupName": "g", "limit": 10_001}, INVALID, "limit"),
    ("model", "logs", "DescribeLogGroups", {"limit": 51}, INVALID, "limit"),
    ("model", "logs", "PutRetentionPolicy", {"logGroupName": "refusals", "retentionInDays": 2}, INVALID, "retention"),
    ("model", "logs", "CreateLogGroup", {"logGroupName": "a b"}, INVALID, "logGroupName"),
    # Application Auto Scaling
    (
        "model", "application-autoscaling", "RegisterScalableTarget",
        {**SCALABLE, "ScalableDimension": "ecs:service:Colour"}, "ValidationException", "scalableDimension",
    ),
    (
        "model", "application-autoscaling", "DescribeScalableTargets",
        {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:Colour"}, "ValidationException", "enum value set",
    ),
    (
        "model", "application-autoscaling", "DescribeScalableTargets", {"ServiceNamespace": "shop"},
        "ValidationException", "serviceNamespace",
    ),
    # RDS
    database("model", CLASS_IS_WRONG, "db.none", PreferredMaintenanceWindow="sat:16:00-sat:16:30"),
    database("model", CLASS_IS_WRONG, "db.none", PreferredMaintenanceWindow="sun:23:45-mon:00:30"),
    database("model", WRONG, "format", PreferredMaintenanceWindow="saturday 16:00"),
    database("model", WRONG, "format", PreferredMaintenanceWindow="sat:25:00-sat:26:00"),
    database("model", WRONG, "at least 30 minutes", PreferredMaintenanceWindow="sat:16:00-sat:16:10"),
    database("model", WRONG, "format", PreferredBackupWindow="1pm"),
    database("model", WRONG, "at least 30 minutes", PreferredBackupWindow="13:00-13:20"),
    database(
        "report", WRONG, "must not overlap",
        PreferredBackupWindow="16:15-16:45", PreferredMaintenanceWindow="sat:16:00-sat:18:00",
    ),
    database(
        "report", WRONG, "must not overlap",
        PreferredBackupWindow="23:30-00:30", PreferredMaintenanceWindow="mon:00:00-mon:00:30",
    ),
    database(
        "report", CLASS_IS_WRONG, "db.none",
        PreferredBackupWindow="15:30-16:00", PreferredMaintenanceWindow="sat:16:00-sat:18:00",
    ),
    database("knowledge", WRONG, "backup retention period", BackupRetentionPeriod=36),
    database("model", WRONG, "storage size", AllocatedStorage=5),
    database("model", WRONG, "storage type", StorageType="tape"),
    database("model", WRONG, "port", Port=22),
    database("model", WRONG, "monitoring interval", MonitoringInterval=7),
    database("model", "OptionGroupNotFoundFault", "nobodys", OptionGroupName="nobodys"),
    database("model", "CertificateNotFound", "", CACertificateIdentifier="rds-ca-1984"),
    database("model", "InvalidParameterCombination", "Multi-AZ", MultiAZ=True, AvailabilityZone="ap-southeast-2a"),
    database("model", WRONG, "MasterUserPassword", MasterUserPassword="with space in"),
    ("knowledge", "rds", "CreateDBInstance", {"DBInstanceIdentifier": "x"}, "MissingParameter", "DBInstanceClass"),
    ("model", "rds", "DescribeDBInstances", {"MaxRecords": 5}, WRONG, "between 20 and 100"),
    # ElastiCache
    cache("report", WRONG, "at least 60 minutes", SnapshotWindow="12:00-12:30"),
    cache("model", WRONG, "at least 60 minutes", PreferredMaintenanceWindow="sat:16:00-sat:16:30"),
    cache("model", WRONG, "format", PreferredMaintenanceWindow="16:00-17:00"),
    cache(
        "report", WRONG, "must not overlap", SnapshotWindow="16:00-17:00",
        PreferredMaintenanceWindow="sat:16:00-sat:18:00",
    ),
    cache("knowledge", WRONG, "retention limit", SnapshotRetentionLimit=36),
    cache("model", WRONG, "AuthToken", AuthToken="short", TransitEncryptionEnabled=True),
    cache("model", CLASS_IS_WRONG, "cache.none", SnapshotWindow="12:00-13:00", SnapshotRetentionLimit=35),
    # SNS, SQS
    ("model", "sns", "Publish", {"TopicArn": "TOPIC", "Message": "x" * (256 << 10)}, TAKEN, ""),
    ("model", "sns", "Publish", {"TopicArn": "TOPIC", "Message": "x" * ((256 << 10) + 1)}, "InvalidParameter", "long"),
    ("model", "sns", "Publish", {"TopicArn": "TOPIC", "Message": "ü" * (150 << 10)}, "InvalidParameter", "too long"),
    (
        "model", "sns", "PublishBatch", {"TopicArn": "TOPIC", "PublishBatchRequestEntries": BATCH},
        "BatchRequestTooLong", "",
    ),
    ("model", "sqs", "SendMessage", {"QueueUrl": "QUEUE", "MessageBody": "x" * (1 << 20)}, TAKEN, ""),
    ("model", "sqs", "SendMessage", {"QueueUrl": "QUEUE", "MessageBody": "x" * ((1 << 20) + 1)}, WRONG, "1048576"),
    ("model", "sqs", "SendMessage", {"QueueUrl": "QUEUE", "MessageBody": "\x00"}, "InvalidMessageContents", ""),
    ("model", "sqs", "ReceiveMessage", {"QueueUrl": "QUEUE", "MaxNumberOfMessages": 11}, WRONG, "between 1 and 10"),
    (
        "model", "sqs", "SetQueueAttributes", {"QueueUrl": "QUEUE", "Attributes": {"VisibilityTimeout": "43201"}},
        "InvalidAttributeValue", "VisibilityTimeout",
    ),
    # EC2, ELB, S3, Performance Insights, WAF, Service Quotas, Resource Groups Tagging
    ("knowledge", "ec2", "CreateSubnet", {"CidrBlock": "10.0.0.0/24"}, "MissingParameter", "VpcId"),
    ("knowledge", "ec2", "CreateVpc", {"CidrBlock": "10.9.0.0/16", "InstanceTenancy": "our"}, WRONG, "Tenancy"),
    ("model", "elbv2", "CreateListener", LISTENER, "CertificateNotFound", "not found"),
    ("model", "elbv2", "CreateTargetGroup", {"Name": "g", "Protocol": "SMTP"}, "ValidationError", "protocol"),
    ("model", "elbv2", "CreateTargetGroup", {"Name": "g", "Port": 70_000}, "ValidationError", "65535"),
    ("knowledge", "s3", "CreateBucket", {"Bucket": "b", "ACL": "mine"}, "InvalidArgument", ""),
    (
        "model", "pi", "GetResourceMetrics",
        {
            "ServiceType": "EC2", "Identifier": "db-A", "StartTime": NOW, "EndTime": NOW,
            "MetricQueries": [{"Metric": "m"}],
        },
        "InvalidArgumentException", "serviceType",
    ),
    ("model", "wafv2", "ListWebACLs", {"Scope": "UNIVERSAL"}, "ValidationException", "scope"),
    (
        "model", "service-quotas", "GetServiceQuota", {"ServiceCode": "fargate", "QuotaCode": "a/b"},
        "IllegalArgumentException", "quotaCode",
    ),
    ("model", "resourcegroupstaggingapi", "GetResources", {"ResourcesPerPage": "x"}, "SerializationException", ""),
]  # fmt: skip
