"""What types of resource hold, and how they are paid for: tables that a test compares with what Terraform declares.

A type that stands in none of them is not known: replacing it is treated as losing data, its price as not known.
"""

from __future__ import annotations

from collections.abc import Mapping

DATA_STORES: Mapping[str, str] = {
    "aws_backup_vault": "every recovery point in it",
    "aws_cloudwatch_log_group": "every log line in it",
    "aws_db_instance": "the whole database",
    "aws_db_instance_automated_backups_replication": "the backups in the other region",
    "aws_ecr_repository": "every image, those that a rollback needs too",
    "aws_elasticache_replication_group": "the cache's content",
    "aws_kms_key": "the key, and with it all that was encrypted by it",
    "aws_s3_bucket": "the bucket and every object in it",
    "aws_secretsmanager_secret": "the secret's value",
    "aws_sqs_queue": "the messages in it",
}
"""Types that hold something which no apply brings back, and what is lost with one."""

FREE = frozenset(
    {
        "aws_acm_certificate",
        "aws_acm_certificate_validation",
        "aws_appautoscaling_policy",
        "aws_appautoscaling_target",
        "aws_backup_plan",
        "aws_backup_selection",
        "aws_backup_vault_lock_configuration",
        "aws_cloudwatch_event_rule",
        "aws_cloudwatch_event_target",
        "aws_cloudwatch_query_definition",
        "aws_db_parameter_group",
        "aws_db_subnet_group",
        "aws_default_security_group",
        "aws_ecr_lifecycle_policy",
        "aws_elasticache_parameter_group",
        "aws_elasticache_subnet_group",
        "aws_glue_catalog_database",
        "aws_glue_catalog_table",
        "aws_iam_openid_connect_provider",
        "aws_iam_role",
        "aws_iam_role_policy",
        "aws_iam_role_policy_attachment",
        "aws_internet_gateway",
        "aws_kms_alias",
        "aws_lb_listener",
        "aws_lb_listener_rule",
        "aws_lb_target_group",
        "aws_route",
        "aws_route53_record",
        "aws_route_table",
        "aws_route_table_association",
        "aws_s3_bucket_lifecycle_configuration",
        "aws_s3_bucket_ownership_controls",
        "aws_s3_bucket_policy",
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_versioning",
        "aws_secretsmanager_secret_version",
        "aws_security_group",
        "aws_sns_topic_policy",
        "aws_sns_topic_subscription",
        "aws_sqs_queue_policy",
        "aws_subnet",
        "aws_vpc",
        "aws_vpc_security_group_egress_rule",
        "aws_vpc_security_group_ingress_rule",
        "aws_wafv2_web_acl_association",
        "terraform_data",
    }
)
"""Types that cost nothing by themselves."""

BY_USE = frozenset(
    {
        "aws_athena_workgroup",
        "aws_backup_vault",
        "aws_cloudtrail",
        "aws_cloudwatch_log_group",
        "aws_db_instance_automated_backups_replication",
        "aws_ecr_repository",
        "aws_ecs_cluster",
        "aws_flow_log",
        "aws_s3_bucket",
        "aws_sns_topic",
        "aws_sqs_queue",
        "aws_wafv2_web_acl_logging_configuration",
    }
)
"""Types that cost what goes through them or is kept in them. A cluster costs the metrics of Container Insights."""

GRANTING = frozenset(
    {
        "aws_ecr_repository_policy",
        "aws_ecs_task_definition",
        "aws_iam_group_policy",
        "aws_iam_group_policy_attachment",
        "aws_iam_openid_connect_provider",
        "aws_iam_policy",
        "aws_iam_role",
        "aws_iam_role_policy",
        "aws_iam_role_policy_attachment",
        "aws_iam_user_policy",
        "aws_iam_user_policy_attachment",
        "aws_kms_grant",
        "aws_kms_key",
        "aws_kms_key_policy",
        "aws_lambda_permission",
        "aws_network_acl_rule",
        "aws_s3_bucket_policy",
        "aws_secretsmanager_secret_policy",
        "aws_security_group",
        "aws_security_group_rule",
        "aws_sns_topic_policy",
        "aws_sqs_queue_policy",
        "aws_vpc_endpoint",
        "aws_vpc_security_group_egress_rule",
        "aws_vpc_security_group_ingress_rule",
    }
)
"""Types that say who may do what or reach what: all values of a new one are shown, without being asked for."""

GRANTS = frozenset(
    {
        *("policy", "assume_role_policy", "inline_policy", "managed_policy_arns", "policy_arn", "principal"),
        *("ingress", "egress", "cidr_blocks", "cidr_ipv4", "cidr_ipv6", "referenced_security_group_id"),
        *("container_definitions", "execution_role_arn", "task_role_arn"),
    }
)
"""Their attributes that say it: also shown where only the apply finds them out."""

STATELESS = FREE | {
    "aws_athena_workgroup",
    "aws_cloudtrail",
    "aws_cloudwatch_composite_alarm",
    "aws_cloudwatch_dashboard",
    "aws_cloudwatch_metric_alarm",
    "aws_ecs_cluster",
    "aws_ecs_service",
    "aws_ecs_task_definition",
    "aws_eip",
    "aws_flow_log",
    "aws_lb",
    "aws_nat_gateway",
    "aws_sns_topic",
    "aws_vpc_endpoint",
    "aws_wafv2_web_acl",
    "aws_wafv2_web_acl_logging_configuration",
}
"""Types that an apply makes again as they were."""


def lost_with(kind: str) -> str | None:
    """What is lost when a resource of this type is replaced or destroyed; None: nothing that an apply won't make."""
    if kind in STATELESS:
        return None
    return DATA_STORES.get(kind, f"what it holds, if anything: omc doesn't know the type {kind}")
