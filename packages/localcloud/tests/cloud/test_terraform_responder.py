"""The module that runs the responder, unchanged, against the cloud, with a small program in the responder's place: its
tasks log in to the module's own database with what Terraform wrote, and again after a new password.

Terraform's waits for the database make it minutes long.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from localcloud.core.cloud import Cloud
from localcloud.services.ecr import images as ecr
from support.ecs_cluster import Clients, app
from support.terraform_root import root_at
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(900)]

MODULES = Path(__file__).parents[4] / "infrastructure/terraform/modules"
LOG, CLUSTER = "/ecs/ohmycoins-staging/responder", "ohmycoins-staging-responder"
PROGRAM = """
import os, time, psycopg
with psycopg.connect(os.environ["OMC_STORE_URL"]) as connection:
    user = connection.execute("select current_user").fetchone()[0]
    print("logged in as", user, "with", os.environ["OMC_STATUS_KEY"], flush=True)
time.sleep(3600)
"""

ROOT = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "5.100.0" }
  }
}

provider "aws" {
  region                  = "ap-southeast-2"
  skip_metadata_api_check = true
  skip_region_validation  = true
}

variable "image" {}
variable "password_version" { default = 1 }

data "aws_caller_identity" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  exports    = [for log in ["postgresql", "upgrade"] : "/aws/rds/instance/ohmycoins-staging-responder/${log}"]
}

module "network" {
  source             = "./modules/network"
  name               = "ohmycoins-staging"
  region             = "ap-southeast-2"
  cidr               = "10.0.0.0/16"
  availability_zones = ["ap-southeast-2a", "ap-southeast-2b"]
  nat_gateways       = 1
}

resource "aws_kms_key" "this" {}

resource "aws_sqs_queue" "alerts" { name = "ohmycoins-staging-alerts" }

resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(concat(["/ecs/ohmycoins-staging/responder"], local.exports))
  name     = each.value
}

resource "aws_secretsmanager_secret" "example" { name = "example" }

resource "aws_secretsmanager_secret_version" "example" {
  secret_id     = aws_secretsmanager_secret.example.id
  secret_string = jsonencode({ part = "a secret" })
}

ephemeral "aws_secretsmanager_random_password" "database" {
  password_length     = 40
  exclude_punctuation = true
}

module "responder" {
  source                    = "./modules/responder"
  name                      = "ohmycoins-staging"
  environment               = "staging"
  account_id                = local.account_id
  region                    = "ap-southeast-2"
  protected                 = false
  image                     = var.image
  command                   = ["python", "/app/main.py"]
  repository_arn            = "arn:aws:ecr:ap-southeast-2:${local.account_id}:repository/ohmycoins/responder"
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.app_subnet_ids
  database_subnet_ids       = module.network.data_subnet_ids
  data_key_arn              = aws_kms_key.this.arn
  operations_key_arn        = aws_kms_key.this.arn
  queue_arn                 = aws_sqs_queue.alerts.arn
  log_group                 = aws_cloudwatch_log_group.this["/ecs/ohmycoins-staging/responder"]
  log_groups_read           = ["/ecs/ohmycoins-staging/backend"]
  database_log_group_names  = [for name in local.exports : aws_cloudwatch_log_group.this[name].name]
  database                  = { multi_az = false, backup_retention_days = 1 }
  database_password         = ephemeral.aws_secretsmanager_random_password.database.random_password
  database_password_version = var.password_version
  secrets                   = { OMC_STATUS_KEY = "${aws_secretsmanager_secret_version.example.arn}:part::" }
}
"""


def test_its_tasks_log_in_to_its_database_also_with_a_new_password(
    cloud: Cloud, aws: Clients, tmp_path: Path, provider: Mapping[str, str]
) -> None:
    folder = tmp_path / "root"
    shutil.copytree(MODULES, folder / "modules", ignore=shutil.ignore_patterns(".terraform*"))
    (folder / "main.tf").write_text(ROOT)
    aws("ecr").create_repository(repositoryName="ohmycoins/responder")
    pushed = ecr.push(aws("ecr"), cloud.settings.state, app(tmp_path / "program", PROGRAM), "ohmycoins/responder")
    image = f"-var=image={pushed.uri}"
    root = root_at(folder, cloud, provider)
    root.init()

    root.apply(image)
    eventually("both tasks are in", lambda: logged_in(aws) == 2)
    root.assert_no_difference(image)

    root.apply(image, "-var=password_version=2")
    eventually("two new tasks are in", lambda: logged_in(aws) == 4)
    [service] = aws("ecs").describe_services(cluster=CLUSTER, services=["responder"])["services"]
    assert service["taskDefinition"].endswith(":2")


def logged_in(aws: Clients) -> int:
    """How many tasks have said that they are logged in, with the secret that they were given by reference."""
    lines = [event["message"] for event in aws("logs").filter_log_events(logGroupName=LOG)["events"]]
    return lines.count("logged in as omc with a secret")
