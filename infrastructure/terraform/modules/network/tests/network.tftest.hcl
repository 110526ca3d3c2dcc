mock_provider "aws" {}

variables {
  name               = "ohmycoins-staging"
  region             = "ap-southeast-2"
  cidr               = "10.0.0.0/16"
  availability_zones = ["ap-southeast-2a", "ap-southeast-2b"]
  nat_gateways       = 1
}

run "three_tiers_in_each_zone" {
  command = plan

  assert {
    condition = { for key, subnet in aws_subnet.this : key => subnet.cidr_block } == {
      "public-ap-southeast-2a" = "10.0.1.0/24", "public-ap-southeast-2b" = "10.0.2.0/24"
      "app-ap-southeast-2a"    = "10.0.11.0/24", "app-ap-southeast-2b" = "10.0.12.0/24"
      "data-ap-southeast-2a"   = "10.0.21.0/24", "data-ap-southeast-2b" = "10.0.22.0/24"
    }
    error_message = "The third byte of a subnet says its tier."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.this : subnet.map_public_ip_on_launch != true])
    error_message = "Nothing gets a public address by itself."
  }
}

run "one_nat_gateway_serves_every_zone" {
  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.nat) == 2
    error_message = "Both zones' tasks go out through the one NAT gateway."
  }

  assert {
    condition     = toset([for route in aws_route.nat : route.nat_gateway_id]) == toset([aws_nat_gateway.this["ap-southeast-2a"].id])
    error_message = "Both routes lead to the same gateway."
  }
}

run "three_nat_gateways_each_serve_their_own_zone" {
  variables {
    availability_zones = ["ap-southeast-2a", "ap-southeast-2b", "ap-southeast-2c"]
    nat_gateways       = 3
  }

  assert {
    condition     = alltrue([for zone, route in aws_route.nat : route.nat_gateway_id == aws_nat_gateway.this[zone].id])
    error_message = "A zone's traffic stays in it."
  }
}

# Removing NAT once took the route tables and the S3 endpoint with it, and cut the private subnets off.
run "without_nat_the_tables_and_the_s3_endpoint_stay" {
  variables {
    nat_gateways = 0
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_eip.nat) == 0 && length(aws_route.nat) == 0
    error_message = "There is no NAT."
  }

  assert {
    condition     = length(aws_route_table.app) == 2 && length(aws_route_table_association.this) == 6
    error_message = "Every subnet keeps its route table."
  }

  assert {
    condition = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && toset(aws_vpc_endpoint.s3.route_table_ids) == toset(concat(
      [for table in aws_route_table.app : table.id], [aws_route_table.data.id]
    ))
    error_message = "The S3 endpoint stays, in the tables of both private tiers."
  }
}

run "the_data_tier_has_no_way_out" {
  assert {
    condition     = !contains(concat([for route in aws_route.nat : route.route_table_id], [aws_route.internet.route_table_id]), aws_route_table.data.id)
    error_message = "No route leads out of the data tier."
  }

  assert {
    condition     = alltrue([for key, association in aws_route_table_association.this : association.route_table_id == aws_route_table.data.id if startswith(key, "data-")])
    error_message = "Data subnets use the data tier's table."
  }
}

run "the_default_security_group_allows_nothing" {
  command = plan

  assert {
    condition     = length(coalesce(aws_default_security_group.this.ingress, [])) == 0 && length(coalesce(aws_default_security_group.this.egress, [])) == 0
    error_message = "What nobody chose a group for reaches nothing."
  }
}

run "two_nat_gateways_for_three_zones_are_refused" {
  command = plan

  variables {
    availability_zones = ["ap-southeast-2a", "ap-southeast-2b", "ap-southeast-2c"]
    nat_gateways       = 2
  }

  expect_failures = [var.nat_gateways]
}

run "one_zone_is_refused" {
  command = plan

  variables {
    availability_zones = ["ap-southeast-2a"]
  }

  expect_failures = [var.availability_zones]
}

run "a_small_block_is_refused" {
  command = plan

  variables {
    cidr = "10.0.0.0/20"
  }

  expect_failures = [var.cidr]
}
