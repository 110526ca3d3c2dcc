locals {
  groups = {
    load-balancer = "Load balancer: HTTP and HTTPS from outside"
    backend       = "Backend tasks: their port from the load balancer"
    frontend      = "Frontend tasks: their port from the load balancer"
    database      = "PostgreSQL from the backend tasks"
    cache         = "Redis from the backend tasks"
    endpoints     = "Interface endpoints: HTTPS from the tasks"
  }

  # Who may talk to whom, as data: each row is one hole in both walls, so the two sides can't disagree.
  flows = {
    load-balancer-to-backend  = { from = "load-balancer", to = "backend", port = var.backend_port }
    load-balancer-to-frontend = { from = "load-balancer", to = "frontend", port = var.frontend_port }
    backend-to-database       = { from = "backend", to = "database", port = 5432 }
    backend-to-cache          = { from = "backend", to = "cache", port = 6379 }
    backend-to-endpoints      = { from = "backend", to = "endpoints", port = 443 }
    frontend-to-endpoints     = { from = "frontend", to = "endpoints", port = 443 }
  }

  public = {
    for pair in setproduct([80, 443], var.allowed_cidrs) : "${pair[0]}-${pair[1]}" => { port = pair[0], cidr = pair[1] }
  }
}

resource "aws_security_group" "this" {
  for_each = local.groups

  #checkov:skip=CKV2_AWS_5:The groups are attached in the modules that receive their ids.
  name        = "${var.name}-${each.key}"
  description = each.value
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "flow" {
  for_each = local.flows

  #checkov:skip=CKV_AWS_260:These rules name a security group for their source, never an address block.
  security_group_id            = aws_security_group.this[each.value.to].id
  referenced_security_group_id = aws_security_group.this[each.value.from].id
  description                  = "From ${each.value.from}"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_egress_rule" "flow" {
  for_each = local.flows

  security_group_id            = aws_security_group.this[each.value.from].id
  referenced_security_group_id = aws_security_group.this[each.value.to].id
  description                  = "To ${each.value.to}"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "public" {
  for_each = local.public

  #checkov:skip=CKV_AWS_260:Port 80 is public so that browsers can be redirected to HTTPS.
  security_group_id = aws_security_group.this["load-balancer"].id
  cidr_ipv4         = each.value.cidr
  description       = "From outside"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port

  tags = { Name = "${var.name}-public-${each.value.port}" }
}

# The AWS API, the image registry and the exchanges' price feeds: HTTPS and nothing else.
resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = toset(["backend", "frontend"])

  security_group_id = aws_security_group.this[each.key].id
  cidr_ipv4         = "0.0.0.0/0"
  description       = "HTTPS to AWS and price feeds"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443

  tags = { Name = "${var.name}-${each.key}-https" }
}
