mock_provider "aws" {
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
}

run "the_state_has_a_bucket_of_the_accounts_own" {
  assert {
    condition     = local.state_bucket == "ohmycoins-staging-tfstate-123456789012"
    error_message = "The bucket's name holds the environment and the account."
  }
}

# The CI role once trusted every branch.
run "roles_trust_exact_subjects" {
  assert {
    condition = jsondecode(aws_iam_role.github["apply"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == [
      "repo:example/ohmycoins:environment:staging"
    ]
    error_message = "Only jobs in the environment, which GitHub holds back for approval, may apply."
  }

  assert {
    condition = toset(jsondecode(aws_iam_role.github["plan"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"]) == toset([
      "repo:example/ohmycoins:pull_request", "repo:example/ohmycoins:ref:refs/heads/main"
    ])
    error_message = "Pull requests and main may plan."
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
