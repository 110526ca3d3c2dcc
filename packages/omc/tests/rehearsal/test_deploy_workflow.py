"""The workflow "Deploy to AWS" on the applied stack: what it may do, and its steps from a push to the way back."""

from __future__ import annotations

import json
import re

import pytest

from omc.config import load
from omc.local.lifecycle import push_image, site_of
from support.commands import ROOT
from support.stack import Stack
from support.waiting import eventually
from support.workflow import NOT_RUN, PRODUCTION, WORKFLOW, Repository, StepFailed, plan_of

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1800)]

ALARMS = "infrastructure/terraform/modules/monitoring/alarm_table.tf"
THRESHOLD = 'comparison = ">", threshold = {}\n'


def test_every_step_that_is_not_run_exists_and_has_its_reason() -> None:
    names = {step["name"] for one in WORKFLOW["jobs"].values() for step in one["steps"] if "run" in step}
    assert set(NOT_RUN) <= names
    assert names - set(NOT_RUN) == {
        "Plan the infrastructure",
        "Find what was verified in staging",
        "Refuse what main no longer says",
        "Apply the infrastructure",
        "Destroy the infrastructure",
        "Migrate the database",
        "Deploy the application",
        "Verify",
        "Roll back",
    }


def test_only_the_jobs_that_change_something_wait_for_an_approval_and_may_change_it() -> None:
    jobs = WORKFLOW["jobs"]
    assert [name for name, one in jobs.items() if "environment" in one] == ["apply", "rollback"]
    assert {"plan", "images"} <= set(jobs["apply"]["needs"])
    roles = {
        name: {
            step["with"]["role-to-assume"].rpartition("-")[2]
            for step in one["steps"]
            if "role-to-assume" in step.get("with", {})
        }
        for name, one in jobs.items()
    }
    assert roles == {"plan": {"plan"}, "images": {"plan", "build"}, "apply": {"apply"}, "rollback": {"apply"}}
    assert WORKFLOW["permissions"] == {}
    uploaded = [
        step["with"]["path"] for one in jobs.values() for step in one["steps"] if "upload" in step.get("uses", "")
    ]
    assert uploaded == ["plan.json"]


def test_a_run_that_waits_for_its_approval_holds_nothing_that_a_later_one_needs() -> None:
    """GitHub's groups hold one run and one that waits, for as long as nobody approves it."""
    assert "concurrency" not in WORKFLOW
    assert [name for name, one in WORKFLOW["jobs"].items() if "concurrency" in one] == []


def test_every_step_that_changes_something_can_be_confirmed_and_is_recorded() -> None:
    changing = [
        (name, step)
        for name, one in WORKFLOW["jobs"].items()
        for step in one["steps"]
        if "--yes" in step.get("run", "")
    ]
    assert {name for name, _ in changing} == {"apply", "rollback"}
    assert len(changing) == 5
    for _, step in changing:
        assert {"GITHUB_TOKEN", "OMC_STORE_URL"} <= set(step["env"]), step["name"]


def test_images_are_copied_whole_and_the_copy_is_looked_for() -> None:
    """A tag may name an index: of that, each image and the index itself, whose digest is what runs."""
    steps = {step.get("name"): step["run"] for step in WORKFLOW["jobs"]["images"]["steps"] if "run" in step}
    assert "--provenance=false --sbom=false" in steps["Build and push"]
    copied = steps["Copy by digest"]
    assert "skopeo copy --all --preserve-digests" in copied
    assert copied.index("skopeo copy") < copied.index('test "$(there)" = "$digest"')


def test_nothing_is_decided_by_what_a_log_says() -> None:
    """A log line, a note or a name can say anything: exit codes and files made for programs decide."""
    for steps in (job["steps"] for job in WORKFLOW["jobs"].values()):
        for step in steps:
            assert "grep" not in step.get("run", "")
            assert ".log" not in step.get("run", "")


def test_every_action_is_pinned_to_a_commit() -> None:
    used = [step["uses"] for one in WORKFLOW["jobs"].values() for step in one["steps"] if "uses" in step]
    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one)] == []


def test_a_push_to_main_is_planned_applied_deployed_verified_and_taken_back(
    healthy: Stack, repository: Repository
) -> None:
    """An alarm's threshold and a new backend reach staging, through an incident and a job that is run again. A second
    threshold waits for its approval, is reverted meanwhile, and comes too late. Then the application goes back too.

    A stack as young as this one may have alarms that still wait for their first readings: they would fail "Verify".
    """
    eventually("the morning check is all ok", lambda: healthy.check().returncode == 0, within=300)
    before = image_of(healthy, "backend")
    try:
        through_an_incident_and_run_again(healthy, repository)
        reverted_while_it_waited(healthy, repository)
        back = repository.job("rollback", by="dora")
        back.perform()
        assert image_of(healthy, "backend") == before
        assert "Roll back backend" in back.summary
        assert threshold(healthy) == 90
    finally:
        if image_of(healthy, "backend") != before:
            healthy.omc("rollback", "--env", "local", "--yes", timeout=600)
        if threshold(healthy) != 90:
            healthy.omc("infra", "apply", "--env", "local", "--yes", timeout=600)


def through_an_incident_and_run_again(stack: Stack, repository: Repository) -> None:
    repository.edit(ALARMS, THRESHOLD.format(90), THRESHOLD.format(88))
    (repository.checkout / "apps/backend/CHANGED").write_text("another build\n")
    repository.push("a threshold, and a backend")
    image = push_image(
        site_of(load(ROOT / "omc.toml"), stack.state), repository.checkout / "apps/backend", "ohmycoins/backend"
    )
    images = f"backend={image},frontend={image_of(stack, 'frontend')}"

    plan = repository.job("plan", images=images)
    plan.perform()
    fingerprint = plan.outputs["plan"]["fingerprint"]
    assert "threshold: 90 → 88" in plan.summary
    assert image in plan.summary
    assert plan_of(plan)["fingerprint"] == fingerprint
    assert "tfplan" not in plan.summary

    repository.omc("incident", "open", "--severity", "2", "Prices are wrong", "--env", "staging")
    apply = repository.job("apply", fingerprint=fingerprint, images=images)
    with pytest.raises(StepFailed, match=r"(?s)Apply the infrastructure: .*Incident 1"):
        apply.perform()
    assert threshold(stack) == 90
    # Somebody presses "Re-run failed jobs". Nobody has approved that, and GitHub can't tell who approved which.
    with pytest.raises(StepFailed, match=r"(?s)Apply the infrastructure: .*attempt 2 of the run.*none counts.*new run"):
        repository.again(apply, by="bob").perform()

    # So bob starts the workflow anew, with the reason why it is done all the same.
    reason = "the fix of incident 1"
    apply = repository.job("apply", by="bob", fingerprint=fingerprint, images=images, override=reason)
    apply.perform()
    assert threshold(stack) == 88
    assert image_of(stack, "backend") == image
    assert "Morning check" in apply.summary
    apply.perform(only="Deploy the application")  # which runs already
    runs = json.loads(repository.omc("runs", "list", "--env", "staging", "--output", "json"))["runs"]
    assert {run["actor"] for run in runs} == {"github:bob"}
    repository.omc("incident", "resolve", "1", "Prices are right again", "--env", "staging")

    promoted = repository.job("images")
    promoted.perform(PRODUCTION)
    assert promoted.outputs["verified"]["images"] == images


def reverted_while_it_waited(stack: Stack, repository: Repository) -> None:
    images = f"backend={image_of(stack, 'backend')},frontend={image_of(stack, 'frontend')}"
    repository.edit(ALARMS, THRESHOLD.format(88), THRESHOLD.format(86))
    waiting = repository.push("a threshold that nobody approves for now")
    plan = repository.job("plan", images=images)
    plan.perform()
    late = plan.outputs["plan"]["fingerprint"]

    repository.edit(ALARMS, THRESHOLD.format(86), THRESHOLD.format(90))
    repository.push("Revert both")
    plan = repository.job("plan", by="carl", images=images)
    plan.perform()
    assert "threshold: 88 → 90" in plan.summary
    apply = repository.job("apply", by="carl", images=images, fingerprint=plan.outputs["plan"]["fingerprint"])
    apply.perform()
    assert threshold(stack) == 90

    repository.git("checkout", "--quiet", waiting)
    too_late = repository.job("apply", images=images, fingerprint=late)
    with pytest.raises(StepFailed, match=r"Refuse what main no longer says: .*main has moved on"):
        too_late.perform()
    # Were main the same again: the plan is no longer that which was approved.
    with pytest.raises(StepFailed, match=r"(?s)Apply the infrastructure: .*is not what was approved"):
        too_late.perform(only="Apply the infrastructure")
    assert threshold(stack) == 90


def image_of(stack: Stack, service: str) -> str:
    ecs = stack.client("ecs")
    [found] = ecs.describe_services(cluster="ohmycoins-staging", services=[service])["services"]
    definition = ecs.describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]
    return str(definition["containerDefinitions"][0]["image"])


def threshold(stack: Stack) -> float:
    [alarm] = stack.client("cloudwatch").describe_alarms(AlarmNames=["ohmycoins-staging-rds-cpu-high"])["MetricAlarms"]
    return float(alarm["Threshold"])
