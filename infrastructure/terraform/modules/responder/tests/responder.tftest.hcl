mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com", reverse_dns_prefix = "com.amazonaws" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }

  mock_resource "aws_ecs_cluster" {
    defaults = { arn = "arn:aws:ecs:ap-southeast-2:123456789012:cluster/ohmycoins-staging-responder" }
  }

  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/ohmycoins-responder:1" }
  }

  mock_resource "aws_db_instance" {
    defaults = { address = "ohmycoins-staging-responder.example.rds.amazonaws.com" }
  }

  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging/responder-database-AbCdEf" }
  }

  mock_resource "aws_secretsmanager_secret_version" {
    defaults = { version_id = "11111111-2222-3333-4444-555555555555" }
  }

  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:targetgroup/ohmycoins-staging-responder/0123456789abcdef" }
  }

  mock_resource "aws_lb_listener_rule" {
    defaults = { arn = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:listener-rule/app/ohmycoins-staging/0123456789abcdef/0123456789abcdef/0123456789abcdef" }
  }

  mock_resource "aws_security_group" {
    defaults = { id = "sg-0responder" }
  }
}

variables {
  name                     = "ohmycoins-staging"
  environment              = "staging"
  account_id               = "123456789012"
  region                   = "ap-southeast-2"
  protected                = false
  image                    = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/ohmycoins/responder@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  repository_arn           = "arn:aws:ecr:ap-southeast-2:123456789012:repository/ohmycoins/responder"
  vpc_id                   = "vpc-0a"
  subnet_ids               = ["subnet-0a", "subnet-0b"]
  database_subnet_ids      = ["subnet-0c", "subnet-0d"]
  data_key_arn             = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555"
  operations_key_arn       = "arn:aws:kms:ap-southeast-2:123456789012:key/66666666-7777-8888-9999-000000000000"
  queue_arn                = "arn:aws:sqs:ap-southeast-2:123456789012:ohmycoins-staging-alerts"
  log_group                = { name = "/ecs/ohmycoins-staging/responder", arn = "arn:aws:logs:ap-southeast-2:123456789012:log-group:/ecs/ohmycoins-staging/responder" }
  log_groups_read          = ["/ecs/ohmycoins-staging/backend"]
  database_log_group_names = ["/aws/rds/instance/ohmycoins-staging-responder/postgresql", "/aws/rds/instance/ohmycoins-staging-responder/upgrade"]
  database                 = { multi_az = false, backup_retention_days = 3 }
  database_password        = "an-example-that-is-long-enough-to-pass"

  secrets = { OMC_SLACK_BOT_TOKEN = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:slack-AbCdEf:bot::" }
}

run "two_tasks_in_two_zones_and_a_bad_revision_is_rolled_back" {
  assert {
    condition     = aws_ecs_service.this.desired_count == 2 && toset(one(aws_ecs_service.this.network_configuration).subnets) == toset(["subnet-0a", "subnet-0b"]) && aws_ecs_service.this.availability_zone_rebalancing == "ENABLED"
    error_message = "Two tasks, spread over the zones."
  }

  assert {
    condition     = aws_ecs_service.this.deployment_circuit_breaker[0].enable && aws_ecs_service.this.deployment_circuit_breaker[0].rollback
    error_message = "The circuit breaker is on, with rollback."
  }

  assert {
    condition     = aws_ecs_service.this.deployment_minimum_healthy_percent == 100 && aws_ecs_service.this.wait_for_steady_state
    error_message = "Somebody takes the alerts while a new revision starts."
  }
}

run "it_runs_omc_serve_with_its_secrets_by_reference" {
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["omc", "serve", "--env", "staging"]
    error_message = "A task is omc serve."
  }

  assert {
    condition = { for secret in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets : secret.name => secret.valueFrom } == {
      OMC_SLACK_BOT_TOKEN = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:slack-AbCdEf:bot::"
      PGPASSWORD          = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging/responder-database-AbCdEf:password::11111111-2222-3333-4444-555555555555"
    }
    error_message = "Secrets are references, the password's by its version: a new one is a new revision."
  }

  assert {
    condition     = one([for variable in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : variable.value if variable.name == "OMC_STORE_URL"]) == "postgresql://omc@ohmycoins-staging-responder.example.rds.amazonaws.com:5432/omc?sslmode=require"
    error_message = "The record is its own database, over TLS, without a password in the URL."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem && !coalesce(aws_ecs_service.this.enable_execute_command, false)
    error_message = "Nobody writes to its files or opens a session into it."
  }
}

run "nothing_comes_in" {
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.api) == 0 && length(aws_lb_target_group.api) == 0 && length(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].portMappings) == 0 && !one(aws_ecs_service.this.network_configuration).assign_public_ip
    error_message = "Without the API nothing reaches a task."
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_egress_rule.outbound : rule.from_port]) == toset([443])
    error_message = "A task reaches HTTPS, and its database."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.database[0].from_port == 5432 && aws_vpc_security_group_ingress_rule.database[0].cidr_ipv4 == null
    error_message = "The database is reached by the tasks alone."
  }
}

run "the_role_takes_alerts_and_changes_nothing" {
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : alltrue([
        for action in statement.Action :
        can(regex(":(Get|List|Describe|Lookup|Filter|BatchGet|StartQuery$|StopQuery$)", action)) ||
        contains(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "kms:Decrypt", "cloudwatch:PutMetricData", "sns:ConfirmSubscription"], action)
      ])
    ])
    error_message = "Beside its queue, its heartbeat and the topics that it confirms the responder only looks."
  }

  assert {
    condition     = one([for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : statement.Resource if contains(statement.Action, "sqs:DeleteMessage")]) == ["arn:aws:sqs:ap-southeast-2:123456789012:ohmycoins-staging-alerts"]
    error_message = "It takes from one queue."
  }

  assert {
    condition     = one([for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : statement.Condition if contains(statement.Action, "cloudwatch:PutMetricData")]) == { StringEquals = { "cloudwatch:namespace" = "OhMyCoins/Ops" } }
    error_message = "It publishes the heartbeat's namespace and no other."
  }

  assert {
    condition     = !anytrue([for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : anytrue([for action in statement.Action : contains(["sns:Publish", "secretsmanager:GetSecretValue", "s3:GetObject", "ssmmessages:CreateDataChannel"], action)])])
    error_message = "No SMS unless they are switched on, no secret's value, no object, no session."
  }

  assert {
    condition = one([for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : toset(statement.Resource) if contains(statement.Action, "secretsmanager:GetSecretValue")]) == toset([
      "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:slack-AbCdEf",
      "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging/responder-database-AbCdEf",
    ])
    error_message = "ECS reads the secrets that are named, and no others."
  }
}

run "sms_go_to_telephones_and_to_no_topic" {
  variables {
    sms = true
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : [try(statement.Resource, null), try(statement.NotResource, null)] if contains(statement.Action, "sns:Publish")
    ]) == [null, ["arn:aws:sns:*:*:*"]]
    error_message = "A telephone number is no ARN."
  }
}

run "productions_database_has_a_standby_and_refuses_deletion" {
  command = plan

  variables {
    name                     = "ohmycoins-production"
    environment              = "production"
    protected                = true
    database                 = { multi_az = true, backup_retention_days = 14 }
    database_log_group_names = ["/aws/rds/instance/ohmycoins-production-responder/postgresql"]
  }

  assert {
    condition     = module.database[0].identifier == "ohmycoins-production-responder" && aws_secretsmanager_secret.database[0].recovery_window_in_days == 30
    error_message = "It bears the environment's name, and its secret can be restored."
  }
}

run "a_postgresql_that_there_is_already_is_taken" {
  variables {
    store_url_secret_arn     = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:omc-store-AbCdEf"
    database_log_group_names = []
  }

  assert {
    condition     = length(module.database) == 0 && length(aws_secretsmanager_secret.database) == 0 && output.database_identifier == null
    error_message = "No database is made."
  }

  assert {
    condition     = one([for secret in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets : secret.valueFrom if secret.name == "OMC_STORE_URL"]) == "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:omc-store-AbCdEf"
    error_message = "The URL is a secret, password and all."
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_egress_rule.outbound : rule.from_port]) == toset([443, 5432])
    error_message = "The tasks reach it."
  }
}

run "the_api_is_reached_by_the_load_balancer_alone" {
  variables {
    api = {
      host                            = "omc.example.com"
      listener_arn                    = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:listener/app/ohmycoins-staging/0123456789abcdef/0123456789abcdef"
      load_balancer_security_group_id = "sg-0balancer"
    }
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.api["api"].referenced_security_group_id == "sg-0balancer" && aws_vpc_security_group_ingress_rule.api["api"].cidr_ipv4 == null && aws_vpc_security_group_ingress_rule.api["api"].from_port == 8080
    error_message = "From the load balancer, to one port."
  }

  assert {
    condition     = one(one(one(aws_lb_listener_rule.api["api"].condition).host_header).values) == "omc.example.com" && length(aws_ecs_service.this.load_balancer) == 1
    error_message = "It has a host name of its own."
  }
}

run "a_mutable_image_is_refused" {
  command = plan

  variables {
    image = "ohmycoins/responder:latest"
  }

  expect_failures = [var.image]
}

run "one_task_is_refused" {
  command = plan

  variables {
    tasks = 1
  }

  expect_failures = [var.tasks]
}

run "a_secrets_value_is_refused" {
  command = plan

  variables {
    secrets = { OMC_SLACK_BOT_TOKEN = "an-example-token" }
  }

  expect_failures = [var.secrets]
}

run "a_secret_that_omc_does_not_read_is_refused" {
  command = plan

  variables {
    secrets = { OMC_STATUS_KEYS = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:status-AbCdEf" }
  }

  expect_failures = [var.secrets]
}

run "every_secret_of_omc_serve_reaches_the_tasks_and_ecs_reads_exactly_these" {
  variables {
    secrets = {
      OMC_SLACK_BOT_TOKEN              = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:slack-AbCdEf:bot::"
      OMC_SLACK_APP_TOKEN              = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:slack-AbCdEf:app::"
      OMC_SMTP_PASSWORD                = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:smtp-AbCdEf"
      OMC_NTFY_TOKEN                   = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ntfy-AbCdEf"
      OMC_PAGERDUTY_KEY_JO_PAGES       = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:pagerduty-AbCdEf:jo::"
      OMC_WEBHOOK_SECRET_HOOK          = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:hook-AbCdEf"
      OMC_LINK_SECRET                  = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:link-AbCdEf:new::"
      OMC_OLD_LINK_SECRET              = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:link-AbCdEf:old::"
      OMC_VAPID_KEY                    = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:push-AbCdEf"
      OMC_INTAKE_SECRET_PRODUCTION     = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:intake-AbCdEf"
      OMC_OLD_INTAKE_SECRET_PRODUCTION = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:intake-old-AbCdEf"
      OMC_STATUS_KEY                   = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:status-AbCdEf"
      OMC_WATCHDOG_URL                 = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:watchdog-AbCdEf"
      GH_TOKEN                         = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:github-AbCdEf"
    }
  }

  assert {
    condition     = tomap({ for secret in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets : secret.name => secret.valueFrom if secret.name != "PGPASSWORD" }) == var.secrets
    error_message = "Each is a reference of the task definition."
  }

  assert {
    condition = one([for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : sort(statement.Resource) if contains(statement.Action, "secretsmanager:GetSecretValue")]) == sort([
      for name in ["github", "hook", "intake", "intake-old", "link", "ntfy", "ohmycoins-staging/responder-database", "pagerduty", "push", "slack", "smtp", "status", "watchdog"] :
      "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:${name}-AbCdEf"
    ])
    error_message = "The execution role reads these secrets, each once, and no others."
  }
}

run "an_unencrypted_mail_port_is_refused" {
  command = plan

  variables {
    smtp_port = 25
  }

  expect_failures = [var.smtp_port]
}

run "no_worker_unless_it_may_change_something" {
  assert {
    condition     = length(aws_ecs_service.worker) == 0 && length(aws_iam_role.worker) == 0
    error_message = "Without policies there is no worker."
  }
}

run "a_worker_has_a_role_of_its_own" {
  variables {
    worker_policy_arns = ["arn:aws:iam::123456789012:policy/omc-changes"]
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.worker[0].container_definitions)[0].command == ["omc", "worker", "--env", "staging"] && aws_ecs_service.worker[0].desired_count == 1
    error_message = "One task is omc worker."
  }

  assert {
    condition     = aws_iam_role_policy_attachment.worker["0"].role == "ohmycoins-staging-responder-worker" && one(values(aws_iam_role_policy_attachment.worker)).policy_arn == "arn:aws:iam::123456789012:policy/omc-changes"
    error_message = "It may change what its policies say; the responder may not."
  }
}
