"""The workflow "Deploy to AWS": its shell steps, run as GitHub would run them, against the local cloud.

Not run are the steps that need what only GitHub has; each is named here with its reason, so that a new one can't be
forgotten.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with the aws CLI; two calls are not worth its stubs

from omc.local.lifecycle import push_image, site_of
from omc.stack import load
from omc.store.embedded import Server
from support.engine_world import execute, place_in
from support.github import github_api, job_of, review
from support.stack import ROOT, Stack, clean_env, eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1800)]

WORKFLOW: Mapping[str, Any] = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())
NOT_RUN = {
    "Install omc": "the tests' own environment has it",
    "Build and push": "there is no Docker; the local cloud takes folders as images",
    "Log in to staging's registry": "the local cloud's registry has no login",
    "Copy by digest": "there are not two accounts, and no registry protocol between them",
}
ACTIONS = {
    "actions/checkout": "the copy of the checkout",
    "actions/setup-python": "the tests' own Python",
    "hashicorp/setup-terraform": "the machine's Terraform",
    "aws-actions/configure-aws-credentials": "the local cloud's own key",
    "actions/upload-artifact": "the file is looked at instead",
}
"""What stands for each action that is used."""
PUSH_TO_MAIN = {"inputs.action != 'destroy'": True, "inputs.action == 'destroy'": False}
PUSH_TO_MAIN |= {"inputs.environment != 'production'": True, "inputs.environment == 'production'": False}
"""The conditions of steps, and whether they hold when somebody pushed to main."""
ALARMS = "infrastructure/modules/monitoring/alarm_table.tf"


@dataclass
class Job:
    """One job of the workflow on a runner of ours."""

    name: str
    folder: Path
    env: Mapping[str, str]
    expressions: Mapping[str, str]
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    summary: str = ""

    def perform(self, conditions: Mapping[str, bool], only: str = "") -> None:
        """Every step whose condition holds; the first that fails ends it, as at GitHub."""
        for step in WORKFLOW["jobs"][self.name]["steps"]:
            if (conditions[step["if"]] if "if" in step else True) and only in {"", step.get("name")}:
                self._step(step)

    def _step(self, step: Mapping[str, Any]) -> None:
        if "uses" in step:
            assert step["uses"].partition("@")[0] in ACTIONS, f"nothing stands for {step['uses']}"
            return
        if step["name"] in NOT_RUN:
            return
        env = {**WORKFLOW["env"], **WORKFLOW["jobs"][self.name].get("env", {}), **step.get("env", {})}
        files = {name: self.folder / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for path in files.values():
            path.write_text("")
        script = self.folder / "step.sh"
        script.write_text(step["run"])
        done = subprocess.run(
            ["bash", "-e", str(script)],
            cwd=self.folder,
            env={**self.env, **{name: self._filled(str(value)) for name, value in env.items()}}
            | {name: str(path) for name, path in files.items()},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        assert done.returncode == 0, f"{step['name']}: {done.stdout}{done.stderr}{self.summary}"
        pairs = (line.partition("=") for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        self.outputs[step.get("id", "")] = {name: value for name, _, value in pairs}

    def _filled(self, text: str) -> str:
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: self.expressions[found[1]], text)


@pytest.fixture
def checkout(stack: Stack, tmp_path: Path) -> Path:
    """What actions/checkout gives; staging's values are those of a rehearsal, so that it is the applied stack."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy(ROOT / "omc.toml", folder)
    ignored = shutil.ignore_patterns(".terraform", "*.tfstate*", "*.tfplan")
    shutil.copytree(ROOT / "infrastructure", folder / "infrastructure", ignore=ignored)
    staging = folder / "infrastructure/environments/staging"
    (staging / "local.tfvars").rename(staging / "local.auto.tfvars")
    text = (folder / "omc.toml").read_text()
    (folder / "omc.toml").write_text(
        text.replace("[environments.staging]\n", "[environments.staging]\nrelease_watch_seconds = 10\n")
    )
    return folder


@pytest.fixture
def runner(stack: Stack, checkout: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a runner: GitHub's variables, the local cloud for AWS, an API that confirms the job and knows
    one approval, and the shared record."""
    server = Server(tmp_path / "record")
    with github_api([review("ann", environment="staging")]) as api:
        with (checkout / "omc.toml").open("a") as file:
            file.write(f'\n[github]\napi = "{api}"\n')
        server.enter()
        try:
            execute(server, "CREATE DATABASE shared")
            yield clean_env(
                **stack.reach(),
                **job_of("starter", api, REPOSITORY="example/oh-my-coins"),
                PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                GITHUB_SHA="0123456789abcdef0123456789abcdef01234567",
                OMC_STORE_URL=place_in(server, "shared").url or "",
            )
        finally:
            server.leave()


def job(name: str, checkout: Path, runner: Mapping[str, str], **outputs: str) -> Job:
    expressions = {
        "inputs.environment || 'staging'": "staging",
        "inputs.action || 'apply'": "apply",
        "vars.AWS_ACCOUNT_STAGING": "100000000000",
        "secrets.OMC_STORE_URL": runner["OMC_STORE_URL"],
        "github.token": "ghs_test",
        "inputs.override": outputs.get("override", ""),
        "needs.plan.outputs.fingerprint": outputs.get("fingerprint", ""),
        "needs.images.outputs.images": outputs.get("images", ""),
    }
    return Job(name, checkout, runner, expressions)


def test_every_step_that_is_not_run_exists_and_has_its_reason() -> None:
    names = {step["name"] for one in WORKFLOW["jobs"].values() for step in one["steps"] if "run" in step}
    assert set(NOT_RUN) <= names
    assert names - set(NOT_RUN) == {
        "Plan the infrastructure",
        "Find what was verified in staging",
        "Apply the infrastructure",
        "Destroy the infrastructure",
        "Deploy the application",
        "Verify",
    }


def test_only_the_job_that_applies_waits_for_an_approval_and_may_apply() -> None:
    jobs = WORKFLOW["jobs"]
    assert [name for name, one in jobs.items() if "environment" in one] == ["apply"]
    assert "plan" in jobs["apply"]["needs"]
    roles = {
        name: {
            step["with"]["role-to-assume"].rpartition("-")[2]
            for step in one["steps"]
            if "role-to-assume" in step.get("with", {})
        }
        for name, one in jobs.items()
    }
    assert roles == {"plan": {"plan"}, "images": {"plan", "build"}, "apply": {"apply"}}
    assert WORKFLOW["permissions"] == {}
    assert WORKFLOW["concurrency"]["cancel-in-progress"] is False
    uploaded = [
        step["with"]["path"] for one in jobs.values() for step in one["steps"] if "upload" in step.get("uses", "")
    ]
    assert uploaded == ["plan.json"]


def test_nothing_is_decided_by_what_a_log_says() -> None:
    """A log line, a note or a name can say anything: exit codes and files made for programs decide."""
    for steps in (job["steps"] for job in WORKFLOW["jobs"].values()):
        for step in steps:
            assert "grep" not in step.get("run", "")
            assert ".log" not in step.get("run", "")


def test_every_action_is_pinned_to_a_commit() -> None:
    used = [step["uses"] for one in WORKFLOW["jobs"].values() for step in one["steps"] if "uses" in step]
    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one)] == []


def test_a_push_to_main_is_planned_applied_deployed_and_verified(
    healthy: Stack, checkout: Path, runner: dict[str, str]
) -> None:
    """An alarm's threshold and a new backend reach staging; then all of it is put back.

    A stack as young as this one may have alarms that still wait for their first readings: they would fail "Verify".
    """
    eventually("the morning check is all ok", lambda: healthy.check().code == 0, within=300)
    alarms = checkout / ALARMS
    text = alarms.read_text()
    alarms.write_text(text.replace('comparison = ">", threshold = 90\n', 'comparison = ">", threshold = 88\n', 1))
    before = image_of(healthy, "backend")

    plan = job("plan", checkout, runner)
    plan.perform(PUSH_TO_MAIN)
    fingerprint = plan.outputs["plan"]["fingerprint"]
    assert "threshold: 90 → 88" in plan.summary
    assert json.loads((checkout / "plan.json").read_text())["fingerprint"] == fingerprint
    assert "tfplan" not in plan.summary

    backend = checkout / "apps/backend"
    shutil.copytree(ROOT / "apps/backend", backend, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    (backend / "CHANGED").write_text("another build\n")
    image = push_image(site_of(load(ROOT / "omc.toml"), healthy.state), backend, "ohmycoins/backend")
    try:
        images = f"backend={image},frontend={image_of(healthy, 'frontend')}"
        omc(checkout, runner, "incident", "open", "--severity", "2", "Prices are wrong", "--env", "staging")
        apply = job("apply", checkout, runner, fingerprint=fingerprint, images=images)
        with pytest.raises(AssertionError, match=r"(?s)Deploy the application: .*Incident 1"):
            apply.perform(PUSH_TO_MAIN)
        apply = job("apply", checkout, runner, images=images, override="the fix of incident 1")
        apply.perform(PUSH_TO_MAIN, only="Deploy the application")
        apply.perform(PUSH_TO_MAIN, only="Verify")
        assert threshold(healthy) == 88
        assert image_of(healthy, "backend") == image
        assert "Morning check" in apply.summary
        apply.perform(PUSH_TO_MAIN, only="Deploy the application")  # which runs already
        runs = json.loads(omc(checkout, runner, "runs", "list", "--env", "staging", "--output", "json"))["runs"]
        assert {run["actor"] for run in runs} == {"github:starter"}

        promoted = job("images", checkout, runner)
        promoted.perform({condition: not holds for condition, holds in PUSH_TO_MAIN.items()})
        assert promoted.outputs["verified"]["images"] == images
    finally:
        service = healthy.client("ecs")
        previous = next(
            arn
            for arn in service.list_task_definitions(familyPrefix="ohmycoins-backend", sort="DESC")[
                "taskDefinitionArns"
            ]
            if service.describe_task_definition(taskDefinition=arn)["taskDefinition"]["containerDefinitions"][0][
                "image"
            ]
            == before
        )
        service.update_service(cluster="ohmycoins-staging", service="backend", taskDefinition=previous)
        back = healthy.omc("infra", "apply", "--env", "local", "--yes")
    assert back.code == 0, back.out + back.err
    assert threshold(healthy) == 90


def omc(checkout: Path, runner: Mapping[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "omc", *arguments]
    done = subprocess.run(
        command, cwd=checkout, env=dict(runner), capture_output=True, text=True, check=True, timeout=300
    )
    return done.stdout


def image_of(stack: Stack, service: str) -> str:
    ecs = stack.client("ecs")
    [found] = ecs.describe_services(cluster="ohmycoins-staging", services=[service])["services"]
    definition = ecs.describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]
    return str(definition["containerDefinitions"][0]["image"])


def threshold(stack: Stack) -> float:
    [alarm] = stack.client("cloudwatch").describe_alarms(AlarmNames=["ohmycoins-staging-rds-cpu-high"])["MetricAlarms"]
    return float(alarm["Threshold"])
