"""What a deployment would do, and why it would not: the planner with plain values, no AWS."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import time, timedelta, timezone
from typing import Any

import pytest
from click.testing import CliRunner

from omc.cli.deploy import Images, Length, deploy
from omc.config.model import Freeze
from omc.config.windows import MaintenanceWindow
from omc.engine.planning import commands
from omc.errors import NothingToDo, Refused, WrongUse
from omc.facts.alarms import Alarm, Alarms
from omc.facts.connections import Connections
from omc.facts.definitions import Definitions
from omc.facts.deployments import History
from omc.facts.images import Image, Wanted, WantedImages, parse
from omc.facts.incidents import OpenIncidents
from omc.facts.requirements import Requirements
from omc.facts.scaling import ScalableTarget, Scaling
from omc.facts.services import Deployment, Services
from omc.facts.subnets import Subnet, Subnets
from omc.incidents.events import IncidentEvent, Opened
from omc.incidents.model import from_first_event
from omc.model.events import Event
from omc.model.plan import Plan, Risk, from_json, to_json
from omc.model.releases import ReleasedService
from omc.model.requests import DeployRequest
from omc.procedures.definition_changes import changes
from omc.procedures.deploy import plan_deploy
from support import release_facts as example

BACKEND = DeployRequest(images={"backend": example.digest("b")})


def plan(request: DeployRequest = BACKEND, **more: Any) -> Plan:
    return plan_deploy(request, **example.facts(**more))


def names(made: Plan) -> list[str]:
    return [step.name for step in made.steps]


def test_a_deployment_registers_migrates_rolls_watches_and_records() -> None:
    made = plan()
    assert names(made) == [
        *("before", "register-backend", "register-migrate-backend", "migrate-backend"),
        *("roll-backend", "watch", "protect-backend", "record"),
    ]
    assert made.refusals == ()
    assert made.risk is Risk.LOW
    assert made.undo_on_failure


def test_a_migration_has_the_new_image_and_secrets_that_no_serving_task_gets() -> None:
    made = {step.name: step for step in plan().steps}
    definition: Any = made["register-migrate-backend"].arguments["definition"]
    [container] = definition["containerDefinitions"]
    assert definition["family"] == "ohmycoins-migrate-backend"
    assert container["image"] == example.pinned("backend", "b")
    assert [secret["name"] for secret in container["secrets"]] == ["POSTGRES_PASSWORD"]
    migrated = made["migrate-backend"].arguments
    assert migrated["task_definition"] == {"output_of": "register-migrate-backend", "key": "task_definition"}
    served: Any = made["register-backend"].arguments["definition"]
    assert [secret["name"] for secret in served["containerDefinitions"][0]["secrets"]] == ["SECRET_KEY"]


def test_a_migration_whose_revision_has_the_image_already_registers_none() -> None:
    running = example.facts()["definitions"].running
    there = Definitions(running, {}, {"backend": example.migration("b", 5)})
    made = {step.name: step for step in plan(definitions=there).steps}
    assert "register-migrate-backend" not in made
    assert made["migrate-backend"].arguments["task_definition"] == "ohmycoins-migrate-backend:5"


def test_a_migration_of_the_services_own_family_runs_the_new_revision() -> None:
    environment = example.environment()
    services = tuple(replace(service, migrate_family=None) for service in environment.services)
    made = {step.name: step for step in plan(environment=replace(environment, services=services)).steps}
    assert "register-migrate-backend" not in made
    expected = {"output_of": "register-backend", "key": "task_definition"}
    assert made["migrate-backend"].arguments["task_definition"] == expected


def test_without_the_migrations_own_family_nothing_is_deployed() -> None:
    running = example.facts()["definitions"].running
    [refusal] = plan(definitions=Definitions(running, {})).refusals
    assert "no task definition ohmycoins-migrate-backend with a container backend" in refusal
    assert "omc infra apply" in refusal
    assert "migrate-backend" not in names(plan(replace(BACKEND, migrate=False), definitions=Definitions(running, {})))


def test_what_the_migration_can_not_start_without_is_looked_for_too() -> None:
    missing = Requirements({"arn:aws:secretsmanager:a:1:secret:rds!db-1-AbCdEf": "The secret rds!db-1 does not exist."})
    assert plan(requirements=missing).refusals == (
        "The secret rds!db-1 does not exist. ohmycoins-migrate-backend:2 can't start without it.",
    )


def test_the_new_revision_is_the_running_one_with_another_image() -> None:
    made = plan()
    register = next(step for step in made.steps if step.name == "register-backend")
    running = example.facts()["definitions"].running["backend"]
    definition: Any = register.arguments["definition"]
    assert changes(running.body, definition) == [
        f"backend.image: {example.pinned('backend', 'a')} → {example.pinned('backend', 'b')}"
    ]
    assert register.before == f"ohmycoins/backend@{example.digest('a')[:19]}"
    assert register.after == f"ohmycoins/backend@{example.digest('b')[:19]}"


def test_both_services_are_one_release_and_are_undone_in_reverse() -> None:
    both = WantedImages({"backend": example.wanted(), "frontend": example.wanted("c", name="frontend")})
    made = plan(DeployRequest(images={"frontend": example.digest("c"), "backend": example.digest("b")}), images=both)
    rolls = [name for name in names(made) if name.startswith("roll-")]
    assert rolls == ["roll-backend", "roll-frontend"]
    undos = {step.name: step.undo.description for step in made.steps if step.undo}
    assert undos == {"roll-backend": "back to ohmycoins-backend:7", "roll-frontend": "back to ohmycoins-frontend:3"}


def test_an_undo_leaves_alone_what_somebody_else_has_put_there_since() -> None:
    roll = next(step for step in plan().steps if step.name == "roll-backend")
    assert roll.undo is not None
    assert roll.undo.arguments["instead_of"] == [{"output_of": "register-backend", "key": "task_definition"}]


def test_what_terraform_changed_since_is_taken_up_and_shown() -> None:
    newer = example.definition("backend", 8, "a", by="terraform", LOG_LEVEL="debug")
    running = example.facts()["definitions"].running
    made = plan(definitions=Definitions(running, {"backend": newer}))
    register = next(step for step in made.steps if step.name == "register-backend")
    definition: Any = register.arguments["definition"]
    assert definition["containerDefinitions"][0]["environment"] == [{"name": "LOG_LEVEL", "value": "debug"}]
    assert definition["containerDefinitions"][0]["image"] == example.pinned("backend", "b")
    assert "backend: backend.environment.LOG_LEVEL: nothing → debug" in made.notes
    kept = plan(replace(BACKEND, keep_definition=True), definitions=Definitions(running, {"backend": newer}))
    assert not any("LOG_LEVEL" in note for note in kept.notes)


def test_an_older_revision_of_terraforms_is_not_taken_up() -> None:
    older = example.definition("backend", 6, "a", by="terraform", LOG_LEVEL="debug")
    made = plan(definitions=Definitions(example.facts()["definitions"].running, {"backend": older}))
    assert not any("LOG_LEVEL" in note for note in made.notes)


def test_the_same_image_again_is_nothing_to_deploy() -> None:
    with pytest.raises(Refused, match=r"backend runs ohmycoins-backend:7 with that very image.*--force-new"):
        plan(images=WantedImages({"backend": example.wanted("a")}))


def test_new_tasks_without_a_change_need_no_revision_and_no_migration() -> None:
    made = plan(DeployRequest(force_new=["backend"]), images=WantedImages({}))
    assert names(made) == ["before", "roll-backend", "watch", "protect-backend", "record"]
    roll = made.steps[1]
    assert roll.arguments["force_new"] is True
    assert roll.undo is None


def test_what_runs_but_was_deregistered_is_registered_anew_with_new_tasks() -> None:
    running = example.facts()["definitions"].running
    gone = replace(running["backend"], status="INACTIVE")
    there = Definitions({**running, "backend": gone}, {})
    made = plan(DeployRequest(force_new=["backend"]), images=WantedImages({}), definitions=there)
    assert names(made) == ["before", "register-backend", "roll-backend", "watch", "protect-backend", "record"]
    assert made.steps[1].title == "Register ohmycoins-backend:7 again: it is INACTIVE"
    assert made.steps[1].arguments["definition"] == gone.body
    assert made.steps[2].arguments["task_definition"] == {"output_of": "register-backend", "key": "task_definition"}
    assert "force_new" not in made.steps[2].arguments


def test_no_undo_is_promised_that_ecs_would_refuse_and_the_way_back_is_reported() -> None:
    running = example.facts()["definitions"].running
    there = Definitions({**running, "backend": replace(running["backend"], status="INACTIVE")}, {})
    made = plan(definitions=there)
    assert next(step for step in made.steps if step.name == "roll-backend").undo is None
    assert any(
        "ohmycoins-backend:7, which runs, is INACTIVE" in note
        and "omc rollback backend --to ohmycoins-backend:7" in note
        for note in made.notes
    )


def test_a_migration_can_be_left_out() -> None:
    assert "migrate-backend" not in names(plan(replace(BACKEND, migrate=False)))


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        (DeployRequest(), "Say what to deploy"),
        (DeployRequest(images={"api": "x"}), 'no service "api"; it has backend, frontend'),
        (DeployRequest(force_new=["web"]), 'no service "web"'),
    ],
)
def test_what_makes_no_sense_is_wrong_use(requested: DeployRequest, expected: str) -> None:
    with pytest.raises(WrongUse, match=expected):
        plan(requested)


def test_an_unknown_image_is_refused_in_a_sentence() -> None:
    unknown = Wanted("build-0", None, "there is no image with the tag build-0 in ohmycoins/backend.")
    with pytest.raises(Refused, match="build-0 can't be deployed to backend: there is no image with the tag"):
        plan(images=WantedImages({"backend": unknown}))


def test_a_service_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Refused, match="There is no service backend in the cluster ohmycoins-staging"):
        plan(services=Services((), ("backend", "frontend")))


def test_a_tag_is_pinned_and_a_tag_that_can_move_is_refused() -> None:
    by_tag = example.wanted(requested="build-1a2b3c4")
    made = plan(images=WantedImages({"backend": by_tag}))
    assert made.refusals == ()
    assert any(f"build-1a2b3c4 is {example.digest('b')} now" in note for note in made.notes)
    movable = WantedImages({"backend": replace(by_tag, tags_move=True)})
    assert "lets tags be moved" in plan(images=movable).refusals[0]
    assert plan(replace(BACKEND, allow_tag=True), images=movable).refusals == ()


def test_an_image_for_another_processor_is_refused_and_an_override_does_not_help() -> None:
    arm = Image(example.REGISTRY, "ohmycoins/backend", example.digest("b"), (), ("arm64",))
    made = plan(replace(BACKEND, override="hurry"), images=WantedImages({"backend": example.wanted(image=arm)}))
    assert made.refusals == ("The image for backend is built for arm64, but its tasks run on amd64. Build one for it.",)


def test_what_the_registry_does_not_tell_is_reported() -> None:
    unknown = Image(example.REGISTRY, "ohmycoins/backend", example.digest("b"))
    made = plan(images=WantedImages({"backend": example.wanted(image=unknown)}))
    message = "The registry doesn't say which processor the image of backend was built for."
    assert message in made.notes
    why = "ecr GetDownloadUrlForLayer is not allowed: the credentials lack ecr:GetDownloadUrlForLayer."
    made = plan(images=WantedImages({"backend": example.wanted(image=replace(unknown, why_unknown=why))}))
    assert made.refusals == ()
    assert f"{message} {why}" in made.notes


def test_a_missing_secret_is_refused() -> None:
    name = "arn:aws:secretsmanager:a:1:secret:key-AbCdEf"
    made = plan(requirements=Requirements({name: "The secret key does not exist."}))
    assert made.refusals == ("The secret key does not exist. ohmycoins-backend can't start without it.",)


def firing(name: str) -> Alarms:
    return Alarms((Alarm(name, f"arn:{name}", "metric", "ALARM", example.NOW, "high", acts=True, suppressed_by=""),))


def test_an_alarm_that_fires_already_is_reported_beforehand_with_what_ecs_makes_of_it() -> None:
    alarms = firing("ohmycoins-staging-backend-unhealthy")
    made = plan(alarms=alarms)
    assert "Alarm ohmycoins-staging-backend-unhealthy fires already" in made.refusals[0]
    overridden = plan(replace(BACKEND, override="the fix for it"), alarms=alarms)
    assert overridden.refusals == ()
    assert any(note.startswith("Overridden (the fix for it)") for note in overridden.notes)
    assert any(
        "ECS will not roll backend back for any alarm: alarm ohmycoins-staging-backend-unhealthy fires already" in note
        for note in overridden.notes
    )


def test_deployment_alarms_that_are_off_are_reported() -> None:
    services = Services(
        (example.service("backend", 7, alarms=(), alarms_off=("x-5xx",)), example.service("frontend", 3))
    )
    assert any("back for x-5xx: its deployment alarms are turned off" in note for note in plan(services=services).notes)


def test_another_stacks_alarm_is_none_of_our_business() -> None:
    assert plan(alarms=firing("ohmycoins-production-backend-unhealthy")).refusals == ()


def test_a_deployment_under_way_is_not_run_over() -> None:
    continues = History({"backend": (example.deployed("ohmycoins-backend:8", 0, "IN_PROGRESS"),)})
    assert "A deployment of ohmycoins-backend:8 to backend is in progress" in plan(history=continues).refusals[0]


def test_scaled_to_zero_can_not_be_verified() -> None:
    services = Services((example.service("backend", 7, desired=0), example.service("frontend", 3)))
    assert "scaled to zero" in plan(services=services).refusals[0]


def test_old_and_new_tasks_together_must_fit_the_connection_budget() -> None:
    busy = Services((example.service("backend", 7, desired=8), example.service("frontend", 3)))
    env = {"POSTGRES_SERVER": "db", "WEB_CONCURRENCY": "2", "DATABASE_POOL_SIZE": "3"}
    running = {
        "backend": example.definition("backend", 7, "a", **env),
        "frontend": example.definition("frontend", 3, "a"),
    }
    made = plan(services=busy, definitions=Definitions(running, {}, {"backend": example.migration("a")}))
    assert "up to 96 database connections, but PostgreSQL takes 80" in made.refusals[0]
    assert plan(definitions=Definitions(running, {}, {"backend": example.migration("a")})).refusals == ()
    unknown = plan(connections=Connections(None, {"backend": 6}, "a formula"))
    message = "the database has enough connections is not known: more tasks may be refused theirs. A formula."
    assert any(message in note for note in unknown.notes)


def test_a_full_subnet_is_seen_before_the_tasks_fail_in_it() -> None:
    full = Subnets({"backend": (Subnet("subnet-a", "a", 1),)})
    assert (
        "2 more tasks of backend need 2 addresses, and its subnets have 1 left (a 1)" in plan(subnets=full).refusals[0]
    )


def test_an_autoscaler_about_to_change_the_count_is_waited_for() -> None:
    fights = Scaling((ScalableTarget("backend", 4, 10, False, ()),))
    assert "backend wants 2 tasks, but its autoscaler keeps 4 to 10" in plan(scaling=fights).refusals[0]
    rests = plan(scaling=Scaling((ScalableTarget("backend", 4, 10, True, ()),)))
    assert rests.refusals == ()
    assert any("The autoscaler of backend is suspended" in note for note in rests.notes)


def test_an_old_release_is_not_deployed_beyond_what_a_migration_took_away() -> None:
    then = {"backend": ReleasedService("ohmycoins-backend:5", {"backend": example.pinned("backend", "b")})}
    old = example.release(1, 48, 5, 3, schema=3, services=then)
    newer = example.release(2, 24, 7, 3, schema=5, schema_floor=4)
    assert "was release 1, made for schema 3" in plan(ledger=example.ledger(old, newer)).refusals[0]
    assert plan(ledger=example.ledger(old, replace(newer, schema_floor=3))).refusals == ()


def test_a_freeze_is_kept_unless_there_is_a_reason() -> None:
    freeze = Freeze(example.NOW - timedelta(days=1), example.NOW + timedelta(days=1), "holidays")
    frozen = example.environment(freezes=(freeze,))
    assert "is frozen until" in plan(environment=frozen).refusals[0]
    assert plan(replace(BACKEND, override="SEV-1"), environment=frozen).refusals == ()
    over = example.environment(freezes=(replace(freeze, end=example.NOW),))
    assert plan(environment=over).refusals == ()


def test_a_closed_maintenance_window_is_reported() -> None:
    window = MaintenanceWindow("sunday", time(2), time(4), timezone(timedelta(hours=10)), "AEST")
    made = plan(environment=example.environment(windows=(window,)))
    assert made.refusals == ()
    assert (
        "No maintenance window is open; the next one opens at Sun 29 Nov 03:00:00 AEDT (Sat 16:00 UTC)." in made.notes
    )


def test_where_deployments_wait_for_the_window_a_closed_one_is_kept_unless_there_is_a_reason() -> None:
    window = MaintenanceWindow("sunday", time(2), time(4), timezone(timedelta(hours=10)), "AEST", required=True)
    strict = example.environment(windows=(window,))
    closed = plan(environment=strict)
    assert closed.refusals == (
        "staging is deployed to in a maintenance window only, and none is open; the next one opens at Sun 29 Nov "
        '03:00:00 AEDT (Sat 16:00 UTC). Do it all the same: --override "why"',
    )
    assert not any("maintenance window" in note for note in closed.notes)
    overridden = plan(replace(BACKEND, override="users wait"), environment=strict)
    assert overridden.refusals == ()
    assert sum("maintenance window" in note for note in overridden.notes) == 1
    during = replace(example.SCOPE, now=window.next_after(example.NOW)[0])
    opened = plan(environment=strict, scope=during)
    assert opened.refusals == ()
    assert not any("maintenance window" in note for note in opened.notes)


def an_incident(severity: int) -> OpenIncidents:
    event: IncidentEvent = Event(example.NOW - timedelta(hours=1), "ann", Opened(severity, "Users can't log in"))
    return OpenIncidents((from_first_event("staging", 3, event),))


@pytest.mark.parametrize("severity", [1, 2])
def test_in_a_bad_incident_nothing_is_deployed_but_its_fix(severity: int) -> None:
    made = plan(incidents=an_incident(severity))
    assert made.refusals == (
        f"Incident 3 (SEV-{severity}: Users can't log in) is open: until it is resolved, nothing but its fix is "
        'deployed. Do it all the same: --override "why"',
    )
    fix = plan(replace(BACKEND, override="the fix for it"), incidents=an_incident(severity))
    assert fix.refusals == ()
    assert any(note.startswith("Overridden (the fix for it): Incident 3") for note in fix.notes)
    assert fix.hash != made.hash  # an approval is for the plan with its reason
    assert plan(incidents=an_incident(severity)).hash == made.hash


def test_a_lesser_incident_is_reported() -> None:
    made = plan(incidents=an_incident(3))
    assert made.refusals == ()
    assert "Incident 3 (SEV-3: Users can't log in) is open." in made.notes


def test_without_a_circuit_breaker_the_risk_is_high() -> None:
    services = Services((example.service("backend", 7, breaker=False), example.service("frontend", 3)))
    made = plan(services=services)
    assert made.risk is Risk.HIGH
    assert any("no circuit breaker" in note for note in made.notes)


def test_the_plan_survives_being_written_down_and_its_hash_does_not_move_with_the_clock() -> None:
    made = plan()
    assert from_json(to_json(made)).hash == made.hash
    later = plan(scope=replace(example.SCOPE, now=example.NOW + timedelta(hours=3)))
    assert later.hash == made.hash
    requests: list[Any] = [to_json(each)["request"] for each in (made, later)]
    assert DeployRequest(**requests[0]) == DeployRequest(**requests[1])


def test_another_running_revision_is_another_plan() -> None:
    moved = Definitions(
        {**example.facts()["definitions"].running, "backend": example.definition("backend", 9, "e")}, {}
    )
    assert plan(definitions=moved).hash != plan().hash


@pytest.mark.parametrize(
    ("text", "repository", "tag", "is_digest"),
    [
        (example.digest("a"), "", "", True),
        ("build-1a2b3c4", "", "build-1a2b3c4", False),
        (f"ohmycoins/backend@{example.digest('a')}", "ohmycoins/backend", "", True),
        ("ohmycoins/backend:v1.2", "ohmycoins/backend", "v1.2", False),
        (example.pinned("backend", "a"), "ohmycoins/backend", "", True),
    ],
)
def test_references_are_read_as_people_write_them(text: str, repository: str, tag: str, is_digest: bool) -> None:
    reference = parse(text)
    assert reference is not None
    assert (reference.repository, reference.tag, bool(reference.digest)) == (repository, tag, is_digest)


@pytest.mark.parametrize("text", ["", "sha256:short", "Some Thing", "a b:c", "-x"])
def test_what_is_no_reference_is_none(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--image", "backend"], "is not SERVICE=REFERENCE"),
        (["--image", "backend=a,backend=b"], "backend is named twice"),
        (["--image", "backend=a", "--watch", "soon"], "is not a length of time"),
        (["--image", "backend=a", "--watch", "25h"], "a day at most"),
    ],
)
def test_the_command_line_refuses_what_it_can_not_read(words: list[str], expected: str) -> None:
    done = CliRunner().invoke(deploy, words)
    assert done.exit_code == 2
    assert expected in done.output


def test_lengths_of_time_are_read_as_people_write_them() -> None:
    read = [Length().convert(text, None, None) for text in ("0", "90s", "2m", "1h")]
    assert read == [0, 90, 120, 3600]
    assert Images().convert("backend=a, frontend=b@c", None, None) == {"backend": "a", "frontend": "b@c"}


def test_the_same_by_hand_can_be_pasted() -> None:
    """What only a step finds out is a variable that an earlier line sets."""
    lines = commands(plan(), example.environment())
    script = "\n".join(lines)
    assert "REGISTER_BACKEND_TASK_DEFINITION=$(aws ecs register-task-definition" in script
    assert '--task-definition "$REGISTER_MIGRATE_BACKEND_TASK_DEFINITION"' in script
    assert "--service backend --task-definition $REGISTER_BACKEND_TASK_DEFINITION" in script
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


PRIMARY = example.service("backend", 7).deployments[0]
OLD_TASKS = replace(PRIMARY, id="ecs-svc/0", status="ACTIVE", task_definition="ohmycoins-backend:6", running=1)
SAME = DeployRequest(images={"backend": example.digest("a")})


def on(*deployments: Deployment) -> dict[str, Any]:
    """The backend with these deployments, and asked for the image that it is on already."""
    backend = replace(example.service("backend", 7), deployments=deployments)
    return {
        "services": Services((backend, example.service("frontend", 3))),
        "images": WantedImages({"backend": example.wanted("a")}),
    }


@pytest.mark.parametrize(
    ("deployments", "why"),
    [
        ((replace(PRIMARY, rollout="FAILED"),), "The last deployment of backend, of ohmycoins-backend:7, failed: ECS"),
        ((replace(PRIMARY, rollout="FAILED", running=0, failed=3),), "of ohmycoins-backend:7, failed: ECS"),
        (
            (replace(PRIMARY, rollout="FAILED", rollout_reason="ECS deployment circuit breaker: tasks failed."),),
            "failed (ECS deployment circuit breaker: tasks failed): ECS",
        ),
        ((replace(PRIMARY, rollout="FAILED"), OLD_TASKS), "of ohmycoins-backend:7, failed: ECS"),
        ((OLD_TASKS, replace(PRIMARY, rollout="FAILED")), "of ohmycoins-backend:7, failed: ECS"),
        ((replace(PRIMARY, rollout="IN_PROGRESS", running=1), OLD_TASKS), "still run: 1 of ohmycoins-backend:6."),
        ((replace(PRIMARY, rollout="IN_PROGRESS", running=0), OLD_TASKS), "still run: 1 of ohmycoins-backend:6."),
        ((replace(PRIMARY, rollout=None), OLD_TASKS), "still run: 1 of ohmycoins-backend:6."),
        ((replace(PRIMARY, rollout=None), replace(OLD_TASKS, status="INACTIVE")), "still run: 1 of"),
        (
            (replace(PRIMARY, rollout=None), OLD_TASKS, replace(OLD_TASKS, task_definition="ohmycoins-backend:5")),
            "1 of ohmycoins-backend:6, 1 of ohmycoins-backend:5.",
        ),
    ],
)
def test_an_image_that_never_got_to_serve_is_deployed_again(deployments: tuple[Deployment, ...], why: str) -> None:
    made = plan(SAME, **on(*deployments))
    assert any(why in note for note in made.notes), made.notes
    assert "The same image of backend is deployed again." in made.notes
    roll = next(step for step in made.steps if step.name == "roll-backend")
    assert roll.arguments["task_definition"] == "ohmycoins-backend:7"
    assert roll.arguments["force_new"] is True
    assert roll.undo is None
    assert names(made).index("migrate-backend") < names(made).index("roll-backend")
    assert "migrate-backend" not in names(plan(replace(SAME, migrate=False), **on(*deployments)))


@pytest.mark.parametrize(
    "deployments",
    [
        (PRIMARY,),
        (PRIMARY, OLD_TASKS),  # they drain
        (replace(PRIMARY, rollout=None),),
        (replace(PRIMARY, rollout=None), replace(OLD_TASKS, running=0)),
        (replace(PRIMARY, failed=2),),
        (),
    ],
)
def test_an_image_that_serves_is_nothing_to_deploy(deployments: tuple[Deployment, ...]) -> None:
    with pytest.raises(NothingToDo, match="Nothing to deploy: backend runs ohmycoins-backend:7 with that very image"):
        plan(SAME, **on(*deployments))


def test_another_image_after_a_failed_deployment_says_what_failed() -> None:
    failed = {**on(replace(PRIMARY, rollout="FAILED")), "images": WantedImages({"backend": example.wanted()})}
    [message] = [
        note for note in plan(**failed).notes if "The last deployment of backend, of ohmycoins-backend:7," in note
    ]
    assert "failed: ECS starts no more tasks of it" in message
