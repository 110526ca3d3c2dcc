output "workgroup" {
  description = "Workgroup of the queries."
  value       = aws_athena_workgroup.this.name
}

output "database" {
  description = "Database of the tables in Glue's catalogue."
  value       = aws_glue_catalog_database.this.name
}
