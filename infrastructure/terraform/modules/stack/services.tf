locals {
  database = {
    POSTGRES_SERVER  = module.database.address
    POSTGRES_PORT    = tostring(module.database.port)
    POSTGRES_DB      = module.database.database_name
    POSTGRES_SSLMODE = "require"
  }

  environment = {
    backend = merge(local.database, {
      ENVIRONMENT        = var.environment
      PORT               = tostring(local.ports.backend)
      POSTGRES_USER      = module.secrets.database_user.username
      REDIS_HOST         = module.cache.primary_address
      REDIS_PORT         = tostring(module.cache.port)
      REDIS_TLS          = "true"
      DATABASE_POOL_SIZE = tostring(var.connections.pool_size)
      WEB_CONCURRENCY    = tostring(var.connections.workers)
    }, var.exchange_url == null ? {} : { EXCHANGE_URL = var.exchange_url })
    frontend = {
      ENVIRONMENT = var.environment
      PORT        = tostring(local.ports.frontend)
    }
  }

  secrets = {
    backend = {
      POSTGRES_PASSWORD = "${module.secrets.database_user.secret_arn}:password::"
      SECRET_KEY        = module.secrets.secret_key_arn
    }
    frontend = {}
  }

  # Makes the schema and the application's database users, as the master user.
  migrations = {
    backend = {
      command     = ["python", "-m", "backend.migrate"]
      environment = merge(local.database, { POSTGRES_USER = module.database.username })
      secrets = {
        POSTGRES_PASSWORD = local.master_password
        APP_USER_A        = module.secrets.database_user_arns["a"]
        APP_USER_B        = module.secrets.database_user_arns["b"]
      }
    }
  }

  # Alarms that say that a revision is bad.
  deployment_alarms = { for service, names in module.monitoring.deployment_alarm_names : service => names if var.deployment_alarms }
}

module "service" {
  source   = "../service"
  for_each = var.services

  name               = local.name
  service            = each.key
  account_id         = local.account_id
  region             = local.region
  cluster            = { name = module.cluster.name, arn = module.cluster.arn }
  image              = var.images[each.key]
  repository_arn     = "arn:${data.aws_partition.current.partition}:ecr:${local.region}:${local.account_id}:repository/ohmycoins/${each.key}"
  cpu                = each.value.cpu
  memory             = each.value.memory
  port               = local.ports[each.key]
  environment        = local.environment[each.key]
  secrets            = local.secrets[each.key]
  earlier_secrets    = each.key == "backend" && var.master_password_in_use ? [local.master_password] : []
  migration          = lookup(local.migrations, each.key, null)
  restored_databases = contains(keys(local.migrations), each.key) ? "${local.name}-*" : null
  kms_key_arn        = module.encryption.data_key_arn
  subnet_ids         = module.network.app_subnet_ids
  security_group_id  = module.security.group_ids[each.key]
  target_group_arn   = module.load_balancer.target_group_arns[each.key]
  log_group          = module.monitoring.log_groups[each.key]
  exec_log_group_arn = module.monitoring.log_groups["exec"].arn
  deployment_alarms  = try(local.deployment_alarms[each.key], [])

  health_check = merge(var.timing.container_health_check, { command = local.health_check_command[each.key] })

  scaling = {
    minimum            = each.value.minimum
    maximum            = each.value.maximum
    cpu_percent        = each.value.cpu_percent
    memory_percent     = each.value.memory_percent
    scale_out_cooldown = var.timing.scale_out_cooldown
    scale_in_cooldown  = var.timing.scale_in_cooldown
  }
}
