"""What ``omc runbook check`` finds in runbooks, and what it leaves alone."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from runpy import run_path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc.errors import WrongUse
from omc.runbook.lint.catalogue import RULES
from omc.runbook.lint.check import baseline_of, fails, finds_in, read, without_known
from omc.runbook.lint.document import finds_document, github_lines, rules_document, sarif
from omc.runbook.lint.model import Find

TODAY = date(2026, 12, 1)


def found_in(source: str, file: Path = Path("no folder/RUNBOOK.md")) -> list[Find]:
    return finds_in(source, file, TODAY)


def names(source: str) -> list[str]:
    return [one.rule.name for one in found_in(source)]


def script(*lines: str, heading: str = "# Look", language: str = "bash") -> str:
    return "\n".join((heading, "", f"```{language}", *lines, "```", ""))


WRONG = [
    ("aws-unknown-service", "aws esc list-tasks"),
    ("aws-unknown-command", "aws ecs describe-service --cluster c --services s"),
    ("aws-unknown-option", "aws ecs describe-services --cluster c --service-names s --services s"),
    (
        "aws-missing-option",
        "aws pi get-resource-metrics --service-type RDS --identifier db-1 --metric-queries file://q.json",
    ),
    ("aws-bad-value", "aws cloudwatch describe-alarms --state-value OKAY"),
    ("aws-bad-value", "aws ecs update-service --service s --desired-count four"),
    ("aws-bad-value", "aws ecs list-tasks --output tabel"),
    ("aws-gone", "$(aws ecr get-login --no-include-email)"),
    ("query-invalid", "aws ecs list-tasks --query 'taskArns[0'"),
    ("query-backticks", 'aws ecs list-tasks --query "taskArns[?@==`x`]"'),
    ("typographic", "aws ecs list-tasks \u2013cluster c"),
    ("terraform-unknown-command", "terraform aply"),
    ("risky", "terraform apply -auto-approve"),
    ("risky", "aws rds delete-db-instance --db-instance-identifier d --skip-final-snapshot"),
    ("risky", "redis-cli -h cache FLUSHALL"),
    ("risky", "psql -h db -c 'DROP TABLE users'"),
    ("password-on-command-line", "psql postgresql://app:secret@db/app"),
    ("aws-unknown-command", "for c in a b; do aws ecs list-taskss --cluster $c; done"),
    ("aws-unknown-command", "sudo watch -n 5 'aws ecs list-taskss'"),
    ("aws-unknown-command", "X=$(aws ecs list-taskss | jq .)"),
]


@pytest.mark.parametrize(("rule", "line"), WRONG)
def test_what_is_wrong_is_found_by_its_name(rule: str, line: str) -> None:
    assert names(script(line)) == [rule]


RIGHT = [
    "aws ecs describe-services --cluster c --services a b --query 'services[?status==`ACTIVE`].[serviceName]'",
    "aws logs tail /ecs/app --since 10m --format short",
    "aws --profile ops --region eu-west-1 --no-cli-pager s3 cp a s3://b/c --recursive",
    "aws ecs wait services-stable --cluster c --services s",
    'aws ecs execute-command --cluster c --task "$TASK" --interactive --command \'sh -c "ls --all"\'',
    'aws s3api list-objects-v2 --bucket "$B" --max-items 5 --output text | head',
    "aws ecs update-service --cli-input-json file://service.json",
    "aws ecs update-service $ARGS",
    "aws ecs update-service ...",
    "aws ecs update-service [options]",
    "aws configure sso",
    "aws sso login --profile ops",
    "aws sts get-caller-identity",
    "aws dynamodb help",
    "aws rds generate-db-auth-token --hostname h --port 5432 --username u",
    'aws ec2 describe-instances --filters Name=tag:Name,Values=web --query "Reservations[].Instances[].InstanceId"',
    "aws <service> describe-things",
    "terraform -chdir=infra plan -out=plan",
    'psql "postgresql://app:$PASSWORD@db/app"',
    "aws ecs list-tasks --cluster <cluster-of-ours>",
    "git checkout main && terraform plan",
    "brew install terraform awscli",
    "aws lambda invoke --function-name f out.json",
]


@pytest.mark.parametrize("line", RIGHT)
def test_what_is_right_is_left_alone(line: str) -> None:
    assert found_in(script(line)) == []


ORDERS = [
    ("newest-revision", "## Rollback", ["aws ecs describe-task-definition --task-definition web"]),
    ("newest-revision", "## Roll back", ["aws ecs update-service --service web --task-definition web"]),
    ("replication-group", "## Redis", ["aws elasticache describe-cache-clusters --cache-cluster-id web-redis"]),
    ("tasks-not-deployments", "## Recent deployments", ["aws ecs list-tasks --cluster c"]),
    ("apply-from-old-commit", "## Back", ["git checkout 1a2b3c4d", "terraform apply"]),
    ("never-returns", "## Logs", ["aws logs tail /ecs/web --follow", "aws sts get-caller-identity"]),
    ("unreachable", "## Stop", ["exit 1", "aws sts get-caller-identity"]),
    ("placeholder", "## Targets", ["aws elbv2 describe-target-health --target-group-arn <target-group-arn>"]),
    ("not-shell", "## Errors", ["fields @timestamp, @message", "| limit 20"]),
]


@pytest.mark.parametrize(("rule", "heading", "lines"), ORDERS)
def test_a_command_that_does_not_do_what_its_heading_says_is_found(rule: str, heading: str, lines: list[str]) -> None:
    assert names(script(*lines, heading=heading)) == [rule]


HARMLESS = [
    ("## Rollback", ["aws ecs describe-task-definition --task-definition web:41"]),
    ("## Look", ["aws ecs describe-task-definition --task-definition web"]),
    ("## Redis", ["aws elasticache describe-cache-clusters --cache-cluster-id web-redis-001"]),
    ("## Logs", ["aws sts get-caller-identity", "aws logs tail /ecs/web --follow"]),
    ("## Stop", ["if ! aws sts get-caller-identity; then", "  exit 1", "fi", "aws ecs list-clusters"]),
]


@pytest.mark.parametrize(("heading", "lines"), HARMLESS)
def test_the_same_where_it_is_right_is_left_alone(heading: str, lines: list[str]) -> None:
    assert found_in(script(*lines, heading=heading)) == []


PROSE = [
    ("percent-of-a-count", "- **Symptom**: RDS connection count > 80%"),
    ("time-without-season", "Sundays 2:00-4:00 AM AEST"),
    ("stale", "**Last Updated:** 2025-11-17"),
    ("stale", "Next review: 2026-01-31"),
    ("console-gone", "Open RDS Performance Insights for slow queries."),
    ("blank-contact", "- **Database Expert**: [Contact Info]"),
    ("two-clocks", "- Escalation after: 30 minutes\n\n1. Primary (15 min)\n2. Secondary (30 min)"),
]


@pytest.mark.parametrize(("rule", "text"), PROSE)
def test_what_the_prose_leaves_open_is_found(rule: str, text: str) -> None:
    assert names(f"# On call\n\n{text}\n") == [rule]


def test_a_link_is_followed_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# There\n")
    source = "[a](there.md#x) [b](gone.md) [c](https://example.org/gone.md) [d](#here) ![e](gone.png)\n"
    assert [(one.rule.name, one.message) for one in found_in(source, tmp_path / "r.md")] == [
        ("dead-link", "gone.md isn't there.")
    ]


def test_a_find_stands_where_its_word_stands() -> None:
    source = "# A\n\n1. Do\n   ```bash\n   aws ecs list-tasks \\\n     --clutser ä --cluster <the-cluster>\n   ```\n"
    [find] = found_in(source)
    assert (find.line, find.column, find.text) == (6, 6, "--clutser")
    assert source.split("\n")[find.line - 1][find.column - 1 :].startswith("--clutser")


def test_answers_in_a_session_are_no_commands() -> None:
    assert names(script("$ aws ecs list-tasks", "aws: nothing of the kind", language="console")) == []
    assert names(script("$ aws ecs list-taskss", "{}", language="console")) == ["aws-unknown-command"]


def test_other_languages_and_sentences_are_left_alone() -> None:
    assert names(script("aws ecs list-taskss", language="python")) == []
    assert names("aws is where it runs. See `aws ecs` and `terraform`.\n") == []
    assert names("Run `aws ecs list-taskss` first, then `aws ecs update-service`.\n") == ["aws-unknown-command"]


def test_a_comment_takes_a_find_out() -> None:
    line = script("aws ecs list-taskss")
    assert names(line.replace("```bash", "<!-- omc-runbook-ignore aws-unknown-command: an example -->\n```bash")) == []
    assert names(line.replace("```bash", "<!-- omc-runbook-ignore risky: an example -->\n```bash")) != []


ORIGINAL = {
    "placeholder": 9,
    "newest-revision": 1,
    "apply-from-old-commit": 1,
    "percent-of-a-count": 1,
    "not-shell": 2,
    "aws-missing-option": 1,
    "never-returns": 1,
    "replication-group": 1,
    "tasks-not-deployments": 1,
    "time-without-season": 1,
    "two-clocks": 1,
    "one-environment": 1,
    "console-gone": 1,
    "blank-contact": 2,
    "stale": 1,
}
"""What is known to be wrong in the runbook that this repository began with, by rule."""


def test_every_defect_of_the_first_runbook_is_found() -> None:
    original = Path(__file__).parent / "data" / "runbook_as_it_was.md"
    found = [one.rule.name for one in finds_in(read(original), original, TODAY)]
    assert {name: found.count(name) for name in set(found) - {"dead-link"}} == ORIGINAL


@given(st.text(alphabet=st.sampled_from(list("aws ecs-`\"'$(){}[]<>|&;\\\n#*!ä\u2013…:=/")), max_size=120))
@settings(max_examples=60, deadline=None)
def test_no_text_breaks_it(text: str) -> None:
    for source in (text, f"# A\n\n```bash\naws ecs list-tasks {text}\n```\n"):
        for find in found_in(source):
            assert find.line >= 1
            assert find.column >= 1


def test_a_baseline_leaves_out_what_was_there_and_no_more() -> None:
    old = found_in(script("aws ecs list-taskss"))
    moved = found_in("\n\n" + script("aws ecs list-taskss", "aws ecs list-taskss"))
    assert [one.line for one in without_known(moved, baseline_of(old), "b")] == [7]
    for broken in ("", "[]", '{"finds": 3}', '{"finds": {"a": "x"}}'):
        with pytest.raises(WrongUse, match="no baseline"):
            list(without_known(old, broken, "b"))


def test_notes_alone_fail_nothing() -> None:
    assert not fails(found_in("Sundays 2:00-4:00 AM AEST\n"))
    assert fails(found_in(script("aws ecs list-taskss")))


def test_every_form_has_every_find() -> None:
    found = found_in(script("aws ecs list-taskss", "terraform aply"))
    results = json.loads(sarif(found, "1"))["runs"][0]["results"]
    assert [one["ruleId"] for one in results] == [one.rule.name for one in found]
    assert len(github_lines(found)) == len(found)
    assert github_lines(found)[0].startswith(
        "::error file=no folder/RUNBOOK.md,line=4,col=9,title=aws-unknown-command::"
    )
    assert [one["rule"] for one in finds_document(found, 1).data["finds"]] == [one.rule.name for one in found]


def test_every_rule_is_listed_and_tested() -> None:
    tested = {rule for rule, *_ in (*WRONG, *ORDERS, *PROSE)} | {"dead-link", *ORIGINAL}
    assert tested == set(RULES)
    assert len(rules_document().data["rules"]) == len(RULES)


def test_the_page_has_the_rules_as_they_are() -> None:
    root = Path(__file__).parents[4]
    page = (root / "docs" / "runbook-check.md").read_text(encoding="utf-8")
    assert run_path(str(root / "scripts" / "runbook_rules.py"))["with_table"](page) == page
