mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com", reverse_dns_prefix = "com.amazonaws" }
  }

  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:loadbalancer/app/ohmycoins-staging/0123456789abcdef" }
  }

  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:targetgroup/mock/0123456789abcdef" }
  }

  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:listener/app/mock/0123456789abcdef/0123456789abcdef" }
  }
}

variables {
  name                = "ohmycoins-staging"
  account_id          = "123456789012"
  vpc_id              = "vpc-0a"
  subnet_ids          = ["subnet-0a", "subnet-0b"]
  security_group_id   = "sg-0a"
  deletion_protection = false
  default_service     = "frontend"

  services = {
    backend  = { port = 8000, health_path = "/health/ready", paths = ["/api/*"], priority = 10 }
    frontend = { port = 80, health_path = "/health" }
  }
}

run "the_facts_of_the_health_checks" {
  command = plan

  assert {
    condition = alltrue([
      for group in aws_lb_target_group.this :
      group.health_check[0].interval == 30 && group.health_check[0].timeout == 5 && group.health_check[0].healthy_threshold == 2 &&
      group.health_check[0].unhealthy_threshold == 3 && group.deregistration_delay == "30" && group.target_type == "ip"
    ])
    error_message = "Every 30 s, 5 s timeout, 2 healthy, 3 unhealthy, 30 s to leave."
  }

  assert {
    condition     = aws_lb_target_group.this["backend"].health_check[0].path == "/health/ready" && aws_lb_target_group.this["backend"].port == 8000
    error_message = "The backend is asked whether it is ready, on 8000."
  }
}

run "paths_choose_the_service" {
  command = plan

  assert {
    condition     = keys(aws_lb_listener_rule.this) == ["backend"] && one(one(aws_lb_listener_rule.this["backend"].condition).path_pattern).values == toset(["/api/*"])
    error_message = "/api/* goes to the backend, the rest to the frontend."
  }
}

run "without_a_certificate_http_serves" {
  command = plan

  assert {
    condition     = length(aws_lb_listener.https) == 0 && aws_lb_listener.http.default_action[0].type == "forward"
    error_message = "HTTP is all there is."
  }
}

run "with_a_certificate_http_only_redirects" {
  variables {
    domain_name     = "app.example.com"
    certificate_arn = "arn:aws:acm:ap-southeast-2:123456789012:certificate/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = aws_lb_listener.http.default_action[0].type == "redirect" && aws_lb_listener.http.default_action[0].redirect[0].protocol == "HTTPS"
    error_message = "HTTP is redirected."
  }

  assert {
    condition     = aws_lb_listener.https[0].port == 443 && strcontains(aws_lb_listener.https[0].ssl_policy, "TLS13-1-2")
    error_message = "HTTPS takes TLS 1.2 and newer."
  }

  assert {
    condition     = output.url == "https://app.example.com"
    error_message = "The address is the name in the certificate."
  }

  assert {
    condition     = length(aws_acm_certificate.this) == 0 && length(aws_route53_record.name) == 0
    error_message = "The certificate is used as it is, the record is somebody else's."
  }
}

run "access_is_logged" {
  command = plan

  assert {
    condition     = aws_lb.this.access_logs[0].enabled
    error_message = "Access logs are on."
  }
}

run "production_refuses_deletion" {
  command = plan

  variables {
    name                = "ohmycoins-production"
    deletion_protection = true
  }

  assert {
    condition     = aws_lb.this.enable_deletion_protection
    error_message = "Deletion protection stands."
  }
}

run "a_timeout_longer_than_the_interval_is_refused" {
  command = plan

  variables {
    health_check = { interval = 5, timeout = 5 }
  }

  expect_failures = [var.health_check]
}

run "a_rule_without_priority_is_refused" {
  command = plan

  variables {
    services = {
      backend  = { port = 8000, health_path = "/health/ready", paths = ["/api/*"] }
      frontend = { port = 80, health_path = "/health" }
    }
  }

  expect_failures = [var.services]
}

run "an_unknown_default_is_refused" {
  command = plan

  variables {
    default_service = "admin"
  }

  expect_failures = [var.default_service]
}

run "a_name_too_long_for_its_target_groups_is_refused" {
  command = plan

  variables {
    name = "ohmycoins-preproduction-x"
  }

  expect_failures = [var.name]
}

# Known only after apply otherwise, and what is made for each of them must be known before.
run "a_name_in_a_zone_gets_its_certificate_and_its_record" {
  command = plan

  override_resource {
    target          = aws_acm_certificate.this
    override_during = plan
    values = {
      arn = "arn:aws:acm:ap-southeast-2:123456789012:certificate/99999999-2222-3333-4444-555555555555"
      domain_validation_options = [{
        domain_name = "app.example.com", resource_record_name = "_1.app.example.com.", resource_record_type = "CNAME", resource_record_value = "_2.acm-validations.aws."
      }]
    }
  }

  variables {
    domain_name = "app.example.com"
    zone_id     = "Z0123456789ABCDEFGHIJ"
  }

  assert {
    condition     = aws_acm_certificate.this[0].domain_name == "app.example.com" && aws_acm_certificate.this[0].validation_method == "DNS"
    error_message = "A certificate of the name, proved by DNS."
  }

  assert {
    condition = alltrue([
      for record in aws_route53_record.proof : record.zone_id == "Z0123456789ABCDEFGHIJ" && record.type == "CNAME" && record.records == toset(["_2.acm-validations.aws."])
    ]) && length(aws_route53_record.proof) == 1
    error_message = "The proof stands in the zone."
  }

  assert {
    condition     = aws_route53_record.name[0].name == "app.example.com" && aws_route53_record.name[0].type == "A" && length(aws_route53_record.name[0].alias) == 1
    error_message = "The name leads to the load balancer."
  }

  assert {
    condition     = output.url == "https://app.example.com" && length(aws_lb_listener.https) == 1 && aws_lb_listener.http.default_action[0].type == "redirect"
    error_message = "HTTPS under the name, and HTTP leads there."
  }
}

run "https_without_a_name_is_refused" {
  command = plan

  variables {
    certificate_arn = "arn:aws:acm:ap-southeast-2:123456789012:certificate/11111111-2222-3333-4444-555555555555"
  }

  expect_failures = [var.domain_name]
}

run "a_name_that_nothing_can_prove_is_refused" {
  command = plan

  variables {
    domain_name = "app.example.com"
  }

  expect_failures = [var.domain_name]
}

run "a_zone_without_a_name_is_refused" {
  command = plan

  variables {
    zone_id = "Z0123456789ABCDEFGHIJ"
  }

  expect_failures = [var.domain_name]
}

run "a_pattern_for_a_name_is_refused" {
  command = plan

  variables {
    domain_name     = "*.example.com"
    certificate_arn = "arn:aws:acm:ap-southeast-2:123456789012:certificate/11111111-2222-3333-4444-555555555555"
  }

  expect_failures = [var.domain_name]
}

run "certificates_of_every_partition_are_taken" {
  command = plan

  variables {
    domain_name     = "app.example.com"
    certificate_arn = "arn:aws-us-gov:acm:us-gov-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = aws_lb_listener.https[0].certificate_arn == "arn:aws-us-gov:acm:us-gov-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
    error_message = "GovCloud's too."
  }
}

run "what_is_no_certificate_is_refused" {
  command = plan

  variables {
    domain_name     = "app.example.com"
    certificate_arn = "arn:aws:iam::123456789012:server-certificate/app"
  }

  expect_failures = [var.certificate_arn]
}
