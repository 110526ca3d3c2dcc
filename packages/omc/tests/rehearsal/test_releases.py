"""Deploy and rollback on a real stack: releases that are good, bad in each way, in flight, and overtaken.

The images are real copies of the backend, broken at the cause; what is said of them must be the truth.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from omc.local import traffic
from omc.store.embedded import Server
from support import variants
from support.commands import ROOT, CommandResult, clean_env, run
from support.stack import CLUSTER, Stack, wait_until_healthy
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1800)]

AWS, ECS_DEPLOY = (str(Path(sys.executable).parent / command) for command in ("aws", "ecs"))
SUCCEEDED, FAILED, WRONG_USE, ROLLED_BACK, SUPERSEDED = 0, 1, 2, 4, 5


@pytest.fixture(autouse=True, scope="module")
def record_kept_open(stack: Stack) -> Iterator[None]:
    """Be a user of omc's database, so that it isn't started and ended with each of the commands below."""
    server = Server(stack.state / "omc")
    server.enter()
    try:
        yield
    finally:
        server.leave()


def deploy(stack: Stack, image: str, *arguments: str) -> CommandResult:
    words = ("deploy", "--env", "local", "--image", f"backend={image}", "--yes", "--watch", "2s", "--output", "json")
    # What an earlier story broke may still be in an alarm: that it would be refused has a story of its own.
    return stack.omc(*words, "--override", "a rehearsal", *arguments)


def rollback(stack: Stack, *arguments: str) -> CommandResult:
    return stack.omc("rollback", "--env", "local", "--yes", "--output", "json", *arguments)


def running(stack: Stack) -> str:
    """The revision that the backend is set to."""
    service = stack.client("ecs").describe_services(cluster=CLUSTER, services=["backend"])["services"][0]
    return str(service["taskDefinition"]).rpartition("/")[2]


def tasks(stack: Stack) -> set[str]:
    """The backend's tasks that are to run."""
    return set(stack.client("ecs").list_tasks(cluster=CLUSTER, serviceName="backend")["taskArns"])


def digests(stack: Stack) -> set[str]:
    """The images that the backend's tasks really run."""
    response = stack.client("ecs").describe_tasks(cluster=CLUSTER, tasks=sorted(tasks(stack)))["tasks"]
    return {container["imageDigest"] for task in response for container in task["containers"]}


def ended(done: CommandResult) -> dict[str, Any]:
    """The run as the command showed it."""
    return dict(done.json["run"])


def step(done: CommandResult, name: str) -> dict[str, Any]:
    return next(step for step in ended(done)["steps"] if step["name"] == name and step["phase"] == "perform")


@contextmanager
def omc_running(stack: Stack, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """omc as a process that goes on while the story does something else."""
    process = subprocess.Popen(
        [sys.executable, "-m", "omc", *arguments],
        cwd=ROOT,
        env=clean_env(OMC_LOCAL_STATE=str(stack.state)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def is_deploying(stack: Stack, digest: str) -> bool:
    """Whether ECS's newest deployment of the backend is of this image, and goes on."""
    ecs = stack.client("ecs")
    service = ecs.describe_services(cluster=CLUSTER, services=["backend"])["services"][0]
    definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    image = str(definition["containerDefinitions"][0]["image"])
    return image.endswith(digest) and service["deployments"][0]["rolloutState"] == "IN_PROGRESS"


def test_a_good_release_is_verified_recorded_and_gone_back_from(healthy: Stack) -> None:
    before, digest = running(healthy), variants.push(healthy, "good")
    done = deploy(healthy, digest)
    assert done.returncode == SUCCEEDED, done.stdout + done.stderr
    assert digests(healthy) == {digest}
    after = running(healthy)
    assert step(done, "roll-backend")["verdict"] == "succeeded"
    assert step(done, "migrate-backend")["evidence"]["exit_code"] == 0

    tags = healthy.client("ecr").describe_images(
        repositoryName="ohmycoins/backend", imageIds=[{"imageDigest": digest}]
    )["imageDetails"][0]["imageTags"]
    assert any(tag.startswith("release-local-") for tag in tags), "the image may expire"

    listed = healthy.omc("deployments", "--env", "local", "--output", "json").json["deployments"]
    assert listed[0]["source"] == "ledger"
    assert f"backend {after}" in listed[0]["revisions"]
    assert listed[0]["state"] == "serving"
    assert any(line["source"] == "ecs" for line in listed), "ECS's own history fills what the ledger lacks"

    again = deploy(healthy, digest)
    assert again.returncode == FAILED
    assert "Nothing to deploy" in again.stderr

    shown = healthy.omc("rollback", "--env", "local", "--dry-run").stdout
    assert f"→ candidate {before}: " in shown
    assert "ACTIVE, image in the registry" in shown
    assert running(healthy) == after

    back = rollback(healthy)
    assert back.returncode == SUCCEEDED, back.stdout + back.stderr
    assert running(healthy) == before
    assert step(back, "roll-backend")["evidence"]["healthy_seconds"] > 0
    assert "every target is healthy" in back.stderr


def test_new_tasks_without_a_change(healthy: Stack) -> None:
    revision, before = running(healthy), tasks(healthy)
    done = healthy.omc(
        *("deploy", "--env", "local", "--force-new", "backend", "--keep-definition"),
        *("--yes", "--watch", "0", "--override", "-"),
        *("--output", "json"),
    )
    assert done.returncode == SUCCEEDED, done.stdout + done.stderr
    assert running(healthy) == revision
    assert not before & tasks(healthy)
    assert step(done, "roll-backend")["evidence"]["healthy_seconds"] > 1  # of the new tasks, not the old


def definition(stack: Stack, revision: str) -> dict[str, Any]:
    return dict(stack.client("ecs").describe_task_definition(taskDefinition=revision)["taskDefinition"])


def running_apart(stack: Stack) -> str:
    """The running revision, which a story may deregister. Terraform would make its own anew: a copy takes its place."""
    ecs, revision = stack.client("ecs"), running(stack)
    payload = ecs.describe_task_definition(taskDefinition=revision, include=["TAGS"])
    if {"key": "ManagedBy", "value": "terraform"} not in payload.get("tags", []):
        return revision
    copy = update(stack, payload["taskDefinition"]["containerDefinitions"][0]["image"].partition("@")[2])

    def is_deployed() -> bool:
        service = ecs.describe_services(cluster=CLUSTER, services=["backend"])["services"][0]
        return [each["rolloutState"] for each in service["deployments"]] == ["COMPLETED"]

    eventually("the copy is deployed", is_deployed, within=300)
    assert running(stack) == copy
    wait_until_healthy(stack)
    return copy


def test_the_lie_that_peers_tell(healthy: Stack) -> None:
    """The image can't start, and ECS's circuit breaker rolls back. A waiter then sees a stable service, and says so.

    ecs-deploy asks no more than the waiter: one deployment is left and its tasks run. It calls that successful and
    deregisters the revision that it replaced, as it believes; that is the one that runs. On AWS it does the same:
    issue 185 of fabfuel/ecs-deploy.
    """
    before, digest = running_apart(healthy), variants.push(healthy, "crashing")
    words: tuple[str, ...]
    words = ("deploy", "--env", "local", "--image", f"backend={digest}", "--yes", "--no-migrate", "--output", "json")
    with omc_running(healthy, *words, "--override", "a rehearsal") as omc:
        eventually("the deployment begins", lambda: is_deploying(healthy, digest), within=240)
        command = [AWS, "ecs", "wait", "services-stable", "--cluster", CLUSTER, "--services", "backend"]
        waiter = run(command, clean_env(**healthy.reach()), timeout=660)
        out, err = omc.communicate(timeout=600)
    assert waiter.returncode == 0, "the waiter no longer lies"
    assert running(healthy) == before, "what the waiter calls stable is the old revision"

    response = CommandResult(omc.returncode, out, err)
    assert response.returncode == ROLLED_BACK, out + err
    sentence = ended(response)["sentence"]
    assert f"rolled backend back to {before}" in sentence
    assert "circuit breaker" in sentence
    assert "No module named 'exchange_rates'" in sentence
    evidence = step(response, "roll-backend")["evidence"]
    assert evidence["stopped_tasks"][0]["exit_codes"] == [1]
    assert evidence["stopped_tasks"][0]["tasks"] >= 3
    assert any("rolling back" in event for event in evidence["events"])
    wait_until_healthy(healthy)

    repository = definition(healthy, before)["containerDefinitions"][0]["image"].partition("@")[0]
    command = [ECS_DEPLOY, "deploy", CLUSTER, "backend", "--image", "backend", f"{repository}@{digest}"]
    peer = run([*command, "--timeout", "600"], clean_env(**healthy.reach()), timeout=660)
    assert peer.returncode == 0, "ecs-deploy no longer lies"
    assert "Deployment successful" in peer.stdout
    assert f"Successfully deregistered revision: {before.partition(':')[2]}" in peer.stdout
    assert running(healthy) == before, "what ecs-deploy calls successful is the old revision"
    assert definition(healthy, before)["status"] == "INACTIVE"
    assert digest not in digests(healthy)

    # ECS deploys the running revision no more. omc says so, and registers it anew.
    refused = healthy.omc("restart", "--env", "local", "backend", "--yes")
    assert refused.returncode == FAILED
    assert f"{before} of backend is INACTIVE" in refused.stdout
    words = ("deploy", "--env", "local", "--force-new", "backend", "--keep-definition", "--watch", "0")
    shown = healthy.omc(*words, "--dry-run").stdout
    assert f"{before}, which runs, is INACTIVE" in shown
    assert f"Register {before} again" in shown
    done = healthy.omc(*words, "--yes", "--override", "a rehearsal", "--output", "json")
    assert done.returncode == SUCCEEDED, done.stdout + done.stderr
    old, anew = definition(healthy, before), definition(healthy, running(healthy))
    assert anew["status"] == "ACTIVE"
    assert anew["containerDefinitions"] == old["containerDefinitions"]
    wait_until_healthy(healthy)


def test_in_an_incident_nothing_is_deployed_but_its_fix(healthy: Stack) -> None:
    words = ("deploy", "--env", "local", "--force-new", "backend", "--dry-run", "--output", "json")
    assert healthy.omc("incident", "open", "--env", "local", "--severity", "2", "It is slow").returncode == SUCCEEDED
    [incident] = healthy.omc("incident", "list", "--env", "local", "--output", "json").json["incidents"]
    number = str(incident["number"])
    try:
        refused = healthy.omc(*words)
        message = f"Incident {number} (SEV-2: It is slow) is open"
        assert refused.returncode == FAILED
        assert any(sentence.startswith(message) for sentence in refused.json["plan"]["refusals"])
        fix = healthy.omc(*words, "--override", "the fix")
        assert fix.returncode == SUCCEEDED, fix.stdout + fix.stderr
        assert any(f"Overridden (the fix): {message}" in note for note in fix.json["plan"]["notes"])
        for hand in (("restart", "backend"), ("scale", "backend", "3")):  # what one does in an incident
            response = healthy.omc(*hand, "--env", "local", "--dry-run", "--output", "json")
            assert response.returncode == SUCCEEDED, response.stdout + response.stderr
            assert any(note.startswith(message) for note in response.json["plan"]["notes"])
    finally:
        ended = healthy.omc("incident", "resolve", number, "a rehearsal", "--env", "local")
    assert ended.returncode == SUCCEEDED, ended.stderr
    assert not any("Incident" in sentence for sentence in healthy.omc(*words).json["plan"]["refusals"])


def test_no_command_starts_tasks_that_could_not_start(healthy: Stack) -> None:
    """With a secret gone a deployment was always refused; a restart and a scale out broke the service."""
    keeper, name = healthy.client("secretsmanager"), healthy.output("secret_key_name")
    keeper.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    try:
        for words in (("deploy", "--force-new", "backend"), ("restart", "all"), ("scale", "backend", "5")):
            done = healthy.omc(*words, "--env", "local", "--yes", "--output", "json")
            assert done.returncode == FAILED, words
            [refusal] = [each for each in done.json["plan"]["refusals"] if name in each]
            assert "is scheduled for deletion. ohmycoins-backend" in refusal
        fewer = healthy.omc("scale", "backend", "2", "--env", "local", "--dry-run", "--output", "json")
        assert fewer.returncode == SUCCEEDED, "what starts nothing only says it"
        assert any(name in note for note in fewer.json["plan"]["notes"])
    finally:
        keeper.restore_secret(SecretId=name)


def test_a_release_of_two_services_goes_back_as_one(healthy: Stack) -> None:
    """The backend is good; the frontend needs a secret that its task definition doesn't give it."""
    before, image = running(healthy), variants.push(healthy, "without its secret", "frontend")
    done = deploy(healthy, f"{variants.push(healthy, 'good')},frontend={image}", "--no-migrate")
    assert done.returncode == ROLLED_BACK, done.stdout + done.stderr
    assert step(done, "roll-backend")["verdict"] == "succeeded"
    assert step(done, "roll-frontend")["verdict"] == "rolled back"
    sentence = ended(done)["sentence"]
    assert "ECS rolled frontend back to" in sentence
    assert "STRIPE_KEY" in sentence
    assert f"Undone: back to {before}" in sentence
    assert running(healthy) == before
    wait_until_healthy(healthy)


def test_a_release_that_never_gets_healthy_is_rolled_back_with_its_cause(healthy: Stack) -> None:
    before = running(healthy)
    done = deploy(healthy, variants.push(healthy, "unhealthy"), "--no-migrate")
    assert done.returncode == ROLLED_BACK, done.stdout + done.stderr
    assert "health check" in ended(done)["sentence"]
    assert running(healthy) == before
    wait_until_healthy(healthy)


def test_a_failing_migration_stops_the_release_before_anything_is_rolled(healthy: Stack) -> None:
    before = running(healthy)
    done = deploy(healthy, variants.push(healthy, "with a failing migration"))
    assert done.returncode == FAILED, done.stdout + done.stderr
    assert "the migration of backend failed" in ended(done)["sentence"]
    assert "nonsense" in ended(done)["sentence"]
    assert step(done, "migrate-backend")["evidence"]["exit_code"] == 1
    assert running(healthy) == before


def test_a_deployment_in_flight_is_stopped_and_taken_back(healthy: Stack) -> None:
    """Somebody else's, by UpdateService: it would need a minute to fail by itself."""
    before, ecs = running(healthy), healthy.client("ecs")
    digest = variants.push(healthy, "unhealthy")
    update(healthy, digest)
    eventually("the deployment begins", lambda: is_deploying(healthy, digest), within=240)
    done = rollback(healthy, "backend")
    assert done.returncode == SUCCEEDED, done.stdout + done.stderr
    assert step(done, "stop-backend")["verdict"] == "succeeded"
    assert running(healthy) == before
    newest = ecs.list_service_deployments(cluster=CLUSTER, service="backend")["serviceDeployments"][0]
    payload = ecs.describe_service_deployments(serviceDeploymentArns=[newest["serviceDeploymentArn"]])
    [stopped] = payload["serviceDeployments"]
    assert stopped["status"] == "ROLLBACK_SUCCESSFUL"
    assert stopped["deploymentCircuitBreaker"]["status"] == "MONITORING_COMPLETE", "it failed by itself"
    wait_until_healthy(healthy)


def test_a_competing_deployment_supersedes_ours_and_is_left_alone(healthy: Stack) -> None:
    before, ecs = running_apart(healthy), healthy.client("ecs")
    ours, theirs = variants.push(healthy, "good"), variants.push(healthy, "good")
    words = ("deploy", "--env", "local", "--image", f"backend={ours}", "--yes", "--no-migrate", "--output", "json")
    with omc_running(healthy, *words, "--override", "a rehearsal") as omc:
        eventually("our deployment begins", lambda: is_deploying(healthy, ours), within=240)
        their_revision = update(healthy, theirs)
        out, err = omc.communicate(timeout=600)
    response = CommandResult(omc.returncode, out, err)
    assert response.returncode == SUPERSEDED, out + err
    assert f"another deployment, of {their_revision}, took its place" in ended(response)["sentence"]
    assert running(healthy) == their_revision
    wait_until_healthy(healthy)

    # Back, to a revision that somebody has deregistered meanwhile: it is registered anew.
    ecs.deregister_task_definition(taskDefinition=before)
    done = rollback(healthy, "backend", "--to", before)
    assert done.returncode == SUCCEEDED, done.stdout + done.stderr
    anew = ecs.describe_task_definition(taskDefinition=running(healthy))["taskDefinition"]
    old = ecs.describe_task_definition(taskDefinition=before)["taskDefinition"]
    assert anew["status"] == "ACTIVE"
    assert anew["containerDefinitions"] == old["containerDefinitions"]


def test_prune_keeps_what_runs_and_what_could_be_gone_back_to(healthy: Stack) -> None:
    ecs, revision = healthy.client("ecs"), running(healthy)
    done = healthy.omc("releases", "prune", "--env", "local", "--keep", "1", "--yes", "--output", "json")
    assert done.returncode == SUCCEEDED, done.stdout + done.stderr
    active = [
        arn.rpartition("/")[2]
        for arn in ecs.list_task_definitions(familyPrefix="ohmycoins-backend")["taskDefinitionArns"]
    ]
    assert revision in active
    assert len(active) <= 4, "what runs, Terraform's newest, the last that was good and the last that was watched"
    wait_until_healthy(healthy)
    nothing = healthy.omc("releases", "prune", "--env", "local", "--keep", "1", "--yes")
    assert nothing.returncode == SUCCEEDED
    assert "Nothing to prune" in nothing.stdout


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("deploy", "--image", "backend=build-0000000"), FAILED, "no image with the tag build-0000000"),
        (("deploy", "--image", f"backend=ohmycoins/frontend@sha256:{'0' * 64}"), FAILED, "to the repository"),
        (("rollback", "backend", "--to", "ohmycoins-frontend:1"), WRONG_USE, "revision of another family"),
        (("rollback", "backend", "--to", "9999"), FAILED, "ohmycoins-backend:9999 doesn't exist"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(
    healthy: Stack, words: tuple[str, ...], code: int, expected: str
) -> None:
    before = running(healthy)
    done = healthy.omc(*words, "--env", "local", "--yes")
    assert done.returncode == code, done.stdout + done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert running(healthy) == before


def newest_run(stack: Stack) -> str:
    listed = stack.omc("runs", "list", "--env", "local", "--last", "1", "--output", "json").json["runs"]
    return str(listed[0]["run"]) if listed else ""


def deploy_and_cue(stack: Stack, image: str, cue: Path, *arguments: str) -> CommandResult:
    """Deploy an image that goes wrong on cue, and give the cue when all of it runs and is being watched."""
    words = ("deploy", "--env", "local", "--image", f"backend={image}", "--yes", "--no-migrate", "--output", "json")
    known = newest_run(stack)
    with omc_running(stack, *words, "--override", "a rehearsal", *arguments) as omc:

        def is_watched() -> bool:
            assert omc.poll() is None, omc.communicate()
            ours = newest_run(stack)
            if ours == known:
                return False
            shown = stack.omc("runs", "show", ours, "--output", "json").json
            return any(step["name"] == "watch" and step["state"] != "pending" for step in shown["steps"])

        eventually("the release is watched", is_watched, within=300)
        cue.touch()
        out, err = omc.communicate(timeout=600)
    return CommandResult(omc.returncode, out, err)


def test_a_release_that_answers_5xx_later_is_undone(healthy: Stack, tmp_path: Path) -> None:
    """Everything looks well when it is rolled; the watch period finds it out, and it is undone."""
    cue = tmp_path / "cue"
    before, digest = running(healthy), variants.push(healthy, "failing on cue", cue=cue)
    gone = threading.Event()

    def users() -> None:
        while not gone.is_set():
            traffic.send(traffic.Plan(healthy.url, rate=10, duration=2))

    thread = threading.Thread(target=users)
    thread.start()
    try:
        done = deploy_and_cue(healthy, digest, cue, "--watch", "300s")
    finally:
        gone.set()
        thread.join(60)
    assert done.returncode == ROLLED_BACK, done.stdout + done.stderr
    assert step(done, "roll-backend")["verdict"] == "succeeded"
    assert step(done, "watch")["verdict"] == "failed"
    assert "The release is worse than the one before" in ended(done)["sentence"]
    assert f"back to {before}" in ended(done)["sentence"]
    assert running(healthy) == before
    wait_until_healthy(healthy)

    service = healthy.client("ecs").describe_services(cluster=CLUSTER, services=["backend"])["services"][0]
    assert service["deploymentConfiguration"]["alarms"]["enable"], "the alarms stayed off after the way back"

    # ECS calls that deployment successful. It is not good all the same, and never gone back to by itself.
    again = rollback(healthy, "--dry-run")
    assert "was rolled back from" in again.stdout + again.stderr

    def is_quiet() -> bool:
        alarms = healthy.client("cloudwatch").describe_alarms(StateValue="ALARM")["MetricAlarms"]
        return not any("5xx" in alarm["AlarmName"] for alarm in alarms)

    eventually("the alarm about 5xx is quiet again", is_quiet, within=300)


def test_a_release_that_leaks_until_it_is_killed_is_undone_with_the_cause(healthy: Stack, tmp_path: Path) -> None:
    cue = tmp_path / "cue"
    before, digest = running(healthy), variants.push(healthy, "leaking on cue", cue=cue)
    done = deploy_and_cue(healthy, digest, cue, "--watch", "300s")
    assert step(done, "roll-backend")["verdict"] == "succeeded"
    assert done.returncode == ROLLED_BACK, done.stdout + done.stderr
    assert step(done, "watch")["verdict"] == "failed"
    assert "OutOfMemory" in done.stdout
    assert running(healthy) == before
    wait_until_healthy(healthy)


def update(stack: Stack, digest: str) -> str:
    """What somebody does who knows no omc: register a revision with another image and give it to the service."""
    ecs = stack.client("ecs")
    payload = ecs.describe_task_definition(taskDefinition=running(stack))["taskDefinition"]
    accepted = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    wanted = {key: value for key, value in payload.items() if key in accepted}
    container = wanted["containerDefinitions"][0]
    container["image"] = f"{container['image'].partition('@')[0]}@{digest}"
    arn = ecs.register_task_definition(**wanted)["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(cluster=CLUSTER, service="backend", taskDefinition=arn)
    return str(arn).rpartition("/")[2]
