"""What each action is given: made by planners, kept in a plan as JSON, and checked when it is read back. Nothing that
doesn't fit gets to an action, and whoever reads the refusal learns which field of which step it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import pytest

import omc.actions
from omc.actions.action import ACTIONS, action_named
from omc.engine.step_arguments import misfit_of, require_performable
from omc.errors import Altered
from omc.model.arguments.backups import (
    ConfigureInstance,
    CreateSnapshot,
    DeleteInstance,
    DeleteSnapshot,
    JudgeBackup,
    RenameInstance,
    RestoreInstance,
)
from omc.model.arguments.base import Arguments, OutputOf, from_json, known, output_of, to_json
from omc.model.arguments.cloudwatch import NoteBefore, Settle
from omc.model.arguments.data_stores import (
    ApplyMaintenance,
    ApplyUpdate,
    AwaitServices,
    CopyCacheParameters,
    CreateGreen,
    DeleteGreen,
    DeleteOldInstance,
    FailOverCache,
    ModifyCache,
    ModifyInstance,
    RebootInstance,
    RebootMember,
    RotateMasterSecret,
    SetParameters,
    SetReplicas,
    SwitchToGreen,
)
from omc.model.arguments.ecr import ProtectImage
from omc.model.arguments.ecs import Deregister, RegisterRevision, RollService, RunTask, StopDeployment
from omc.model.arguments.maintenance import ScheduleMaintenance
from omc.model.arguments.releases import RecordRelease
from omc.model.arguments.scaling import SetCapacity
from omc.model.arguments.terraform import ApplyPlan, ApprovedChange
from omc.model.arguments.timers import CancelTimer, SetTimer
from omc.model.maintenance import MaintenanceStep
from omc.model.plan import Plan, Risk, Step, Undo, canonical, step, undo_by
from omc.model.plan import from_json as plan_from_json
from omc.model.plan import to_json as plan_to_json
from omc.model.typed_json import Misfit

REVISION = "ohmycoins-backend:8"
REGISTERED = output_of("register-backend", "task_definition")
AWSVPC = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "assignPublicIp": "DISABLED"}}
READINGS = {"firing": [], "requests": 100, "error_percent": 0.5, "p95_seconds": None}

RESTORED = output_of("restore", "instance")
EXAMPLES: tuple[Arguments, ...] = (
    NoteBefore(),
    Settle(
        seconds=300,
        incident_seconds=900.0,
        before=output_of("before", "reading"),
        health={"readings": READINGS, "release": 3, "verified": "2026-11-29T00:00:00+00:00"},
        services={"backend": REGISTERED, "frontend": "ohmycoins-frontend:4"},
    ),
    ProtectImage(repository="ohmycoins/backend", digest="sha256:" + "a" * 64),
    RegisterRevision(
        service="backend", definition={"family": "ohmycoins-backend", "cpu": 256}, source=REVISION, tags={"team": "a"}
    ),
    RollService(
        service="backend",
        task_definition=REGISTERED,
        digests={"backend": "sha256:1"},
        force_new=True,
        instead_of=(REGISTERED, REVISION),
        back=True,
        settle_seconds=90,
    ),
    StopDeployment(service="backend", service_deployment="arn:aws:ecs:d/1", failing=REVISION, settle_seconds=90),
    RunTask(
        task_definition=REGISTERED,
        container="backend",
        command=("python", "-m", "backend.migrate"),
        network=AWSVPC,
        launch={"launchType": "FARGATE"},
        what="the migration of backend",
        cluster="acme-batch",
        environment={"POSTGRES_SERVER": output_of("restore", "address")},
        answers=True,
    ),
    Deregister(task_definition=REVISION),
    RecordRelease(
        services={"backend": REGISTERED},
        commits={"backend": "0a1b"},
        schema=output_of("migrate-backend", "schema"),
        schema_floor=None,
        proof=output_of("watch", "proof"),
    ),
    SetCapacity(service="backend", minimum=2, maximum=None, at_least=2, at_most=4, settle_seconds=90),
    ApplyPlan(
        project="/p",
        work="/w",
        stack="ohmycoins",
        plan="/w/plan",
        sha256="0" * 64,
        serial=7,
        lineage="l",
        destroy=False,
        variables={"name": "x", "count": 2},
        approved=(ApprovedChange("aws_ecs_service.backend", "update"),),
        partial=True,
        unseen="2 outputs",
    ),
    ScheduleMaintenance(
        title="Newer backend",
        begin=datetime(2026, 11, 28, 16, tzinfo=UTC),
        end=datetime(2026, 11, 28, 18, tzinfo=UTC),
        steps=(
            MaintenanceStep("Restart backend", "restart", {"services": ["backend"]}, outline=("ecs.roll_service a",)),
        ),
        silences=(("name=rds-*",),),
        watch_seconds=3600.0,
        public="Orders can't be placed for some minutes.",
        affects=("backend",),
    ),
    SetTimer(seconds=3600, procedure="scale", request={"service": "backend", "count": 2}, why="it was scaled"),
    CancelTimer(timer=output_of("give-back-backend", "timer"), saying="All is well."),
    CreateSnapshot(instance="ohmycoins-staging", label="before-upgrade"),
    DeleteSnapshot(snapshot="ohmycoins-staging-before-upgrade-0123456789ab"),
    RestoreInstance(
        prefix="ohmycoins-staging-verify",
        snapshot="one",
        source="db-ABC",
        at="latest",
        settings={"DBInstanceClass": "db.t4g.micro"},
        purpose="verification",
        expires_seconds=21600.0,
    ),
    ConfigureInstance(instance=RESTORED, settings={"ManageMasterUserPassword": True}),
    DeleteInstance(instance=RESTORED, purpose="verification", run="0vqk3m7x", keeps=True),
    RenameInstance(resource="db-ABC", before="ohmycoins-staging", after="ohmycoins-staging-before-abc"),
    JudgeBackup(
        backup="snapshot one",
        restored=output_of("inspect-restored", "result"),
        source=output_of("inspect-source", "result"),
        taken_at=output_of("restore", "taken_at"),
        asked_at=output_of("restore", "asked_at"),
        available_at=output_of("restore", "available_at"),
        tolerance_percent=1.0,
    ),
    ModifyInstance(
        instance="ohmycoins-staging", settings={"AllocatedStorage": 500}, flags={"MaxAllocatedStorage": 1000}
    ),
    RebootInstance(instance="ohmycoins-staging", failover=True),
    SetParameters(
        group="ohmycoins-staging-postgres17",
        instance="ohmycoins-staging",
        values={"max_connections": "120", "log_lock_waits": None},
        methods={"max_connections": "pending-reboot", "log_lock_waits": "immediate"},
    ),
    ApplyMaintenance(instance="ohmycoins-staging", arn="arn:aws:rds:a:1:db:x", action="system-update"),
    RotateMasterSecret(instance="ohmycoins-staging", secret="arn:aws:secretsmanager:a:1:secret:x", version="v1"),
    CreateGreen(
        name="ohmycoins-staging-upgrade",
        instance="ohmycoins-staging",
        arn="arn:aws:rds:a:1:db:x",
        version="18.1",
        parameter_group="default.postgres18",
    ),
    SwitchToGreen(name="ohmycoins-staging-upgrade", instance="ohmycoins-staging", timeout_seconds=300),
    DeleteGreen(name="ohmycoins-staging-upgrade"),
    DeleteOldInstance(instance="ohmycoins-staging-old1", resource="db-ABC"),
    AwaitServices(services=("backend", "frontend"), settle_seconds=90),
    ModifyCache(group="ohmycoins-staging-redis", settings={"CacheNodeType": "cache.t4g.small"}),
    SetReplicas(group="ohmycoins-staging-redis", replicas=1),
    FailOverCache(group="ohmycoins-staging-redis", node_group="0001", primary="ohmycoins-staging-redis-001"),
    RebootMember(group="ohmycoins-staging-redis", member="ohmycoins-staging-redis-001"),
    ApplyUpdate(group="ohmycoins-staging-redis", update="redis-1"),
    CopyCacheParameters(
        source="ohmycoins-staging-redis7", name="x-valkey8", family="valkey8", values={"maxmemory-policy": "noeviction"}
    ),
)
FIELDS = [(example, each.name) for example in EXAMPLES for each in fields(example)]  # type: ignore[arg-type]  # all are dataclasses
NAMED = pytest.mark.parametrize(("example", "field"), FIELDS, ids=[f"{one.ACTION}.{name}" for one, name in FIELDS])


def registered() -> set[str]:
    for module in walk_packages(omc.actions.__path__, "omc.actions."):
        import_module(module.name)
    return set(ACTIONS)


def stored(example: Arguments) -> dict[str, Any]:
    """As it comes back from the store."""
    record: dict[str, Any] = json.loads(canonical(to_json(example)))
    return record


def refusal(action: str, record: dict[str, Any]) -> str:
    """What is said of a run whose plan has such a step, or such an undo."""
    good = step("good", NoteBefore(), "Note")
    for bad in (
        Step("odd", action, record, "Odd"),
        Step("odd", good.action, good.arguments, "Odd", undo=Undo(action, record, "back")),
    ):
        plan = Plan("deploy", "local", {}, "A plan", Risk.LOW, (good, bad))
        with pytest.raises(Altered) as caught:
            require_performable(plan_from_json(json.loads(canonical(plan_to_json(plan)))), "0vqk3m7x")
        sentence = str(caught.value)
        assert "the run 0vqk3m7x (deploy)" in sentence
        assert f'step "odd" ({action})' in sentence
        assert "omc runs show 0vqk3m7x" in sentence
        assert "make the plan again" in sentence
        assert "\n" not in sentence
    return sentence


def test_there_is_an_example_of_every_action() -> None:
    names = [each.ACTION for each in EXAMPLES]
    assert sorted(names) == sorted(registered())
    for example in EXAMPLES:
        assert action_named(example.ACTION).arguments is type(example)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.ACTION)
def test_arguments_come_back_from_a_plan_as_they_were(example: Arguments) -> None:
    assert action_named(example.ACTION).read(stored(example)) == example
    assert misfit_of(one_step(example), also_unknown=True) == ""


def one_step(example: Arguments) -> Plan:
    only = step("only", example, "Only", undo=undo_by(example, "back"))
    return Plan("deploy", "local", {}, "A plan", Risk.LOW, (only,))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.ACTION)
def test_arguments_are_frozen_and_take_nothing_by_position(example: Any) -> None:
    assert is_dataclass(example)
    for each in fields(example):
        with pytest.raises(AttributeError):
            setattr(example, each.name, None)
        assert each.kw_only


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.ACTION)
def test_an_unknown_field_is_refused(example: Arguments) -> None:
    assert "urgency: " in refusal(example.ACTION, stored(example) | {"urgency": 1})


@NAMED
def test_a_missing_field_is_refused_unless_it_has_a_default(example: Arguments, field: str) -> None:
    record = stored(example)
    del record[field]
    try:
        read: Any = from_json(type(example), record)
    except Misfit:
        assert f"{field} is missing" in refusal(example.ACTION, record)
        return
    without = replace(example, **{field: getattr(read, field)})  # type: ignore[type-var]  # all are dataclasses
    assert field not in stored(without), "a plan leaves out what has its default, so it says the same"


@NAMED
def test_a_field_of_another_type_is_refused(example: Arguments, field: str) -> None:
    refused = 0
    for wrong in (None, True, 1, 1.5, "a", ["a", {}], {"a": {"b": 1}}, {"output_of": "a"}):
        record = stored(example) | {field: wrong}
        try:
            from_json(type(example), record)
        except Misfit:
            assert f": {field}" in refusal(example.ACTION, record)
            refused += 1
    assert refused >= 4


def late_fields() -> Iterator[tuple[str, str]]:
    for example in EXAMPLES:
        for each in fields(example):  # type: ignore[arg-type]  # all are dataclasses
            if "Late" in str(each.type):
                yield example.ACTION, each.name


def test_only_some_fields_may_be_the_output_of_an_earlier_step() -> None:
    """All others are known when the plan is made, so that a person who approves it sees them."""
    assert set(late_fields()) == {
        ("backups.judge", "restored"),
        ("backups.judge", "source"),
        ("backups.judge", "taken_at"),
        ("backups.judge", "asked_at"),
        ("backups.judge", "available_at"),
        ("cloudwatch.settle", "before"),
        ("ecs.deregister", "task_definition"),
        ("rds.configure_instance", "instance"),
        ("rds.delete_instance", "instance"),
        ("rds.delete_instance", "run"),
        ("rds.rename_instance", "resource"),
        ("rds.rename_instance", "before"),
        ("rds.rename_instance", "after"),
        ("cloudwatch.settle", "services"),
        ("ecs.roll_service", "task_definition"),
        ("ecs.roll_service", "instead_of"),
        ("ecs.run_task", "task_definition"),
        ("ecs.run_task", "environment"),
        ("releases.record", "services"),
        ("releases.record", "schema"),
        ("releases.record", "schema_floor"),
        ("releases.record", "proof"),
        ("timers.cancel", "timer"),
        ("timers.cancel", "saying"),
    }
    record = stored(EXAMPLES[2]) | {"digest": {"output_of": "before", "key": "digest"}}
    assert "digest" in refusal("ecr.protect_image", record)


def test_an_output_that_was_not_put_in_gets_to_no_call() -> None:
    assert known(REVISION) == REVISION
    assert known(None) is None
    with pytest.raises(TypeError, match="task_definition of the step register-backend"):
        known(REGISTERED)


def test_an_output_is_kept_as_plans_have_always_kept_it() -> None:
    assert stored(CancelTimer(timer=OutputOf("a", "timer"))) == {"timer": {"output_of": "a", "key": "timer"}}


def test_what_has_its_default_is_left_out_of_a_plan() -> None:
    """A field that comes later changes no plan, and no hash, that doesn't use it."""
    roll = RollService(service="backend", task_definition=REVISION, digests={})
    assert stored(roll) == {"service": "backend", "task_definition": REVISION, "digests": {}}
    assert stored(SetCapacity(service="b", minimum=None, maximum=None, at_least=1, at_most=1))["minimum"] is None


def test_an_action_that_this_omc_lacks_is_reported_when_a_plan_is_made_and_left_to_its_step_when_it_runs() -> None:
    for name in ("ecs.polish", "nowhere.polish"):
        plan = Plan("p", "local", {}, "A plan", Risk.LOW, (Step("odd", name, {}, "Odd"),))
        assert misfit_of(plan, also_unknown=True) == f'step "odd": this omc has no action {name}'
        require_performable(plan, "0vqk3m7x")
