"""What each command of omc's asks of AWS: its operations, the IAM actions that they need, and on what.

The table is held against the code by ``tests/unit/test_command_permissions.py``, which walks from each command through
all that it reaches. Terraform's own calls are those of the backend alone: what else a plan takes is its resources'.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from omc.aws.permissions import action_for
from omc.aws.reads import is_read
from omc.config import Environment

COMMANDS: Mapping[str, str] = {
    "check morning": """
        acm DescribeCertificate
        application-autoscaling DescribeScalableTargets DescribeScalingPolicies
        cloudtrail DescribeTrails GetTrailStatus LookupEvents
        cloudwatch DescribeAlarms GetMetricData ListTagsForResource
        ec2 DescribeFlowLogs DescribeNatGateways DescribeNetworkAcls DescribeRouteTables DescribeSecurityGroupRules
        ec2 DescribeSubnets
        ecr BatchGetImage GetDownloadUrlForLayer
        ecs DescribeServices DescribeTaskDefinition DescribeTasks ListTaskDefinitions ListTasks
        elasticache DescribeCacheClusters DescribeCacheSubnetGroups DescribeEvents DescribeReplicationGroups
        elasticache DescribeServerlessCaches DescribeUpdateActions
        elbv2 DescribeListeners DescribeLoadBalancerAttributes DescribeLoadBalancers DescribeRules
        elbv2 DescribeTargetGroupAttributes DescribeTargetGroups DescribeTargetHealth
        events ListRules ListTargetsByRule
        iam ListRoles
        kms DescribeKey
        logs DescribeLogGroups GetLogEvents GetQueryResults StartQuery StopQuery
        pi DescribeDimensionKeys GetResourceMetrics
        rds DescribeDBClusters DescribeDBInstances DescribeEvents DescribePendingMaintenanceActions
        s3 GetObject ListBuckets ListObjectsV2
        scheduler GetSchedule
        secretsmanager DescribeSecret ListSecrets
        service-quotas GetServiceQuota
        sns GetTopicAttributes ListSubscriptions ListTopics
        sqs GetQueueAttributes ListQueues""",
    "local clone": """
        application-autoscaling DescribeScalableTargets DescribeScalingPolicies
        cloudwatch DescribeAlarms
        ecs DescribeClusters DescribeServices DescribeTaskDefinition
        elasticache DescribeCacheClusters DescribeReplicationGroups
        elbv2 DescribeListeners DescribeLoadBalancerAttributes DescribeLoadBalancers DescribeRules
        elbv2 DescribeTargetGroupAttributes DescribeTargetGroups
        logs DescribeLogGroups
        rds DescribeDBClusterParameters DescribeDBClusters DescribeDBInstances DescribeDBParameters""",
    "init": """
        application-autoscaling DescribeScalableTargets DescribeScalingPolicies
        cloudwatch DescribeAlarms ListDashboards
        ecs DescribeClusters DescribeServices DescribeTaskDefinition ListClusters ListServices
        elasticache DescribeCacheClusters DescribeReplicationGroups DescribeServerlessCaches
        elbv2 DescribeLoadBalancers DescribeTags DescribeTargetGroups
        events DescribeRule ListRuleNamesByTarget ListTargetsByRule
        logs DescribeLogGroups
        rds DescribeDBClusters DescribeDBInstances
        s3 ListBuckets ListObjectsV2
        scheduler GetSchedule ListSchedules""",
    "stack show": """
        application-autoscaling DescribeScalableTargets DescribeScalingPolicies
        cloudwatch DescribeAlarms
        ecs DescribeClusters DescribeServices DescribeTaskDefinition ListClusters ListServices
        elasticache DescribeCacheClusters DescribeReplicationGroups DescribeServerlessCaches
        elbv2 DescribeLoadBalancers DescribeTags DescribeTargetGroups
        rds DescribeDBClusters DescribeDBInstances""",
    "maintenance calendar": """
        cloudtrail LookupEvents
        elasticache DescribeCacheClusters DescribeReplicationGroups DescribeServerlessCaches DescribeUpdateActions
        rds DescribeDBClusters DescribeDBInstances DescribePendingMaintenanceActions""",
    "check weekly": """
        acm DescribeCertificate
        budgets DescribeBudgets
        ce GetCostAndUsage GetCostForecast
        cloudtrail LookupEvents
        cloudwatch GetMetricData
        ec2 DescribeAddresses DescribeFlowLogs DescribeNatGateways DescribeNetworkInterfaces DescribePrefixLists
        ec2 DescribeSecurityGroupRules DescribeSecurityGroups DescribeSnapshots DescribeSubnets DescribeVolumes
        ec2 DescribeVpcEndpoints
        ecr DescribeImageScanFindings DescribeImages
        ecs DescribeServices DescribeTaskDefinition ListTaskDefinitions
        elasticache DescribeCacheClusters DescribeReplicationGroups DescribeServerlessCaches DescribeSnapshots
        elasticache DescribeUpdateActions
        elbv2 DescribeListeners DescribeLoadBalancers DescribeTargetGroups
        iam GetAccessKeyLastUsed GetAccountSummary GetLoginProfile GetRole ListAccessKeys ListMFADevices ListRoles
        iam ListUsers
        logs DescribeLogGroups GetQueryResults StartQuery
        pi DescribeDimensionKeys GetResourceMetrics
        rds DescribeDBClusters DescribeDBInstances DescribeDBMajorEngineVersions DescribeDBParameters
        rds DescribeDBSnapshotAttributes DescribeDBSnapshots DescribePendingMaintenanceActions
        s3 GetBucketPolicyStatus GetObject ListBuckets
        secretsmanager ListSecrets
        service-quotas GetServiceQuota""",
    "deploy": """
        application-autoscaling DescribeScalableTargets DescribeScalingPolicies
        cloudwatch DescribeAlarms GetMetricData ListTagsForResource
        ec2 DescribeSubnets
        ecr BatchGetImage DescribeImages DescribeRepositories GetDownloadUrlForLayer PutImage
        ecs DescribeServiceDeployments DescribeServiceRevisions DescribeServices DescribeTaskDefinition
        ecs DescribeTasks ListServiceDeployments ListTaskDefinitions ListTasks RegisterTaskDefinition
        ecs RunTask UpdateService
        elbv2 DescribeLoadBalancers DescribeTargetHealth
        iam GetRole
        logs DescribeLogGroups GetLogEvents
        rds DescribeDBClusterParameters DescribeDBClusters DescribeDBInstances DescribeDBParameters
        secretsmanager DescribeSecret
        service-quotas GetServiceQuota
        ssm DescribeParameters""",
    "migrate": """
        cloudwatch DescribeAlarms ListTagsForResource
        ec2 DescribeSubnets
        ecr BatchGetImage
        ecs DescribeServices DescribeTaskDefinition DescribeTasks ListTaskDefinitions ListTasks RunTask
        iam GetRole
        logs DescribeLogGroups GetLogEvents
        secretsmanager DescribeSecret
        ssm DescribeParameters""",
    "rollback": """
        cloudwatch DescribeAlarms ListTagsForResource
        ec2 DescribeSubnets
        ecr BatchGetImage
        ecs DescribeServiceDeployments DescribeServiceRevisions DescribeServices DescribeTaskDefinition
        ecs DescribeTasks ListServiceDeployments ListTaskDefinitions ListTasks RegisterTaskDefinition
        ecs StopServiceDeployment UpdateService
        elbv2 DescribeTargetHealth
        iam GetRole
        logs DescribeLogGroups GetLogEvents
        rds DescribeDBClusterParameters DescribeDBClusters DescribeDBInstances DescribeDBParameters
        secretsmanager DescribeSecret
        service-quotas GetServiceQuota
        ssm DescribeParameters""",
    "restart": """
        cloudwatch DescribeAlarms ListTagsForResource
        ec2 DescribeSubnets
        ecr BatchGetImage
        ecs DescribeServiceDeployments DescribeServiceRevisions DescribeServices DescribeTaskDefinition
        ecs DescribeTasks ListServiceDeployments ListTaskDefinitions ListTasks UpdateService
        elbv2 DescribeTargetHealth
        iam GetRole
        logs DescribeLogGroups GetLogEvents
        rds DescribeDBClusterParameters DescribeDBClusters DescribeDBInstances DescribeDBParameters
        secretsmanager DescribeSecret
        service-quotas GetServiceQuota
        ssm DescribeParameters""",
    "scale": """
        application-autoscaling DescribeScalableTargets DescribeScalingPolicies
        application-autoscaling RegisterScalableTarget
        cloudwatch DescribeAlarms ListTagsForResource
        ec2 DescribeSubnets
        ecr BatchGetImage
        ecs DescribeServices DescribeTaskDefinition DescribeTasks ListTaskDefinitions ListTasks
        ecs UpdateService
        elbv2 DescribeTargetHealth
        iam GetRole
        logs DescribeLogGroups
        rds DescribeDBClusterParameters DescribeDBClusters DescribeDBInstances DescribeDBParameters
        secretsmanager DescribeSecret
        service-quotas GetServiceQuota
        ssm DescribeParameters""",
    "exec": """
        ec2 DescribeRouteTables DescribeSubnets DescribeVpcEndpoints
        ecs DescribeClusters DescribeServices DescribeTaskDefinition DescribeTasks ExecuteCommand ListTasks
        iam GetRole ListRoles SimulatePrincipalPolicy
        kms DescribeKey GenerateDataKey""",
    "exec --detach": """
        cloudwatch DescribeAlarms ListTagsForResource
        ec2 DescribeSubnets
        ecr BatchGetImage
        ecs DescribeServices DescribeTaskDefinition DescribeTasks ListTaskDefinitions ListTasks RunTask
        iam GetRole
        logs DescribeLogGroups GetLogEvents
        secretsmanager DescribeSecret
        ssm DescribeParameters""",
    "db": """
        ec2 DescribeRouteTables DescribeSubnets DescribeVpcEndpoints
        ecs DescribeClusters DescribeServices DescribeTaskDefinition DescribeTasks ListTasks
        elasticache DescribeReplicationGroups DescribeServerlessCaches
        iam GetRole ListRoles SimulatePrincipalPolicy
        kms DescribeKey GenerateDataKey
        rds DescribeDBClusters DescribeDBInstances
        secretsmanager GetSecretValue
        ssm StartSession""",
    "redis": """
        ec2 DescribeRouteTables DescribeSubnets DescribeVpcEndpoints
        ecs DescribeClusters DescribeServices DescribeTaskDefinition DescribeTasks ListTasks
        elasticache DescribeReplicationGroups DescribeServerlessCaches
        iam GetRole ListRoles SimulatePrincipalPolicy
        kms DescribeKey GenerateDataKey
        rds DescribeDBClusters DescribeDBInstances
        secretsmanager GetSecretValue
        ssm StartSession""",
    "forward": """
        ec2 DescribeRouteTables DescribeSubnets DescribeVpcEndpoints
        ecs DescribeClusters DescribeServices DescribeTaskDefinition DescribeTasks ListTasks
        elasticache DescribeReplicationGroups DescribeServerlessCaches
        iam GetRole ListRoles SimulatePrincipalPolicy
        kms DescribeKey GenerateDataKey
        rds DescribeDBClusters DescribeDBInstances
        ssm StartSession""",
    "open": """
        cloudwatch DescribeAlarms ListDashboards
        logs DescribeLogGroups""",
    "infra plan": """
        cloudtrail LookupEvents
        ecs DescribeServices
        elasticache DescribeCacheClusters DescribeReplicationGroups DescribeServerlessCaches DescribeUpdateActions
        elbv2 DescribeLoadBalancerAttributes DescribeLoadBalancers
        rds DescribeDBClusters DescribeDBInstances DescribePendingMaintenanceActions
        s3 GetObject""",
    "infra drift": """
        application-autoscaling DescribeScalableTargets DescribeScalingPolicies DescribeScheduledActions
        cloudtrail LookupEvents
        ec2 DescribeSecurityGroupRules
        elbv2 DescribeListeners DescribeRules DescribeTargetGroupAttributes
        iam GetRolePolicy ListAttachedRolePolicies ListRolePolicies
        s3 GetBucketPolicy
        sns ListSubscriptionsByTopic""",
    "infra apply": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServices
        elasticache DescribeCacheClusters DescribeReplicationGroups DescribeServerlessCaches DescribeUpdateActions
        rds DescribeDBClusters DescribeDBInstances DescribePendingMaintenanceActions
        s3 GetObject""",
    "infra destroy": """
        elbv2 DescribeLoadBalancerAttributes DescribeLoadBalancers
        rds DescribeDBClusters DescribeDBInstances
        s3 GetObject""",
    "deployments": """
        ecs DescribeServiceDeployments DescribeServiceRevisions DescribeServices DescribeTasks ListServiceDeployments
        ecs ListTasks""",
    "releases prune": """
        ecs DeregisterTaskDefinition DescribeServiceDeployments DescribeServiceRevisions DescribeServices
        ecs DescribeTaskDefinition DescribeTasks ListServiceDeployments ListTaskDefinitions ListTasks""",
    "backup list": """
        rds DescribeDBClusterSnapshots DescribeDBClusters DescribeDBInstanceAutomatedBackups DescribeDBInstances
        rds DescribeDBSnapshots""",
    "backup create": """
        rds CreateDBSnapshot DescribeDBClusterSnapshots DescribeDBClusters DescribeDBInstanceAutomatedBackups
        rds DescribeDBInstances DescribeDBSnapshots""",
    "backup verify": """
        ecs DeregisterTaskDefinition DescribeServices DescribeTaskDefinition DescribeTasks ListTaskDefinitions
        ecs ListTasks RegisterTaskDefinition RunTask
        logs GetLogEvents
        rds DeleteDBInstance DescribeDBClusterSnapshots DescribeDBClusters DescribeDBInstanceAutomatedBackups
        rds DescribeDBInstances DescribeDBSnapshots ModifyDBInstance RestoreDBInstanceFromDBSnapshot
        rds RestoreDBInstanceToPointInTime""",
    "backup restore": """
        ecs DeregisterTaskDefinition DescribeServiceDeployments DescribeServiceRevisions DescribeServices
        ecs DescribeTaskDefinition DescribeTasks ListServiceDeployments ListTaskDefinitions ListTasks
        ecs RegisterTaskDefinition RunTask UpdateService
        elbv2 DescribeTargetHealth
        logs GetLogEvents
        rds DeleteDBInstance DescribeDBClusterSnapshots DescribeDBClusters DescribeDBInstanceAutomatedBackups
        rds DescribeDBInstances DescribeDBSnapshots ModifyDBInstance RestoreDBInstanceFromDBSnapshot
        rds RestoreDBInstanceToPointInTime""",
    "backup prune": """
        rds DeleteDBSnapshot DescribeDBClusterSnapshots DescribeDBClusters DescribeDBInstanceAutomatedBackups
        rds DescribeDBInstances DescribeDBSnapshots""",
    "backup sweep": """
        rds DeleteDBInstance DescribeDBClusterSnapshots DescribeDBClusters DescribeDBInstanceAutomatedBackups
        rds DescribeDBInstances DescribeDBSnapshots ModifyDBInstance""",
    "database reboot": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServices DescribeTaskDefinition DescribeTasks ListTaskDefinitions ListTasks RunTask
        elasticache DescribeCacheClusters DescribeReplicationGroups DescribeServerlessCaches DescribeUpdateActions
        elbv2 DescribeTargetHealth
        logs GetLogEvents
        rds DescribeDBClusterSnapshots DescribeDBClusters DescribeDBInstanceAutomatedBackups DescribeDBInstances
        rds DescribeDBSnapshots DescribeEvents DescribePendingMaintenanceActions RebootDBInstance""",
    "database class": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServices DescribeTaskDefinition DescribeTasks ListTaskDefinitions ListTasks RunTask
        elasticache DescribeCacheClusters DescribeReplicationGroups DescribeServerlessCaches DescribeUpdateActions
        elbv2 DescribeTargetHealth
        logs GetLogEvents
        rds DescribeDBClusterSnapshots DescribeDBClusters DescribeDBInstanceAutomatedBackups DescribeDBInstances
        rds DescribeDBSnapshots DescribeEvents DescribeOrderableDBInstanceOptions DescribePendingMaintenanceActions
        rds ModifyDBInstance""",
    "database storage": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServices DescribeTaskDefinition DescribeTasks ListTaskDefinitions ListTasks RunTask
        elasticache DescribeCacheClusters DescribeReplicationGroups DescribeServerlessCaches DescribeUpdateActions
        elbv2 DescribeTargetHealth
        logs GetLogEvents
        rds DescribeDBClusterSnapshots DescribeDBClusters DescribeDBInstanceAutomatedBackups DescribeDBInstances
        rds DescribeDBSnapshots DescribeEvents DescribePendingMaintenanceActions ModifyDBInstance""",
    "database parameter": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServices DescribeTaskDefinition DescribeTasks ListTaskDefinitions ListTasks RunTask
        elasticache DescribeCacheClusters DescribeReplicationGroups DescribeServerlessCaches DescribeUpdateActions
        elbv2 DescribeTargetHealth
        logs GetLogEvents
        rds DescribeDBClusterSnapshots DescribeDBClusters DescribeDBInstanceAutomatedBackups DescribeDBInstances
        rds DescribeDBParameters DescribeDBSnapshots DescribeEvents DescribePendingMaintenanceActions
        rds ModifyDBParameterGroup RebootDBInstance ResetDBParameterGroup""",
    "database rotate": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServiceDeployments DescribeServiceRevisions DescribeServices DescribeTaskDefinition
        ecs DescribeTasks ListServiceDeployments ListTaskDefinitions ListTasks RunTask UpdateService
        elasticache DescribeCacheClusters DescribeReplicationGroups DescribeServerlessCaches DescribeUpdateActions
        elbv2 DescribeTargetHealth
        logs GetLogEvents
        rds DescribeDBClusterSnapshots DescribeDBClusters DescribeDBInstanceAutomatedBackups DescribeDBInstances
        rds DescribeDBSnapshots DescribePendingMaintenanceActions
        secretsmanager DescribeSecret RotateSecret""",
    "database certificate": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServices DescribeTaskDefinition DescribeTasks ListTaskDefinitions ListTasks RunTask
        elasticache DescribeCacheClusters DescribeReplicationGroups DescribeServerlessCaches DescribeUpdateActions
        elbv2 DescribeTargetHealth
        logs GetLogEvents
        rds DescribeDBClusterSnapshots DescribeDBClusters DescribeDBEngineVersions DescribeDBInstanceAutomatedBackups
        rds DescribeDBInstances DescribeDBSnapshots DescribeEvents DescribePendingMaintenanceActions
        rds ModifyDBInstance""",
    "database apply": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServices DescribeTaskDefinition DescribeTasks ListTaskDefinitions ListTasks RunTask
        elasticache DescribeCacheClusters DescribeReplicationGroups DescribeServerlessCaches DescribeUpdateActions
        elbv2 DescribeTargetHealth
        logs GetLogEvents
        rds ApplyPendingMaintenanceAction DescribeDBClusterSnapshots DescribeDBClusters
        rds DescribeDBInstanceAutomatedBackups DescribeDBInstances DescribeDBSnapshots DescribeEvents
        rds DescribePendingMaintenanceActions""",
    "database upgrade": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServices DescribeTaskDefinition DescribeTasks ListTaskDefinitions ListTasks RunTask
        elasticache DescribeCacheClusters DescribeReplicationGroups DescribeServerlessCaches DescribeUpdateActions
        elbv2 DescribeTargetHealth
        logs GetLogEvents
        rds CreateBlueGreenDeployment DeleteBlueGreenDeployment DeleteDBInstance DescribeBlueGreenDeployments
        rds DescribeDBClusterSnapshots DescribeDBClusters DescribeDBEngineVersions DescribeDBInstanceAutomatedBackups
        rds DescribeDBInstances DescribeDBParameters DescribeDBSnapshots DescribeEvents
        rds DescribePendingMaintenanceActions ModifyDBInstance SwitchoverBlueGreenDeployment""",
    "database cleanup": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServices DescribeTaskDefinition ListTaskDefinitions
        elasticache DescribeCacheClusters DescribeReplicationGroups DescribeUpdateActions
        rds CreateBlueGreenDeployment DeleteBlueGreenDeployment DeleteDBInstance DescribeBlueGreenDeployments
        rds DescribeDBClusterSnapshots DescribeDBClusters DescribeDBInstanceAutomatedBackups DescribeDBInstances
        rds DescribeDBParameters DescribeDBSnapshots DescribePendingMaintenanceActions ModifyDBInstance
        rds SwitchoverBlueGreenDeployment""",
    "cache failover": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServices DescribeTasks ListTasks
        elasticache DecreaseReplicaCount DescribeCacheClusters DescribeEvents DescribeReplicationGroups
        elasticache DescribeServerlessCaches DescribeUpdateActions IncreaseReplicaCount ModifyReplicationGroup
        elasticache TestFailover
        elbv2 DescribeTargetHealth
        rds DescribeDBClusters DescribeDBInstances DescribePendingMaintenanceActions""",
    "cache scale": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServices DescribeTasks ListTasks
        elasticache DecreaseReplicaCount DescribeCacheClusters DescribeEvents DescribeReplicationGroups
        elasticache DescribeServerlessCaches DescribeUpdateActions IncreaseReplicaCount
        elasticache ListAllowedNodeTypeModifications ModifyReplicationGroup TestFailover
        elbv2 DescribeTargetHealth
        rds DescribeDBClusters DescribeDBInstances DescribePendingMaintenanceActions""",
    "cache upgrade": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServices DescribeTasks ListTasks
        elasticache DecreaseReplicaCount DescribeCacheClusters DescribeCacheEngineVersions DescribeEvents
        elasticache DescribeReplicationGroups DescribeServerlessCaches DescribeUpdateActions IncreaseReplicaCount
        elasticache ModifyReplicationGroup TestFailover
        elbv2 DescribeTargetHealth
        rds DescribeDBClusters DescribeDBInstances DescribePendingMaintenanceActions""",
    "cache valkey": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServices DescribeTasks ListTasks
        elasticache CreateCacheParameterGroup DecreaseReplicaCount DescribeCacheClusters DescribeCacheEngineVersions
        elasticache DescribeCacheParameters DescribeEvents DescribeReplicationGroups DescribeServerlessCaches
        elasticache DescribeUpdateActions IncreaseReplicaCount ModifyCacheParameterGroup ModifyReplicationGroup
        elasticache TestFailover
        elbv2 DescribeTargetHealth
        rds DescribeDBClusters DescribeDBInstances DescribePendingMaintenanceActions""",
    "cache reboot": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServices DescribeTasks ListTasks
        elasticache DescribeCacheClusters DescribeEvents DescribeReplicationGroups DescribeServerlessCaches
        elasticache DescribeUpdateActions RebootCacheCluster
        elbv2 DescribeTargetHealth
        rds DescribeDBClusters DescribeDBInstances DescribePendingMaintenanceActions""",
    "cache apply": """
        cloudtrail LookupEvents
        cloudwatch DescribeAlarms ListTagsForResource
        ecs DescribeServices DescribeTasks ListTasks
        elasticache BatchApplyUpdateAction DescribeCacheClusters DescribeReplicationGroups DescribeServerlessCaches
        elasticache DescribeUpdateActions
        elbv2 DescribeTargetHealth
        rds DescribeDBClusters DescribeDBInstances DescribePendingMaintenanceActions""",
    "maintenance": "",
    "logs": """
        athena GetQueryExecution GetQueryResults GetWorkGroup StartQueryExecution StopQueryExecution
        ec2 DescribeFlowLogs DescribeNetworkInterfaces
        ecs DescribeServiceDeployments DescribeServiceRevisions DescribeTasks ListServiceDeployments ListTasks
        elbv2 DescribeLoadBalancerAttributes DescribeLoadBalancers
        logs DescribeLogGroups FilterLogEvents GetQueryResults StartLiveTail StartQuery StopQuery
        s3 GetObject ListObjectsV2""",
    "mcp": "",
    "runbook show": """
        ecr DescribeImages DescribeRepositories
        ecs DescribeServices ListServiceDeployments ListTasks
        elasticache DescribeReplicationGroups
        elbv2 DescribeListeners DescribeLoadBalancers DescribeTargetGroups
        rds DescribeDBInstances""",
    "audit verify": """
        logs DescribeLogStreams GetLogEvents
        s3 ListObjectsV2""",
    "notify test": """
        sns CheckIfPhoneNumberIsOptedOut Publish""",
    "doctor": """
        acm DescribeCertificate
        cloudwatch DescribeAlarms GetMetricData ListTagsForResource
        ec2 DescribeFlowLogs DescribeSubnets
        ecs DescribeServices DescribeTaskDefinition DescribeTasks ListServiceDeployments ListTaskDefinitions ListTasks
        elbv2 DescribeListeners DescribeLoadBalancers
        iam GetRole ListOpenIDConnectProviders ListRoles SimulatePrincipalPolicy
        logs DescribeLogGroups
        rds DescribeDBClusters DescribeDBInstances
        s3 GetBucketEncryption GetBucketVersioning GetObjectLockConfiguration HeadObject ListObjectsV2
        secretsmanager DescribeSecret
        service-quotas GetServiceQuota
        sns ListSubscriptionsByTopic""",
    "doctor --test-page": """
        sns ListSubscriptionsByTopic ListTopics Publish
        sqs GetQueueAttributes GetQueueUrl""",
    "serve": """
        cloudwatch GetAlarmMuteRule ListAlarmMuteRules PutMetricData
        ecs DescribeServiceDeployments DescribeServiceRevisions ListServiceDeployments
        elasticache DescribeServerlessCaches
        rds DescribeDBClusters
        sns CheckIfPhoneNumberIsOptedOut ConfirmSubscription Publish
        sqs ChangeMessageVisibilityBatch DeleteMessageBatch GetQueueUrl ReceiveMessage""",
}
"""A command to botocore's names of what it sends. sts GetCallerIdentity, which every one sends, needs no permission."""
WITHIN: Mapping[str, tuple[str, ...]] = {
    "maintenance": ("check morning",),
    "mcp": ("check morning", "check weekly", "deployments", "deploy", "scale", "rollback"),
    "serve": ("check morning",),
}
"""A command to others whose operations it sends too. Each new incident is diagnosed from the morning check's facts;
after a maintenance all services are looked at, and what its steps send is in their own commands' rows; what ``mcp``
plans is never performed, so that of a change it sends what is read alone."""
KEEPING = """
        logs CreateLogStream PutLogEvents
        s3 PutObject"""
"""What each change sends beside its own at its end: the head of the record, to the places outside of it."""
IDENTITY = frozenset({("iam", "GetRole"), ("iam", "ListRoles")})
"""What a change also sends where the caller's role is named like one of IAM Identity Center's: one of the two, to see
whether it is. Not needed by anybody: refused both, the caller counts as the role and not as a person."""
CHANGES = frozenset(
    {
        *("deploy", "migrate", "rollback", "restart", "scale", "infra apply", "infra destroy", "releases prune"),
        *("backup create", "backup verify", "backup restore", "backup prune", "backup sweep"),
        *("database reboot", "database class", "database storage", "database parameter"),
        *("database rotate", "database certificate", "database apply", "database upgrade", "database cleanup"),
        *("cache failover", "cache scale", "cache upgrade", "cache valkey", "cache reboot", "cache apply"),
        *("exec --detach", "maintenance"),
    }
)
GLOBAL = frozenset({"budgets", "ce", "iam", "sts"})
"""Services whose calls a condition on ``aws:RequestedRegion`` sees in the partition's home."""

_SERVICE = "arn:{partition}:ecs:{region}:{account}:service/{cluster}/{service}"
_DEPLOYMENT = "arn:{partition}:ecs:{region}:{account}:service-deployment/{cluster}/{service}/omc"
_RECORD_GROUP = "arn:{partition}:logs:{region}:{account}:log-group:{record_log_group}"
_STATE = "arn:{partition}:s3:::{state_bucket}/{state_key}"
_QUEUE = "arn:{partition}:sqs:{region}:{account}:{prefix}-alerts"
_AUDIT = "arn:{partition}:s3:::{audit_bucket}"

RESOURCES: Mapping[str, str] = {
    "acm:DescribeCertificate": "arn:{partition}:acm:{region}:{account}:certificate/omc",
    "ecs:DescribeServices": _SERVICE,
    "ecs:UpdateService": _SERVICE,
    "ecs:ListServiceDeployments": _SERVICE,
    "ecs:DescribeServiceDeployments": _DEPLOYMENT,
    "ecs:StopServiceDeployment": _DEPLOYMENT,
    "ecs:DescribeServiceRevisions": "arn:{partition}:ecs:{region}:{account}:service-revision/{cluster}/{service}/omc",
    "ecs:DescribeTasks": "arn:{partition}:ecs:{region}:{account}:task/{cluster}/omc",
    "ecs:RunTask": "arn:{partition}:ecs:{region}:{account}:task-definition/{family}:1",
    "iam:GetRole": "arn:{partition}:iam::{account}:role/{prefix}-omc",
    "iam:PassRole": "arn:{partition}:iam::{account}:role/{prefix}-omc",
    "logs:GetLogEvents": "arn:{partition}:logs:{region}:{account}:log-group:{log_group}:log-stream:omc",
    "logs:StartQuery": "arn:{partition}:logs:{region}:{account}:log-group:{log_group}:*",
    "logs:CreateLogStream": f"{_RECORD_GROUP}:log-stream:omc",
    "logs:PutLogEvents": f"{_RECORD_GROUP}:log-stream:omc",
    "logs:DescribeLogStreams": f"{_RECORD_GROUP}:*",
    "rds:DescribeDBInstances": "arn:{partition}:rds:{region}:{account}:db:{database}",
    "rds:DescribeDBClusters": "arn:{partition}:rds:{region}:{account}:cluster:{database_cluster}",
    "s3:GetBucketObjectLockConfiguration": _AUDIT,
    "s3:GetBucketVersioning": "arn:{partition}:s3:::{state_bucket}",
    "s3:GetEncryptionConfiguration": "arn:{partition}:s3:::{state_bucket}",
    "s3:GetObject": _STATE,
    "s3:ListBucket": _AUDIT,
    "s3:PutObject": f"{_AUDIT}/record/{{environment}}/omc",
    "s3:PutObjectRetention": f"{_AUDIT}/record/{{environment}}/omc",
    "ecs:ExecuteCommand": "arn:{partition}:ecs:{region}:{account}:task/{cluster}/0123456789abcdef0123456789abcdef",
    "secretsmanager:GetSecretValue": "arn:{partition}:secretsmanager:{region}:{account}:secret:{prefix}/omc-000000",
    "scheduler:GetSchedule": "arn:{partition}:scheduler:{region}:{account}:schedule/{schedule}",
    "ssm:StartSession": "arn:{partition}:ecs:{region}:{account}:task/{cluster}/0123456789abcdef0123456789abcdef",
    "secretsmanager:DescribeSecret": "arn:{partition}:secretsmanager:{region}:{account}:secret:{prefix}/omc-000000",
    "sns:ListSubscriptionsByTopic": "arn:{partition}:sns:{region}:{account}:{prefix}-sev-1",
    "sqs:ChangeMessageVisibility": _QUEUE,
    "sqs:DeleteMessage": _QUEUE,
    "sqs:GetQueueUrl": _QUEUE,
    "sqs:ReceiveMessage": _QUEUE,
}
"""What an action is simulated on: things named as the stack names them. All others are asked for on ``*``; a policy
that allows those on some resources only is then taken for one that doesn't."""

IMPLIED: Mapping[str, str] = {
    "ecs:RegisterTaskDefinition": "iam:PassRole",
    "ecs:RunTask": "iam:PassRole",
    "s3:PutObject": "s3:PutObjectRetention",
}
"""An action to another that AWS wants with it."""

_LOCK = (
    ("s3:ListBucket", "arn:{partition}:s3:::{state_bucket}"),
    ("s3:GetObject", _STATE),
    ("s3:PutObject", f"{_STATE}.tflock"),
    ("s3:DeleteObject", f"{_STATE}.tflock"),
)
MORE: Mapping[str, tuple[tuple[str, str], ...]] = {
    "infra plan": _LOCK,
    "infra drift": _LOCK,
    "infra apply": (*_LOCK, ("s3:PutObject", _STATE)),
    "infra destroy": (*_LOCK, ("s3:PutObject", _STATE)),
    "audit verify": (("logs:GetLogEvents", f"{_RECORD_GROUP}:log-stream:omc"),),
    "doctor": (("s3:ListBucket", "arn:{partition}:s3:::{state_bucket}"),),
}
"""Of a command, beside what its operations need: Terraform's backend, and other things of the same kind."""


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One IAM action on some resources."""

    action: str
    resources: tuple[str, ...]
    is_global: bool = False


def operations_of(command: str) -> list[tuple[str, str]]:
    """(service, operation) of a command, botocore's names."""
    found = [*_rows(COMMANDS[command]), *(_rows(KEEPING) if command in CHANGES else ())]
    for other in WITHIN.get(command, ()):
        found += [each for each in _rows(COMMANDS[other]) if other not in CHANGES or is_read(*each)]
    return list(dict.fromkeys(found))


def _rows(table: str) -> Iterator[tuple[str, str]]:
    rows = (row.split() for row in table.strip().splitlines())
    return ((service, operation) for service, *operations in rows for operation in operations)


def needs_of_commands(
    environment: Environment, stack: str, partition: str, account: str
) -> dict[str, tuple[Need, ...]]:
    """By command, in the table's order: what it needs, each once."""
    names = {
        "partition": partition,
        "account": account,
        "region": environment.region,
        "prefix": environment.prefix,
        "database": environment.database or "*",
        "database_cluster": environment.database_cluster or "*",
        "environment": environment.name,
        "root": "staging" if environment.is_local else environment.name,
        "record_log_group": environment.record_log_group,
        "audit_bucket": environment.audit_bucket.replace("{account}", account),
    }
    bucket, key = environment.state_in(account)
    names["state_bucket"] = bucket or f"{stack}-{names['root']}-tfstate-{account}"
    names["state_key"] = key or f"{names['root']}/terraform.tfstate"
    return {
        command: tuple(
            sorted(
                {
                    Need(action, _resources(template, names, environment), action.partition(":")[0] in GLOBAL)
                    for action, template in _actions(command)
                    if _is_kept(template, environment) and _is_there(action, environment)
                }
            )
        )
        for command in COMMANDS
    }


def _actions(command: str) -> Iterator[tuple[str, str]]:
    for service, operation in operations_of(command):
        action = action_for(service, operation)
        yield action, RESOURCES.get(action, "*")
        if more := IMPLIED.get(action):
            yield more, RESOURCES.get(more, "*")
    yield from MORE.get(command, ())


def _is_kept(template: str, environment: Environment) -> bool:
    """Where omc.toml names no place outside for the record, nothing is sent there; nor is one asked for a schedule that
    it doesn't name."""
    return not (
        ("{audit_bucket}" in template and not environment.audit_bucket)
        or ("{record_log_group}" in template and not environment.record_log_group)
        or ("{schedule}" in template and not any(job.schedule for job in environment.jobs))
    )


def _is_there(action: str, environment: Environment) -> bool:
    """Whether omc.toml names what the action is about: nobody needs a right to look at clusters where there is none."""
    of_a_kind = {
        "rds:DescribeDBClusters": environment.database_cluster,
        "rds:DescribeDBClusterSnapshots": environment.database_cluster,
        "elasticache:DescribeServerlessCaches": environment.cache_serverless,
    }
    return bool(of_a_kind.get(action, True))


def _resources(template: str, names: Mapping[str, str], environment: Environment) -> tuple[str, ...]:
    if "{schedule}" in template:
        paths = {job.schedule_path for job in environment.jobs if job.schedule}
        return tuple(template.format(**names, schedule=path) for path in sorted(paths))
    each = {
        template.format(
            **names,
            cluster=service.cluster,
            service=service.ecs_service,
            family=family,
            log_group=service.log_group,
        )
        for service in environment.services
        for family in (service.family, *([service.migrate_family] if service.migrate_family else []))
    }
    if ("{service}" not in template and "{cluster}" in template) or "{family}" in template or "{log_group}" in template:
        each |= {
            template.format(**names, cluster=job.cluster, family=job.family, log_group=job.log_group)
            for job in environment.jobs
        }
    return tuple(sorted(each)) or ("*",)
