data "aws_partition" "current" {}

locals {
  full_name = "${var.name}-${var.service}"

  container = {
    name      = var.service
    image     = var.image
    essential = true

    portMappings = [{ name = var.service, containerPort = var.port, hostPort = var.port, protocol = "tcp" }]

    environment = [for key in sort(keys(var.environment)) : { name = key, value = var.environment[key] }]
    secrets     = [for key in sort(keys(var.secrets)) : { name = key, valueFrom = var.secrets[key] }]

    # The image's user is not root, and Fargate's kernel keeps ports below 1024 for root unless told otherwise.
    systemControls = var.port < 1024 ? [{ namespace = "net.ipv4.ip_unprivileged_port_start", value = "0" }] : []

    linuxParameters = { initProcessEnabled = true }
    stopTimeout     = var.stop_timeout

    healthCheck = {
      command     = var.health_check.command
      interval    = var.health_check.interval
      timeout     = var.health_check.timeout
      retries     = var.health_check.retries
      startPeriod = var.health_check.start_period
    }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = var.log_group.name
        "awslogs-region"        = var.region
        "awslogs-stream-prefix" = var.service
        # A log service that is slow must not hold up the application; what doesn't fit the buffer is lost.
        "mode"            = "non-blocking"
        "max-buffer-size" = "25m"
      }
    }

    mountPoints = []
    volumesFrom = []
  }
}

resource "aws_ecs_task_definition" "this" {
  #checkov:skip=CKV_AWS_336:ECS Exec, which the runbook needs, does not work on a read-only root file system.
  family                   = "ohmycoins-${var.service}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions    = jsonencode([local.container])

  # A change registers a new revision and leaves the old one ACTIVE: it may be the one that runs, or the one to go back to.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  tags = {
    Name    = local.full_name
    Service = var.service
    # Tools that deploy copy a revision's tags to their own. With another image in it, this one is known for a copy.
    Image = var.image
  }
}

# The same image once, before a revision takes traffic, with rights that no serving task gets.
resource "aws_ecs_task_definition" "migration" {
  count = var.migration == null ? 0 : 1

  family                   = "ohmycoins-migrate-${var.service}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.migration[0].arn

  container_definitions = jsonencode([{
    name        = var.service
    image       = var.image
    essential   = true
    command     = var.migration.command
    environment = [for key in sort(keys(var.migration.environment)) : { name = key, value = var.migration.environment[key] }]
    secrets     = [for key in sort(keys(var.migration.secrets)) : { name = key, valueFrom = var.migration.secrets[key] }]
    stopTimeout = var.stop_timeout

    # A migration reads its files and talks to the database; it writes none, and nobody opens a session into it.
    readonlyRootFilesystem = true

    logConfiguration = local.container.logConfiguration
    linuxParameters  = local.container.linuxParameters
    portMappings     = []
    mountPoints      = []
    volumesFrom      = []
    systemControls   = []
  }])

  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  tags = {
    Name    = "${local.full_name}-migration"
    Service = var.service
    Image   = var.image
  }
}

resource "aws_ecs_service" "this" {
  name            = var.service
  cluster         = var.cluster.arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.scaling.minimum

  launch_type      = "FARGATE"
  platform_version = "LATEST"

  enable_execute_command             = true
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  health_check_grace_period_seconds  = var.health_check.start_period
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  availability_zone_rebalancing      = "ENABLED"

  # The alarms that expect the service to run are made after it.
  wait_for_steady_state = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  dynamic "alarms" {
    for_each = length(var.deployment_alarms) == 0 ? [] : ["enabled"]

    content {
      alarm_names = var.deployment_alarms
      enable      = true
      rollback    = true
    }
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.security_group_id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = var.target_group_arn
    container_name   = var.service
    container_port   = var.port
  }

  tags = {
    Name    = local.full_name
    Service = var.service
  }

  lifecycle {
    # The autoscaler and `omc scale` own the count, deployments and rollbacks the revision. An apply undoes neither.
    ignore_changes = [desired_count, task_definition]
  }

  # A task that starts before its roles may do anything fails to start.
  depends_on = [
    aws_iam_role_policy.execution,
    aws_iam_role_policy.task,
  ]
}
