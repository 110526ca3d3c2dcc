"""The table of what each command sends to AWS, held against what its code can send."""

from __future__ import annotations

from pathlib import Path

import pytest

from omc.aws.command_permissions import CHANGES, COMMANDS, IDENTITY, RESOURCES, needs_of_commands, operations_of
from omc.aws.permissions import action_for
from omc.aws.reads import is_read
from omc.config import load
from omc.logs import athena
from omc.logs.live import FOLLOWING
from omc.logs.trace import OBJECTS
from omc.procedures.catalogue import PLANNERS
from omc.responder.queue import OPERATIONS
from omc.responder.sns import CONFIRM
from omc.sessions.doors import ALLOWED, CREDENTIALS
from support.called import called, everything

DOORS = ("exec", "db", "redis", "forward")
LOGS = ("errors", "query", "top_talkers", "slow_queries", "tail", "trace")


def planner(procedure: str) -> tuple[str, str]:
    module, _, name = PLANNERS[procedure].partition(":")
    return module, name


ROOTS = {
    "check morning": [("omc.reports.morning", "morning")],
    "init": [("omc.adoption.command", "init")],
    "stack show": [("omc.adoption.command_stack", "show")],
    "check weekly": [("omc.review.command", "weekly")],
    "infra plan": [
        ("omc.procedures.infrastructure", "apply"),
        ("omc.procedures.infrastructure", "destroy"),
        ("omc.infrastructure.roots", "root_of"),
    ],
    "infra drift": [
        ("omc.facts.beside_terraform", "read_beside"),
        ("omc.facts.beside_terraform", "last_changes"),
        ("omc.infrastructure.roots", "root_of"),
    ],
    "local clone": [("omc.local.recording", "record"), ("omc.local.recording", "image_of")],
    "backup list": [("omc.backups.command", "list_backups")],
    "deployments": [("omc.cli.deployments", "deployments")],
    "maintenance calendar": [("omc.maintenance.command_calendar", "show_calendar")],
    "exec": [("omc.sessions.command", "_in_container")],
    "db": [("omc.sessions.command", "db")],
    "redis": [("omc.sessions.command", "redis")],
    "forward": [("omc.sessions.command", "forward")],
    "open": [("omc.sessions.command_open", "open_")],
    "logs": [("omc.logs.command", name) for name in LOGS],
    "mcp": [
        *(("omc.reports.morning", "morning"), ("omc.agents.tools", "TOOLS")),
        *(planner(name) for name in ("deploy", "scale", "rollback")),
    ],
    "audit verify": [("omc.cli.audit", "verify")],
    "notify test": [("omc.notify.channels.sms", "send")],
    "maintenance": [
        ("omc.procedures.maintenance", "plan_maintenance"),
        ("omc.maintenance.run", "Performer"),
        ("omc.engine.record_heads", "keep"),
    ],
    "doctor": [("omc.reports.doctor", "doctor")],
    "doctor --test-page": [("omc.responder.trying", "find_path"), ("omc.responder.trying", "run")],
    "serve": [
        ("omc.responder.service", "Responder"),
        ("omc.responder.sns", "take"),
        ("omc.notify.channels.sms", "send"),
    ],
}
PROCEDURES = {
    "deploy": "deploy",
    "migrate": "migrate",
    "exec --detach": "run-task",
    "rollback": "rollback",
    "restart": "restart",
    "scale": "scale",
    "infra apply": "infra-apply",
    "infra destroy": "infra-destroy",
    "releases prune": "prune",
    "backup create": "backup-create",
    "backup verify": "backup-verify",
    "backup restore": "backup-restore",
    "backup prune": "backup-prune",
    "backup sweep": "backup-sweep",
    "database reboot": "database-reboot",
    "database class": "database-class",
    "database storage": "database-storage",
    "database parameter": "database-parameter",
    "database rotate": "database-rotate",
    "database certificate": "database-certificate",
    "database apply": "database-apply",
    "database upgrade": "database-upgrade",
    "database cleanup": "database-cleanup",
    "cache failover": "cache-failover",
    "cache scale": "cache-scale",
    "cache upgrade": "cache-upgrade",
    "cache valkey": "cache-valkey",
    "cache reboot": "cache-reboot",
    "cache apply": "cache-apply",
    "maintenance": "maintenance",
}
ENDING = [("omc.engine.record_heads", "keep")]
"""What every change passes through beside its own steps."""
FREE = {("sts", "GetCallerIdentity")}


def roots(command: str) -> list[tuple[str, str]]:
    if command in ROOTS:
        return ROOTS[command]
    return [planner(PROCEDURES[command]), *ENDING]


BY_TEXT = {"runbook show"}
"""Sends what the runbook's chapters look up: ``test_runbook_shown.py`` holds its row against them."""


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - BY_TEXT - {"mcp"}))
def test_a_command_is_in_the_table_with_what_its_code_sends(command: str) -> None:
    assert set(operations_of(command)) == called(roots(command)) - FREE


def test_an_agent_s_tools_send_what_the_commands_of_these_readings_do_and_of_plans_the_reads_alone() -> None:
    sent = called(roots("mcp")) - FREE
    assert set(operations_of("mcp")) == {each for each in sent if is_read(*each) or each == ("s3", "GetObject")}
    assert {("logs", "StartQuery"), ("logs", "StopQuery"), ("ecr", "DescribeImages")} <= set(operations_of("mcp"))


def test_who_calls_is_read_with_what_only_people_of_identity_center_need() -> None:
    assert called([("omc.engine.actors", "actor_of")]) - FREE == IDENTITY


def test_every_procedure_is_a_change_of_the_table() -> None:
    assert set(PROCEDURES.values()) == set(PLANNERS)
    assert set(PROCEDURES) == CHANGES


def test_no_operation_of_omc_is_in_no_command() -> None:
    in_table = {operation for command in COMMANDS for operation in operations_of(command)}
    assert everything() - FREE == in_table


STATE = ("check morning", "check weekly", "mcp", "serve")
"""They read Terraform's state."""


def test_only_changes_pages_and_the_lock_of_the_state_need_more_than_reads() -> None:
    for command in set(COMMANDS) - CHANGES - {"infra plan", "notify test", "doctor --test-page"}:
        rest = set(operations_of(command)) - ({("s3", "GetObject")} if command in STATE else set())
        rest -= OBJECTS | FOLLOWING | athena.OPERATIONS if command == "logs" else set()
        if command == "serve":
            rest -= OPERATIONS | CONFIRM | {("sns", "Publish"), ("cloudwatch", "PutMetricData")}
        if command in DOORS:
            rest -= ALLOWED | (CREDENTIALS if command in ("db", "redis") else set())
        assert all(is_read(*operation) for operation in rest), command  # of objects the state alone, by the gateway


def test_every_resource_of_the_table_is_of_an_action_that_some_command_needs() -> None:
    needed = {action_for(*operation) for command in COMMANDS for operation in operations_of(command)}
    assert set(RESOURCES) - needed == {"iam:PassRole", "s3:PutObjectRetention"}


def test_resources_are_named_as_the_stack_names_them() -> None:
    environment = load(Path(__file__).parents[4] / "omc.toml").environments["production"]
    needs = needs_of_commands(environment, "ohmycoins", "aws-us-gov", "123456789012")
    on = {need.action: need.resources for need in needs["deploy"]}
    assert on["ecs:UpdateService"] == tuple(
        f"arn:aws-us-gov:ecs:ap-southeast-2:123456789012:service/ohmycoins-production/{name}"
        for name in ("backend", "frontend")
    )
    assert "iam:PassRole" in on
    assert on["cloudwatch:DescribeAlarms"] == ("*",)
    states = {need.resources for need in needs["infra apply"] if need.action == "s3:PutObject"}
    key = "arn:aws-us-gov:s3:::ohmycoins-production-tfstate-123456789012/production/terraform.tfstate"
    assert {(key,), (f"{key}.tflock",)} <= states
    assert not any("{" in resource for some in needs.values() for need in some for resource in need.resources)
