output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "vpc_cidr" {
  description = "Address block of the VPC."
  value       = aws_vpc.this.cidr_block
}

output "public_subnet_ids" {
  description = "Subnets of the load balancer and the NAT gateways, in zone order."
  value       = [for zone in var.availability_zones : aws_subnet.this["public-${zone}"].id]
}

output "app_subnet_ids" {
  description = "Subnets of the tasks, in zone order."
  value       = [for zone in var.availability_zones : aws_subnet.this["app-${zone}"].id]
}

output "data_subnet_ids" {
  description = "Subnets of the database and the cache, in zone order."
  value       = [for zone in var.availability_zones : aws_subnet.this["data-${zone}"].id]
}

output "app_route_table_ids" {
  description = "Route table of each zone's application subnet."
  value       = { for zone in var.availability_zones : zone => aws_route_table.app[zone].id }
}

output "nat_gateway_ids" {
  description = "NAT gateway of each zone that has one."
  value       = { for zone, nat in aws_nat_gateway.this : zone => nat.id }
}

output "nat_network_interface_ids" {
  description = "Network interfaces of the NAT gateways, by which flow logs tell NAT traffic apart."
  value       = { for zone, nat in aws_nat_gateway.this : zone => nat.network_interface_id }
}

output "nat_public_ips" {
  description = "Addresses that the outside sees the tasks come from."
  value       = { for zone, address in aws_eip.nat : zone => address.public_ip }
}

output "s3_endpoint_id" {
  description = "Gateway endpoint of S3."
  value       = aws_vpc_endpoint.s3.id
}
