data "aws_partition" "current" {}

locals {
  https       = var.domain_name != null
  listener_id = local.https ? one(aws_lb_listener.https[*].arn) : aws_lb_listener.http.arn
}

module "access_logs" {
  source = "../bucket"

  bucket          = "${var.name}-load-balancer-logs-${var.account_id}"
  expire_days     = var.log_retention_days
  noncurrent_days = 7
  force_destroy   = !var.deletion_protection

  policy_statements = jsonencode([{
    Sid       = "LoadBalancerWrites"
    Effect    = "Allow"
    Principal = { Service = "logdelivery.elasticloadbalancing.amazonaws.com" }
    Action    = "s3:PutObject"
    Resource  = "arn:${data.aws_partition.current.partition}:s3:::${var.name}-load-balancer-logs-${var.account_id}/AWSLogs/${var.account_id}/*"
  }])
}

resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_150:Deletion protection is a variable: on in production, off in staging, which is rebuilt.
  #checkov:skip=CKV2_AWS_28:The web ACL is attached in the firewall module.
  #checkov:skip=CKV2_AWS_20:HTTP is redirected to HTTPS wherever there is a certificate, which production must have.
  name               = var.name
  load_balancer_type = "application"
  internal           = false
  subnets            = var.subnet_ids
  security_groups    = [var.security_group_id]

  drop_invalid_header_fields = true
  desync_mitigation_mode     = "defensive"
  idle_timeout               = 60
  enable_deletion_protection = var.deletion_protection

  access_logs {
    bucket  = module.access_logs.bucket
    enabled = true
  }

  tags = { Name = var.name }
}

resource "aws_lb_target_group" "this" {
  for_each = var.services

  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; the tasks are reached inside the VPC only.
  name        = "${var.name}-${each.key}"
  vpc_id      = var.vpc_id
  target_type = "ip"
  protocol    = "HTTP"
  port        = each.value.port

  deregistration_delay          = var.deregistration_delay
  load_balancing_algorithm_type = "least_outstanding_requests"

  health_check {
    path                = each.value.health_path
    protocol            = "HTTP"
    port                = "traffic-port"
    matcher             = "200"
    interval            = var.health_check.interval
    timeout             = var.health_check.timeout
    healthy_threshold   = var.health_check.healthy
    unhealthy_threshold = var.health_check.unhealthy
  }

  tags = {
    Name    = "${var.name}-${each.key}"
    Service = each.key
  }
}

resource "aws_lb_listener" "http" {
  #checkov:skip=CKV_AWS_2:Without a certificate, as in staging before it has a name, HTTP is all there is; with one this listener only redirects.
  #checkov:skip=CKV_AWS_103:A redirecting listener has no TLS; the HTTPS listener's policy is TLS 1.2 or newer.
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type             = local.https ? "redirect" : "forward"
    target_group_arn = local.https ? null : aws_lb_target_group.this[var.default_service].arn

    dynamic "redirect" {
      for_each = local.https ? ["https"] : []

      content {
        port        = "443"
        protocol    = "HTTPS"
        status_code = "HTTP_301"
      }
    }
  }

  tags = { Name = "${var.name}-http" }
}

resource "aws_lb_listener" "https" {
  count = local.https ? 1 : 0

  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = local.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this[var.default_service].arn
  }

  tags = { Name = "${var.name}-https" }
}

resource "aws_lb_listener_rule" "this" {
  for_each = { for service, settings in var.services : service => settings if settings.paths != null }

  listener_arn = local.listener_id
  priority     = each.value.priority

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this[each.key].arn
  }

  condition {
    path_pattern {
      values = each.value.paths
    }
  }

  tags = { Name = "${var.name}-${each.key}" }
}
