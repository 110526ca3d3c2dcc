mock_provider "aws" {}

variables {
  name              = "ohmycoins-staging"
  subnet_ids        = ["subnet-0a", "subnet-0b"]
  security_group_id = "sg-0a"
  kms_key_arn       = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555"
  node_type         = "cache.t4g.micro"
  members           = 1
  log_group_names   = { slow-log = "/elasticache/ohmycoins-staging-redis/slow-log" }
}

run "redis_7_that_evicts_and_speaks_tls" {
  command = plan

  assert {
    condition     = aws_elasticache_replication_group.this.replication_group_id == "ohmycoins-staging-redis" && startswith(aws_elasticache_replication_group.this.engine_version, "7.")
    error_message = "The replication group is <prefix>-redis, Redis 7."
  }

  assert {
    condition     = aws_elasticache_replication_group.this.transit_encryption_enabled && aws_elasticache_replication_group.this.transit_encryption_mode == "required"
    error_message = "Nothing speaks to it without TLS."
  }

  assert {
    condition     = one([for parameter in aws_elasticache_parameter_group.this.parameter : parameter.value if parameter.name == "maxmemory-policy"]) == "allkeys-lru"
    error_message = "A cache evicts; it does not refuse writes."
  }
}

run "what_aws_does_to_it_is_told" {
  command = plan

  variables {
    notification_topic_arn = "arn:aws:sns:ap-southeast-2:123456789012:ohmycoins-staging-cache"
  }

  assert {
    condition     = aws_elasticache_replication_group.this.notification_topic_arn == "arn:aws:sns:ap-southeast-2:123456789012:ohmycoins-staging-cache"
    error_message = "Failovers and replaced nodes go to the topic."
  }
}

run "one_member_has_no_failover" {
  command = plan

  assert {
    condition     = !aws_elasticache_replication_group.this.automatic_failover_enabled && output.member_ids == ["ohmycoins-staging-redis-001"]
    error_message = "There is nobody to fail over to."
  }
}

run "two_members_fail_over" {
  command = plan

  variables {
    members = 2
  }

  assert {
    condition     = aws_elasticache_replication_group.this.automatic_failover_enabled && aws_elasticache_replication_group.this.multi_az_enabled
    error_message = "The replica takes over."
  }

  # The runbook asks describe-cache-clusters for the replication group; only the members answer it and have metrics.
  assert {
    condition     = output.member_ids == ["ohmycoins-staging-redis-001", "ohmycoins-staging-redis-002"]
    error_message = "Members are named -001, -002."
  }
}

run "a_log_type_that_is_none_is_refused" {
  command = plan

  variables {
    log_group_names = { audit-log = "/elasticache/x" }
  }

  expect_failures = [var.log_group_names]
}

run "no_member_is_refused" {
  command = plan

  variables {
    members = 0
  }

  expect_failures = [var.members]
}

run "an_instance_class_is_no_node_type" {
  command = plan

  variables {
    node_type = "db.t4g.micro"
  }

  expect_failures = [var.node_type]
}

run "more_members_than_an_alarm_can_watch_are_refused" {
  command = plan

  variables {
    members = 6
  }

  expect_failures = [var.members]
}

run "a_window_at_a_quarter_past_24_is_refused" {
  command = plan

  variables {
    maintenance_window = "sat:24:15-sun:01:15"
  }

  expect_failures = [var.maintenance_window]
}
