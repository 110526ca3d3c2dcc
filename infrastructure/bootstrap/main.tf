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
      Principal = { AWS = "arn:aws:iam::${local.account_id}:root" }
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
}

module "registry" {
  source = "../modules/registry"

  kms_key_arn = aws_kms_key.this.arn
}
