# `omc worker` beside the responder, if it is wanted: it performs timers when they are due (`omc scale --for`) and runs that
# nobody performs any more. It changes the stack, which the responder may not, so it has a role of its own.

locals {
  worker      = "${local.full_name}-worker"
  has_worker  = length(var.worker_policy_arns) > 0
  worker_runs = merge(local.container, { name = "worker", command = ["omc", "worker", "--env", var.environment], portMappings = [] })
}

resource "aws_iam_role" "worker" {
  count = local.has_worker ? 1 : 0

  name               = local.worker
  description        = "What omc worker may do: the changes that timers and runs make"
  assume_role_policy = local.assume_role_policy

  tags = { Name = local.worker }
}

resource "aws_iam_role_policy_attachment" "worker" {
  for_each = local.has_worker ? { for number, arn in var.worker_policy_arns : tostring(number) => arn } : {}

  role       = aws_iam_role.worker[0].name
  policy_arn = each.value
}

resource "aws_ecs_task_definition" "worker" {
  count = local.has_worker ? 1 : 0

  family                   = "ohmycoins-worker"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.worker[0].arn
  container_definitions    = jsonencode([local.worker_runs])
  skip_destroy             = true

  volume {
    name = "tmp"
  }

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  tags = {
    Name    = local.worker
    Service = "worker"
    Image   = var.image
  }
}

# One task: another takes over what it held within seconds of its start, since all that it knows is in the record.
resource "aws_ecs_service" "worker" {
  count = local.has_worker ? 1 : 0

  name            = "worker"
  cluster         = aws_ecs_cluster.this.arn
  task_definition = aws_ecs_task_definition.worker[0].arn
  desired_count   = 1

  launch_type      = "FARGATE"
  platform_version = "LATEST"

  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
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

  tags = {
    Name    = local.worker
    Service = "worker"
  }

  depends_on = [aws_iam_role_policy.execution, aws_iam_role_policy_attachment.worker, module.database]
}
