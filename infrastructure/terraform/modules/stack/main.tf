data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  name       = "ohmycoins-${var.environment}"
  account_id = data.aws_caller_identity.current.account_id
  region     = data.aws_region.current.name

  ports = { backend = 8000, frontend = 80 }

  # The images know no curl; Python they have. HOST is where the application listens when it isn't everywhere. It runs
  # every few seconds in each task, and loading urllib would take most of its processor time. The answer is read to its
  # end, or the application would see its connection torn.
  health_check_command = {
    for service, path in { backend = "/health/live", frontend = "/health" } : service => [
      "CMD", "python", "-I", "-S", "-c",
      <<-EOT
        import os, socket
        s = socket.create_connection((os.environ.get('HOST', '127.0.0.1'), os.environ['PORT']), 4)
        s.sendall(b'GET ${path} HTTP/1.0\r\n\r\n')
        assert s.makefile('rb').read()[8:13] == b' 200 '
      EOT
    ]
  }

  # RDS gives its master user a new password every seven days, at a time that nobody here chooses. Only the migration
  # logs in with it, in a task that reads it as it starts.
  master_password = "${module.database.master_secret_arn}:password::"
}

module "encryption" {
  source = "../encryption"

  name                 = local.name
  account_id           = local.account_id
  region               = local.region
  deletion_window_days = var.protected ? 30 : 7
}

module "network" {
  source = "../network"

  name               = local.name
  region             = local.region
  cidr               = var.network.cidr
  availability_zones = var.network.availability_zones
  nat_gateways       = var.network.nat_gateways
}

module "security" {
  source = "../security"

  name          = local.name
  vpc_id        = module.network.vpc_id
  backend_port  = local.ports.backend
  frontend_port = local.ports.frontend
  allowed_cidrs = var.allowed_cidrs
}

module "audit" {
  source = "../audit"

  name          = local.name
  account_id    = local.account_id
  region        = local.region
  vpc_id        = module.network.vpc_id
  kms_key_arn   = module.encryption.operations_key_arn
  force_destroy = !var.protected
}

module "athena" {
  source = "../athena"
  count  = var.athena_enabled ? 1 : 0

  name              = local.name
  account_id        = local.account_id
  region            = local.region
  vpc_id            = module.network.vpc_id
  access_log_bucket = module.load_balancer.access_log_bucket
  force_destroy     = !var.protected
}

module "monitoring" {
  source = "../monitoring"

  name                     = local.name
  environment              = var.environment
  account_id               = local.account_id
  region                   = local.region
  responder                = var.responder
  run_responder            = var.run_responder
  responder_database       = local.responder_database
  responder_service        = one(module.responder[*].service_name)
  kms_key_arn              = module.encryption.operations_key_arn
  log_retention_days       = var.log_retention_days
  flow_log_group_name      = module.audit.flow_log_group_name
  cluster_name             = local.name
  load_balancer_arn_suffix = module.load_balancer.arn_suffix
  cache_member_ids         = module.cache.member_ids
  alarm_periods            = var.timing.alarm_periods
  service_names            = { for service, made in module.service : service => made.name }
  alert_emails             = var.alert_emails
  traffic_floors           = var.traffic_floors

  services = {
    for service, settings in var.services : service => {
      maximum                 = settings.maximum
      target_group_arn_suffix = module.load_balancer.target_group_arn_suffixes[service]
    }
  }

  database = {
    identifier      = module.database.identifier
    max_connections = var.database.max_connections
    storage_gb      = var.database.storage_gb
    memory_mib      = var.database.memory_mib
  }
}

module "secrets" {
  source = "../secrets"

  name                 = local.name
  kms_key_arn          = module.encryption.data_key_arn
  secret_key           = var.secret_key
  secret_key_version   = var.secret_key_version
  recovery_window_days = var.protected ? 30 : 0

  database_passwords        = var.database_passwords
  database_password_version = var.database_password_version
}

module "database" {
  source = "../database"

  name                  = local.name
  account_id            = local.account_id
  subnet_ids            = module.network.data_subnet_ids
  security_group_id     = module.security.group_ids["database"]
  kms_key_arn           = module.encryption.data_key_arn
  log_group_names       = [for key in ["database", "database-upgrade"] : module.monitoring.log_groups[key].name]
  instance_class        = var.database.instance_class
  max_connections       = var.database.max_connections
  allocated_storage_gb  = var.database.storage_gb
  multi_az              = var.database.multi_az
  backup_retention_days = var.database.backup_retention_days
  maintenance_window    = var.maintenance_window
  deletion_protection   = var.protected
  apply_immediately     = !var.protected
}

module "cache" {
  source = "../cache"

  name                    = local.name
  subnet_ids              = module.network.data_subnet_ids
  security_group_id       = module.security.group_ids["cache"]
  kms_key_arn             = module.encryption.data_key_arn
  node_type               = var.cache.node_type
  members                 = var.cache.members
  snapshot_retention_days = var.cache.snapshot_retention_days
  maintenance_window      = var.maintenance_window
  apply_immediately       = !var.protected
  notification_topic_arn  = module.monitoring.cache_topic_arn

  log_group_names = {
    slow-log   = module.monitoring.log_groups["cache-slow"].name
    engine-log = module.monitoring.log_groups["cache-engine"].name
  }
}

module "load_balancer" {
  source = "../load-balancer"

  name                 = local.name
  account_id           = local.account_id
  vpc_id               = module.network.vpc_id
  subnet_ids           = module.network.public_subnet_ids
  security_group_id    = module.security.group_ids["load-balancer"]
  domain_name          = var.domain_name
  zone_id              = var.zone_id
  certificate_arn      = var.certificate_arn
  deletion_protection  = var.protected
  default_service      = "frontend"
  health_check         = var.timing.target_health_check
  deregistration_delay = var.timing.deregistration_delay

  services = {
    backend  = { port = local.ports.backend, health_path = "/health/ready", paths = ["/api/*"], priority = 10 }
    frontend = { port = local.ports.frontend, health_path = "/health" }
  }
}

module "firewall" {
  source = "../firewall"

  name              = local.name
  load_balancer_arn = module.load_balancer.arn
  log_group_arn     = module.monitoring.log_groups["firewall"].arn
}

module "endpoints" {
  source = "../endpoints"
  count  = var.interface_endpoints ? 1 : 0

  name              = local.name
  account_id        = local.account_id
  region            = local.region
  vpc_id            = module.network.vpc_id
  subnet_ids        = module.network.app_subnet_ids
  security_group_id = module.security.group_ids["endpoints"]
}

module "cluster" {
  source = "../cluster"

  name                = local.name
  kms_key_arn         = module.encryption.data_key_arn
  exec_log_group_name = module.monitoring.log_groups["exec"].name
}
