locals {
  replication_group_id = "${var.name}-redis"
}

resource "aws_elasticache_subnet_group" "this" {
  name        = local.replication_group_id
  description = "Data subnets of ${var.name}"
  subnet_ids  = var.subnet_ids

  tags = { Name = local.replication_group_id }
}

resource "aws_elasticache_parameter_group" "this" {
  name        = "${local.replication_group_id}7"
  family      = "redis7"
  description = "Parameters of ${local.replication_group_id}"

  parameter {
    name  = "maxmemory-policy"
    value = "allkeys-lru"
  }

  tags = { Name = "${local.replication_group_id}7" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_elasticache_replication_group" "this" {
  #checkov:skip=CKV_AWS_31:An AUTH token would stand in Terraform's state; TLS and the security group, which admits only the backend, guard a cache that holds public prices.
  #checkov:skip=CKV2_AWS_50:Failover needs a second member, which staging leaves out for its price; it is on wherever there are two.
  replication_group_id = local.replication_group_id
  description          = "Read-through cache of ${var.name}"

  engine               = "redis"
  engine_version       = "7.1"
  node_type            = var.node_type
  num_cache_clusters   = var.members
  parameter_group_name = aws_elasticache_parameter_group.this.name
  port                 = 6379

  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [var.security_group_id]
  automatic_failover_enabled = var.members > 1
  multi_az_enabled           = var.members > 1

  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"

  snapshot_retention_limit   = var.snapshot_retention_days
  snapshot_window            = "12:00-13:00"
  maintenance_window         = var.maintenance_window
  auto_minor_version_upgrade = true
  apply_immediately          = var.apply_immediately
  notification_topic_arn     = var.notification_topic_arn

  dynamic "log_delivery_configuration" {
    for_each = var.log_group_names

    content {
      destination      = log_delivery_configuration.value
      destination_type = "cloudwatch-logs"
      log_format       = "json"
      log_type         = log_delivery_configuration.key
    }
  }

  tags = { Name = local.replication_group_id }
}
