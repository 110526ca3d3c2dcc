output "endpoint_ids" {
  description = "Endpoint of each service."
  value       = { for service, endpoint in aws_vpc_endpoint.this : service => endpoint.id }
}
