mock_provider "aws" {}

variables {
  name   = "ohmycoins-staging"
  vpc_id = "vpc-0123456789abcdef0"
}

run "only_the_backend_reaches_the_database_and_the_cache" {
  assert {
    condition = toset([
      for rule in aws_vpc_security_group_ingress_rule.flow : rule.referenced_security_group_id
      if contains([aws_security_group.this["database"].id, aws_security_group.this["cache"].id], rule.security_group_id)
    ]) == toset([aws_security_group.this["backend"].id])
    error_message = "Nobody but the backend is let into the data tier."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.flow["backend-to-database"].from_port == 5432 && aws_vpc_security_group_ingress_rule.flow["backend-to-cache"].from_port == 6379
    error_message = "PostgreSQL on 5432, Redis on 6379."
  }
}

run "both_sides_of_each_hole_agree" {
  assert {
    condition = alltrue([
      for name, rule in aws_vpc_security_group_ingress_rule.flow :
      rule.security_group_id == aws_vpc_security_group_egress_rule.flow[name].referenced_security_group_id &&
      rule.referenced_security_group_id == aws_vpc_security_group_egress_rule.flow[name].security_group_id &&
      rule.from_port == aws_vpc_security_group_egress_rule.flow[name].from_port
    ])
    error_message = "What one side lets out the other lets in."
  }
}

run "the_database_and_the_cache_can_call_nobody" {
  assert {
    condition = length([
      for rule in concat(values(aws_vpc_security_group_egress_rule.flow), values(aws_vpc_security_group_egress_rule.https)) : rule
      if contains([aws_security_group.this["database"].id, aws_security_group.this["cache"].id], rule.security_group_id)
    ]) == 0
    error_message = "The data tier has no outgoing rule."
  }
}

run "only_the_load_balancer_is_open_to_addresses" {
  variables {
    allowed_cidrs = ["203.0.113.0/24", "198.51.100.0/24"]
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.public : rule.security_group_id == aws_security_group.this["load-balancer"].id])
    error_message = "Only the load balancer faces the outside."
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.public : "${rule.cidr_ipv4}:${rule.from_port}"]) == toset(["203.0.113.0/24:80", "203.0.113.0/24:443", "198.51.100.0/24:80", "198.51.100.0/24:443"])
    error_message = "Each block that is allowed reaches HTTP and HTTPS."
  }
}

run "a_malformed_block_is_refused" {
  command = plan

  variables {
    allowed_cidrs = ["everyone"]
  }

  expect_failures = [var.allowed_cidrs]
}

run "a_port_that_is_none_is_refused" {
  command = plan

  variables {
    backend_port  = 0
    frontend_port = 70000
  }

  expect_failures = [var.backend_port, var.frontend_port]
}
