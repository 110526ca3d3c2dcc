"""The workflow "Deploy to AWS" on a runner of ours: its shell steps, run as GitHub would run them.

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
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # comes with the aws CLI; two calls are not worth its stubs

from omc.store.embedded import Server
from support.commands import ROOT, clean_env, run
from support.engine_world import execute, place_in
from support.github import github_api, job_of, review
from support.prepared import omc
from support.stack import Stack

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
PUSH_TO_MAIN = {
    "inputs.action != 'destroy'": True,
    "inputs.action == 'destroy'": False,
    "inputs.environment != 'production'": True,
    "inputs.environment == 'production'": False,
}
"""The conditions of steps, and whether they hold when somebody pushed to main."""
DESTROY = PUSH_TO_MAIN | {"inputs.action != 'destroy'": False, "inputs.action == 'destroy'": True}
PRODUCTION = PUSH_TO_MAIN | {"inputs.environment != 'production'": False, "inputs.environment == 'production'": True}


class StepFailed(AssertionError):
    """A step's exit code wasn't 0, and the job ended there. Says which, and what it printed."""


@dataclass
class Job:
    """One job of the workflow."""

    name: str
    folder: Path
    env: Mapping[str, str]
    expressions: Mapping[str, str]
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    summary: str = ""

    def perform(self, conditions: Mapping[str, bool] = PUSH_TO_MAIN, only: str = "") -> None:
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
        filled = {name: self._filled(str(value)) for name, value in env.items()}
        paths = {name: str(path) for name, path in files.items()}
        done = run(["bash", "-e", str(script)], {**self.env, **filled, **paths}, 900, self.folder)
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        if done.returncode != 0:
            raise StepFailed(f"{step['name']}: {done.stdout}{done.stderr}{self.summary}")
        pairs = (line.partition("=") for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        self.outputs[step.get("id", "")] = {name: value for name, _, value in pairs}

    def _filled(self, text: str) -> str:
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: self.expressions[found[1]], text)


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository at GitHub, what actions/checkout gives of it, and the environment of a runner.

    Staging's values are those of a rehearsal, so that it is the stack of the local cloud.
    """

    checkout: Path
    runner: Mapping[str, str]
    api: str

    def job(self, name: str, by: str = "starter", attempt: int = 1, **provided: str) -> Job:
        """A job of the run that this person started; ``given`` are its inputs and what the jobs before it put out."""
        expressions = {
            "inputs.environment || 'staging'": "staging",
            "inputs.action || 'apply'": provided.get("action", "apply"),
            "vars.AWS_ACCOUNT_STAGING": "100000000000",
            "secrets.OMC_STORE_URL": self.runner["OMC_STORE_URL"],
            "github.token": "ghs_test",
            "inputs.override": provided.get("override", ""),
            "needs.plan.outputs.fingerprint": provided.get("fingerprint", ""),
            "needs.images.outputs.images": provided.get("images", ""),
        }
        who = job_of(by, self.api, REPOSITORY="example/oh-my-coins", RUN_ATTEMPT=str(attempt))
        return Job(name, self.checkout, {**self.runner, **who}, expressions)

    def again(self, job: Job, by: str) -> Job:
        """The same job, run again by somebody: the actor stays, the triggering actor is whoever pressed the button."""
        more = {"GITHUB_RUN_ATTEMPT": "2", "GITHUB_TRIGGERING_ACTOR": by}
        return Job(job.name, job.folder, {**job.env, **more}, job.expressions)

    def omc(self, *arguments: str) -> str:
        """What somebody types beside the jobs."""
        env = {name: value for name, value in self.runner.items() if not name.startswith("GITHUB_")}
        done = omc(arguments, env, 300, self.checkout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def git(self, *arguments: str) -> str:
        settings = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
        command = ["git", *settings, *arguments]
        return subprocess.run(command, cwd=self.checkout, check=True, capture_output=True, text=True).stdout.strip()

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.checkout / name).read_text()
        assert old in text, f"{old!r} does not stand in {name}"
        (self.checkout / name).write_text(text.replace(old, new, 1))

    def push(self, message: str) -> str:
        """What stands in the checkout, on main; the commit."""
        self.git("add", "infrastructure", "apps")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")


@contextmanager
def repository(stack: Stack, folder: Path, provider: Mapping[str, str]) -> Iterator[Repository]:
    """The repository, with the local cloud for AWS, an API that confirms each job and knows one approval, and the
    shared record."""
    checkout = folder / "checkout"
    checkout.mkdir()
    ignored = shutil.ignore_patterns(".terraform", "*.tfstate*", "*.tfplan", "__pycache__", ".venv", ".*_cache")
    for name in ("infrastructure", "apps"):
        shutil.copytree(ROOT / name, checkout / name, ignore=ignored)
    staging = checkout / "infrastructure/terraform/environments/staging"
    exchange = json.loads((stack.state / "cloud.json").read_text())["outside_api_url"]
    values = (staging / "local.tfvars").read_text()
    (staging / "local.auto.tfvars").write_text(f'{values}\nexchange_url = "{exchange}"\n')
    (staging / "local.tfvars").unlink()
    server = Server(folder / "record")
    with github_api([review("ann", environment="staging")], rerun_by="bob") as api:
        settings = (ROOT / "omc.toml").read_text()
        settings = settings.replace("[environments.staging]\n", "[environments.staging]\nrelease_watch_seconds = 10\n")
        (checkout / "omc.toml").write_text(f'{settings}\n[github]\napi = "{api}"\n')
        server.enter()
        try:
            execute(server, "CREATE DATABASE shared")
            runner = clean_env(
                **stack.reach(),
                **provider,
                PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                GITHUB_SHA="0123456789abcdef0123456789abcdef01234567",
                OMC_STORE_URL=place_in(server, "shared").url or "",
            )
            made = Repository(checkout, runner, api)
            made.git("init", "--quiet", "--initial-branch", "main")
            made.git("add", "infrastructure", "apps", "omc.toml")
            made.git("commit", "--quiet", "--message", "the stack")
            made.git("clone", "--quiet", "--bare", ".", str(folder / "origin"))
            made.git("remote", "add", "origin", str(folder / "origin"))
            yield made
        finally:
            server.leave()


def plan_of(job: Job) -> Mapping[str, Any]:
    """The summary that the job kept."""
    return dict(json.loads((job.folder / "plan.json").read_text()))
