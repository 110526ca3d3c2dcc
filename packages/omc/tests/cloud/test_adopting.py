"""A stack that omc has never seen, made by plain calls in a local cloud: omc init, and every verb is true of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud.front.identity import Identity
from omc.config import load
from support.acme_stack import CLUSTER, ENVIRONMENT, REGION, SERVICES, make_acme, push_release
from support.running_cloud import smallest_cloud
from support.waiting import eventually

pytestmark = pytest.mark.cloud
FOREIGN = re.compile(r"ohmycoins|sydney|Traceback|/ecs/acme|acme-staging|backend|frontend", re.IGNORECASE)
"""What is of another stack, or of a program that broke."""
TERRAFORM = re.compile(r"terraform(?!_state)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Adopter:
    """A folder with omc.toml alone, beside a local cloud in which acme-prod runs."""

    folder: Path
    session: Any
    endpoint: str

    def client(self, service: str, /) -> Any:
        return self.session.client(service, endpoint_url=self.endpoint)

    def omc(self, *arguments: str, code: int = 0, speaks_of_terraform: bool = False) -> str:
        """What it printed. It ends with this exit code, and nothing in it is of another stack."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OMC_"))}
        done = subprocess.run(
            [sys.executable, "-m", "omc", *arguments],
            cwd=self.folder,
            env=inherited | {"OMC_ENV": "prod", "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        both = done.stdout + done.stderr
        assert done.returncode == code, both
        assert not FOREIGN.findall(both), both
        assert speaks_of_terraform or not TERRAFORM.findall(both), both
        return done.stdout if code == 0 else both

    def push(self, service: str, release: str, fail: str = "") -> str:
        """The digest of one more image."""
        state = self.folder / ".localcloud"
        return push_release(self, state, service, release, fail).partition("@")[2]

    def counts(self) -> dict[str, tuple[str, int]]:
        """By service, which revision runs, and how many tasks of it."""
        found = self.client("ecs").describe_services(cluster=CLUSTER, services=list(SERVICES.values()))["services"]
        return {
            each["serviceName"].removeprefix(f"{ENVIRONMENT}-"): (
                each["taskDefinition"].rpartition("/")[2],
                each["runningCount"],
            )
            for each in found
        }


@pytest.fixture(scope="module")
def adopter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adopter]:
    folder = tmp_path_factory.mktemp("acme")
    state = folder / ".localcloud"
    with smallest_cloud(state, "elasticache", "rds", "sns", region=REGION) as cloud:
        identity, settings = cloud.part(Identity), cloud.settings
        keys = (identity.access_key_id, identity.secret_access_key)
        session = boto3.Session(*keys, region_name=REGION)
        reach = {
            "endpoint": settings.endpoint,
            "region": REGION,
            "account": settings.account,
            "access_key_id": keys[0],
            "secret_access_key": keys[1],
            "port_shift": settings.port_shift,
        }
        (state / "cloud.json").write_text(json.dumps(reach))
        adopter = Adopter(folder, session, settings.endpoint)
        made = make_acme(adopter, state)
        adopter.client("ecs").run_task(  # the job of the night; nothing here starts what a schedule names
            cluster=CLUSTER,
            taskDefinition=made.definitions["cleanup"],
            networkConfiguration={
                "awsvpcConfiguration": {"subnets": list(made.subnets), "securityGroups": [made.groups["tasks"]]}
            },
            overrides={"containerOverrides": [{"name": "app", "command": ["true"]}]},
        )
        yield adopter


def test_a_running_stack_is_adopted_by_one_command_and_its_morning_check_is_true(adopter: Adopter) -> None:
    made = adopter.omc("init", "--local-state", ".localcloud", "--yes")
    assert "Next: omc check morning --env prod" in made
    assert "could not tell" not in made
    prod = load(adopter.folder / "omc.toml").environments["prod"]
    api, web, worker = prod.services
    assert (prod.cluster, prod.load_balancer, prod.cache) == ("acme", "acme-public", "")
    assert (prod.database, prod.database_cluster, prod.alarm_prefix) == ("", "acme-prod", "acme-")
    assert (api.ecs_service, api.family, api.port, api.target_groups) == (
        *("acme-prod-api", "acme-api", 8080, ("acme-api", "acme-api-partners")),
    )
    assert (api.minimum, api.maximum, api.cpu_target, api.connections) == (
        2,
        6,
        60,
        ("DB_POOL_SIZE", "DB_MAX_OVERFLOW"),
    )
    assert (web.port, web.target_groups) == (3000, ("acme-web",))
    assert (worker.ecs_service, worker.port, worker.target_groups) == ("acme-prod-worker", None, ())
    assert [job.schedule for job in prod.jobs] == ["acme-cleanup"]
    shown = adopter.omc("stack", "show", speaks_of_terraform=True)  # it says that there is none
    assert "the same: names" in shown
    assert re.search(r"Terraform +none", shown)
    assert adopter.omc("init", "--local-state", ".localcloud") == ""  # no difference

    def checked() -> dict[str, Any] | None:
        answer = adopter.folder.joinpath("report.json")
        answer.write_text(json.dumps({}))
        try:
            return dict(json.loads(adopter.omc("check", "morning", "--output", "json")))
        except AssertionError as problem:
            answer.write_text(str(problem))
            return None

    report = eventually(lambda: adopter.folder.joinpath("report.json").read_text(), checked, 120)
    levels = {each["place"]: each["level"] for each in report["findings"] if each["place"]}
    assert levels["jobs/cleanup"] == "ok"
    assert {levels[f"services/{name}"] for name in SERVICES} == {"ok"}


def test_a_release_of_the_worker_and_one_of_api_are_deployed_and_rolled_back(adopter: Adopter) -> None:
    worker, api = adopter.push("worker", "2"), adopter.push("api", "2")
    said = adopter.omc("deploy", "--image", f"worker={worker},api={api}", "--watch", "10s", "--yes")
    assert "api acme-api:2, web acme-web:1, worker acme-worker:2." in said
    assert adopter.counts() == {"api": ("acme-api:2", 2), "web": ("acme-web:1", 2), "worker": ("acme-worker:2", 1)}
    shown = adopter.omc("deployments")
    assert re.search(rf"worker +app {worker[7:19]} +1 .*as in release 1", shown), shown
    assert re.search(r"web +app [0-9a-f]{12} +2 .*as in release 1", shown), shown
    said = adopter.omc("rollback", "api", "--yes")
    assert "api acme-api:1, web acme-web:1, worker acme-worker:2." in said
    assert adopter.counts() == {"api": ("acme-api:1", 2), "web": ("acme-web:1", 2), "worker": ("acme-worker:2", 1)}


def test_a_service_with_autoscaling_gets_limits_and_one_without_gets_a_count(adopter: Adopter) -> None:
    said = adopter.omc("scale", "api", "--min", "2", "--max", "5", "--yes")
    assert "limits 2-6 → limits 2-5" in said
    targets = adopter.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")
    limits = {each["ResourceId"]: (each["MinCapacity"], each["MaxCapacity"]) for each in targets["ScalableTargets"]}
    assert limits == {"service/acme/acme-prod-api": (2, 5), "service/acme/acme-prod-web": (2, 4)}
    said = adopter.omc("scale", "worker", "2", "--yes")
    assert "worker has no autoscaler" in said
    assert adopter.counts()["worker"] == ("acme-worker:2", 2)
    said = adopter.omc("restart", "worker", "--yes")
    assert "worker runs acme-worker:2 on 2 tasks." in said


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("infra drift", 2, "There is no Terraform for prod"),
        ("infra plan", 2, "There is no Terraform for prod"),
        ("database reboot", 1, "acme-prod is a DB cluster"),
        ("database class db.r6g.xlarge", 1, "acme-prod is a DB cluster"),
        ("backup create --name x", 1, "acme-prod is a DB cluster"),
        ("cache reboot acme-1", 1, "prod has no cache"),
        ("redis", 1, "prod has no cache"),
    ],
)
def test_what_isnt_there_is_refused_in_one_sentence(adopter: Adopter, command: str, code: int, words: str) -> None:
    said = adopter.omc(*command.split(), code=code, speaks_of_terraform=True)
    [line] = [each for each in said.splitlines() if each.startswith("omc: ")]
    assert words in line


def test_a_worker_that_crashes_is_named_as_the_cause(adopter: Adopter) -> None:
    crashing = adopter.push("worker", "3", fail="crash")
    said = adopter.omc("deploy", "--image", f"worker={crashing}", "--watch", "10s", "--yes", code=4)
    assert "ECS rolled worker back to acme-worker:2" in said
    found = json.loads(adopter.omc("diagnose", "services/worker", "--output", "json", speaks_of_terraform=True))
    assert found["causes"][0]["place"] == "services/worker"
    assert "It was told to crash." in json.dumps(found["causes"][0])
    assert "It was told to crash." in adopter.omc("logs", "errors", "--service", "worker")
    report = json.loads(adopter.omc("check", "morning", "--output", "json"))
    of_worker = [each["sentence"] for each in report["findings"] if each["place"] == "services/worker"]
    assert any("4 tasks of acme-worker:3 failed" in each for each in of_worker), of_worker


def test_doctor_asks_for_nothing_that_only_another_stack_has(adopter: Adopter) -> None:
    report = json.loads(adopter.omc("doctor", "--output", "json", code=1, speaks_of_terraform=True))
    speaks = {each["check"] for each in report["findings"] if TERRAFORM.findall(json.dumps(each))}
    assert speaks <= {"tools"}  # the program of this machine
    wrong = {(each["check"], each["subject"]) for each in report["findings"] if each["level"] == "fail"}
    assert wrong == {("alarm-reaches-a-person", "topic acme-pager")}  # nobody subscribes to it


def test_the_weekly_check_says_what_it_doesnt_know(adopter: Adopter) -> None:
    said = adopter.omc("check", "weekly", code=3, speaks_of_terraform=True)
    assert "omc infra" not in said
    assert {line for line in said.splitlines() if "erraform" in line} == {
        "new  unknown  What the code has isn't known: omc.toml names no state of Terraform's."
    }
    assert "prices not known for eu-central-1: omc has prices of ap-southeast-2, us-east-1" in said
