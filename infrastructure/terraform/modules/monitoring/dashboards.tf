locals {
  dashboard_services = sort(keys(var.services))

  # A graph as data: its title, its statistic and its lines. main columns are placed below.
  infrastructure_graphs = [
    {
      title = "ECS: CPU (%)", stat = "Average"
      lines = [for service in local.dashboard_services : ["AWS/ECS", "CPUUtilization", "ClusterName", var.cluster_name, "ServiceName", service]]
    },
    {
      title = "ECS: memory (%)", stat = "Average"
      lines = [for service in local.dashboard_services : ["AWS/ECS", "MemoryUtilization", "ClusterName", var.cluster_name, "ServiceName", service]]
    },
    {
      title = "ECS: task count, running and desired", stat = "Maximum"
      lines = [
        for pair in setproduct(local.dashboard_services, ["RunningTaskCount", "DesiredTaskCount"]) :
        ["ECS/ContainerInsights", pair[1], "ClusterName", var.cluster_name, "ServiceName", pair[0]]
      ]
    },
    {
      title = "ALB: requests", stat = "Sum"
      lines = [["AWS/ApplicationELB", "RequestCount", "LoadBalancer", var.load_balancer_arn_suffix]]
    },
    {
      title = "ALB: response time p95 (s)", stat = "p95"
      lines = [
        for service in local.dashboard_services :
        ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.load_balancer_arn_suffix, "TargetGroup", var.services[service].target_group_arn_suffix]
      ]
    },
    {
      title = "ALB: errors", stat = "Sum"
      lines = [
        for metric in ["HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count", "HTTPCode_Target_4XX_Count"] :
        ["AWS/ApplicationELB", metric, "LoadBalancer", var.load_balancer_arn_suffix]
      ]
    },
    {
      title = "ALB: healthy and unhealthy targets", stat = "Minimum"
      lines = [
        for pair in setproduct(local.dashboard_services, ["HealthyHostCount", "UnHealthyHostCount"]) :
        ["AWS/ApplicationELB", pair[1], "LoadBalancer", var.load_balancer_arn_suffix, "TargetGroup", var.services[pair[0]].target_group_arn_suffix]
      ]
    },
    {
      title = "RDS: connections", stat = "Maximum"
      lines = [["AWS/RDS", "DatabaseConnections", "DBInstanceIdentifier", var.database.identifier]]
    },
    {
      title = "RDS: CPU (%)", stat = "Average"
      lines = [["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", var.database.identifier]]
    },
    {
      title = "RDS: free storage (bytes)", stat = "Minimum"
      lines = [["AWS/RDS", "FreeStorageSpace", "DBInstanceIdentifier", var.database.identifier]]
    },
    {
      title = "Redis: cache hits and misses", stat = "Sum"
      lines = [for pair in setproduct(var.cache_member_ids, ["CacheHits", "CacheMisses"]) : ["AWS/ElastiCache", pair[1], "CacheClusterId", pair[0]]]
    },
    {
      title = "Redis: evictions", stat = "Sum"
      lines = [for id in var.cache_member_ids : ["AWS/ElastiCache", "Evictions", "CacheClusterId", id]]
    },
  ]

  infrastructure_widgets = concat(
    [{
      type = "alarm", x = 0, y = 0, width = 24, height = 3
      properties = {
        title  = "Alarms"
        alarms = concat([for name in sort(keys(local.alarms)) : merge(module.alarms.alarms, module.service_alarms.alarms)[name].arn], [for name in sort(keys(local.composite_alarms)) : aws_cloudwatch_composite_alarm.this[name].arn])
      }
    }],
    # Three columns of eight, six rows high each, below the alarms.
    [
      for index, graph in local.infrastructure_graphs : {
        type       = "metric", x = 8 * (index % 3), y = 3 + 6 * floor(index / 3), width = 8, height = 6
        properties = { title = graph.title, region = var.region, view = "timeSeries", stacked = false, stat = graph.stat, period = 60, metrics = graph.lines }
      }
    ],
  )

  log_sources = join(" | ", [for group in local.application_log_groups : "SOURCE '${group}'"])

  application_widgets = [
    {
      type = "metric", x = 0, y = 0, width = 12, height = 6
      properties = {
        title = "API response times: average, p95, p99 (s)", region = var.region, view = "timeSeries", stacked = false, period = 60
        metrics = [
          for stat in ["Average", "p95", "p99"] :
          ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.load_balancer_arn_suffix, "TargetGroup", var.services["backend"].target_group_arn_suffix, { stat = stat, label = stat }]
        ]
      }
    },
    {
      type = "metric", x = 12, y = 0, width = 12, height = 6
      properties = {
        title = "Requests a minute", region = var.region, view = "timeSeries", stacked = true, period = 60, stat = "Sum"
        metrics = [
          for service in local.dashboard_services :
          ["AWS/ApplicationELB", "RequestCount", "LoadBalancer", var.load_balancer_arn_suffix, "TargetGroup", var.services[service].target_group_arn_suffix, { label = service }]
        ]
      }
    },
    {
      type       = "log", x = 0, y = 6, width = 24, height = 6
      properties = { title = "Request rates by endpoint", region = var.region, view = "table", query = "${local.log_sources} | ${trimspace(local.requests_by_endpoint)}" }
    },
    {
      type       = "log", x = 0, y = 12, width = 24, height = 9
      properties = { title = "Application errors", region = var.region, view = "table", query = "${local.log_sources} | ${trimspace(local.recent_errors)}" }
    },
  ]
}

resource "aws_cloudwatch_dashboard" "infrastructure" {
  dashboard_name = "${var.name}-infrastructure"
  dashboard_body = jsonencode({ widgets = local.infrastructure_widgets })
}

resource "aws_cloudwatch_dashboard" "application" {
  dashboard_name = "${var.name}-application"
  dashboard_body = jsonencode({ widgets = local.application_widgets })
}
