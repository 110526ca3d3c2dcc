"""The workflow "Deploy to AWS" where there is nothing: it destroys the environment, and makes it again.

It is the last of those that share the changed stack, since the load balancer that comes is another one.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.stack import CLUSTER, Stack, eventually, state_bucket
from support.workflow import DESTROY, Repository, StepFailed

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1800)]


def test_what_was_destroyed_is_made_again_from_nothing(healthy: Stack, repository: Repository) -> None:
    images = images_of(healthy)
    plan = repository.job("plan", action="destroy")
    plan.perform()
    destroy = repository.job("apply", action="destroy", fingerprint=plan.outputs["plan"]["fingerprint"])
    with ThreadPoolExecutor(1) as beside:
        done = beside.submit(destroy.perform, DESTROY)
        # GitHub lets one reviewer release a job, and a destroy wants two people.
        eventually(
            "the destroy waits for a second person", lambda: done.done() or waiting(repository) != [], within=300
        )
        for run in waiting(repository):
            repository.omc("approve", run, "--env", "staging", "--yes")
        done.result()
    assert healthy.client("ecs").describe_clusters(clusters=[CLUSTER])["clusters"] == []

    # A destroy that was cut off can be ended, whatever of the images it has taken.
    repository.job("plan", action="destroy").perform()
    with pytest.raises(StepFailed, match="The variable images of environments/staging has no value"):
        repository.job("plan").perform()
    after_destroy = repository.job("plan", images=images)
    after_destroy.perform()
    # Nothing was ever applied: there is no state either.
    healthy.client("s3").delete_object(Bucket=state_bucket(healthy), Key="staging/terraform.tfstate")
    never_applied = repository.job("plan", images=images)
    never_applied.perform()
    fingerprint = never_applied.outputs["plan"]["fingerprint"]
    assert fingerprint == after_destroy.outputs["plan"]["fingerprint"]

    apply = repository.job("apply", fingerprint=fingerprint, images=images)
    apply.perform()
    assert images_of(healthy) == images
    assert "Morning check" in apply.summary


def waiting(repository: Repository) -> list[str]:
    runs = json.loads(repository.omc("runs", "list", "--env", "staging", "--output", "json"))["runs"]
    return [run["id"] for run in runs if run["state"] == "awaiting approval"]


def images_of(stack: Stack) -> str:
    """As the job "Images" puts it out."""
    ecs = stack.client("ecs")
    found = {}
    for service in ecs.describe_services(cluster=CLUSTER, services=["backend", "frontend"])["services"]:
        definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        found[service["serviceName"]] = definition["containerDefinitions"][0]["image"]
    return ",".join(f"{name}={image}" for name, image in sorted(found.items()))
