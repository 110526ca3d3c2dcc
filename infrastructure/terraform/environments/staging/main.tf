provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project     = "ohmycoins"
      Environment = "staging"
      ManagedBy   = "terraform"
    }
  }
}

# The region of the backups' copies; without one it is used for nothing.
provider "aws" {
  alias  = "copies"
  region = coalesce(var.backup_copies.region, var.region)

  default_tags {
    tags = {
      Project     = "ohmycoins"
      Environment = "staging"
      ManagedBy   = "terraform"
    }
  }
}

# Made anew at each run and written only when secret_key_version is raised; it reaches neither plan nor state.
ephemeral "aws_secretsmanager_random_password" "secret_key" {
  password_length     = 64
  exclude_punctuation = true
}

# As the key: written only for the database user whose turn it is when database_password_version is raised.
ephemeral "aws_secretsmanager_random_password" "database" {
  for_each = toset(["a", "b"])

  password_length     = 40
  exclude_punctuation = true
}

# As those: written only when the responder's own version is raised, and only where one runs.
ephemeral "aws_secretsmanager_random_password" "responder" {
  password_length     = 40
  exclude_punctuation = true
}

module "stack" {
  source = "../../modules/stack"

  environment = "staging"
  protected   = false

  network = {
    cidr               = "10.0.0.0/16"
    availability_zones = [for zone in ["a", "b"] : "${var.region}${zone}"]
    nat_gateways       = 1
  }

  services = {
    backend  = { cpu = 1024, memory = 2048, memory_percent = 80 }
    frontend = { cpu = 256, memory = 512 }
  }

  database = {
    instance_class        = "db.t4g.micro"
    memory_mib            = 1024
    max_connections       = 80
    storage_gb            = 20
    multi_az              = false
    backup_retention_days = 3
  }

  # 10 tasks × 2 workers × 3 connections = 60 of the 64 that 80 % of max_connections leave.
  connections = { workers = 2, pool_size = 3 }

  cache = {
    node_type = "cache.t4g.micro"
    members   = 1
  }

  images              = var.images
  allowed_cidrs       = var.allowed_cidrs
  domain_name         = var.domain_name
  zone_id             = var.zone_id
  certificate_arn     = var.certificate_arn
  interface_endpoints = var.interface_endpoints
  secret_key          = ephemeral.aws_secretsmanager_random_password.secret_key.random_password
  secret_key_version  = var.secret_key_version

  database_passwords        = { for user, made in ephemeral.aws_secretsmanager_random_password.database : user => made.random_password }
  database_password_version = var.database_password_version
  master_password_in_use    = var.master_password_in_use

  log_retention_days = var.log_retention_days
  athena_enabled     = var.athena_enabled
  responder          = var.responder
  run_responder      = var.run_responder
  responder_service  = var.responder_service
  responder_password = ephemeral.aws_secretsmanager_random_password.responder.random_password
  alert_emails       = var.alert_emails
  exchange_url       = var.exchange_url
  timing             = var.timing
  traffic_floors     = var.traffic_floors
}

module "backup_copies" {
  source    = "../../modules/backup-copies"
  providers = { aws = aws, aws.copies = aws.copies }

  name                 = "ohmycoins-staging"
  account_id           = module.stack.account_id
  database_arn         = module.stack.database.arn
  kms_key_arn          = module.stack.data_key_arn
  region               = var.backup_copies.region
  account_vault_arn    = var.backup_copies.account_vault_arn
  vault_lock           = var.backup_copies.vault_lock
  retention_days       = var.backup_copies.retention_days
  deletion_window_days = 7
}
