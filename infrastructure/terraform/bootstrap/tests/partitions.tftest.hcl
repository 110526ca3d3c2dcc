# Outside of the common partition, in a state of its own: what was made for another partition would stay in it.
mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws-cn", dns_suffix = "amazonaws.com.cn", reverse_dns_prefix = "cn.com.amazonaws" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws-cn:kms:cn-north-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  }

  mock_resource "aws_ecr_repository" {
    defaults = { arn = "arn:aws-cn:ecr:cn-north-1:123456789012:repository/mock" }
  }
}

variables {
  environment          = "staging"
  region               = "cn-north-1"
  github_repository    = "example/ohmycoins"
  github_owner_id      = "123456"
  github_repository_id = "456789"
}

run "other_partitions_have_their_own_names" {
  assert {
    condition = alltrue([
      for text in concat([for role in aws_iam_role.github : role.assume_role_policy], [for policy in aws_iam_role_policy.github : policy.policy], [module.state.policy, aws_kms_key.this.policy]) :
      !strcontains(text, "arn:aws:")
    ])
    error_message = "Every ARN is of the partition."
  }

  assert {
    condition     = aws_iam_role_policy_attachment.plan_reads.policy_arn == "arn:aws-cn:iam::aws:policy/ReadOnlyAccess"
    error_message = "AWS's own policies too."
  }

  assert {
    condition     = aws_iam_openid_connect_provider.github.client_id_list == toset(["sts.amazonaws.com.cn"]) && strcontains(aws_iam_role_policy.github["plan"].policy, "secretsmanager.cn-north-1.amazonaws.com.cn")
    error_message = "Hosts end as the partition's do."
  }
}
