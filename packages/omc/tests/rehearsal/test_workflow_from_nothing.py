"""The workflow "Deploy to AWS" at its rarest: a new database password, and an environment destroyed and made again.

It has a stack of its own, since the load balancer that comes is another one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from support.leftovers import left
from support.stack import CLUSTER, Stack, processes_below, state_bucket
from support.users import users
from support.waiting import eventually
from support.workflow import DESTROY, Repository, StepFailed

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1800)]

OF_BOOTSTRAP = {"buckets", "images", "keys' names", "roles"}
WRITTEN_LATE = (
    "/aws/rds/instance/ohmycoins-staging/postgresql",
    "/aws/ecs/containerinsights/ohmycoins-staging/performance",
)
"""The log groups that RDS and Container Insights may make again after a destroy."""
OF_THE_STACK = ("-m backend", "-m frontend", "valkey-server", "postgres -D", "haproxy")
"""What runs for the stack, in words of the command lines."""


def test_a_new_database_password_reaches_the_tasks_without_a_failed_request(
    healthy: Stack, repository: Repository
) -> None:
    """The other user gets it; tasks of the revision before go on with theirs until they are replaced."""
    images, before = images_of(healthy), login_of(healthy)
    name = "infrastructure/terraform/environments/staging/terraform.tfvars"
    repository.edit(name, "database_password_version = 1", "database_password_version = 2")
    repository.push("a new database password")
    plan = repository.job("plan", images=images)
    plan.perform()
    apply = repository.job("apply", fingerprint=plan.outputs["plan"]["fingerprint"], images=images)
    with users(healthy) as answers:
        apply.perform()
    assert set(answers) == {"200", "201"}, answers
    assert images_of(healthy) == images
    assert login_of(healthy) != before


def test_what_was_destroyed_is_made_again_from_nothing(healthy: Stack, repository: Repository) -> None:
    images = images_of(healthy)
    destroyed(healthy, repository)
    made_again(healthy, repository, images)


def destroyed(stack: Stack, repository: Repository) -> None:
    repository.omc("runs", "list", "--env", "staging")  # the record's tables are made
    plan = repository.job("plan", action="destroy")
    plan.perform()
    destroy = repository.job("apply", action="destroy", fingerprint=plan.outputs["plan"]["fingerprint"])
    with ThreadPoolExecutor(1) as beside:
        done = beside.submit(destroy.perform, DESTROY)
        # GitHub lets one reviewer release a job, and a destroy wants two people.
        eventually("a second person is asked", lambda: done.done() or waiting(repository) != [], within=900)
        for run in waiting(repository):
            repository.omc("approve", run, "--env", "staging", "--yes")
        done.result()
    clusters = stack.client("ecs").describe_clusters(clusters=[CLUSTER])["clusters"]
    assert {cluster["status"] for cluster in clusters} <= {"INACTIVE"}
    remaining = left(stack.client)
    assert set(remaining) == OF_BOOTSTRAP, remaining
    assert remaining["buckets"] == [state_bucket(stack)]
    eventually("all processes of the stack have ended", lambda: not running(stack))


def made_again(stack: Stack, repository: Repository, images: str) -> None:
    # A destroy that was cut off can be ended, whatever of the images it has taken.
    repository.job("plan", action="destroy").perform()
    for name in WRITTEN_LATE:
        stack.client("logs").create_log_group(logGroupName=name)
    with pytest.raises(StepFailed, match="The variable images of environments/staging has no value"):
        repository.job("plan").perform()
    after_destroy = repository.job("plan", images=images)
    after_destroy.perform()
    # Nothing was ever applied: there is no state either.
    stack.client("s3").delete_object(Bucket=state_bucket(stack), Key="staging/terraform.tfstate")
    never_applied = repository.job("plan", images=images)
    never_applied.perform()
    assert "2 imported" in never_applied.summary
    fingerprint = never_applied.outputs["plan"]["fingerprint"]
    assert fingerprint == after_destroy.outputs["plan"]["fingerprint"]

    apply = repository.job("apply", fingerprint=fingerprint, images=images)
    apply.perform()
    assert images_of(stack) == images
    assert "Morning check" in apply.summary
    for name in WRITTEN_LATE:
        [taken_in] = stack.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        assert taken_in["retentionInDays"] > 0
        assert taken_in["kmsKeyId"]
    # The snapshot of a whole stack holds no call up (0.1 s on an idle machine), and nothing was asked in vain.
    eventually("a snapshot is quick", lambda: stack.status()["parts"]["snapshot"]["held_lock_ms"] < 2000)
    assert "unsupported operation" not in stack.localcloud("logs", "--lines", "100000").stdout


def running(stack: Stack) -> list[str]:
    """The command lines of what still runs for the stack."""
    found = []
    for process in processes_below(stack.state):
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found += [words] if any(word in words for word in OF_THE_STACK) else []
    return found


def waiting(repository: Repository) -> list[str]:
    with psycopg.connect(repository.runner["OMC_STORE_URL"]) as record:
        found = record.execute("SELECT id FROM runs WHERE state = 'awaiting approval'").fetchall()
    return [str(run) for (run,) in found]


def login_of(stack: Stack) -> str:
    """The secret that the backend's running tasks take their database login from."""
    ecs = stack.client("ecs")
    [service] = ecs.describe_services(cluster=CLUSTER, services=["backend"])["services"]
    definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    secrets = {each["name"]: each["valueFrom"] for each in definition["containerDefinitions"][0]["secrets"]}
    return str(secrets["POSTGRES_PASSWORD"])


def images_of(stack: Stack) -> str:
    """As the job "Images" puts it out."""
    ecs = stack.client("ecs")
    found = {}
    for service in ecs.describe_services(cluster=CLUSTER, services=["backend", "frontend"])["services"]:
        definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        found[service["serviceName"]] = definition["containerDefinitions"][0]["image"]
    return ",".join(f"{name}={image}" for name, image in sorted(found.items()))
