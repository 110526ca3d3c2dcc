# `omc serve` beside the stack: its own cluster, tasks, roles, security groups and database. Of the stack it uses the network,
# the keys and the queue, and nothing that a release, an overload or a full database of the application could take from it.

data "aws_partition" "current" {}

locals {
  service   = "responder"
  full_name = "${var.name}-${local.service}"
  port      = 8080

  # PostgreSQL of its own, unless somebody gives a URL.
  own_store = var.store_url_secret_arn == null
  store_url = local.own_store ? "postgresql://omc@${module.database[0].address}:${module.database[0].port}/${module.database[0].database_name}?sslmode=require" : null

  environment = merge(
    {
      # The root file system can't be written to, and the log is read line by line.
      HOME                    = "/tmp"
      PYTHONDONTWRITEBYTECODE = "1"
      PYTHONUNBUFFERED        = "1"
    },
    local.own_store ? { OMC_STORE_URL = local.store_url } : {},
    var.api == null ? {} : { OMC_LISTEN = "0.0.0.0:${local.port}" },
  )

  secrets = merge(
    var.secrets,
    # By its version: a new password is a new revision, which takes it to the tasks.
    local.own_store ? { PGPASSWORD = "${aws_secretsmanager_secret.database[0].arn}:password::${aws_secretsmanager_secret_version.database[0].version_id}" } : { OMC_STORE_URL = var.store_url_secret_arn },
  )

  container = {
    name      = local.service
    image     = var.image
    essential = true
    command   = var.command == null ? ["omc", "serve", "--env", var.environment] : var.command

    environment = [for key in sort(keys(local.environment)) : { name = key, value = local.environment[key] }]
    secrets     = [for key in sort(keys(local.secrets)) : { name = key, valueFrom = local.secrets[key] }]

    portMappings           = var.api == null ? [] : [{ name = local.service, containerPort = local.port, hostPort = local.port, protocol = "tcp" }]
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true }
    stopTimeout            = 60

    mountPoints    = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    volumesFrom    = []
    systemControls = []

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = var.log_group.name
        "awslogs-region"        = var.region
        "awslogs-stream-prefix" = local.service
        # A log service that is slow must not hold up a page; what doesn't fit the buffer is lost.
        "mode"            = "non-blocking"
        "max-buffer-size" = "25m"
      }
    }
  }
}

resource "aws_ecs_cluster" "this" {
  #checkov:skip=CKV_AWS_65:Container Insights costs more than these two tasks' metrics are worth; AWS/ECS counts them for nothing.
  name = local.full_name

  tags = { Name = local.full_name }
}

resource "aws_ecs_task_definition" "this" {
  family                   = "ohmycoins-${local.service}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions    = jsonencode([local.container])
  skip_destroy             = true

  volume {
    name = "tmp"
  }

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  tags = {
    Name    = local.full_name
    Service = local.service
    Image   = var.image
  }
}

# Its revision and its count are Terraform's: no `omc deploy` knows it, so that omc never has to replace itself to act.
resource "aws_ecs_service" "this" {
  name            = local.service
  cluster         = aws_ecs_cluster.this.arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.tasks

  launch_type      = "FARGATE"
  platform_version = "LATEST"

  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"

  # A new task runs beside the old ones before one of them goes: any number may share the record.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  availability_zone_rebalancing      = "ENABLED"
  health_check_grace_period_seconds  = var.api == null ? null : 60
  wait_for_steady_state              = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.tasks.id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = aws_lb_target_group.api

    content {
      target_group_arn = load_balancer.value.arn
      container_name   = local.service
      container_port   = local.port
    }
  }

  tags = {
    Name    = local.full_name
    Service = local.service
  }

  # A task that starts before its roles may do anything, or before its database knows the password, fails to start.
  depends_on = [
    aws_iam_role_policy.execution,
    aws_iam_role_policy.task,
    aws_lb_listener_rule.api,
    module.database,
  ]
}
