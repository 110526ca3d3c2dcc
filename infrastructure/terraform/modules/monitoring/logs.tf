locals {
  # Every log group but the flow log's, which the audit module keeps. They exist before what writes to them: a group
  # that AWS makes by itself is neither encrypted nor ever expires. RDSOSMetrics is not among them: RDS keeps one
  # for all databases of an account, and a destroy would take it from them.
  log_groups = merge(
    { for service in keys(var.services) : service => "/ecs/${var.name}/${service}" },
    {
      exec               = "/ecs/${var.name}/exec"
      container-insights = "/aws/ecs/containerinsights/${var.name}/performance"
      database           = "/aws/rds/instance/${var.name}/postgresql"
      database-upgrade   = "/aws/rds/instance/${var.name}/upgrade"
      cache-slow         = "/elasticache/${var.name}-redis/slow-log"
      cache-engine       = "/elasticache/${var.name}-redis/engine-log"
      firewall           = "aws-waf-logs-${var.name}"
    },
    var.run_responder ? { responder = "/ecs/${var.name}/responder" } : {},
    var.responder_database == null ? {} : {
      responder-database         = "/aws/rds/instance/${var.responder_database}/postgresql"
      responder-database-upgrade = "/aws/rds/instance/${var.responder_database}/upgrade"
    },
  )

  # AWS's services make these by themselves where they aren't there: also after a destroy, by what they write late.
  made_by_aws = {
    for key, name in local.log_groups : key => name
    if contains(["container-insights", "database", "database-upgrade", "cache-slow", "cache-engine", "responder-database", "responder-database-upgrade"], key)
  }
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.log_groups

  name              = each.value
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn

  tags = { Name = each.value }
}

locals {
  application_log_groups = [for service in sort(keys(var.services)) : local.log_groups[service]]

  # The runbook's query as it stands; dashboards and saved queries share it.
  recent_errors = <<-QUERY
    fields @timestamp, @message
    | filter @message like /ERROR/
    | sort @timestamp desc
    | limit 100
  QUERY

  requests_by_endpoint = <<-QUERY
    filter logger = "http"
    | stats count(*) as requests, avg(duration_ms) as average_ms, pct(duration_ms, 95) as p95_ms by method, path
    | sort requests desc
    | limit 50
  QUERY

  saved_queries = {
    recent-errors        = { groups = local.application_log_groups, query = local.recent_errors }
    requests-by-endpoint = { groups = local.application_log_groups, query = local.requests_by_endpoint }
    slow-requests = {
      groups = local.application_log_groups
      query  = <<-QUERY
        fields @timestamp, method, path, status, duration_ms, request_id
        | filter logger = "http" and duration_ms > 1000
        | sort duration_ms desc
        | limit 100
      QUERY
    }
    errors-by-message = {
      groups = local.application_log_groups
      query  = <<-QUERY
        filter level = "ERROR"
        | stats count(*) as times, latest(@timestamp) as last by message
        | sort times desc
        | limit 50
      QUERY
    }
    slow-statements = {
      groups = [local.log_groups["database"]]
      query  = <<-QUERY
        fields @timestamp, @message
        | filter @message like /duration:/
        | parse @message /duration: (?<duration_ms>[0-9.]+) ms/
        | sort duration_ms desc
        | limit 100
      QUERY
    }
    slow-cache-commands = {
      groups = [local.log_groups["cache-slow"]]
      query  = <<-QUERY
        fields @timestamp, @message
        | sort @timestamp desc
        | limit 100
      QUERY
    }
    nat-top-talkers = {
      groups = [var.flow_log_group_name]
      query  = <<-QUERY
        fields srcAddr, dstAddr, bytes
        | stats sum(bytes) as totalBytes by srcAddr, dstAddr
        | sort totalBytes desc
        | limit 50
      QUERY
    }
    blocked-connections = {
      groups = [var.flow_log_group_name]
      query  = <<-QUERY
        filter action = "REJECT"
        | stats count(*) as attempts by srcAddr, dstAddr, dstPort
        | sort attempts desc
        | limit 50
      QUERY
    }
    exec-sessions = {
      groups = [local.log_groups["exec"]]
      query  = <<-QUERY
        fields @timestamp, @logStream, @message
        | sort @timestamp desc
        | limit 200
      QUERY
    }
  }
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = local.saved_queries

  name            = "${var.name}/${each.key}"
  log_group_names = each.value.groups
  query_string    = trimspace(each.value.query)

  # The groups must exist before a query names them.
  depends_on = [aws_cloudwatch_log_group.this]
}
