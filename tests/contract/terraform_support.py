"""What the tests of the infrastructure share: reading its files as text, and running it with AWS mocked.

Terraform's own language is read only as far as the tests need: which names a file declares or sets at its top level.
What a root comes to is asked of Terraform itself, by applying a copy of it against a mock of AWS.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omc import terraform

REPOSITORY = Path(__file__).resolve().parents[2]
INFRASTRUCTURE = REPOSITORY / "infrastructure/terraform"
MODULES = sorted(path for path in (INFRASTRUCTURE / "modules").iterdir() if path.is_dir())
ENVIRONMENTS = sorted(path for path in (INFRASTRUCTURE / "environments").iterdir() if path.is_dir())
BOOTSTRAP = INFRASTRUCTURE / "bootstrap"
FOLDERS = [*MODULES, *ENVIRONMENTS, BOOTSTRAP]

DIGEST = "sha256:" + "a" * 64
CERTIFICATE = "arn:aws:acm:ap-southeast-2:123456789012:certificate/11111111-2222-3333-4444-555555555555"


def plain_secrets(text: str) -> list[str]:
    """What looks like a secret written down: assignments by their names, keys and tokens by their form."""
    named = re.findall(
        r'^\s*"?[\w-]*(?:password|passwd|secret|token|api_?key|private_?key)[\w-]*"?\s*[=:]\s*"[^"$]+"',
        text,
        re.IGNORECASE | re.MULTILINE,
    )
    formed = re.findall(
        r"AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY-----|gh[ps]_\w{30,}|xox[bp]-\S{10,}", text
    )
    return [*(line.strip() for line in named), *formed]


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as Terraform left it."""

    address: str
    type: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Applied:
    """A root after an apply against a mock of AWS."""

    resources: Sequence[Resource]
    outputs: Mapping[str, Any]
    text: str
    """The whole state as JSON, without the provider's schema."""

    def all(self, kind: str) -> list[Mapping[str, Any]]:
        return [resource.values for resource in self.resources if resource.type == kind]

    def one(self, kind: str) -> Mapping[str, Any]:
        [values] = self.all(kind)
        return values

    def named(self, kind: str, name: str, key: str = "name") -> Mapping[str, Any]:
        [values] = [values for values in self.all(kind) if values[key] == name]
        return values


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of AWS that shares nothing with the others, and one of its regions."""

    name: str
    region: str
    suffix: str

    def of(self, mocks: str) -> str:
        """A mock of the common partition, as this one would answer."""
        text = mocks.replace("arn:aws:", f"arn:{self.name}:").replace("ap-southeast-2", self.region)
        return text.replace('partition = "aws"', f'partition = "{self.name}"').replace("amazonaws.com", self.suffix)


class Workshop:
    """A copy of ``infrastructure/terraform`` in which Terraform may leave what it likes."""

    def __init__(self, folder: Path, provider: Mapping[str, str]) -> None:
        self.terraform = terraform.find_terraform()
        self.environment = {"AWS_REGION": "ap-southeast-2"} | dict(provider)
        self.folder = folder / "infrastructure/terraform"
        shutil.copytree(INFRASTRUCTURE, self.folder, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*"))

    def place(self, folder: Path) -> Path:
        """The copy of ``folder``."""
        return self.folder / folder.relative_to(INFRASTRUCTURE)

    def run(self, folder: Path, *arguments: str) -> str:
        """One Terraform command in the copy of ``folder``; raises ``TerraformError`` with what Terraform said."""
        place = self.place(folder)
        if not (place / ".terraform").exists():
            self._run(place, "init", "-backend=false", *self.terraform.init_arguments())
        return self._run(place, *arguments)

    def apply(self, environment: str, *tfvars: str, partition: Partition | None = None) -> Applied:
        """The root of an environment applied against a mock of AWS, as it stands but for two things.

        The mock knows no ephemeral resources, so the secrets are a fixed text; and images and the certificate, which no
        file holds, are given. A responder is said to run, so that the alarm on its heartbeat is there too.
        """
        place = (
            self.folder
            / "environments"
            / "-".join(["applied", environment, *tfvars, *([partition.name] if partition else [])])
        )
        shutil.copytree(
            INFRASTRUCTURE / "environments" / environment, place, ignore=shutil.ignore_patterns(".terraform")
        )
        main = (place / "main.tf").read_text()
        main, resources = re.subn(
            r'^ephemeral "aws_secretsmanager_random_password".*?^}\n', "", main, flags=re.DOTALL | re.MULTILINE
        )
        fixed = f'"{"x" * 64}"'
        main, maps = re.subn(
            r"\{ for \w+, \w+ in ephemeral\.aws_secretsmanager_random_password[^}]*\}",
            f"{{ a = {fixed}, b = {fixed} }}",
            main,
        )
        main, uses = re.subn(r"ephemeral\.aws_secretsmanager_random_password[\w.]+", fixed, main)
        assert (resources, maps, uses) == (3, 1, 2)
        (place / "main.tf").write_text(main)
        (place / "root.tftest.hcl").write_text(_root_test(environment, partition))
        if partition:
            mocks = self.folder / "modules/stack/tests/mocks"
            (place / "mocks").mkdir()
            (place / "mocks/aws.tfmock.hcl").write_text(partition.of((mocks / "aws.tfmock.hcl").read_text()))
        self._run(place, "init", "-backend=false", *self.terraform.init_arguments())
        message = self._run(place, "test", "-json", "-verbose", *(f"-var-file={name}" for name in tfvars))
        [state] = [
            event["test_state"] for event in map(json.loads, message.splitlines()) if event["type"] == "test_state"
        ]
        del state["provider_schemas"]
        outputs = {name: value["value"] for name, value in state["outputs"].items()}
        return Applied(list(_resources(state["root_module"])), outputs, json.dumps(state))

    def _run(self, place: Path, *arguments: str) -> str:
        return terraform.run(self.terraform, place, arguments, env=self.environment)


def _root_test(environment: str, partition: Partition | None) -> str:
    """A test with the mock of the stack's own tests, in which each topic has an ARN of its own to be followed by."""
    provided = {
        "images": f'{{ backend = "registry/backend@{DIGEST}", frontend = "registry/frontend@{DIGEST}" }}',
        "certificate_arn": f'"{CERTIFICATE}"',
        "domain_name": '"app.example.com"',
        "responder": "true",
    }
    topics = "".join(
        f'override_resource {{\n  target = module.stack.module.monitoring.aws_sns_topic.severity["SEV-{number}"]\n'
        f'  values = {{ arn = "arn:aws:sns:ap-southeast-2:123456789012:ohmycoins-{environment}-sev-{number}" }}\n}}\n'
        for number in (1, 2, 3)
    )
    if environment != "production":
        del provided["certificate_arn"], provided["domain_name"]
    lines = "\n".join(f"    {name} = {value}" for name, value in provided.items())
    if partition:
        lines += f'\n    region = "{partition.region}"'
        topics = partition.of(topics)
    source = "./mocks" if partition else "../../modules/stack/tests/mocks"
    mock = "".join(
        f'mock_provider "aws" {{\n{alias}  source = "{source}"\n}}\n' for alias in ("", '  alias = "copies"\n')
    )
    return f'{mock}{topics}run "apply" {{\n  variables {{\n{lines}\n  }}\n}}\n'


def _resources(module: Mapping[str, Any]) -> Iterator[Resource]:
    for resource in module.get("resources", ()):
        if resource["mode"] == "managed":
            yield Resource(resource["address"], resource["type"], resource["values"])
    for child in module.get("child_modules", ()):
        yield from _resources(child)
