"""The infrastructure's files as text: what a module is made of, what tfvars may say, that nothing secret is written.

What they come to is in test_infrastructure_terraform.py and test_infrastructure_alarms.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from contract.terraform_support import (
    BOOTSTRAP,
    ENVIRONMENTS,
    FOLDERS,
    INFRASTRUCTURE,
    MODULES,
    plain_secrets,
)
from omc.infrastructure.variables import undeclared
from omc.procedures.prices import PRICED
from omc.procedures.resource_kinds import BY_USE, DATA_STORES, FREE, STATELESS

FILES = ("main.tf", "outputs.tf", "variables.tf", "versions.tf")
TEXTS = sorted(
    path
    for pattern in ("*.tf", "*.tfvars", "*.hcl", "*.md")
    for path in INFRASTRUCTURE.rglob(pattern)
    if ".terraform" not in path.parts
)


def blocks(folder: Path, kind: str) -> dict[str, str]:
    """Each top-level block of a kind, by its name."""
    return {
        name: body
        for path in sorted(folder.glob("*.tf"))
        for name, body in re.findall(rf'^{kind} "(\w+)" {{\n(.*?)^}}', path.read_text(), re.DOTALL | re.MULTILINE)
    }


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_folder_has_the_same_files(folder: Path) -> None:
    assert [name for name in FILES if not (folder / name).is_file()] == []


def test_two_plans_of_the_same_are_the_same() -> None:
    """An approval is of one plan, by its fingerprint, and the job that applies makes it anew."""
    changing = re.compile(r"\b(plantimestamp|timestamp|uuid|bcrypt)\(")
    found = [path.name for path in TEXTS if path.suffix == ".tf" and changing.search(path.read_text())]
    assert found == []


@pytest.mark.parametrize("folder", [*MODULES, BOOTSTRAP], ids=lambda path: path.name)
def test_every_module_explains_and_tests_itself(folder: Path) -> None:
    readme = (folder / "README.md").read_text()
    records = set(re.findall(r"^\| `([a-z]\w*)` \|", readme, re.MULTILINE))  # capitals: a process's own variables
    assert records == set(blocks(folder, "variable")) | set(blocks(folder, "output"))
    assert list((folder / "tests").glob("*.tftest.hcl")) != []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_variable_is_typed_and_described_and_every_output_described(folder: Path) -> None:
    variables = blocks(folder, "variable")
    assert [name for name, body in variables.items() if not re.search(r"^  type +=", body, re.MULTILINE)] == []
    everything = variables | blocks(folder, "output")
    assert [
        name for name, body in everything.items() if not re.search(r'^  description += "\S', body, re.MULTILINE)
    ] == []
    assert [name for name, body in variables.items() if re.search(r"^  type += any$", body, re.MULTILINE)] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_folder_asks_for_the_same_versions(folder: Path) -> None:
    """A module that has things in a second region names the provider of that one too."""
    asked = re.sub(r"\n +configuration_aliases = .*", "", (folder / "versions.tf").read_text())
    assert asked.split() == (BOOTSTRAP / "versions.tf").read_text().split()


def test_the_versions_are_those_that_we_need() -> None:
    text = (BOOTSTRAP / "versions.tf").read_text()
    assert 'required_version = ">= 1.11"' in text
    assert re.findall(r'source\s+= "([^"]+)"\s+version = "([^"]+)"', text) == [("hashicorp/aws", "~> 5.100")]


# 34 of production's settings were never applied: their names were not declared, and Terraform only warns.
@pytest.mark.parametrize("folder", [*ENVIRONMENTS, BOOTSTRAP], ids=lambda path: path.name)
def test_tfvars_set_only_what_is_declared(folder: Path) -> None:
    assert undeclared(folder) == {}


def test_an_undeclared_name_is_found_wherever_it_hides(tmp_path: Path) -> None:
    (tmp_path / "variables.tf").write_text('variable "timing" {\n  type = map(number)\n}\n')
    (tmp_path / "a.tfvars").write_text(
        'timing = {\n  nested = 1\n}\n# comment = 1\ndb_size = "x = {"\n/* also = 1 */\n'
    )
    (tmp_path / "b.tfvars").write_text("timing = {}\n")
    assert undeclared(tmp_path) == {"a.tfvars": {"db_size"}}


def test_omc_knows_what_every_resource_holds_and_costs() -> None:
    """A type that stands in no table would be refused as a loss of data, and its price called not known."""
    used = {
        kind
        for path in INFRASTRUCTURE.rglob("*.tf")
        for kind in re.findall(r'^resource "(\w+)"', path.read_text(), re.MULTILINE)
    }
    assert used - set(DATA_STORES) - STATELESS == set()
    assert used - set(PRICED) - FREE - BY_USE == set()
    assert set(DATA_STORES) & STATELESS == set()


def test_every_environment_has_tfvars_of_its_own() -> None:
    assert [path.name for path in ENVIRONMENTS if not (path / "terraform.tfvars").is_file()] == []
    assert (INFRASTRUCTURE / "environments/staging/local.tfvars").is_file()


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(INFRASTRUCTURE)))
def test_no_secret_is_written_down(path: Path) -> None:
    """Tests need texts that look like secrets: they say "an-example". An ARN names a secret, it holds none."""
    found = plain_secrets(path.read_text())
    if path.suffix in {".tf", ".hcl"}:
        found = [line for line in found if '"an-example' not in line and '"arn:aws:' not in line]
    assert found == []


def test_a_plain_secret_is_found() -> None:
    assert plain_secrets('db_password = "hunter2"\n') == ['db_password = "hunter2"']
    assert plain_secrets('  "secret_key": "abc"\n') == ['"secret_key": "abc"']
    assert plain_secrets('note = "AKIAABCDEFGHIJKLMNOP"\n') == ["AKIAABCDEFGHIJKLMNOP"]
    assert plain_secrets('secret_key_version = 1\nrotation = "weekly"\n') == []


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_the_state_is_encrypted_locked_and_in_a_bucket_that_init_names(environment: str) -> None:
    text = (INFRASTRUCTURE / "environments" / environment / "backend.tf").read_text()
    settings = dict(re.findall(r"^    (\w+)\s+= (.+)$", text, re.MULTILINE))
    assert settings == {
        "key": f'"{environment}/terraform.tfstate"',
        "region": '"ap-southeast-2"',
        # No "encrypt": without a key it asks for S3's own, and whoever may read the object could read the state.
        "use_lockfile": "true",
    }


ROOTS = [*ENVIRONMENTS, BOOTSTRAP]
PLATFORMS = 15
"""zip files of the provider's release: a checksum each makes the lock good on every platform that it is built for."""


@pytest.mark.parametrize("folder", ROOTS, ids=lambda path: path.name)
def test_the_providers_lock_holds_every_platform(folder: Path) -> None:
    text = (folder / ".terraform.lock.hcl").read_text()
    assert text == (BOOTSTRAP / ".terraform.lock.hcl").read_text()
    assert re.findall(r'provider "([^"]+)".*?version     = "([^"]+)"', text, re.DOTALL) == [
        ("registry.terraform.io/hashicorp/aws", "5.100.0")
    ]
    assert len(set(re.findall(r'"zh:[0-9a-f]{64}"', text))) == PLATFORMS
    assert "h1:edXOJWE4ORX8Fm+dpVpICzMZJat4AX0VRCAy/xkcOc0=" in text  # linux_amd64 unpacked, as in a mirror


SAME_EVERYWHERE = re.compile(
    # What has one name in every partition: the service principals but that of CloudWatch Logs, GitHub's issuer.
    r'"(?:[a-z0-9-]+\.)+amazonaws\.com"|token\.actions\.githubusercontent\.com'
)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_nothing_is_of_one_partition_alone(folder: Path) -> None:
    """omc.toml takes regions of GovCloud and China, whose ARNs and hosts have other names."""
    lines = {
        f"{path.name}: {line.strip()}": re.sub(r"#.*", "", line)
        for path in sorted(folder.glob("*.tf"))
        for line in path.read_text().splitlines()
    }
    written = [where for where, line in lines.items() if re.search(r"arn:aws[a-z-]*:", line)]
    assert written == []
    hosts = [where for where, line in lines.items() if "amazonaws.com" in SAME_EVERYWHERE.sub("", line)]
    assert hosts == []
    regions = [where for where, line in lines.items() if re.search(r"[a-z]{2}-[a-z]+-\d(?!\w)", line)]
    kept = re.compile(r"backend\.tf: region|variables\.tf: (default|error_message|description) ")
    assert [where for where in regions if not kept.match(where)] == []


def test_what_a_deployment_or_the_autoscaler_owns_no_apply_takes_back() -> None:
    """`terraform test` can't show what a later apply would leave alone."""
    text = (INFRASTRUCTURE / "modules/service/main.tf").read_text()
    assert re.findall(r"ignore_changes = \[([^]]+)\]", text) == ["desired_count, task_definition"]


# Since version 5 of the provider, `id` of a database instance is its resource id, which no metric knows.
def test_no_alarm_takes_the_databases_resource_id() -> None:
    assert [path for path in TEXTS if path.suffix == ".tf" and "aws_db_instance.this.id\n" in path.read_text()] == []


def test_every_skipped_check_has_its_reason() -> None:
    skips = [
        line.strip()
        for path in TEXTS
        if path.suffix == ".tf"
        for line in path.read_text().splitlines()
        if "checkov:skip" in line
    ]
    assert len(skips) > 5
    assert [line for line in skips if not re.fullmatch(r"#checkov:skip=CKV2?_AWS_\d+:\w.{20,}\.", line)] == []
