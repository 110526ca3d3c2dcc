"""Commands that omc prints are run as printed: by bash, where an aws CLI stands that takes what the real one takes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest

import omc.actions
from omc.actions.action import ACTIONS, Context, action_named
from omc.aws.calls import Call
from omc.aws.command_lines import _model, _service, command_line
from omc.aws.command_permissions import COMMANDS, operations_of
from omc.config import Environment
from omc.engine.planning import commands
from omc.facts.definitions import Definition, Definitions
from omc.facts.deployments import History
from omc.facts.quotas import Quotas
from omc.facts.registered import Registered
from omc.facts.scaling import Scaling
from omc.facts.services import Services
from omc.facts.verifications import Verifications
from omc.model.arguments.terraform import ApplyPlan
from omc.model.arguments.timers import CancelTimer
from omc.model.maintenance import MaintenanceRequest
from omc.model.plan import Plan, Risk, Step, step
from omc.model.requests import (
    BackupCreateRequest,
    BackupPruneRequest,
    BackupRestoreRequest,
    BackupVerifyRequest,
    DeployRequest,
    PruneRequest,
    RollbackRequest,
)
from omc.model.requests import MigrateRequest as Migrate
from omc.model.requests import RestartRequest as Restart
from omc.model.requests import ScaleRequest as Scale
from support import aws_cli, data_store_plans
from support import release_facts as example
from support.shell import words_of

B, F = "ohmycoins-backend", "ohmycoins-frontend"
HOSTILE = 'it\'s $HOME `id` "quoted" *'


def _deploy(**more: Any) -> Plan:
    request = more.pop("request", None) or DeployRequest(
        images={"backend": example.digest("b"), "frontend": example.digest("b")}
    )
    images = replace(
        example.facts()["images"], of={"backend": example.wanted(), "frontend": example.wanted(name="frontend")}
    )
    return example.planned("deploy", request, **({"images": images} | more))


def _rollback(**more: Any) -> Plan:
    old, new = example.definition("backend", 7, "a"), example.definition("backend", 8, "b")
    known = {
        "services": Services((example.service("backend", 8), example.service("frontend", 3))),
        "definitions": Definitions({"backend": new, "frontend": example.definition("frontend", 3, "a")}, {}),
        "history": History({"backend": (example.deployed(f"{B}:8", 1), example.deployed(f"{B}:7", 24))}),
        "found": example.candidates(old, new),
        "ledger": example.ledger(),
    }
    return example.planned("rollback", more.pop("request", RollbackRequest(("backend",))), **(known | more))


def _running(definitions: Definitions, backend: Definition) -> Definitions:
    return replace(definitions, running={**definitions.running, "backend": backend})


def _plans() -> Iterator[tuple[str, Plan]]:
    definitions = example.facts()["definitions"]
    environment = example.environment()
    yield "deploy", _deploy()
    odd = example.definition("backend", 7, "a", NOTE=HOSTILE, API_KEY="abcdefghijklmnop")
    yield "deploy, odd values", _deploy(definitions=_running(definitions, odd))
    yield "deploy, new tasks", _deploy(request=DeployRequest(force_new=["backend", "frontend"]))
    gone = replace(definitions.running["backend"], status="INACTIVE")
    again = DeployRequest(force_new=["backend"])
    yield "deploy, what runs is deregistered", _deploy(request=again, definitions=_running(definitions, gone))
    yield "roll back", _rollback()
    was = example.candidates(replace(example.definition("backend", 7, "a"), status="INACTIVE"))
    yield "roll back to what was deregistered", _rollback(found=was, request=RollbackRequest(("backend",), to=f"{B}:7"))
    going = replace(example.deployed(f"{B}:8", 1), status="IN_PROGRESS", finished=None)
    yield "stop", _rollback(history=History({"backend": (going, example.deployed(f"{B}:7", 24))}))
    yield "restart", example.planned("restart", Restart())
    yield "migrate", example.planned("migrate", Migrate(()))
    quotas = {"quotas": Quotas(None, {}, 0.0)}
    yield "scale", example.planned("scale", Scale("backend", count=4), **quotas)
    yield "scale for a while", example.planned("scale", Scale("backend", count=4, seconds=3600), **quotas)
    yield "limits", example.planned("scale", Scale("backend", minimum=3, maximum=6), **quotas)
    alone = Scaling(())
    yield "scale without an autoscaler", example.planned("scale", Scale("backend", count=4), scaling=alone, **quotas)
    registered = Registered({"backend": tuple(f"{B}:{number}" for number in range(1, 8))}, frozenset())
    yield "prune", example.planned("prune", PruneRequest(1), registered=registered)
    file = ApplyPlan(
        project="/tmp/a project", work="/tmp/work", stack="ohmycoins", plan="/tmp/a plan", sha256="0" * 64, serial=1,
        lineage="l", destroy=False, variables={}, approved=(),
    )  # fmt: skip
    yield "apply", Plan("infra-apply", environment.name, {}, "Apply", Risk.HIGH, (step("apply", file, "Apply"),))
    file_of = {"verify": BackupVerifyRequest(), "restore": BackupRestoreRequest("one"), "create": BackupCreateRequest()}
    known = {"backups": example.backups(), "verifications": Verifications()}
    for name, request in file_of.items():
        yield f"backup {name}", example.planned(f"backup-{name}", request, **known)
    old = {"backups": example.backups(snapshots=tuple(example.snapshot(each, 9999) for each in ("a", "b")))}
    yield "backup prune", example.planned("backup-prune", BackupPruneRequest(keep=1, days=1), **(known | old))
    for number, row in enumerate(data_store_plans.ROWS):
        yield f"{row.procedure} {number}", data_store_plans.plan(row.procedure, row.request, **row.facts)
    about = MaintenanceRequest("A", "2100-01-02T16:00+00:00", "2100-01-02T18:00+00:00", [{"title": "b"}])
    yield "maintenance", example.planned("maintenance", about)
    cancel = step("cancel", CancelTimer(timer="0vqk3m7x"), "Cancel")
    yield "cancel a timer", Plan("undo", environment.name, {}, "Cancel", Risk.LOW, (cancel,))


PLANS = dict(_plans())


def undone(plan: Plan) -> Plan:
    """What takes it back, as a plan of its own: ``omc runs undo`` prints its commands too."""
    steps = [
        Step(f"undo-{each.name}", each.undo.action, each.undo.arguments, each.undo.description)
        for each in plan.steps
        if each.undo
    ]
    return replace(plan, steps=(*plan.steps, *steps))


STUBS = """
set -euo pipefail
aws() { printf '%s\\0' aws "$@" >&3; printf '\\n' >&3; echo told; }
terraform() { printf '%s\\0' terraform "$@" >&3; printf '\\n' >&3; }
omc() { printf '%s\\0' omc "$@" >&3; printf '\\n' >&3; }
curl() { printf '%s\\0' curl "$@" >&3; printf '\\n' >&3; }
ACCOUNT=123456789012
"""


def run_by_bash(lines: list[str], folder: Path) -> list[list[str]]:
    """The words of each command that bash makes of the lines, run one after the other in one shell."""
    response = folder / "told"
    script = STUBS + "\n".join(lines)
    with response.open("wb") as stream:
        done = subprocess.run(
            ["bash", "-c", f"exec 3>&1 1>/dev/null\n{script}"], stdout=stream, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 0, f"{done.stderr.decode()}\n{script}"
    return [
        line.split("\0")[:-1] for line in response.read_text().split("\0\n") for line in [line + "\0"] if line != "\0"
    ]


@pytest.mark.parametrize("name", PLANS)
def test_what_a_plan_says_by_hand_is_run_as_printed(name: str, tmp_path: Path) -> None:
    plan = undone(PLANS[name])
    lines = commands(plan, example.environment())
    ran = run_by_bash(lines, tmp_path)
    for words in ran:
        if words[0] == "aws":
            aws_cli.understood(words)
    requested = sum(line.count("aws ") > 0 for line in lines)
    assert len([words for words in ran if words[0] == "aws"]) >= requested


def test_every_action_is_among_them() -> None:
    for module in walk_packages(omc.actions.__path__, "omc.actions."):
        import_module(module.name)
    planned = {step.action for plan in PLANS.values() for step in undone(plan).steps}
    assert set(ACTIONS) - planned == set(), "an action whose commands by hand nobody runs"


def test_what_goes_on_is_waited_for_as_printed(tmp_path: Path) -> None:
    nothing: Any = None
    where = Context(
        nothing, example.environment(), "r", "s", "t", lambda: example.NOW, lambda _: None,
        {"task": "arn:aws:ecs:ap-southeast-2:123456789012:task/c/0a1b"}, lambda _: None, lambda: False, nothing,
    )  # fmt: skip
    run_task = action_named("ecs.run_task")
    message = run_task.pending_notice(where, run_task.read(PLANS["migrate"].steps[0].arguments))
    [words] = run_by_bash([message.partition("(")[2].partition(")")[0]], tmp_path)
    assert aws_cli.understood(words)[0] == "DescribeTasks"


# --explain: each operation that omc asks, with each parameter that it could have

BY_PLUGIN = frozenset({"ExecuteCommand", "StartSession"})
"""The aws CLI takes them only where its plugin is, which this machine needn't have."""
OPERATIONS = sorted({each for command in COMMANDS for each in operations_of(command)})


def sample(shape: Any, depth: int = 0) -> Any:
    """A value of the shape; None where there is none that a command line could hold."""
    match shape.type_name:
        case "string":
            return shape.enum[0] if shape.enum else "x" * max(1, shape.metadata.get("min", 1))
        case "integer" | "long":
            return max(1, shape.metadata.get("min", 1))
        case "double" | "float":
            return 1.5
        case "boolean":
            return True
        case "timestamp":
            return datetime(2026, 11, 29, tzinfo=UTC)
        case "list":
            item = sample(shape.member, depth + 1)
            return None if item is None else [item] * max(1, shape.metadata.get("min", 1))
        case "map":
            value = sample(shape.value, depth + 1)
            return None if value is None else {sample(shape.key, depth + 1): value}
        case "structure":
            wanted = dict(shape.members)
            if depth > 2:
                wanted = {name: inner for name, inner in wanted.items() if name in shape.required_members}
            if getattr(shape, "is_tagged_union", False):
                wanted = dict(list(shape.members.items())[:1])
            members = {name: sample(inner, depth + 1) for name, inner in wanted.items()}
            return {name: value for name, value in members.items() if value is not None}
    return None  # a blob: bytes go by a file


def call(service: str, operation: str, parameters: dict[str, Any]) -> Call:
    return Call(service, operation, parameters, datetime.now(UTC), 0.0, 1, None, is_next_page=False)


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime) else value


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_each_call_is_explained_as_the_aws_cli_takes_it(service: str, operation: str) -> None:
    shape = _model(service, operation)[0].input_shape
    members = {name: sample(inner) for name, inner in shape.members.items()} if shape else {}
    token = _service(service)[1].get(operation, {}).get("input_token", "")
    tokens = [token] if isinstance(token, str) else token  # a call that has one is a further page, which isn't printed
    parameters = {name: value for name, value in members.items() if value is not None and name not in tokens}
    words = words_of(command_line(call(service, operation, parameters), "ap-southeast-2"))
    if operation in BY_PLUGIN:
        return
    name, understood = aws_cli.understood(words)
    assert name == operation
    assert {key: plain(value) for key, value in understood.items()} == plain(parameters)


def test_environments_have_no_say_in_it() -> None:
    """What is printed names region, cluster and service; whose credentials ask is the shell's to say."""
    environment: Environment = example.environment()
    for plan in PLANS.values():
        for line in commands(plan, environment):
            assert "None" not in line.split()
