output "environment" {
  description = "Environment."
  value       = var.environment
}

output "cluster_name" {
  description = "ECS cluster."
  value       = module.cluster.name
}

output "services" {
  description = "Each ECS service: its name, family, first revision and limits."
  value = {
    for service, made in module.service : service => {
      name                   = made.name
      arn                    = made.arn
      task_definition_family = made.task_definition_family
      task_definition_arn    = made.task_definition_arn
      migration_family       = made.migration_family
      execution_role_arn     = made.execution_role_arn
      task_role_arn          = made.task_role_arn
      scaling                = made.scaling
      target_group_arn       = module.load_balancer.target_group_arns[service]
      security_group_id      = module.security.group_ids[service]
      log_group              = module.monitoring.log_groups[service].name
    }
  }
}

output "load_balancer" {
  description = "The load balancer."
  value = {
    arn        = module.load_balancer.arn
    arn_suffix = module.load_balancer.arn_suffix
    dns_name   = module.load_balancer.dns_name
    url        = module.load_balancer.url
    log_bucket = module.load_balancer.access_log_bucket
  }
}

output "database" {
  description = "The database: identifier for rds and alarms, resource id for Performance Insights, and where to connect. The master password's secret is named, not read."
  value = {
    identifier           = module.database.identifier
    resource_id          = module.database.resource_id
    arn                  = module.database.arn
    address              = module.database.address
    port                 = module.database.port
    name                 = module.database.database_name
    username             = module.database.username
    max_connections      = module.database.max_connections
    parameter_group_name = module.database.parameter_group_name
    master_secret_arn    = module.database.master_secret_arn
    security_group_id    = module.security.group_ids["database"]
  }
}

output "cache" {
  description = "The cache: its replication group, the members that have metrics, and where to connect."
  value = {
    replication_group_id = module.cache.replication_group_id
    member_ids           = module.cache.member_ids
    address              = module.cache.primary_address
    port                 = module.cache.port
    security_group_id    = module.security.group_ids["cache"]
  }
}

output "network" {
  description = "The VPC, its subnets by tier, and its NAT gateways with the interfaces that flow logs know them by."
  value = {
    vpc_id                    = module.network.vpc_id
    public_subnet_ids         = module.network.public_subnet_ids
    app_subnet_ids            = module.network.app_subnet_ids
    data_subnet_ids           = module.network.data_subnet_ids
    app_route_table_ids       = module.network.app_route_table_ids
    nat_gateway_ids           = module.network.nat_gateway_ids
    nat_network_interface_ids = module.network.nat_network_interface_ids
    nat_public_ips            = module.network.nat_public_ips
    s3_endpoint_id            = module.network.s3_endpoint_id
    interface_endpoint_ids    = try(module.endpoints[0].endpoint_ids, {})
  }
}

output "alerts" {
  description = "Topic of each severity and of the cache, the queue that the responder reads, and the one for what it failed on or never got."
  value = {
    topic_arns            = module.monitoring.topic_arns
    cache_topic_arn       = module.monitoring.cache_topic_arn
    queue_url             = module.monitoring.alert_queue_url
    queue_arn             = module.monitoring.alert_queue_arn
    dead_letter_queue_url = module.monitoring.dead_letter_queue_url
  }
}

output "responder" {
  description = "The responder's service, its cluster, its role and its database; null where it doesn't run here."
  value       = one([for made in module.responder : { service = made.service_name, cluster = made.cluster_name, task_role_arn = made.task_role_arn, security_group_id = made.security_group_id, database = made.database_identifier }])
}

output "alarm_names" {
  description = "Full name of each alarm."
  value       = module.monitoring.alarm_names
}

output "dashboards" {
  description = "Names of the dashboards."
  value       = module.monitoring.dashboard_names
}

output "log_groups" {
  description = "Name of each log group."
  value = merge(
    { for key, group in module.monitoring.log_groups : key => group.name },
    { flow = module.audit.flow_log_group_name },
  )
}

output "audit" {
  description = "The trail and its bucket."
  value       = { trail_arn = module.audit.trail_arn, bucket = module.audit.bucket, record_log_group = module.audit.record_log_group_name }
}

output "secret_key_name" {
  description = "Name of the secret that holds SECRET_KEY."
  value       = module.secrets.secret_key_name
}

output "log_groups_made_by_aws" {
  description = "Names of the log groups that AWS's services make by themselves where they are missing, by what writes to them. Known before anything is applied."
  value       = module.monitoring.log_groups_made_by_aws
}

output "account_id" {
  description = "Account of the stack."
  value       = local.account_id
}

output "data_key_arn" {
  description = "Key of the data: storage, backups, secrets."
  value       = module.encryption.data_key_arn
}
