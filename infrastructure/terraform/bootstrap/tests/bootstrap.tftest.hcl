mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com", reverse_dns_prefix = "com.amazonaws" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555" }
  }

  mock_resource "aws_ecr_repository" {
    defaults = { arn = "arn:aws:ecr:ap-southeast-2:123456789012:repository/mock" }
  }
}

variables {
  environment       = "staging"
  github_repository = "example/ohmycoins"

  github_owner_id      = "123456"
  github_repository_id = "456789"
}

run "the_state_has_a_bucket_of_the_accounts_own" {
  assert {
    condition     = local.state_bucket == "ohmycoins-staging-tfstate-123456789012"
    error_message = "The bucket's name holds the environment and the account."
  }
}

# The CI role once trusted every branch. GitHub's subjects hold the numbers of owner and repository, of every repository
# that was made, renamed or moved since 15 July 2026: by names alone no role could be assumed.
run "roles_trust_exact_subjects" {
  assert {
    condition = jsondecode(aws_iam_role.github["apply"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == [
      "repo:example@123456/ohmycoins@456789:environment:staging"
    ]
    error_message = "Only jobs in the environment, which GitHub holds back for approval, may apply."
  }

  assert {
    condition = alltrue([
      for role in ["plan", "build"] : jsondecode(aws_iam_role.github[role].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == [
        "repo:example@123456/ohmycoins@456789:ref:refs/heads/main"
      ]
    ])
    error_message = "main alone may plan and build: a pull request's workflow is code that nobody has read yet."
  }

  assert {
    condition = alltrue([
      for role in aws_iam_role.github : keys(jsondecode(role.assume_role_policy).Statement[0].Condition) == ["StringEquals"] && !strcontains(role.assume_role_policy, "*")
    ])
    error_message = "No pattern stands in a trust policy."
  }

  assert {
    condition = alltrue([
      for role in aws_iam_role.github : jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
    ])
    error_message = "Tokens meant for others are refused."
  }
}

run "an_old_repository_is_trusted_by_names_on_request" {
  command = plan

  variables {
    github_owner_id         = null
    github_repository_id    = null
    github_subjects_by_name = true
  }

  assert {
    condition = local.subjects == {
      plan  = ["repo:example/ohmycoins:ref:refs/heads/main"]
      apply = ["repo:example/ohmycoins:environment:staging"]
      build = ["repo:example/ohmycoins:ref:refs/heads/main"]
    }
    error_message = "Names alone, where that is what GitHub sends."
  }
}

run "both_forms_are_trusted_while_a_repository_changes_over" {
  command = plan

  variables {
    github_subjects_by_name = true
  }

  assert {
    condition = toset(local.subjects.apply) == toset([
      "repo:example@123456/ohmycoins@456789:environment:staging", "repo:example/ohmycoins:environment:staging"
    ])
    error_message = "Numbers and names."
  }
}

run "roles_that_nobody_could_assume_are_refused" {
  command = plan

  variables {
    github_owner_id      = null
    github_repository_id = null
  }

  expect_failures = [var.github_owner_id]
}

run "half_of_the_numbers_is_refused" {
  command = plan

  variables {
    github_repository_id = null
  }

  expect_failures = [var.github_owner_id]
}

run "a_name_for_a_number_is_refused" {
  command = plan

  variables {
    github_owner_id = "example"
  }

  expect_failures = [var.github_owner_id]
}

run "the_state_is_written_under_its_own_key_or_not_at_all" {
  assert {
    condition = alltrue([
      for sid, key in { NoOtherEncryption = "s3:x-amz-server-side-encryption", NoOtherKey = "s3:x-amz-server-side-encryption-aws-kms-key-id" } :
      anytrue([
        for statement in jsondecode(module.state.policy).Statement : statement.Effect == "Deny" && statement.Action == "s3:PutObject" &&
        statement.Condition.Null[key] == "false" && contains(["aws:kms", aws_kms_key.this.arn], statement.Condition.StringNotEquals[key]) if statement.Sid == sid
      ])
    ])
    error_message = "A write that names another encryption, or another key, is refused; one that names none gets the bucket's."
  }
}

run "deployments_can_look_at_quotas_and_write_names_in_one_zone" {
  variables {
    zone_id = "Z0123456789ABCDEFGHIJ"
  }

  assert {
    condition = length(setsubtract(["servicequotas:Get*", "servicequotas:List*", "budgets:ViewBudget", "health:Describe*"], one([
      for statement in jsondecode(aws_iam_role_policy.github["apply"].policy).Statement : statement.Action if statement.Sid == "Look"
    ]))) == 0
    error_message = "A deployment that doesn't fit into the quotas is told so before it begins."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.github["apply"].policy).Statement : statement.Resource if statement.Effect == "Allow" && contains(statement.Action, "route53:ChangeResourceRecordSets")
    ] == ["arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"]
    error_message = "Records of no other zone."
  }
}

run "without_a_zone_no_record_is_written" {
  assert {
    condition     = !strcontains(aws_iam_role_policy.github["apply"].policy, "ChangeResourceRecordSets")
    error_message = "No zone, no right."
  }
}

run "the_plan_role_changes_nothing" {
  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.github["plan"].policy).Statement : [
        for action in statement.Action : action if !can(regex(":(Get|List|Describe)|^kms:(Decrypt|GenerateDataKey)$", action))
      ] if statement.Effect == "Allow"
    ])) == toset(["s3:PutObject", "s3:DeleteObject"])
    error_message = "Beside reading it only takes and releases the state's lock."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.github["plan"].policy).Statement : statement.Resource if statement.Sid == "LockState"
    ]) == "arn:aws:s3:::ohmycoins-staging-tfstate-123456789012/staging/terraform.tfstate.tflock"
    error_message = "It writes the lock's object and no other."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.github["plan"].policy).Statement : statement.Effect == "Deny" if contains(["NoData", "NoOtherSecrets", "NoOtherObjects"], statement.Sid)
    ])
    error_message = "Data and other secrets are denied, whatever ReadOnlyAccess says."
  }
}

run "the_apply_role_raises_itself_no_higher" {
  assert {
    condition = anytrue([
      for statement in jsondecode(aws_iam_role_policy.github["apply"].policy).Statement :
      statement.Effect == "Deny" && try(statement.Resource, "") == "arn:aws:iam::123456789012:role/ohmycoins-staging-github-*" && contains(statement.Action, "iam:PutRolePolicy")
    ])
    error_message = "It can't change the roles of GitHub."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.github["apply"].policy).Statement :
      !contains(statement.Action, "*") && !contains(statement.Action, "iam:*") if statement.Effect == "Allow"
    ])
    error_message = "It is no administrator."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.github["apply"].policy).Statement :
      contains(keys(statement), "Condition") if statement.Effect == "Allow" && contains(statement.Action, "iam:PassRole")
    ])
    error_message = "Roles are passed to the stack's services only."
  }
}

run "policies_fit_into_a_role" {
  assert {
    condition     = alltrue([for policy in aws_iam_role_policy.github : length(replace(policy.policy, " ", "")) <= 10240])
    error_message = "A role's inline policies are 10,240 characters at most."
  }
}

run "a_pattern_for_a_repository_is_refused" {
  command = plan

  variables {
    github_repository = "example/*"
  }

  expect_failures = [var.github_repository]
}

run "an_unknown_environment_is_refused" {
  command = plan

  variables {
    environment = "qa"
  }

  expect_failures = [var.environment]
}
