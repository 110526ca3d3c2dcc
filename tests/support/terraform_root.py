"""A Terraform root in a folder of its own, run against a local cloud of the test's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.core.cloud import Cloud
from localcloud.front.identity import Identity
from omc.terraform import Terraform, find_terraform
from support.commands import CommandResult, run


@dataclass(frozen=True, slots=True)
class Root:
    """A command that ends otherwise than it was to fails the test with the end of what Terraform said."""

    terraform: Terraform
    folder: Path
    environment: dict[str, str]

    def run(self, verb: str, *arguments: str) -> str:
        done = self._run(verb, "-input=false", "-no-color", *arguments)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def init(self, *arguments: str) -> None:
        self.run("init", *self.terraform.init_arguments(), *arguments)

    def apply(self, *arguments: str) -> str:
        return self.run("apply", "-auto-approve", *arguments)

    def destroy(self, *arguments: str) -> str:
        return self.run("destroy", "-auto-approve", *arguments)

    def assert_no_difference(self, *arguments: str) -> None:
        assert "No changes" in self.run("plan", "-detailed-exitcode", *arguments)

    def outputs(self) -> dict[str, Any]:
        return {name: held["value"] for name, held in self._run("output", "-json").json.items()}

    def _run(self, *words: str) -> CommandResult:
        return run([str(self.terraform.executable), *words], self.environment, timeout=900, cwd=self.folder)


def reach(cloud: Cloud) -> dict[str, str]:
    """The environment in which the provider works on this cloud."""
    identity = cloud.part(Identity)
    return {
        "AWS_ENDPOINT_URL": cloud.settings.endpoint,
        "AWS_REGION": cloud.settings.region,
        "AWS_ACCESS_KEY_ID": identity.access_key_id,
        "AWS_SECRET_ACCESS_KEY": identity.secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def root_at(folder: Path, cloud: Cloud, provider: Mapping[str, str]) -> Root:
    """``provider`` is the environment of one that runs, or nothing, for providers of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    environment = {**kept, **reach(cloud), **provider, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    return Root(find_terraform(), folder, environment)
