"""What a cloud of the minimal profile has, what it refuses, and how another distribution adds a service."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import localcloud.faults
from localcloud.core import addresses, profiles
from localcloud.core.cloud import Cloud
from localcloud.faults.catalogue import NEEDS, all_faults
from localcloud.faults.component import StackFaults
from localcloud.front import private_pages

pytestmark = pytest.mark.cloud
PROFILE = "minimal"
LEFT_OUT: dict[str, tuple[str, dict[str, Any] | None]] = {
    "budgets": ("describe_budgets", {"AccountId": "100000000000"}),
    "ce": ("get_cost_categories", {"TimePeriod": {"Start": "2026-01-01", "End": "2026-01-02"}}),
    "athena": ("list_work_groups", None),
    "cloudtrail": ("lookup_events", {}),
    "elasticache": ("describe_replication_groups", {}),
    "pi": ("describe_dimension_keys", None),
    "rds": ("describe_db_instances", {}),
    "sns": ("list_topics", {}),
    "sqs": ("list_queues", {}),
}
ANSWERED = {
    "application-autoscaling": ("describe_scalable_targets", {"ServiceNamespace": "ecs"}),
    "cloudwatch": ("describe_alarms", {}),
    "ec2": ("describe_vpcs", {}),
    "ecr": ("describe_repositories", {}),
    "ecs": ("list_clusters", {}),
    "elbv2": ("describe_load_balancers", {}),
    "iam": ("list_roles", {}),
    "logs": ("describe_log_groups", {}),
    "secretsmanager": ("list_secrets", {}),
    "service-quotas": ("get_service_quota", {"ServiceCode": "fargate", "QuotaCode": "L-3032A538"}),
    "ssm": ("describe_parameters", {}),
    "sts": ("get_caller_identity", {}),
}


@pytest.mark.unsupported_allowed
@pytest.mark.parametrize("service", [name for name, (_, parameters) in LEFT_OUT.items() if parameters is not None])
def test_a_call_to_what_the_profile_left_out_is_refused_with_the_way_out(service: str, shared_aws: Any) -> None:
    operation, parameters = LEFT_OUT[service]
    with pytest.raises(ClientError) as refusal:
        getattr(shared_aws(service), operation)(**parameters or {})
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    message = refusal.value.response["Error"]["Message"]
    assert f"no {service}: its profile minimal" in message
    assert "--profile full" in message


def test_every_entry_point_that_is_left_out_is_in_the_table_above() -> None:
    assert set(profiles.profile("minimal").left_out) - {"outside-api"} == set(LEFT_OUT)


@pytest.mark.parametrize("service", ANSWERED)
def test_the_profiles_services_and_the_base_answer(service: str, shared_aws: Any) -> None:
    operation, parameters = ANSWERED[service]
    assert getattr(shared_aws(service), operation)(**parameters)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_its_loops_run_without_the_services_that_are_left_out(shared_cloud: Cloud) -> None:
    status = private_pages.status(shared_cloud)
    assert status["profile"] == "minimal"
    assert status["services"] == sorted(profiles.profile("minimal").loaded)
    assert not {"costs", "outside-api", "rds", "elasticache"} & set(status["parts"])
    assert {name: loop["last_error"] for name, loop in status["loops"].items() if loop["failures"]} == {}


def test_only_faults_of_its_services_are_offered(shared_cloud: Cloud) -> None:
    offered = set(shared_cloud.part(StackFaults).catalogue)
    assert {"slow-start", "late-metrics", "5xx-burst", "api-throttling"} & set(all_faults()) <= offered
    assert not {"security-group-closed", "dependency-timeout", "slow-queries", "storage-filling"} & offered
    assert offered < set(all_faults())


def test_the_faults_table_of_services_says_at_least_what_their_modules_import() -> None:
    modules = {ep: module.rpartition(".")[2] for ep, module in profiles.profile("full").loaded.items()}
    base = {name.rpartition(".")[2] for name in profiles.BASE}
    for path in Path(localcloud.faults.__path__[0]).glob("*.py"):
        imported = {
            node.module.split(".")[2] if node.module.count(".") > 1 else alias.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("localcloud.services")
            for alias in node.names
            if node.module is not None
        }
        needed = {modules[name] for name in NEEDS.get(path.stem, ())}
        assert imported - base <= needed, path.name


def test_a_profile_is_for_the_life_of_a_state(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    try:
        addresses.create(state, profile="minimal")
        loaded = addresses.load(state)
        assert loaded is not None
        assert loaded.settings.profile == "minimal"
        again = subprocess.run(
            [sys.executable, "-m", "localcloud", "up", "--state", str(state), "--profile", "full"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert again.returncode == 1
        assert "has profile minimal for the life of its state" in again.stderr
        assert "`reset`" in again.stderr
    finally:
        addresses.release(state)


SERVICE = """
from localcloud.core.registry import component, operation

@operation("codecommit", "ListRepositories")
def list_repositories(cloud, call):
    return {"repositories": [{"repositoryName": cloud.part(Groups).group}]}

@component()
class Groups:
    name, group = "groups", "made elsewhere"
    def start(self, cloud): pass
    def dump(self): return None
    def load(self, state): pass
    def stop(self): pass
"""
ASK = """
import json, sys
from pathlib import Path
import boto3
from botocore.exceptions import ClientError
from localcloud import assemble
from localcloud.core import addresses
state = Path(sys.argv[1]); state.mkdir()
home = addresses.create(state, profile=sys.argv[2])
cloud = assemble.assemble(home.settings, home.access_key_id, home.secret_access_key)
server = assemble.start(cloud)
from localcloud.core.registry import PAGES
assert "stack-faults" in PAGES and "stack-faults" in {part.name for part in cloud.components()}
try:
    codecommit = boto3.client("codecommit", endpoint_url=home.settings.endpoint, region_name=home.settings.region,
        aws_access_key_id=home.access_key_id, aws_secret_access_key=home.secret_access_key)
    print(json.dumps([each["repositoryName"] for each in codecommit.list_repositories()["repositories"]]))
except ClientError as error:
    print(json.dumps(error.response["Error"]["Message"]))
finally:
    assemble.stop(cloud, server)
    addresses.release(state)
"""


@pytest.mark.parametrize(("profile", "answer"), [("full", ["made elsewhere"]), ("minimal", "no codecommit")])
def test_another_distribution_adds_a_service_by_an_entry_point(tmp_path: Path, profile: str, answer: Any) -> None:
    installed = tmp_path / "installed"
    about = installed / "localcloud_codecommit-1.0.dist-info"
    about.mkdir(parents=True)
    (installed / "localcloud_codecommit.py").write_text(SERVICE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: localcloud-codecommit\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{profiles.GROUP}]\ncodecommit = localcloud_codecommit\n")
    asked = subprocess.run(
        [sys.executable, "-c", ASK, str(tmp_path / "state"), profile],
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    printed = json.loads(asked.stdout.splitlines()[-1])
    assert printed == answer if isinstance(answer, list) else answer in printed
