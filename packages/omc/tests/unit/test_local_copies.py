"""What stands around a copy in the local cloud: a shell's variables, own roots, the recorded file, refusals."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omc.aws.gateway import access_to
from omc.config import Environment, load
from omc.errors import WrongUse
from omc.infrastructure.own_roots import copy_own, own_var_files, require_own
from omc.local import lifecycle, recorded, recording, shell_text
from omc.local.lifecycle import Phase, Record, site_of
from omc.progress import Progress
from support.commands import ROOT

LOCAL = load(ROOT / "omc.toml").environments["local"]
STAGING = load(ROOT / "omc.toml").environments["staging"]
SECRET = "arn:aws:secretsmanager:eu-central-1:1:secret:app/db-AbCdEf"
STACK: dict[str, Any] = {
    "version": 1,
    "environment": "staging",
    "region": "ap-southeast-2",
    "services": [
        {"cluster": "ohmycoins-staging", "serviceName": "backend", "taskDefinition": "ohmycoins-backend"},
        {"cluster": "ohmycoins-staging", "serviceName": "frontend", "taskDefinition": "ohmycoins-frontend"},
    ],
    "log_groups": [{"logGroupName": f"/ecs/ohmycoins-staging/{name}"} for name in ("backend", "frontend")],
    "target_groups": [{"Name": group} for each in LOCAL.services for group in each.target_groups],
    "database": {"instance": {"DBInstanceIdentifier": "ohmycoins-staging"}},
    "load_balancers": [],
}


# -- the shell -----------------------------------------------------------------------------------------------------


def shell(lines: list[str], **environment: str) -> dict[str, str]:
    """The environment of a program that a shell starts after these lines."""
    script = "\n".join([*lines, "env"])
    done = subprocess.run(
        ["sh", "-euc", script],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.partition("=")[::2] for line in done.stdout.splitlines())


def test_unset_has_back_what_was_there_before_also_after_two_exports() -> None:
    given = {"AWS_REGION": "eu-west-1", "AWS_PROFILE": "me", "TF_VAR_images": "{}"}
    on = [*shell_text.exported({"AWS_REGION": "x", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"})]
    during = shell(on, **given)
    assert during["AWS_REGION"] == "x"
    assert "AWS_PROFILE" not in during
    after = shell([*on, *shell_text.exported({"AWS_REGION": "y"}), *shell_text.restored()], **given)
    assert {name: value for name, value in after.items() if name in given} == given
    assert "AWS_ENDPOINT_URL" not in after
    assert shell([*shell_text.restored()], **given)["TF_VAR_images"] == "{}"


def test_an_environment_in_aws_is_refused_where_the_endpoint_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("http://127.0.0.1:4566", "http://localhost:5000", "http://[::1]:80"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", value)
        with pytest.raises(WrongUse, match=r"points at this machine .* and staging is in AWS.*--unset"):
            access_to(STAGING)
    monkeypatch.setenv("OMC_ALLOW_LOOPBACK", "1")
    assert access_to(STAGING).endpoint is None
    monkeypatch.delenv("OMC_ALLOW_LOOPBACK")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://vpce-1.ecs.ap-southeast-2.vpce.amazonaws.com")
    assert access_to(STAGING).endpoint is None


# -- roots of Terraform --------------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path) -> Environment:
    """A local environment with a root that uses a module beside it."""
    root, module = tmp_path / "infra/envs/prod", tmp_path / "infra/modules/web"
    root.mkdir(parents=True)
    module.mkdir(parents=True)
    (root / "main.tf").write_text(
        'provider "aws" {\n  region = "ap-southeast-2"\n}\nmodule "web" {\n  source = "../../modules/web"\n}\n'
    )
    (module / "main.tf").write_text(
        'resource "aws_ecs_service" "this" {\n  for_each = toset(["backend", "frontend"])\n  name = each.key\n}\n'
    )
    return replace(LOCAL, terraform=root, local_state=tmp_path / "state")


def test_the_projects_own_roots_are_the_usual_ones_and_another_isnt(own: Environment) -> None:
    assert (LOCAL.own_root, STAGING.own_root) == (None, None)
    assert own.own_root == own.terraform


def test_an_own_root_is_copied_with_its_modules_and_a_state_beside_the_cloud(own: Environment, tmp_path: Path) -> None:
    require_own(own, tmp_path)
    copied = copy_own(own.terraform, tmp_path / "state")
    assert (copied / "../../modules/web/main.tf").resolve().is_file()
    assert str(tmp_path / "state/prod.tfstate") in (copied / "omc_override.tf").read_text()
    assert own_var_files(copied) == ()
    (own.terraform / "local.tfvars").write_text("")
    copy_own(own.terraform, tmp_path / "state")
    assert own_var_files(copied) == ("local.tfvars",)
    assert (copied / "omc_override.tf").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: replace(e, terraform=e.terraform / "none"), r"there is no \*.tf file in it"),
        (lambda e: replace(e, region="eu-central-1"), "its region is ap-southeast-2, not eu-central-1"),
        (
            lambda e: replace(e, services=(replace(e.services[0], name="api", ecs_service="acme-api"),)),
            "it has nothing that is called acme-api",
        ),
    ],
)
def test_a_root_that_would_make_something_else_is_refused_before_anything_starts(
    own: Environment, tmp_path: Path, change: Any, message: str
) -> None:
    with pytest.raises(WrongUse, match=message):
        require_own(change(own), tmp_path)
    assert not (tmp_path / "state").exists()


def test_a_root_with_a_module_that_isnt_there_or_is_outside_is_refused(own: Environment, tmp_path: Path) -> None:
    (own.terraform / "more.tf").write_text('module "more" {\n  source = "../../modules/more"\n}\n')
    with pytest.raises(WrongUse, match=r"uses the module .*more, which isn't there"):
        require_own(own, tmp_path)
    (own.terraform / "more.tf").write_text('module "more" {\n  source = "../../modules/web"\n}\n')
    with pytest.raises(WrongUse, match="outside of"):
        require_own(own, tmp_path / "infra/envs")


# -- recorded stacks -----------------------------------------------------------------------------------------------


def test_a_recorded_stack_is_compared_with_the_stack_file_before_anything_starts() -> None:
    recorded.require_alike(STACK, LOCAL)
    services = [STACK["services"][0] | {"taskDefinition": "shop"}]
    other = STACK | {"region": "eu-central-1", "database": None, "services": services, "target_groups": []}
    assert list(recorded.differences(other, LOCAL)) == [
        "its region is eu-central-1, not ap-southeast-2",
        "it has no service frontend in the cluster ohmycoins-staging",
        "the family of backend is shop, not ohmycoins-backend",
        f"it has no target group {LOCAL.services[0].target_groups[0]}",
        "its database is none, not ohmycoins-staging",
    ]
    with pytest.raises(WrongUse, match=r"isn't what omc.toml says of local: its region .* \[environments.local\]"):
        recorded.require_alike(other, LOCAL)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', "not JSON"])
def test_what_isnt_a_recorded_stack_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "stack.json"
    file.write_text(text)
    with pytest.raises(WrongUse, match="recorded stack"):
        recorded.read(file)


def test_a_cloud_with_another_stack_gets_no_recorded_one_and_a_recorded_one_no_terraform(tmp_path: Path) -> None:
    file = tmp_path / "stack.json"
    recorded.write(STACK, file)
    site = site_of(load(ROOT / "omc.toml"), tmp_path / "cloud")
    site.write(Record(Phase.APPLIED))
    with pytest.raises(WrongUse, match=r"has another stack than .*stack.json"):
        lifecycle.up(site, Progress(), recorded=file)
    site.write(Record(Phase.APPLIED, recorded=recorded.digest(file)))
    with pytest.raises(WrongUse, match="no Terraform to apply"):
        lifecycle.up(site, Progress(), apply=True)
    site.write(Record(Phase.APPLYING, recorded=recorded.digest(file)))
    with pytest.raises(WrongUse, match="cut off half-way"):
        lifecycle.up(site, Progress())


@pytest.mark.parametrize(
    ("name", "value", "is_kept"),
    [
        ("LOG_LEVEL", "info", True),
        ("DB_PASSWORD", "swordfish", False),
        ("DATABASE_URL", "postgresql://app:swordfish@db:5432/app", False),
        ("STRIPE_KEY", "sk_live_" + "a" * 24, False),
        ("SECRET_ARN", "arn:aws:secretsmanager:eu-central-1:1:secret:app-abcdef", True),
        ("DB_PASSWORD", "", True),
    ],
)
def test_a_variable_that_looks_like_a_secret_loses_its_value(name: str, value: str, is_kept: bool) -> None:
    kept = recording._variable({"name": name, "value": value})
    assert kept == {"name": name, "value": value if is_kept else recording.MADE_UP}


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (SECRET, {"secret": "app/db", "key": ""}),
        (
            "arn:aws:secretsmanager:eu-central-1:1:secret:app/db-AbCdEf:password::",
            {"secret": "app/db", "key": "password"},
        ),
        ("arn:aws:ssm:eu-central-1:1:parameter/app/key", {"parameter": "/app/key"}),
        ("/app/key", {"parameter": "/app/key"}),
    ],
)
def test_a_secret_is_recorded_by_where_it_is(place: str, expected: dict[str, str]) -> None:
    recorder = recording._Recorder(None)  # type: ignore[arg-type]  # asks nothing
    assert recording._secret(recorder, {"name": "KEY", "valueFrom": place}) == {"name": "KEY", **expected}


def test_the_file_of_a_recorded_stack_is_written_whole_and_only_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "stack.json"
    recorded.write(STACK, file)
    assert json.loads(file.read_text()) == STACK
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["stack.json"]
