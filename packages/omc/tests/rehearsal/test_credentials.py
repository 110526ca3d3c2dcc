"""The morning check, a deployment's plan and Terraform's plan by whoever the aws CLI would be, from every source of
credentials: roles by the cloud's own STS, all else from a server that plays what gives credentials out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import variants
from support.commands import ROOT, CommandResult
from support.credential_sources import NAMED, SOURCES, Giver, Keys, Person, giver
from support.small import BACKEND, TERRAFORM
from support.stack import Stack
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(900)]

ROLE = "somebody-who-deploys"
WITH_TERRAFORM = ("role of a profile", "Identity Center", "program", "web identity", "container", "credentials file")
"""Sources of which Terraform's own chain is tried too: each plan takes some seconds, the others differ in nothing that
Terraform sees."""


@pytest.fixture(scope="module")
def role(stack: Stack) -> str:
    """A role that everybody in the account may take on."""
    iam = stack.client("iam")
    anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    anybody_of_web = {"Effect": "Allow", "Principal": {"Federated": "*"}, "Action": "sts:AssumeRoleWithWebIdentity"}
    trust = {"Version": "2012-10-17", "Statement": [anybody, anybody_of_web]}
    made = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_role_policy(RoleName=ROLE, PolicyName="everything", PolicyDocument=json.dumps(everything))
    return str(made["Role"]["Arn"])


@pytest.fixture(scope="module")
def digest(stack: Stack) -> str:
    return variants.push(stack, "good")


@pytest.fixture(scope="module")
def small_root(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stack file beside a root of one resource, with a state of its own: a plan of it asks AWS as one of the whole
    stack does, and takes a third of the time."""
    project = tmp_path_factory.mktemp("project")
    folder = project / "infrastructure/terraform/environments/staging"
    folder.mkdir(parents=True)
    (folder / "main.tf").write_text(TERRAFORM.format(environment="credentials"))
    (folder / "backend.tf").write_text(BACKEND.replace("staging/", "credentials/"))
    (folder / "local.tfvars").write_text("")
    return Path(shutil.copy(ROOT / "omc.toml", project))


@pytest.fixture
def gives(stack: Stack) -> Iterator[Giver]:
    reach = stack.reach()
    with giver(Keys(reach["AWS_ACCESS_KEY_ID"], reach["AWS_SECRET_ACCESS_KEY"], "")) as gives:
        yield gives


def check_reads_everything(stack: Stack, env: dict[str, str]) -> None:
    """Nothing is unknown to this person's morning check, once the figures of a cloud as young as this one are there.

    A right that is missing will be missing later too: it isn't waited for.
    """
    checks: list[CommandResult] = []

    def has_read() -> bool:
        checks.append(stack.omc("check", "morning", "--env", "local", "--output", "json", env=env))
        assert checks[-1].stdout, checks[-1].stderr
        findings = checks[-1].json["findings"]
        assert not [each for each in findings if each["missing_permission"]], checks[-1].stdout
        return checks[-1].returncode in (0, 1) and not [each for each in findings if each["level"] == "unknown"]

    eventually(lambda: f"nothing is unknown: {checks[-1].stdout}{checks[-1].stderr}", has_read, within=300, every=3)


@pytest.mark.parametrize(
    "source", [name for name, (method, _) in SOURCES.items() if method != "login" and name not in NAMED]
)
def test_whoever_one_is_by_this_source_can_look_and_plan(
    source: str, stack: Stack, role: str, digest: str, small_root: Path, gives: Giver, tmp_path: Path
) -> None:
    reach = stack.reach()
    place = {name: reach[name] for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION")}
    person = SOURCES[source][1](Person(tmp_path, gives, role_arn=role))
    env = {"AWS_EC2_METADATA_DISABLED": ""} | place | person.environment()

    check_reads_everything(stack, env)
    plan = stack.omc(
        *("deploy", "--env", "local", "--image", f"backend={digest}", "--dry-run", "--output", "json"),
        *("--override", "a rehearsal"),
        env=env,
    )
    assert plan.returncode == 0, plan.stdout + plan.stderr
    if source in WITH_TERRAFORM:
        terraform = stack.omc("--stack", str(small_root), "infra", "plan", "--env", "local", env=env, timeout=600)
        assert terraform.returncode == 0, terraform.stdout + terraform.stderr
        assert "1 added" in terraform.stdout
