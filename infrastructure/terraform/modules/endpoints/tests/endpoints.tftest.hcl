mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com", reverse_dns_prefix = "com.amazonaws" }
  }
}

variables {
  name              = "ohmycoins-staging"
  account_id        = "123456789012"
  region            = "ap-southeast-2"
  vpc_id            = "vpc-0a"
  subnet_ids        = ["subnet-0a", "subnet-0b"]
  security_group_id = "sg-0a"
}

run "what_a_task_needs_to_start_log_and_be_entered" {
  command = plan

  assert {
    condition = toset([for endpoint in aws_vpc_endpoint.this : endpoint.service_name]) == toset([
      for service in ["ecr.api", "ecr.dkr", "kms", "logs", "secretsmanager", "ssmmessages"] : "com.amazonaws.ap-southeast-2.${service}"
    ])
    error_message = "Without NAT a task needs these and S3."
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.this : endpoint.vpc_endpoint_type == "Interface" && endpoint.private_dns_enabled])
    error_message = "Clients find the endpoints by the services' own names."
  }

  assert {
    condition = alltrue([
      for endpoint in aws_vpc_endpoint.this : one(jsondecode(endpoint.policy).Statement).Condition.StringEquals["aws:PrincipalAccount"] == "123456789012"
    ])
    error_message = "The endpoints serve this account's principals only."
  }
}

run "s3_is_refused" {
  command = plan

  variables {
    services = ["s3"]
  }

  expect_failures = [var.services]
}
