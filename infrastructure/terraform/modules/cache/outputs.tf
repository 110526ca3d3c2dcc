output "replication_group_id" {
  description = "The replication group. Its members, not it, have metrics and answer describe-cache-clusters."
  value       = aws_elasticache_replication_group.this.replication_group_id
}

output "member_ids" {
  description = "Cache cluster id of each member. ElastiCache names them -001, -002 …, so they are known before they exist."
  value       = [for index in range(var.members) : format("%s-%03d", local.replication_group_id, index + 1)]
}

output "primary_address" {
  description = "Host name of the primary, which follows a failover."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "reader_address" {
  description = "Host name that spreads reads over the replicas."
  value       = aws_elasticache_replication_group.this.reader_endpoint_address
}

output "port" {
  description = "Port to connect to, with TLS."
  value       = aws_elasticache_replication_group.this.port
}
