mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com", reverse_dns_prefix = "com.amazonaws" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }

  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/ohmycoins-backend:1" }
  }
}

variables {
  name               = "ohmycoins-staging"
  service            = "backend"
  account_id         = "123456789012"
  region             = "ap-southeast-2"
  cluster            = { name = "ohmycoins-staging", arn = "arn:aws:ecs:ap-southeast-2:123456789012:cluster/ohmycoins-staging" }
  image              = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/ohmycoins/backend@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  repository_arn     = "arn:aws:ecr:ap-southeast-2:123456789012:repository/ohmycoins/backend"
  cpu                = 1024
  memory             = 2048
  port               = 8000
  environment        = { POSTGRES_SERVER = "db.example", PORT = "8000" }
  kms_key_arn        = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555"
  subnet_ids         = ["subnet-0a", "subnet-0b"]
  security_group_id  = "sg-0a"
  target_group_arn   = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:targetgroup/ohmycoins-staging-backend/0123456789abcdef"
  log_group          = { name = "/ecs/ohmycoins-staging/backend", arn = "arn:aws:logs:ap-southeast-2:123456789012:log-group:/ecs/ohmycoins-staging/backend" }
  exec_log_group_arn = "arn:aws:logs:ap-southeast-2:123456789012:log-group:/ecs/ohmycoins-staging/exec"
  health_check       = { command = ["CMD", "true"] }
  scaling            = { memory_percent = 80 }

  secrets = {
    POSTGRES_PASSWORD = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging/database-user-a-AbCdEf:password::"
    SECRET_KEY        = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging/secret-key-AbCdEf"
  }
}

run "a_bad_deployment_is_rolled_back" {
  command = plan

  assert {
    condition     = aws_ecs_service.this.deployment_circuit_breaker[0].enable && aws_ecs_service.this.deployment_circuit_breaker[0].rollback
    error_message = "The circuit breaker is on, with rollback."
  }

  assert {
    condition     = length(aws_ecs_service.this.alarms) == 0
    error_message = "Alarms take part only when they are named."
  }
}

run "alarms_roll_back_when_named" {
  command = plan

  variables {
    deployment_alarms = ["ohmycoins-staging-alb-5xx-percent", "ohmycoins-staging-backend-unhealthy"]
  }

  assert {
    condition     = aws_ecs_service.this.alarms[0].enable && aws_ecs_service.this.alarms[0].rollback && aws_ecs_service.this.alarms[0].alarm_names == toset(var.deployment_alarms)
    error_message = "The alarms that are named roll a deployment back."
  }
}

run "the_runbooks_names" {
  command = plan

  assert {
    condition     = aws_ecs_service.this.name == "backend" && aws_ecs_task_definition.this.family == "ohmycoins-backend" && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].name == "backend"
    error_message = "Service and container are backend, the family is ohmycoins-backend."
  }
}

run "a_revision_says_for_which_image_terraform_made_it" {
  command = plan

  assert {
    condition     = aws_ecs_task_definition.this.tags["Image"] == var.image
    error_message = "A revision that another tool copied could not be told from Terraform's."
  }
}

run "a_replaced_revision_stays_registered" {
  command = plan

  assert {
    condition     = aws_ecs_task_definition.this.skip_destroy
    error_message = "The revision before is the one to go back to."
  }
}

# ECS Exec once had no ssmmessages rights.
run "tasks_can_be_entered" {
  command = plan

  assert {
    condition     = aws_ecs_service.this.enable_execute_command
    error_message = "ECS Exec is on."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : statement.Action if statement.Sid == "ExecChannels"
    ])) == toset([for verb in ["CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"] : "ssmmessages:${verb}"])
    error_message = "The task role may open the session's channels."
  }
}

run "roles_reach_what_is_theirs" {
  command = plan

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Resource if statement.Sid == "ReadOwnSecrets"
    ])) == toset(["arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging/database-user-a-AbCdEf", "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging/secret-key-AbCdEf"])
    error_message = "The execution role reads the two secrets of its own tasks, by their bare ARNs."
  }

  assert {
    condition = toset([
      for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Sid if contains(flatten([statement.Resource]), "*")
    ]) == toset(["RegistryLogin"])
    error_message = "Only the registry's login, which takes no narrower resource, is on everything."
  }

  assert {
    condition     = !anytrue([for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : anytrue([for action in statement.Action : endswith(action, "*") || startswith(action, "secretsmanager:")])])
    error_message = "A running task may read no secret and has no wildcard."
  }

  assert {
    condition     = jsondecode(aws_iam_role.task.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    error_message = "Only this account's tasks assume the role."
  }
}

run "secrets_come_by_reference" {
  command = plan

  assert {
    condition     = toset([for secret in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets : secret.name]) == toset(["POSTGRES_PASSWORD", "SECRET_KEY"])
    error_message = "ECS fills in the secrets."
  }
}

run "a_service_without_secrets_may_read_none" {
  command = plan

  variables {
    secrets = {}
  }

  assert {
    condition     = !anytrue([for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : contains(statement.Action, "secretsmanager:GetSecretValue")])
    error_message = "No secret, no right to one."
  }
}

run "only_the_migration_gets_what_the_migration_needs" {
  command = plan

  variables {
    migration = {
      command     = ["python", "-m", "backend.migrate"]
      environment = { POSTGRES_USER = "ohmycoins" }
      secrets     = { POSTGRES_PASSWORD = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:rds!db-1-AbCdEf:password::" }
    }
  }

  assert {
    condition     = aws_ecs_task_definition.migration[0].family == "ohmycoins-migrate-backend" && jsondecode(aws_ecs_task_definition.migration[0].container_definitions)[0].image == var.image
    error_message = "The migration is the service's image under a family of its own."
  }

  assert {
    condition     = strcontains(aws_iam_role_policy.migration[0].policy, "rds!db") && !strcontains(aws_iam_role_policy.execution.policy, "rds!db") && !strcontains(aws_ecs_task_definition.this.container_definitions, "rds!db")
    error_message = "No serving task holds the master password, nor may ECS read it for one."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.migration[0].policy, "secret-key") && !strcontains(aws_iam_role_policy.migration[0].policy, "database-user")
    error_message = "The migration reads its own secrets alone."
  }
}

run "a_service_without_a_migration_has_none" {
  command = plan

  assert {
    condition     = length(aws_ecs_task_definition.migration) == 0 && length(aws_iam_role.migration) == 0 && output.migration_family == null
    error_message = "Nothing is made that nothing runs."
  }
}

run "revisions_of_before_can_still_start" {
  command = plan

  variables {
    earlier_secrets = ["arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:rds!db-1-AbCdEf:password::"]
  }

  assert {
    condition     = strcontains(aws_iam_role_policy.execution.policy, "secret:rds!db-1-AbCdEf\"") && !strcontains(aws_ecs_task_definition.this.container_definitions, "rds!db")
    error_message = "The right stays for as long as it is named; new revisions don't use it."
  }
}

run "a_migrations_password_in_its_environment_is_refused" {
  command = plan

  variables {
    migration = { command = ["true"], environment = { POSTGRES_PASSWORD = "an-example" }, secrets = {} }
  }

  expect_failures = [var.migration]
}

run "scaling_holds_cpu_and_memory" {
  command = plan

  assert {
    condition     = aws_appautoscaling_target.this.min_capacity == 2 && aws_appautoscaling_target.this.max_capacity == 10
    error_message = "2 to 10 tasks."
  }

  assert {
    condition = { for metric, policy in aws_appautoscaling_policy.this : metric => policy.target_tracking_scaling_policy_configuration[0].target_value } == {
      ECSServiceAverageCPUUtilization = 70, ECSServiceAverageMemoryUtilization = 80
    }
    error_message = "CPU 70 %, memory 80 %."
  }

  assert {
    condition = alltrue([
      for policy in aws_appautoscaling_policy.this :
      policy.target_tracking_scaling_policy_configuration[0].scale_out_cooldown == 60 && policy.target_tracking_scaling_policy_configuration[0].scale_in_cooldown == 300
    ])
    error_message = "60 s between steps out, 300 s between steps in."
  }
}

run "the_frontend_scales_on_cpu_alone_and_listens_on_80_without_root" {
  command = plan

  variables {
    service = "frontend"
    port    = 80
    scaling = {}
  }

  assert {
    condition     = keys(aws_appautoscaling_policy.this) == ["ECSServiceAverageCPUUtilization"]
    error_message = "No memory policy without a memory target."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].systemControls == [{ namespace = "net.ipv4.ip_unprivileged_port_start", value = "0" }]
    error_message = "A user who is not root may listen on 80."
  }
}

run "a_tag_is_refused" {
  command = plan

  variables {
    image = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/ohmycoins/backend:latest"
  }

  expect_failures = [var.image]
}

run "a_plain_secret_is_refused" {
  command = plan

  variables {
    environment = { POSTGRES_PASSWORD = "an-example" }
  }

  expect_failures = [var.environment]
}

run "cpu_rolls_nothing_back" {
  command = plan

  variables {
    deployment_alarms = ["ohmycoins-staging-backend-cpu-high"]
  }

  expect_failures = [var.deployment_alarms]
}

run "a_size_that_fargate_lacks_is_refused" {
  command = plan

  variables {
    cpu = 300
  }

  expect_failures = [var.cpu]
}

run "a_minimum_above_the_maximum_is_refused" {
  command = plan

  variables {
    scaling = { minimum = 11 }
  }

  expect_failures = [var.scaling]
}

run "a_health_check_that_is_no_command_is_refused" {
  command = plan

  variables {
    health_check = { command = ["curl localhost"] }
  }

  expect_failures = [var.health_check]
}

run "fargate_has_no_256_with_1536" {
  command = plan

  variables {
    cpu    = 256
    memory = 1536
  }

  expect_failures = [var.memory]
}

run "fargate_has_no_512_with_512" {
  command = plan

  variables {
    cpu    = 512
    memory = 512
  }

  expect_failures = [var.memory]
}

run "fargate_has_no_512_with_5120" {
  command = plan

  variables {
    cpu    = 512
    memory = 5120
  }

  expect_failures = [var.memory]
}

run "fargate_has_no_1024_with_2500" {
  command = plan

  variables {
    cpu    = 1024
    memory = 2500
  }

  expect_failures = [var.memory]
}

run "fargate_has_no_1024_with_9216" {
  command = plan

  variables {
    cpu    = 1024
    memory = 9216
  }

  expect_failures = [var.memory]
}

run "fargate_has_no_2048_with_3072" {
  command = plan

  variables {
    cpu    = 2048
    memory = 3072
  }

  expect_failures = [var.memory]
}

run "fargate_has_no_4096_with_31744" {
  command = plan

  variables {
    cpu    = 4096
    memory = 31744
  }

  expect_failures = [var.memory]
}

run "fargate_has_no_8192_with_18432" {
  command = plan

  variables {
    cpu    = 8192
    memory = 18432
  }

  expect_failures = [var.memory]
}

run "fargate_has_no_8192_with_65536" {
  command = plan

  variables {
    cpu    = 8192
    memory = 65536
  }

  expect_failures = [var.memory]
}

run "fargate_has_no_16384_with_36864" {
  command = plan

  variables {
    cpu    = 16384
    memory = 36864
  }

  expect_failures = [var.memory]
}

run "fargate_has_no_16384_with_131072" {
  command = plan

  variables {
    cpu    = 16384
    memory = 131072
  }

  expect_failures = [var.memory]
}

run "fargate_has_4096_with_30720" {
  command = plan

  variables {
    cpu    = 4096
    memory = 30720
  }

  assert {
    condition     = aws_ecs_task_definition.this.cpu == "4096" && aws_ecs_task_definition.this.memory == "30720"
    error_message = "A size that there is."
  }
}

run "fargate_has_8192_with_20480" {
  command = plan

  variables {
    cpu    = 8192
    memory = 20480
  }

  assert {
    condition     = aws_ecs_task_definition.this.cpu == "8192" && aws_ecs_task_definition.this.memory == "20480"
    error_message = "A size that there is."
  }
}

run "fargate_has_16384_with_122880" {
  command = plan

  variables {
    cpu    = 16384
    memory = 122880
  }

  assert {
    condition     = aws_ecs_task_definition.this.cpu == "16384" && aws_ecs_task_definition.this.memory == "122880"
    error_message = "A size that there is."
  }
}
