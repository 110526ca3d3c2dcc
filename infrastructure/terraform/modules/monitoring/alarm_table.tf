# The alarms as data: this file says what is watched, the alarms module makes them. A row without an expression watches
# its one metric; with one, the metrics are its variables. Every period is 60 s ("standard") or 300 s ("slow") unless
# alarm_periods says otherwise.

locals {
  database_dimensions      = { DBInstanceIdentifier = var.database.identifier }
  load_balancer_dimensions = { LoadBalancer = var.load_balancer_arn_suffix }

  cache_suffixes = [for id in var.cache_member_ids : substr(id, -3, 3)]

  # Redis has metrics for each member only, never for the replication group: one variable for each member.
  cache_metrics = {
    for metric in ["CacheHits", "CacheMisses", "DatabaseMemoryUsagePercentage", "Evictions", "EngineCPUUtilization"] : metric => {
      for index, id in var.cache_member_ids : "${lower(metric)}_${local.cache_suffixes[index]}" => {
        namespace  = "AWS/ElastiCache"
        metric     = metric
        dimensions = { CacheClusterId = id }
      }
    }
  }

  hits   = join(" + ", [for id in keys(local.cache_metrics["CacheHits"]) : "FILL(${id}, 0)"])
  misses = join(" + ", [for id in keys(local.cache_metrics["CacheMisses"]) : "FILL(${id}, 0)"])

  database_alarms = {
    rds-connections-high = {
      service = "database", severity = "SEV-2", runbook = "alerts.md#database-connection-failures"
      summary = "More than 80 % of the database's ${var.database.max_connections} connections are taken"
      metrics = { connections = { namespace = "AWS/RDS", metric = "DatabaseConnections", stat = "Maximum", dimensions = local.database_dimensions } }
      # floor(0.8 × max_connections), of the value that the parameter group really sets.
      comparison = ">", threshold = floor(0.8 * var.database.max_connections)
      datapoints = 5, evaluations = 5, missing = "missing"
    }
    rds-no-data = {
      service    = "database", severity = "SEV-2", runbook = "troubleshooting.md#issue-database-connection-timeout"
      summary    = "The database has sent no metrics: it is stopped, or it is gone"
      metrics    = { cpu = { namespace = "AWS/RDS", metric = "CPUUtilization", stat = "SampleCount", dimensions = local.database_dimensions } }
      comparison = "<", threshold = 1
      datapoints = 5, evaluations = 5, missing = "breaching"
    }
    # Not in the runbook; the three thresholds are those of AWS's recommended alarms for RDS, but for memory: its 25 %
    # never holds on instances this small, where PostgreSQL's own share leaves less.
    rds-cpu-high = {
      service    = "database", severity = "SEV-3", runbook = "alerts.md#database-connection-failures"
      summary    = "The database's CPU is above 90 %"
      metrics    = { cpu = { namespace = "AWS/RDS", metric = "CPUUtilization", stat = "Average", dimensions = local.database_dimensions } }
      comparison = ">", threshold = 90
      datapoints = 15, evaluations = 15, missing = "missing"
    }
    rds-storage-low = {
      service    = "database", severity = "SEV-2", runbook = "alerts.md#database-connection-failures"
      summary    = "Less than 10 % of the database's storage is free"
      metrics    = { free = { namespace = "AWS/RDS", metric = "FreeStorageSpace", stat = "Minimum", dimensions = local.database_dimensions } }
      comparison = "<", threshold = floor(0.1 * var.database.storage_gb * 1073741824)
      datapoints = 5, evaluations = 5, missing = "missing"
    }
    rds-memory-low = {
      service    = "database", severity = "SEV-3", runbook = "alerts.md#database-connection-failures"
      summary    = "Less than 5 % of the database's memory is free"
      metrics    = { free = { namespace = "AWS/RDS", metric = "FreeableMemory", stat = "Average", dimensions = local.database_dimensions } }
      comparison = "<", threshold = floor(0.05 * var.database.memory_mib * 1048576)
      datapoints = 15, evaluations = 15, missing = "missing"
    }
    # Not in the runbook; at 2,144 million PostgreSQL refuses whatever needs a new transaction id. Half of them are left,
    # days of even a busy stack's.
    rds-transaction-ids-old = {
      service    = "database", severity = "SEV-3", runbook = "alerts.md#track-slow-queries"
      summary    = "The database's oldest transaction id is more than 1,000 million old: vacuuming is far behind"
      metrics    = { age = { namespace = "AWS/RDS", metric = "MaximumUsedTransactionIDs", stat = "Maximum", dimensions = local.database_dimensions } }
      comparison = ">", threshold = 1000000000
      datapoints = 5, evaluations = 5, missing = "missing"
    }
  }

  # RequestCount counts what targets answered, so in a full outage it is near zero and a ratio to it stays green. A count
  # that is zero is not published, hence FILL. A filled point may only be late, so no alarm that fills wants every point:
  # the alarms module refuses one.
  answers = ["HTTPCode_Target_2XX_Count", "HTTPCode_Target_3XX_Count", "HTTPCode_Target_4XX_Count", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"]
  answer_metrics = {
    for index, metric in local.answers : ["t2", "t3", "t4", "t5", "e5"][index] => {
      namespace = "AWS/ApplicationELB", metric = metric, stat = "Sum", dimensions = local.load_balancer_dimensions
    }
  }
  total_answers = join(" + ", [for id in ["t2", "t3", "t4", "t5", "e5"] : "FILL(${id}, 0)"])

  load_balancer_alarms = {
    alb-5xx-percent = {
      service    = "load-balancer", severity = "SEV-2", runbook = "alerts.md#high-error-rate-5xx"
      summary    = "More than 5 % of the answers are 5xx"
      metrics    = local.answer_metrics
      expression = "IF(${local.total_answers} >= ${var.traffic_floors.requests}, 100 * (FILL(t5, 0) + FILL(e5, 0)) / (${local.total_answers}), 0)"
      comparison = ">", threshold = 5
      datapoints = 3, evaluations = 5, missing = "notBreaching"
    }
    alb-elb-5xx = {
      service    = "load-balancer", severity = "SEV-2", runbook = "alerts.md#high-error-rate-5xx"
      summary    = "The load balancer itself answers 5xx: it finds nobody to ask"
      metrics    = { errors = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", stat = "Sum", dimensions = local.load_balancer_dimensions } }
      comparison = ">", threshold = 10
      datapoints = 3, evaluations = 3, missing = "notBreaching"
    }
    # Not in the runbook; a page that takes a second is where people notice.
    alb-latency-high = {
      service    = "load-balancer", severity = "SEV-3", runbook = "alerts.md#high-error-rate-5xx"
      summary    = "One answer in twenty takes longer than a second"
      metrics    = { latency = { namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", stat = "p95", dimensions = local.load_balancer_dimensions } }
      comparison = ">", threshold = 1
      datapoints = 5, evaluations = 5, missing = "notBreaching"
    }
  }

  ecs_dimensions = { for service in keys(var.services) : service => { ClusterName = var.cluster_name, ServiceName = service } }

  # These tell of silence.
  after_services = concat(
    [for service in keys(var.services) : "${service}-no-healthy"],
    [for service in keys(var.services) : "${service}-tasks-short"],
    var.run_responder ? ["responder-tasks-short"] : [],
    var.responder_database == null ? [] : ["responder-database-no-data"],
  )

  target_dimensions = {
    for service, settings in var.services : service => { LoadBalancer = var.load_balancer_arn_suffix, TargetGroup = settings.target_group_arn_suffix }
  }

  desired_metric = {
    for service in keys(var.services) : service => { namespace = "ECS/ContainerInsights", metric = "DesiredTaskCount", stat = "Maximum", dimensions = local.ecs_dimensions[service] }
  }

  running_metric = {
    for service in keys(var.services) : service => { namespace = "ECS/ContainerInsights", metric = "RunningTaskCount", stat = "Maximum", dimensions = local.ecs_dimensions[service] }
  }

  service_alarms = merge([
    for service, settings in var.services : {
      "${service}-unhealthy" = {
        service    = service, severity = "SEV-2", runbook = "alerts.md#service-unhealthy"
        summary    = "Tasks of ${service} fail their health checks"
        metrics    = { unhealthy = { namespace = "AWS/ApplicationELB", metric = "UnHealthyHostCount", stat = "Maximum", dimensions = local.target_dimensions[service] } }
        comparison = ">", threshold = 0
        datapoints = 3, evaluations = 3, missing = "notBreaching"
      }
      # Scaled to zero on purpose is not an outage; no running task is one. Where tasks run and nothing is known of their
      # health, the load balancer's metric is late: Container Insights and it come by different ways, and a late minute is
      # no outage. Desired and running are not filled, so that a minute without both is no reading. Three of five: one
      # minute that comes late, or a start, calls nobody.
      "${service}-no-healthy" = {
        service = service, severity = "SEV-1", runbook = "alerts.md#service-unhealthy"
        summary = "No task of ${service} is healthy: the service is down"
        metrics = {
          desired = local.desired_metric[service]
          running = local.running_metric[service]
          healthy = { namespace = "AWS/ApplicationELB", metric = "HealthyHostCount", stat = "Minimum", dimensions = local.target_dimensions[service] }
        }
        expression = "IF(desired < 1, 1, IF(running < 1, 0, FILL(healthy, 1)))"
        comparison = "<", threshold = 1
        datapoints = 3, evaluations = 5, missing = "missing", tells_silence = true
      }
      "${service}-tasks-short" = {
        service = service, severity = "SEV-2", runbook = "troubleshooting.md#issue-ecs-tasks-keep-restarting"
        summary = "Fewer tasks of ${service} run than are wanted"
        metrics = {
          desired = local.desired_metric[service]
          running = local.running_metric[service]
        }
        expression = "desired - running"
        comparison = ">", threshold = 0
        datapoints = 10, evaluations = 10, missing = "missing", tells_silence = true
      }
      # Scaling holds 70 %; fifteen minutes above 80 mean that it failed or is capped.
      "${service}-cpu-high" = {
        service    = service, severity = "SEV-3", runbook = "alerts.md#high-cpu-usage"
        summary    = "CPU of ${service} is above 80 %, though scaling holds 70"
        metrics    = { cpu = { namespace = "AWS/ECS", metric = "CPUUtilization", stat = "Average", dimensions = local.ecs_dimensions[service] } }
        comparison = ">", threshold = 80
        datapoints = 15, evaluations = 15, missing = "missing"
      }
      # One half of the composite below; by itself, a word that there is no room left to scale.
      "${service}-capacity-reached" = {
        service    = service, severity = "SEV-3", runbook = "alerts.md#high-cpu-usage"
        summary    = "${service} runs its maximum of ${settings.maximum} tasks"
        metrics    = { running = { namespace = "ECS/ContainerInsights", metric = "RunningTaskCount", stat = "Minimum", dimensions = local.ecs_dimensions[service] } }
        comparison = ">=", threshold = settings.maximum
        datapoints = 5, evaluations = 5, missing = "notBreaching"
      }
    }
  ]...)

  composite_alarms = {
    for service, settings in var.services : "${service}-at-max" => {
      service  = service, severity = "SEV-2", runbook = "alerts.md#high-cpu-usage"
      summary  = "${service} is overloaded and already runs its maximum of ${settings.maximum} tasks"
      children = ["${service}-cpu-high", "${service}-capacity-reached"]
    }
  }

  cache_alarms = {
    redis-hit-rate-low = {
      service    = "cache", severity = "SEV-3", runbook = "alerts.md#redis-cache-hit-rate-low"
      summary    = "Fewer than 70 % of the look-ups find what they want in the cache"
      metrics    = { for id, metric in merge(local.cache_metrics["CacheHits"], local.cache_metrics["CacheMisses"]) : id => merge(metric, { stat = "Sum" }) }
      expression = "IF(${local.hits} + ${local.misses} >= ${var.traffic_floors.cache_lookups}, 100 * (${local.hits}) / (${local.hits} + ${local.misses}), 100)"
      comparison = "<", threshold = 70
      period     = "slow", datapoints = 3, evaluations = 5, missing = "notBreaching"
    }
    # Not in the runbook; memory and engine CPU are AWS's recommended alarms for ElastiCache. A cache with allkeys-lru
    # evicts as a matter of course: only a flood of evictions is worth a word.
    redis-memory-high = {
      service    = "cache", severity = "SEV-3", runbook = "alerts.md#redis-cache-hit-rate-low"
      summary    = "A member's memory is more than 90 % full: evictions are near"
      metrics    = { for id, metric in local.cache_metrics["DatabaseMemoryUsagePercentage"] : id => merge(metric, { stat = "Maximum" }) }
      expression = "MAX([${join(", ", keys(local.cache_metrics["DatabaseMemoryUsagePercentage"]))}])"
      comparison = ">", threshold = 90
      datapoints = 15, evaluations = 15, missing = "missing"
    }
    redis-evictions-high = {
      service    = "cache", severity = "SEV-3", runbook = "alerts.md#redis-cache-hit-rate-low"
      summary    = "The cache throws out more than ${var.traffic_floors.cache_lookups} keys a period: it is too small for what is read"
      metrics    = { for id, metric in local.cache_metrics["Evictions"] : id => merge(metric, { stat = "Sum" }) }
      expression = join(" + ", [for id in keys(local.cache_metrics["Evictions"]) : "FILL(${id}, 0)"])
      comparison = ">", threshold = var.traffic_floors.cache_lookups
      period     = "slow", datapoints = 3, evaluations = 5, missing = "notBreaching"
    }
    redis-engine-cpu-high = {
      service    = "cache", severity = "SEV-3", runbook = "alerts.md#redis-cache-hit-rate-low"
      summary    = "A member's one engine thread is above 90 %"
      metrics    = { for id, metric in local.cache_metrics["EngineCPUUtilization"] : id => merge(metric, { stat = "Average" }) }
      expression = "MAX([${join(", ", keys(local.cache_metrics["EngineCPUUtilization"]))}])"
      comparison = ">", threshold = 90
      datapoints = 5, evaluations = 5, missing = "missing"
    }
  }

  # What a responder does is expected where one runs: a heartbeat that nobody sends and a queue that nobody reads are no
  # news elsewhere.
  responders_alarms          = ["heartbeat", "alert-queue-age"]
  expected_operations_alarms = { for name, alarm in local.operations_alarms : name => alarm if var.responder || !contains(local.responders_alarms, name) }

  operations_alarms = {
    # CloudWatch can't see a broken path from alarm to responder: the responder's own pulse goes through it.
    heartbeat = {
      service    = "operations", severity = "SEV-2", runbook = "alerts.md#alert-delivery"
      summary    = "The responder's heartbeat is gone: alerts may reach nobody"
      metrics    = { heartbeat = { namespace = "OhMyCoins/Ops", metric = "Heartbeat", stat = "Sum", dimensions = { Environment = var.environment } } }
      comparison = "<", threshold = 1
      datapoints = 5, evaluations = 5, missing = "breaching"
    }
    alert-delivery = {
      service = "operations", severity = "SEV-2", runbook = "alerts.md#alert-delivery"
      summary = "A notification could not be delivered"
      metrics = {
        for key, topic in merge({ for severity, topic in local.severities : replace(lower(severity), "-", "") => topic }, { cache = local.cache_topic }) : key => {
          namespace = "AWS/SNS", metric = "NumberOfNotificationsFailed", stat = "Sum", dimensions = { TopicName = topic }
        }
      }
      expression = "FILL(cache, 0) + FILL(sev1, 0) + FILL(sev2, 0) + FILL(sev3, 0)"
      comparison = ">", threshold = 0
      period     = "slow", datapoints = 1, evaluations = 3, missing = "notBreaching"
    }
    # Not in the runbook. EventBridge counts here what it could hand over neither to a target nor to the dead-letter queue.
    event-delivery = {
      service = "operations", severity = "SEV-2", runbook = "alerts.md#alert-delivery"
      summary = "EventBridge could not deliver an event"
      metrics = {
        for event in keys(local.events) : replace(event, "-", "_") => {
          namespace = "AWS/Events", metric = "FailedInvocations", stat = "Sum", dimensions = { RuleName = "${var.name}-${event}" }
        }
      }
      expression = join(" + ", [for event in keys(local.events) : "FILL(${replace(event, "-", "_")}, 0)"])
      comparison = ">", threshold = 0
      period     = "slow", datapoints = 1, evaluations = 3, missing = "notBreaching"
    }
    # Not in the runbook. A responder that is well takes an alert within a second; this one is down, hangs, or falls behind.
    # A message that was received more than three times no longer counts: that one ends in the dead-letter queue.
    alert-queue-age = {
      service    = "operations", severity = "SEV-2", runbook = "alerts.md#alert-delivery"
      summary    = "An alert has been waiting for more than two minutes, and nobody takes it"
      metrics    = { age = { namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", stat = "Maximum", dimensions = { QueueName = "${var.name}-alerts" } } }
      comparison = ">", threshold = 120
      datapoints = 3, evaluations = 3, missing = "notBreaching"
    }
    # Not in the runbook; one message here is an alert that nobody acted on, or one that never got as far as the queue.
    alert-dead-letter = {
      service    = "operations", severity = "SEV-2", runbook = "alerts.md#alert-delivery"
      summary    = "An alert ended in the dead-letter queue"
      metrics    = { waiting = { namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", stat = "Maximum", dimensions = { QueueName = "${var.name}-alerts-dead-letter" } } }
      comparison = ">", threshold = 0
      period     = "slow", datapoints = 1, evaluations = 1, missing = "notBreaching"
    }
  }

  # The responder's own tasks. AWS/ECS has a sample a minute of each task's CPU: their number is how many run.
  responder_alarms = {
    responder-tasks-short = {
      service    = "operations", severity = "SEV-2", runbook = "alerts.md#alert-delivery"
      summary    = "Fewer than two tasks of the responder run"
      metrics    = { tasks = { namespace = "AWS/ECS", metric = "CPUUtilization", stat = "SampleCount", dimensions = { ClusterName = "${var.name}-responder", ServiceName = "responder" } } }
      comparison = "<", threshold = 2
      datapoints = 10, evaluations = 10, missing = "missing", tells_silence = true
    }
  }

  responder_database_dimensions = { DBInstanceIdentifier = coalesce(var.responder_database, "none") }

  # Its database, where it has one here.
  responder_database_alarms = {
    responder-database-no-data = {
      service    = "operations", severity = "SEV-2", runbook = "alerts.md#alert-delivery"
      summary    = "The responder's database has sent no metrics: it is stopped, or it is gone"
      metrics    = { cpu = { namespace = "AWS/RDS", metric = "CPUUtilization", stat = "SampleCount", dimensions = local.responder_database_dimensions } }
      comparison = "<", threshold = 1
      datapoints = 5, evaluations = 5, missing = "missing", tells_silence = true
    }
    responder-database-storage-low = {
      service    = "operations", severity = "SEV-2", runbook = "alerts.md#alert-delivery"
      summary    = "Less than 2 GiB of the storage of the responder's database is free"
      metrics    = { free = { namespace = "AWS/RDS", metric = "FreeStorageSpace", stat = "Minimum", dimensions = local.responder_database_dimensions } }
      comparison = "<", threshold = 2147483648
      datapoints = 5, evaluations = 5, missing = "missing"
    }
  }

  alarms = merge(
    local.database_alarms,
    local.load_balancer_alarms,
    local.service_alarms,
    local.cache_alarms,
    local.expected_operations_alarms,
    { for name, alarm in local.responder_alarms : name => alarm if var.run_responder },
    { for name, alarm in local.responder_database_alarms : name => alarm if var.responder_database != null },
  )
}
