"""What revisions name and tasks can't start without: asked for once each, of the running ones and of older ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from localcloud.core.registry import AwsError
from omc.aws.gateway import Access, Gateway
from omc.config import load
from omc.facts.candidates import Candidates
from omc.facts.definitions import Definition, Definitions
from omc.facts.requirements import TASKS, needs_of, read_candidate_needs, read_requirements
from omc.model.releases import ReleasedService
from support import release_facts as example
from support.canned_aws import canned_aws

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
SECRET = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:shop/key-AbCdEf"
ROLE = "arn:aws:iam::123456789012:role/path/shop-task"
TRUSTED = {"Statement": [{"Effect": "Allow", "Principal": {"Service": TASKS}, "Action": "sts:AssumeRole"}]}


def revision(name: str = "shop:7", **more: Any) -> Definition:
    """A revision of one container that names ``more``: secrets, options of its log, roles."""
    container: dict[str, Any] = {"name": "web", "image": "web"}
    if "secrets" in more:
        container["secrets"] = [{"name": f"S{at}", "valueFrom": each} for at, each in enumerate(more["secrets"])]
    if "log" in more:
        container["logConfiguration"] = {"logDriver": "awslogs", "options": more["log"]}
    roles: dict[str, Any] = {key: more[key] for key in ("taskRoleArn", "executionRoleArn") if key in more}
    return Definition(name, "arn:x", "ACTIVE", {"family": "shop", "containerDefinitions": [container], **roles})


INSTANCES = {"Statement": {"Effect": "Allow", "Principal": {"Service": ["ec2.amazonaws.com"]}}}


class Account:
    """What exists."""

    def __init__(self, **there: Any) -> None:
        self.there = there

    def secret(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if request["SecretId"] not in self.there.get("secrets", {}):
            raise AwsError("ResourceNotFoundException", "no such secret", 400)
        return {"ARN": request["SecretId"], **self.there["secrets"][request["SecretId"]]}

    def parameters(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        [wanted] = request["ParameterFilters"][0]["Values"]
        return {"Parameters": [{"Name": wanted}] if wanted in self.there.get("parameters", ()) else []}

    def role(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if request["RoleName"] not in self.there.get("roles", {}):
            raise AwsError("NoSuchEntity", "no such role", 404)
        document = quote(json.dumps(self.there["roles"][request["RoleName"]]))
        at = "2026-01-01T00:00:00Z"
        return {
            "Role": {
                "RoleName": request["RoleName"],
                "RoleId": "AROAEXAMPLEEXAMPLE00",
                "Arn": ROLE,
                "Path": "/",
                "CreateDate": at,
                "AssumeRolePolicyDocument": document,
            }
        }

    def groups(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        names = [name for name in self.there.get("groups", ()) if name.startswith(request["logGroupNamePrefix"])]
        return {"logGroups": [{"logGroupName": name} for name in names]}

    def answers(self) -> Any:
        return {
            ("secretsmanager", "DescribeSecret"): self.secret,
            ("ssm", "DescribeParameters"): self.parameters,
            ("iam", "GetRole"): self.role,
            ("logs", "DescribeLogGroups"): self.groups,
        }


def problems_of(*definitions: Definition, **there: Any) -> tuple[dict[str, str], list[str]]:
    """(problems, operations) of running revisions in an account that has these."""
    running = {f"service{at}": each for at, each in enumerate(definitions)}
    with canned_aws(Account(**there).answers()) as aws:
        gateway = Gateway(STAGING, Access(aws.endpoint, "AKIAEXAMPLE", "example"))
        return dict(read_requirements(gateway, Definitions(running, {})).problems), aws.operations()


@pytest.mark.parametrize(
    ("definition", "there", "problem"),
    [
        (revision(secrets=[SECRET]), {"secrets": {SECRET: {}}}, ""),
        (revision(secrets=[f"{SECRET}:password::"]), {"secrets": {SECRET: {}}}, ""),
        (revision(secrets=[SECRET]), {}, "The secret shop/key-AbCdEf does not exist."),
        (
            revision(secrets=[f"{SECRET}:password:AWSCURRENT:"]),
            {"secrets": {SECRET: {"DeletedDate": 1795000000}}},
            "The secret shop/key-AbCdEf is scheduled for deletion.",
        ),
        (revision(secrets=["/shop/key"]), {"parameters": ["/shop/key"]}, ""),
        (revision(secrets=["/shop/key"]), {}, "The parameter /shop/key does not exist."),
        (
            revision(secrets=["arn:aws:ssm:ap-southeast-2:123456789012:parameter/shop/key"]),
            {"parameters": ["/shop/key"]},
            "",
        ),
        (revision(log={"awslogs-group": "/ecs/shop"}), {"groups": ["/ecs/shop"]}, ""),
        (revision(log={"awslogs-group": "/ecs/shop"}), {"groups": ["/ecs/shop-old"]}, "The log group /ecs/shop"),
        (revision(log={"awslogs-group": "/ecs/shop", "awslogs-create-group": "true"}), {}, ""),
        (revision(log={"awslogs-region": "x"}), {}, ""),
        (revision(taskRoleArn=ROLE), {"roles": {"shop-task": TRUSTED}}, ""),
        (revision(executionRoleArn=ROLE), {}, "The role shop-task does not exist."),
        (
            revision(taskRoleArn=ROLE),
            {
                "roles": {
                    "shop-task": {"Statement": {"Effect": "Allow", "Principal": {"Service": ["ec2.amazonaws.com"]}}}
                }
            },
            f"The role shop-task does not trust {TASKS}, so no task gets it.",
        ),
        (
            revision(taskRoleArn=ROLE),
            {"roles": {"shop-task": {"Statement": [{"Effect": "Deny", "Principal": {"Service": TASKS}}]}}},
            f"The role shop-task does not trust {TASKS}, so no task gets it.",
        ),
        (revision(), {}, ""),
    ],
)
def test_what_a_task_can_not_start_without(definition: Definition, there: dict[str, Any], problem: str) -> None:
    problems, _ = problems_of(definition, **there)
    assert len(problems) == bool(problem)
    assert all(message.startswith(problem) for message in problems.values())


def test_what_several_name_is_asked_for_once() -> None:
    named: dict[str, Any] = {"secrets": [SECRET, f"{SECRET}:other::"], "taskRoleArn": ROLE, "executionRoleArn": ROLE}
    problems, operations = problems_of(
        revision(**named), revision("shop:8", **named), secrets={SECRET: {}}, roles={"shop-task": TRUSTED}
    )
    assert problems == {}
    assert sorted(each for each in operations if each != "GetCallerIdentity") == ["DescribeSecret", "GetRole"]


def test_what_could_be_gone_back_to_is_asked_about_also_where_ecs_has_forgotten_it() -> None:
    old = revision("shop:3", secrets=["/shop/old"])
    forgotten = revision("shop:1", log={"awslogs-group": "/ecs/shop-old"})
    then = ReleasedService(forgotten.name, {}, forgotten.body)
    nothing_kept = replace(then, task_definition="shop:0", definition={})
    ledger = example.ledger(
        example.release(1, 48, 1, 1, services={"backend": then}),
        example.release(2, 24, 1, 1, services={"backend": nothing_kept}),
    )
    with canned_aws(Account().answers()) as aws:
        gateway = Gateway(STAGING, Access(aws.endpoint, "AKIAEXAMPLE", "example"))
        found = read_candidate_needs(gateway, Candidates({old.name: old}, frozenset()), ledger)
    assert found.problems == {
        "/shop/old": "The parameter /shop/old does not exist.",
        "/ecs/shop-old": "The log group /ecs/shop-old does not exist.",
    }


def test_each_need_is_named_with_its_kind() -> None:
    named = revision(
        secrets=[SECRET, "/shop/key"], log={"awslogs-group": "/ecs/shop"}, taskRoleArn=ROLE, executionRoleArn=ROLE
    )
    assert needs_of(named) == [
        ("secret", SECRET),
        ("parameter", "/shop/key"),
        ("log group", "/ecs/shop"),
        ("role", ROLE),
    ]
