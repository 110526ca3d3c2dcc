mock_provider "aws" {
  mock_resource "aws_wafv2_web_acl" {
    defaults = { arn = "arn:aws:wafv2:ap-southeast-2:123456789012:regional/webacl/mock/11111111-2222-3333-4444-555555555555" }
  }
}

variables {
  name              = "ohmycoins-staging"
  load_balancer_arn = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:loadbalancer/app/ohmycoins-staging/0123456789abcdef"
  log_group_arn     = "arn:aws:logs:ap-southeast-2:123456789012:log-group:aws-waf-logs-ohmycoins-staging"
}

run "known_attacks_and_floods_are_stopped" {
  assert {
    condition     = toset([for rule in aws_wafv2_web_acl.this.rule : rule.name]) == toset(["AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet", "RequestRate"])
    error_message = "Reputation, known bad inputs (Log4j among them), the common set, and a rate."
  }

  assert {
    condition     = aws_wafv2_web_acl_association.this.resource_arn == var.load_balancer_arn
    error_message = "The web ACL guards the load balancer."
  }

  assert {
    condition     = length(aws_wafv2_web_acl_logging_configuration.this.redacted_fields) == 2
    error_message = "Credentials don't reach the log."
  }
}

run "a_log_group_that_waf_would_refuse_is_refused" {
  command = plan

  variables {
    log_group_arn = "arn:aws:logs:ap-southeast-2:123456789012:log-group:/waf/ohmycoins-staging"
  }

  expect_failures = [var.log_group_arn]
}

run "a_rate_that_blocks_everyone_is_refused" {
  command = plan

  variables {
    requests_per_five_minutes = 9
  }

  expect_failures = [var.requests_per_five_minutes]
}
