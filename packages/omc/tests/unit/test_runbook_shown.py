"""``omc runbook``: every section of the runbook, with the environment's names and what its commands look up."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.registry import AwsError
from omc.aws.command_permissions import operations_of
from omc.aws.reads import is_read
from omc.checks.issues import ISSUES
from omc.checks.runbook import DOCUMENTS
from omc.config import load
from omc.errors import Missing
from omc.output import markdown, terminal
from omc.output.json import to_json
from omc.runbook.document import code_of, section_document
from omc.runbook.model import RunbookSection, chapters, section_named, sections
from omc.runbook.values import Filled, NotLookedUp, fill
from support.canned_aws import arn, canned_aws, healthy
from support.morning import REPOSITORY, local_stack, omc

NOW = datetime(2026, 11, 30, tzinfo=UTC)
STACK = load(REPOSITORY / "omc.toml")
STAGING = STACK.environments["staging"]
ASKED: list[tuple[str, str]] = []


def answering(service: str, operation: str, parameters: Mapping[str, Any], query: str) -> str:
    """Some value for whatever is asked; botocore's own types hold the parameters."""
    ASKED.append((service, operation))
    assert query
    assert not re.search(r"\$[A-Z]", json.dumps(parameters))
    return f"value-of-{operation}"


def commands(section: RunbookSection) -> str:
    shown = section_document(section, STAGING, answering, NOW)
    return "\n".join(line for each in code_of(shown.blocks) if each.language == "bash" for line in each.lines)


@pytest.mark.parametrize("section", sections(), ids=lambda each: f"{each.chapter}#{each.name}")
def test_each_section_is_shown_with_the_environment_s_names(section: RunbookSection) -> None:
    document = section_document(section, STAGING, answering, NOW)
    text = commands(section)
    assert "$ENV" not in text
    assert "--env production" not in text
    for shown in (terminal.render(document), markdown.render(document), to_json(document.data)):
        assert section.address in shown or section.address.replace("_", "\\_") in shown
    assert section_named(f"{section.chapter}#{section.name}") == section
    names = {"what there is": section.short_name, "as a link": section.address}
    for name in names.values():
        assert section_named(name).title == section.title
    plain = section_document(section, None, None, NOW)
    there = [line for each in code_of(plain.blocks) for line in each.lines]
    fenced = "\n".join(section.lines).count("\n```") // 2
    assert len(list(code_of(plain.blocks))) == fenced
    assert set(there) <= set(section.lines)


def test_with_its_values_every_block_is_still_a_script() -> None:
    whole = "\n".join(commands(section) for section in sections() if section.level == 1)
    done = subprocess.run(["bash", "-n"], input=whole, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(set(ASKED)) >= 10
    assert [each for each in ASKED if not is_read(*each)] == []
    assert set(ASKED) == set(operations_of("runbook show"))
    assert ("logs", "StartQuery") not in ASKED


def test_each_issue_of_a_diagnosis_and_each_chapter_has_its_section() -> None:
    for name, issue in ISSUES.items():
        assert section_named(name).address == issue.document
    for chapter in chapters():
        assert section_named(chapter).level == 1
    assert section_named("Issue: Redis connection failures").issue == "redis"
    assert section_named("ecs-tasks-keep-restarting").issue == "tasks-restarting"
    with pytest.raises(
        Missing, match=r'no section "databse"\. Did you mean "database"\? All of them: omc runbook list'
    ):
        section_named("databse")


def test_the_package_brings_the_chapters_as_they_are_in_the_repository() -> None:
    there = sorted((REPOSITORY / DOCUMENTS).glob("*.md"))
    assert {file.stem: tuple(file.read_text().splitlines()) for file in there} == dict(chapters())
    dockerfile = (REPOSITORY / "packages/omc/Dockerfile").read_text()
    assert f"COPY {DOCUMENTS} /{DOCUMENTS}" in dockerfile  # where the link in the package leads from /source


SCRIPT = """SERVICE=backend
TASKS=$(aws ecs list-tasks --cluster "ohmycoins-$ENV" --service-name "$SERVICE" --desired-status STOPPED \\
  --no-paginate --query 'taskArns' --output text)  # the first hundred
LOAD_BALANCER=$(aws elbv2 describe-load-balancers --names "ohmycoins-$ENV" \\
  --query 'LoadBalancers[0].LoadBalancerArn' --output text)
aws x --dimensions "Name=LoadBalancer,Value=${LOAD_BALANCER#*loadbalancer/}" --arn "$LOAD_BALANCER" --tasks $TASKS
for MEMBER in $(aws elasticache describe-replication-groups --replication-group-id "ohmycoins-$ENV-redis" \\
    --query 'ReplicationGroups[0].MemberClusters' --output text); do
  A=$(aws elasticache describe-cache-clusters --cache-cluster-id "$MEMBER" --query 'CacheClusters[0].X' --output text)
  echo "$MEMBER"
done
QUERY=$(aws logs start-query --log-group-name "/ecs/ohmycoins-$ENV/backend" --query queryId --output text)
SECRET=$(aws secretsmanager get-secret-value --secret-id x --query SecretString --output text)
INTERFACES=$(aws ec2 describe-nat-gateways --filter Name=state,Values=available,pending \\
  --query 'NatGateways[]' --output text | tr '\\t' '|')
"""


def test_values_stand_in_place_of_their_look_ups_and_what_stays_has_its_reason() -> None:
    asked: list[tuple[str, str, Mapping[str, Any]]] = []

    def ask(service: str, operation: str, parameters: Mapping[str, Any], _: str) -> Any:
        asked.append((service, operation, parameters))
        return {"ListTasks": ["arn:a", "arn:b"], "DescribeLoadBalancers": "arn:lb/1"}.get(operation, ["r-001", "r-002"])

    filled = Filled()
    text = fill(SCRIPT, STAGING, ask, filled, "frontend")
    assert asked == [
        (
            "ecs",
            "ListTasks",
            {"cluster": "ohmycoins-staging", "serviceName": "frontend", "desiredStatus": "STOPPED"},
        ),
        ("elbv2", "DescribeLoadBalancers", {"Names": ["ohmycoins-staging"]}),
        ("elasticache", "DescribeReplicationGroups", {"ReplicationGroupId": "ohmycoins-staging-redis"}),
    ]
    for part in (
        "SERVICE=frontend\n",
        'TASKS="arn:a arn:b"  # the first hundred\n',
        "LOAD_BALANCER=arn:lb/1\n",
        'Value=${LOAD_BALANCER#*loadbalancer/}" --arn "arn:lb/1" --tasks arn:a arn:b\n',
        "for MEMBER in r-001 r-002; do\n",
        '--cache-cluster-id "$MEMBER"',
    ):
        assert part in text
    assert filled.found == {"TASKS": "arn:a arn:b", "LOAD_BALANCER": "arn:lb/1"}
    assert filled.stays == {
        "A": "it depends on $MEMBER, which the shell knows",
        "QUERY": "it isn't a look-up",
        "SECRET": "it isn't a look-up",
        "INTERFACES": "the shell has to do more than ask",
    }


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "there is none now"),
        ([], "there is none now"),
        ("x; rm -rf /", "its value isn't a plain word"),
        ("$(reboot)", "its value isn't a plain word"),
        ("two\nlines", "its value isn't a plain word"),
        ({"a": 1}, "its value is more than a few words"),
        (NotLookedUp("not allowed"), "not allowed"),
    ],
)
def test_what_a_shell_could_obey_and_what_there_is_not_is_never_put_in(value: Any, reason: str) -> None:
    def ask(*_: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    line = "X=$(aws ecs list-tasks --cluster c --query 'taskArns[0]' --output text)"
    filled = Filled()
    assert fill(line, STAGING, ask, filled) == line
    assert filled.stays == {"X": reason}


def test_the_command_shows_a_section_with_what_aws_answers(tmp_path: Path) -> None:
    database = {
        "DBInstances": [
            {
                "Endpoint": {"Address": "db.example.internal"},
                "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-0123"}],
            }
        ]
    }
    task = arn("ecs", "task/ohmycoins-staging/0123")
    answers = healthy() | {
        ("rds", "DescribeDBInstances"): database,
        ("ecs", "ListTasks"): {"taskArns": [task]},
        ("elasticache", "DescribeReplicationGroups"): AwsError("AccessDenied", "no", 403),
    }
    with canned_aws(answers) as aws:
        folder = local_stack(tmp_path, aws)
        shown = omc("runbook", "show", "database", "--env", "local", folder=folder)
        redis = omc("runbook", "show", "redis", "--env", "local", "--output", "json", folder=folder)
        asked = {(service, operation) for service, operation, _ in aws.requests}
    assert shown.returncode == 0, shown.stderr
    for part in ("GROUP=sg-0123", "Values=sg-0123", "nc -zv -w 5 db.example.internal 5432", f'--task "{task}"'):
        assert part in shown.stdout
    found = json.loads(redis.stdout)
    assert found["values"] == {"TASK": task}
    assert "elasticache:DescribeReplicationGroups" in found["not_looked_up"]["ENDPOINT"]
    assert [each for each in asked if not is_read(*each)] == []


def test_as_it_is_written_needs_neither_environment_nor_aws(tmp_path: Path) -> None:
    done = omc("runbook", "show", "maintenance", "--plain", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Recommended schedule" in done.stdout
    listed = omc("runbook", "list", "--output", "json", folder=tmp_path)
    assert len(json.loads(listed.stdout)["sections"]) == len(sections())
    assert omc("runbook", "show", "maintenance", "--plain", "--env", "staging", folder=tmp_path).returncode == 2
