# The HTTP API behind the stack's load balancer, under a name of its own; not there unless it is switched on.

locals {
  api = var.api == null ? {} : { api = var.api }
}

resource "aws_lb_target_group" "api" {
  for_each = local.api

  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; the tasks are reached inside the VPC only.
  name        = local.full_name
  vpc_id      = var.vpc_id
  target_type = "ip"
  protocol    = "HTTP"
  port        = local.port

  deregistration_delay = 30

  health_check {
    path                = each.value.health_path
    protocol            = "HTTP"
    port                = "traffic-port"
    matcher             = "200"
    interval            = 30
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }

  tags = {
    Name    = local.full_name
    Service = local.service
  }
}

resource "aws_lb_listener_rule" "api" {
  for_each = local.api

  listener_arn = each.value.listener_arn
  priority     = each.value.priority

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api[each.key].arn
  }

  condition {
    host_header {
      values = [each.value.host]
    }
  }

  tags = { Name = local.full_name }
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  for_each = local.api

  #checkov:skip=CKV_AWS_260:The rule names a security group for its source, never an address block.
  security_group_id            = aws_security_group.tasks.id
  referenced_security_group_id = each.value.load_balancer_security_group_id
  description                  = "From load-balancer"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port

  tags = { Name = "${local.full_name}-api" }
}

resource "aws_vpc_security_group_egress_rule" "api" {
  for_each = local.api

  security_group_id            = each.value.load_balancer_security_group_id
  referenced_security_group_id = aws_security_group.tasks.id
  description                  = "To responder"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port

  tags = { Name = "${local.full_name}-api" }
}
