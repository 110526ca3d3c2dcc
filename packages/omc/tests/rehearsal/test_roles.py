"""The roles that Terraform makes, taken on as GitHub and ECS do: they may do what they are for, and not more."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from support import variants
from support.stack import CLUSTER, Stack

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(600)]


def taken_on(stack: Stack, role: str) -> dict[str, str]:
    """The environment of somebody who has taken on this role of the stack."""
    account = json.loads((stack.state / "cloud.json").read_text())["account"]
    arn = f"arn:aws:iam::{account}:role/{CLUSTER}-{role}"
    provided = stack.client("sts").assume_role(RoleArn=arn, RoleSessionName="rehearsal")["Credentials"]
    return stack.reach() | {
        "AWS_ACCESS_KEY_ID": provided["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": provided["SecretAccessKey"],
        "AWS_SESSION_TOKEN": provided["SessionToken"],
    }


def client(environment: dict[str, str], service: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]  # the stub wants a literal name
        service,
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environment["AWS_SESSION_TOKEN"],
    )


def secrets_of(stack: Stack, service: str) -> set[str]:
    """The ARNs of the secrets that a service's tasks are given."""
    ecs = stack.client("ecs")
    running = ecs.describe_services(cluster=CLUSTER, services=[service])["services"][0]["taskDefinition"]
    container = ecs.describe_task_definition(taskDefinition=running)["taskDefinition"]["containerDefinitions"][0]
    return {":".join(secret["valueFrom"].split(":")[:7]) for secret in container.get("secrets", [])}


def may_read(secretsmanager: Any, secret: str) -> bool:
    try:
        secretsmanager.get_secret_value(SecretId=secret)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return False
    return True


def test_an_execution_role_reads_the_secrets_of_its_own_service_only(healthy: Stack) -> None:
    own = secrets_of(healthy, "backend")
    assert len(own) >= 2
    backend = client(taken_on(healthy, "backend-execution"), "secretsmanager")
    frontend = client(taken_on(healthy, "frontend-execution"), "secretsmanager")
    other = healthy.client("secretsmanager").create_secret(Name="somebody/else", SecretString="hidden")["ARN"]
    try:
        assert {secret for secret in (*own, other) if may_read(backend, secret)} == own
        assert {secret for secret in (*own, other) if may_read(frontend, secret)} == secrets_of(healthy, "frontend")
    finally:
        healthy.client("secretsmanager").delete_secret(SecretId=other, ForceDeleteWithoutRecovery=True)


def test_who_plans_reads_the_state_and_terraforms_own_secrets_and_no_data(healthy: Stack) -> None:
    planner = taken_on(healthy, "github-plan")
    s3 = client(planner, "s3")
    bucket = next(each["Name"] for each in s3.list_buckets()["Buckets"] if "tfstate" in each["Name"])
    assert s3.get_object(Bucket=bucket, Key="staging/terraform.tfstate")["ContentLength"] > 0
    healthy.client("s3").put_object(Bucket=bucket, Key="other/terraform.tfstate", Body=b"{}")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(Bucket=bucket, Key="other/terraform.tfstate")
    healthy.client("s3").delete_object(Bucket=bucket, Key="other/terraform.tfstate")
    secretsmanager = client(planner, "secretsmanager")
    assert all(may_read(secretsmanager, secret) for secret in secrets_of(healthy, "backend"))
    assert not may_read(secretsmanager, healthy.output("database")["master_secret_arn"])


def test_who_deploys_may_read_all_that_a_deployment_is_planned_from(healthy: Stack) -> None:
    digest = variants.push(healthy, "good")
    plan = healthy.omc(
        *("deploy", "--env", "local", "--image", f"backend={digest}", "--dry-run", "--output", "json"),
        *("--override", "a rehearsal"),
        env=taken_on(healthy, "github-apply"),
    )
    assert plan.returncode == 0, plan.stdout + plan.stderr
    notes = "\n".join(plan.json["plan"]["notes"])
    assert "not allowed" not in notes
    assert "doesn't say which processor" not in notes
