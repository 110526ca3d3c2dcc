output "bucket" {
  description = "Name of the bucket, known once its policy is in place."
  value       = aws_s3_bucket_policy.this.bucket
}

output "policy" {
  description = "Policy of the bucket, for the tests of who may do what."
  value       = aws_s3_bucket_policy.this.policy
}

output "arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}
