locals {
  # Known before it is made: what RDS exports its logs to must be there first.
  responder_database = var.run_responder && try(var.responder_service.store_url_secret_arn, null) == null ? "${local.name}-responder" : null
}

# omc itself, where it is to run beside the stack. Off, alarms wait in the queue for a responder that runs elsewhere.
module "responder" {
  source = "../responder"
  count  = var.run_responder ? 1 : 0

  name                = local.name
  environment         = var.environment
  account_id          = local.account_id
  region              = local.region
  protected           = var.protected
  image               = var.responder_service.image
  repository_arn      = "arn:${data.aws_partition.current.partition}:ecr:${local.region}:${local.account_id}:repository/ohmycoins/responder"
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.app_subnet_ids
  database_subnet_ids = module.network.data_subnet_ids
  data_key_arn        = module.encryption.data_key_arn
  operations_key_arn  = module.encryption.operations_key_arn
  queue_arn           = module.monitoring.alert_queue_arn
  log_group           = module.monitoring.log_groups["responder"]
  log_groups_read     = [for key in concat(keys(var.services), ["database", "cache-slow", "cache-engine"]) : module.monitoring.log_groups[key].name]

  database_log_group_names  = [for key in ["responder-database", "responder-database-upgrade"] : module.monitoring.log_groups[key].name if local.responder_database != null]
  secrets                   = var.responder_service.secrets
  store_url_secret_arn      = var.responder_service.store_url_secret_arn
  store_port                = var.responder_service.store_port
  database                  = { multi_az = var.environment == "production", backup_retention_days = var.database.backup_retention_days }
  database_password         = var.responder_password
  database_password_version = var.responder_service.database_password_version
  maintenance_window        = var.maintenance_window
  sms                       = var.responder_service.sms
  smtp_port                 = var.responder_service.smtp_port
  worker_policy_arns        = var.responder_service.worker_policy_arns

  api = var.responder_service.host == null ? null : {
    host                            = var.responder_service.host
    listener_arn                    = module.load_balancer.https_listener_arn
    load_balancer_security_group_id = module.security.group_ids["load-balancer"]
  }
}
