# Nothing comes in but from the load balancer, and that only where the API is switched on.

locals {
  # Where a task goes to: AWS, Slack and whoever else takes a page over HTTPS; the mail server, where there is one.
  outbound = merge(
    { https = { port = 443, description = "HTTPS to AWS, Slack and other channels" } },
    var.smtp_port == null ? {} : { smtp = { port = var.smtp_port, description = "The mail server" } },
    # A database by URL is somewhere that only its owner knows.
    local.own_store ? {} : { store = { port = var.store_port, description = "The record's PostgreSQL" } },
  )
}

resource "aws_security_group" "tasks" {
  name        = local.full_name
  description = "Responder: nothing from outside but its API, if that is on"
  vpc_id      = var.vpc_id

  tags = { Name = local.full_name }
}

resource "aws_vpc_security_group_egress_rule" "outbound" {
  for_each = local.outbound

  security_group_id = aws_security_group.tasks.id
  cidr_ipv4         = "0.0.0.0/0"
  description       = each.value.description
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port

  tags = { Name = "${local.full_name}-${each.key}" }
}

resource "aws_security_group" "database" {
  count = local.own_store ? 1 : 0

  #checkov:skip=CKV2_AWS_5:It is attached in the database module, which receives its id.
  name        = "${local.full_name}-database"
  description = "PostgreSQL from the responder"
  vpc_id      = var.vpc_id

  tags = { Name = "${local.full_name}-database" }
}

resource "aws_vpc_security_group_egress_rule" "database" {
  count = local.own_store ? 1 : 0

  security_group_id            = aws_security_group.tasks.id
  referenced_security_group_id = aws_security_group.database[0].id
  description                  = "To its database"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432

  tags = { Name = "${local.full_name}-to-database" }
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  count = local.own_store ? 1 : 0

  security_group_id            = aws_security_group.database[0].id
  referenced_security_group_id = aws_security_group.tasks.id
  description                  = "From the responder"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432

  tags = { Name = "${local.full_name}-to-database" }
}
