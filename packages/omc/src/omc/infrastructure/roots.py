"""Where Terraform works for an environment: which folder, which files, whose state, whose credentials.

``staging`` and ``production`` are worked on in the checkout's own ``infrastructure/terraform/environments``, with what
Terraform downloads kept beside omc's plan files. The local cloud gets the staging root, in a copy of all of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omc import terraform as tf
from omc.aws.gateway import Gateway
from omc.aws.handover import identity
from omc.aws.local import LocalEndpoint, local_endpoint
from omc.config import Environment, Stack
from omc.config.model import LOCAL_ROOT
from omc.errors import WrongUse
from omc.infrastructure.copies import LOCK_FILE, copy_sources
from omc.infrastructure.own_roots import copy_own, own_var_files

SOURCES = "infrastructure/terraform"
"""Where the Terraform is in a checkout; a local cloud's copy has the same place in its state folder."""
NOT_THE_ENDPOINT = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"})
WORK_FOLDER = ".omc"
"""Beside omc.toml; for a local cloud, its own state folder."""

_PREPARED: set[tuple[Path, str]] = set()


@dataclass(frozen=True, slots=True)
class Root:
    """A root module and all that Terraform must be told to work in it."""

    name: str
    """Its folder in ``infrastructure/terraform/environments``, and the first part of its state's key."""
    folder: Path
    plans: Path
    """Where plan files are kept. They hold secrets: only the user may read them."""
    bucket: str
    """Of the state; empty where the root says itself where that is."""
    env: Mapping[str, str]
    var_files: tuple[str, ...]
    """Beside ``terraform.tfvars``, which Terraform reads by itself."""
    terraform: tf.Terraform
    account: str = ""
    region: str = ""
    """Of the state's bucket; empty takes what ``backend.tf`` says."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Variables that override those of the files: in a local cloud, what belongs to this machine."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Further environment variables for one purpose: Terraform's variables, a mark."""

    @property
    def environment(self) -> dict[str, str]:
        return dict(self.env) | dict(self.extra)

    def prepare(self) -> None:
        """``terraform init``: about a second where the provider is at hand."""
        place = backend(self.bucket, self.region) if self.bucket else []
        arguments = ["init", "-no-color", "-reconfigure", *locked(self.terraform, self.folder), *place]
        tf.run(self.terraform, self.folder, arguments, env=self.environment)
        _PREPARED.add((self.folder, self.bucket))

    def ensure(self) -> None:
        """``prepare``, unless this process has done so."""
        if (self.folder, self.bucket) not in _PREPARED:
            self.prepare()

    def run(
        self,
        arguments: list[str],
        event: Callable[[Mapping[str, Any]], None],
        stop: Callable[[], bool] | None = None,
    ) -> str:
        return tf.run(self.terraform, self.folder, arguments, env=self.environment, event=event, stop=stop)

    def state(self) -> dict[str, Any]:
        """The state as it is now, secrets and all; empty where nothing was applied yet."""
        return tf.state(self.terraform, self.folder, env=self.environment)


def locked(terraform: tf.Terraform, folder: Path) -> list[str]:
    """For ``init`` in a root: the provider must be the one whose checksums are committed, in ``.terraform.lock.hcl``.
    A root without that file has committed to none, and Terraform writes one.

    OpenTofu takes its providers from a registry of its own, of which nothing is committed: there the lock is only
    written.
    """
    is_committed = (folder / LOCK_FILE).is_file() and not terraform.executable.name.startswith("tofu")
    return [*(["-lockfile=readonly"] if is_committed else []), *terraform.init_arguments()]


def backend(bucket: str, region: str = "") -> list[str]:
    return [f"-backend-config=bucket={bucket}", *([f"-backend-config=region={region}"] if region else [])]


def state_bucket(stack: str, root: str, account: str) -> str:
    """The bucket that bootstrap made in this account."""
    return f"{stack}-{root}-tfstate-{account}"


def endpoint_of(cloud: LocalEndpoint) -> dict[str, str]:
    """Where Terraform finds a local cloud, without credentials. Its own chain heeds only the endpoint named for STS."""
    place = {name: value for name, value in cloud.environment().items() if name not in NOT_THE_ENDPOINT}
    return place | {"AWS_ENDPOINT_URL_STS": cloud.endpoint}


def work_folder(stack: Stack, environment: Environment) -> Path:
    """omc's own folder for an environment: a local cloud's state folder, else one beside the stack file."""
    return (environment.local_state or stack.file.parent / WORK_FOLDER).absolute()


def is_recorded(state: Path) -> bool:
    """Whether the stack of a local cloud was made of a recorded one (``omc local clone``), as its folder says."""
    try:
        return bool(json.loads((state / "stack.json").read_text()).get("recorded"))
    except (OSError, ValueError, AttributeError):
        return False


def root_of(aws: Gateway, project: Path, work: Path, stack: str) -> Root:
    """The root of an environment, ready for ``prepare``.

    ``project`` is the checkout that holds ``infrastructure/terraform``, ``work`` omc's own folder there
    (``work_folder``), ``stack`` the stack's name. Raises ``WrongUse`` where the environment has no root,
    ``TerraformError`` where there is no Terraform.
    """
    environment = aws.environment
    name = LOCAL_ROOT if environment.is_local else environment.name
    sources = project / SOURCES
    folder = environment.own_root or sources / "environments" / name
    if not environment.has_terraform:
        raise WrongUse(
            f"There is no Terraform for {environment.name}: [environments.{environment.name}] of omc.toml names "
            "neither a state (terraform_state) nor a root (terraform). What AWS has otherwise than omc.toml says: "
            f"omc stack show --env {environment.name}"
        )
    if not folder.is_dir():
        raise WrongUse(
            f"There is no Terraform for {environment.name}: {folder} doesn't exist. Where it is elsewhere, name the "
            f"folder with terraform in [environments.{environment.name}] of omc.toml."
        )
    if environment.local_state is not None and is_recorded(environment.local_state):
        raise WrongUse(
            f"The stack in {environment.local_state} was made of a recorded one (omc local up --from), so there is no "
            "Terraform of it to plan or apply; to make it anew: omc local reset, omc local up --from FILE"
        )
    plans = work / "plans"
    plans.mkdir(mode=0o700, parents=True, exist_ok=True)
    plans.chmod(0o700)
    if environment.local_state is not None:
        found = local_endpoint(environment.local_state)
        if environment.own_root is not None:
            copied = copy_own(environment.own_root, work)
            return Root(
                name=name,
                folder=copied,
                plans=plans,
                bucket="",
                env=endpoint_of(found) | identity(aws),
                var_files=own_var_files(copied),
                terraform=tf.find_terraform(),
                account=found.account,
            )
        copy = work / SOURCES
        copy_sources(sources, copy)
        return Root(
            name=name,
            folder=copy / "environments" / name,
            plans=plans,
            bucket=state_bucket(stack, name, found.account),
            env=endpoint_of(found) | identity(aws),
            var_files=("local.tfvars",),
            terraform=tf.find_terraform(),
            account=found.account,
            settings={"exchange_url": found.exchange_url},
        )
    account = str(aws.client("sts").get_caller_identity()["Account"])
    env = {"AWS_REGION": environment.region, "TF_DATA_DIR": str(work / "terraform" / name)} | identity(aws)
    return Root(
        name=name,
        folder=folder,
        plans=plans,
        bucket=state_bucket(stack, name, account),
        env=env,
        var_files=(),
        terraform=tf.find_terraform(),
        account=account,
        region=environment.region,
        settings={"region": environment.region},
    )
