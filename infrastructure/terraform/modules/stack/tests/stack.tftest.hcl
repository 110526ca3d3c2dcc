mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  environment = "staging"
  protected   = false
  secret_key  = "an-example-that-is-long-enough-to-pass"

  responder_password = "an-example-that-is-long-enough-to-pass"
  database_passwords = { a = "a-password-that-is-long-enough-to-pass", b = "b-password-that-is-long-enough-to-pass" }

  network = { cidr = "10.0.0.0/16", availability_zones = ["ap-southeast-2a", "ap-southeast-2b"], nat_gateways = 1 }

  services = {
    backend  = { cpu = 1024, memory = 2048, memory_percent = 80 }
    frontend = { cpu = 256, memory = 512 }
  }

  database    = { instance_class = "db.t4g.micro", memory_mib = 1024, max_connections = 80, storage_gb = 20, multi_az = false, backup_retention_days = 3 }
  connections = { workers = 2, pool_size = 3 }
  cache       = { node_type = "cache.t4g.micro", members = 1 }

  exchange_url = "https://api.exchange.example"

  images = {
    backend  = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/ohmycoins/backend@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    frontend = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/ohmycoins/frontend@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
  }
}

run "the_parts_fit_together" {
  assert {
    condition     = output.cluster_name == "ohmycoins-staging" && output.database.identifier == "ohmycoins-staging" && output.cache.replication_group_id == "ohmycoins-staging-redis"
    error_message = "Everything bears the environment's name."
  }

  assert {
    condition     = output.services["backend"].task_definition_family == "ohmycoins-backend" && output.services["backend"].log_group == "/ecs/ohmycoins-staging/backend"
    error_message = "The backend is where the runbook looks."
  }

  assert {
    condition     = local.migrations.backend.secrets.POSTGRES_PASSWORD == "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:rds!db-1-AbCdEf:password::" && local.migrations.backend.environment.POSTGRES_USER == "ohmycoins"
    error_message = "The migration logs in as the master user, with one key of the secret that RDS keeps."
  }

  # A task that runs for longer than seven days would be left with a password that RDS has replaced.
  assert {
    condition     = !anytrue([for services in values(local.secrets) : anytrue([for reference in values(services) : strcontains(reference, "rds!db")])])
    error_message = "No serving task gets the master password."
  }

  assert {
    condition     = local.secrets.backend.POSTGRES_PASSWORD == "${module.secrets.database_user.secret_arn}:password::" && local.environment.backend.POSTGRES_USER == "ohmycoins_app_a"
    error_message = "The backend logs in as the user in use, with its own secret."
  }

  assert {
    condition     = length(output.network.interface_endpoint_ids) == 0
    error_message = "Interface endpoints are off unless asked for."
  }

  assert {
    condition = {
      for key in ["POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_SSLMODE", "REDIS_PORT", "REDIS_TLS", "ENVIRONMENT", "PORT", "EXCHANGE_URL"] : key => local.environment.backend[key]
      } == {
      POSTGRES_PORT = "5432", POSTGRES_DB = "ohmycoins", POSTGRES_USER = "ohmycoins_app_a", POSTGRES_SSLMODE = "require"
      REDIS_PORT    = "6379", REDIS_TLS = "true", ENVIRONMENT = "staging", PORT = "8000"
      EXCHANGE_URL  = "https://api.exchange.example"
    }
    error_message = "What the backend reads is what it is given."
  }

  assert {
    condition     = contains(keys(output.alarm_names), "heartbeat") && contains(keys(output.alarm_names), "alert-queue-age") && output.responder == null
    error_message = "By default its heartbeat is expected, and none of its parts is made here."
  }
}

run "what_can_be_set_otherwise" {
  command = plan

  variables {
    database_password_version = 2
    deployment_alarms         = false
    run_responder             = true
    responder_service = {
      image                = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/ohmycoins/responder@sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
      store_url_secret_arn = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:omc-store-AbCdEf"
    }
  }

  assert {
    condition     = local.environment.backend.POSTGRES_USER == "ohmycoins_app_b"
    error_message = "Version 2 is user b's."
  }

  assert {
    condition     = length(local.deployment_alarms) == 0
    error_message = "No alarm takes part in deployments."
  }

  assert {
    condition     = output.responder.database == null && !contains(keys(output.alarm_names), "responder-database-no-data") && !contains(keys(output.log_groups), "responder-database")
    error_message = "There is nothing to watch of a database that isn't here."
  }
}

run "interface_endpoints_stand_in_for_nat" {
  variables {
    interface_endpoints = true
    exchange_url        = null
    network             = { cidr = "10.0.0.0/16", availability_zones = ["ap-southeast-2a", "ap-southeast-2b"], nat_gateways = 0 }
  }

  assert {
    condition     = length(output.network.interface_endpoint_ids) == 6 && length(output.network.nat_gateway_ids) == 0 && length(output.network.app_route_table_ids) == 2
    error_message = "Six endpoints, no NAT, and the route tables stay."
  }
}

run "the_responder_runs_beside_the_stack" {
  variables {
    run_responder = true
    responder_service = {
      image   = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/ohmycoins/responder@sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
      secrets = { OMC_SLACK_BOT_TOKEN = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:slack-AbCdEf:bot::" }
    }
  }

  assert {
    condition     = output.responder.service == "responder" && output.responder.cluster == "ohmycoins-staging-responder" && output.responder.database == "ohmycoins-staging-responder"
    error_message = "It has a cluster and a database of its own."
  }

  assert {
    condition     = length(setsubtract(["heartbeat", "responder-tasks-short", "responder-database-no-data", "responder-database-storage-low"], keys(output.alarm_names))) == 0
    error_message = "It is watched."
  }
}

# Whoever runs one says so, or nobody would miss it.
run "production_with_a_responder_or_with_mail_has_somebody_to_tell" {
  command = plan

  variables {
    environment  = "production"
    protected    = true
    responder    = false
    domain_name  = "app.example.com"
    alert_emails = { "SEV-1" = ["oncall@example.com"], "SEV-2" = ["oncall@example.com"] }

    certificate_arn = "arn:aws:acm:ap-southeast-2:123456789012:certificate/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = !contains(keys(output.alarm_names), "heartbeat")
    error_message = "Mail alone is enough, and no heartbeat is expected then."
  }
}

# Each of these variables is refused for its own reason, so one plan refuses several; it plans the parts that need them,
# not the whole stack. A variable whose condition names another is not looked at where that is refused.
# An exchange out of reach, a connection budget that is broken, mutable images, a window that meets the backups, and a
# responder's API without HTTPS:
run "what_does_not_fit_the_rest_is_refused" {
  command = plan

  plan_options {
    target = [
      module.service,
      module.cache.aws_elasticache_replication_group.this,
      module.responder.aws_ecs_task_definition.this,
    ]
  }

  variables {
    interface_endpoints = true
    network             = { cidr = "10.0.0.0/16", availability_zones = ["ap-southeast-2a", "ap-southeast-2b"], nat_gateways = 0 }
    connections         = { workers = 4, pool_size = 15 }
    images              = { backend = "ohmycoins/backend:latest", frontend = "ohmycoins/frontend:latest" }
    maintenance_window  = "sun:11:30-sun:12:30"
    responder_service = {
      image = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/ohmycoins/responder@sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
      host  = "omc.example.com"
    }
  }

  expect_failures = [var.exchange_url, var.connections, var.images, var.maintenance_window, var.responder_service]
}

# An unknown environment, an exchange without TLS, a window over two days:
run "what_is_wrong_by_itself_is_refused" {
  command = plan

  plan_options {
    target = [module.service, module.cache.aws_elasticache_replication_group.this]
  }

  variables {
    environment        = "qa"
    exchange_url       = "http://api.exchange.example"
    maintenance_window = "mon:16:00-thu:10:00"
  }

  expect_failures = [var.environment, var.exchange_url, var.maintenance_window]
}

run "tasks_that_can_pull_no_image_are_refused" {
  command = plan

  plan_options {
    target = [module.network.aws_vpc.this]
  }

  variables {
    exchange_url = null
    network      = { cidr = "10.0.0.0/16", availability_zones = ["ap-southeast-2a", "ap-southeast-2b"], nat_gateways = 0 }
  }

  expect_failures = [var.network]
}

run "production_without_https_protection_or_anybody_to_tell_is_refused" {
  command = plan

  plan_options {
    target = [module.load_balancer, module.monitoring.aws_sns_topic_subscription.email]
  }

  variables {
    environment = "production"
    responder   = false
  }

  expect_failures = [var.domain_name, var.protected, var.alert_emails]
}

run "mail_for_one_severity_is_not_enough_nor_a_responder_that_nobody_would_miss" {
  command = plan

  plan_options {
    target = [module.monitoring.aws_sns_topic_subscription.email, module.responder.aws_ecs_cluster.this]
  }

  variables {
    environment   = "production"
    protected     = true
    responder     = false
    run_responder = true
    domain_name   = "app.example.com"
    alert_emails  = { "SEV-1" = ["oncall@example.com"], "SEV-3" = ["oncall@example.com"] }

    certificate_arn = "arn:aws:acm:ap-southeast-2:123456789012:certificate/11111111-2222-3333-4444-555555555555"
  }

  expect_failures = [var.alert_emails, var.run_responder]
}
