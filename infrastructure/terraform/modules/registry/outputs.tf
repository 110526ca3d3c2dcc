output "repository_urls" {
  description = "Where to push the images of each service."
  value       = { for service, repository in aws_ecr_repository.this : service => repository.repository_url }
}

output "repository_arns" {
  description = "ARN of the repository of each service."
  value       = { for service, repository in aws_ecr_repository.this : service => repository.arn }
}
