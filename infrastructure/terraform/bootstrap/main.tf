# What must be there before Terraform can run elsewhere: the state's bucket, the image repositories, and the roles that
# GitHub Actions assumes. Applied once in each account, by a person, before the first image is pushed.

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project     = "ohmycoins"
      Environment = var.environment
      ManagedBy   = "terraform-bootstrap"
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  name         = "ohmycoins-${var.environment}"
  account_id   = data.aws_caller_identity.current.account_id
  state_bucket = "${local.name}-tfstate-${local.account_id}"
}

resource "aws_kms_key" "this" {
  description             = "${local.name}: Terraform state and images"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  # Who may use it beyond the account's administrators is said in the roles' own policies.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Administration"
      Effect    = "Allow"
      Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${local.account_id}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })

  tags = { Name = "${local.name}-bootstrap" }
}

resource "aws_kms_alias" "this" {
  name          = "alias/${local.name}-bootstrap"
  target_key_id = aws_kms_key.this.key_id
}

# Replaced versions of the state are kept: they are the way back from a broken one. The lock is an object beside the
# state (use_lockfile), so no table is needed.
module "state" {
  source = "../modules/bucket"

  bucket          = local.state_bucket
  kms_key_arn     = aws_kms_key.this.arn
  noncurrent_days = 365

  # Who writes without naming an encryption gets the bucket's default, the key above. A backend with `encrypt = true`
  # and no key asks for S3's own key instead, which would leave the state readable without the key.
  policy_statements = jsonencode([
    {
      Sid       = "NoOtherEncryption"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:PutObject"
      Resource  = "arn:${data.aws_partition.current.partition}:s3:::${local.state_bucket}/*"
      Condition = {
        Null            = { "s3:x-amz-server-side-encryption" = "false" }
        StringNotEquals = { "s3:x-amz-server-side-encryption" = "aws:kms" }
      }
    },
    {
      Sid       = "NoOtherKey"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:PutObject"
      Resource  = "arn:${data.aws_partition.current.partition}:s3:::${local.state_bucket}/*"
      Condition = {
        Null            = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = "false" }
        StringNotEquals = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = aws_kms_key.this.arn }
      }
    },
  ])
}

module "registry" {
  source = "../modules/registry"

  kms_key_arn = aws_kms_key.this.arn
}
