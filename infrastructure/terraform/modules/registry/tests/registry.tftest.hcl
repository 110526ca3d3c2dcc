mock_provider "aws" {}

variables {
  kms_key_arn = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555"
}

# An image was once pushed under a name that no service pulls; the services' modules use these very names.
run "a_repository_for_each_service" {
  command = plan

  assert {
    condition     = { for service, repository in aws_ecr_repository.this : service => repository.name } == { backend = "ohmycoins/backend", frontend = "ohmycoins/frontend", responder = "ohmycoins/responder" }
    error_message = "The repositories are those that the services and the responder pull from."
  }

  assert {
    condition     = alltrue([for repository in aws_ecr_repository.this : repository.image_tag_mutability == "IMMUTABLE" && repository.image_scanning_configuration[0].scan_on_push])
    error_message = "Tags can't be moved, and what is pushed is scanned."
  }
}

run "released_images_are_shielded_from_the_rules_that_follow" {
  command = plan

  assert {
    condition = alltrue([
      for policy in aws_ecr_lifecycle_policy.this :
      jsondecode(policy.policy).rules[0].rulePriority == 1 &&
      jsondecode(policy.policy).rules[0].selection.tagPrefixList == ["release-"] &&
      jsondecode(policy.policy).rules[0].selection.countNumber == 100
    ])
    error_message = "The first rule claims the released images."
  }

  assert {
    condition = alltrue([
      for policy in aws_ecr_lifecycle_policy.this : alltrue([
        for rule in slice(jsondecode(policy.policy).rules, 1, 3) : try(!contains(rule.selection.tagPrefixList, "release-"), true) && rule.selection.tagStatus != "any"
      ])
    ])
    error_message = "No later rule reaches them."
  }
}

run "too_few_released_images_are_refused" {
  command = plan

  variables {
    released_images = 3
  }

  expect_failures = [var.released_images]
}

run "a_name_that_ecr_would_refuse_is_refused" {
  command = plan

  variables {
    repositories = { backend = "OhMyCoins" }
  }

  expect_failures = [var.repositories]
}
