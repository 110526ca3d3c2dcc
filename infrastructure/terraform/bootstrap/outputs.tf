output "state_bucket" {
  description = "Bucket for `terraform init -backend-config=bucket=…`."
  value       = module.state.bucket
}

output "repository_urls" {
  description = "Where to push the images of each service."
  value       = module.registry.repository_urls
}

output "role_arns" {
  description = "Roles for GitHub Actions: plan, apply and build."
  value       = { for role, made in aws_iam_role.github : role => made.arn }
}
