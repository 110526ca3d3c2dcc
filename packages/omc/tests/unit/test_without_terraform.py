"""A stack of which omc knows no Terraform: nothing that omc says speaks of any, and it is refused in one sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from omc.checks.doctor_finding import by_terraform
from omc.config import load
from omc.errors import WrongUse
from omc.facts.log_groups import expected
from omc.infrastructure.roots import root_of
from support import release_facts as example
from support.fake_gateway import FakeGateway

FILE = """name = "acme"
[environments.prod]
region = "eu-central-1"
{keys}
[services.api]
port = 80
minimum = 1
maximum = 2
cpu_target = 60
"""


@pytest.mark.parametrize(
    ("keys", "folder", "known"),
    [
        ('terraform_state = ""', "", False),
        ("", "", False),
        ('terraform_state = "s3://acme/prod.tfstate"', "", True),
        ('terraform = "infra/prod"', "", True),
        ("", "infrastructure/terraform/environments/prod", True),
        ('terraform_state = ""', "infrastructure/terraform/environments/prod", True),
    ],
)
def test_terraform_is_known_by_a_state_a_root_or_the_usual_folder(
    keys: str, folder: str, known: bool, tmp_path: Path
) -> None:
    (tmp_path / "omc.toml").write_text(FILE.format(keys=keys))
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    assert load(tmp_path / "omc.toml").environments["prod"].has_terraform is known


def test_without_it_what_to_do_is_by_hand_and_no_group_is_expected_that_omcs_modules_make() -> None:
    with_it = example.environment()
    without = replace(with_it, has_terraform=False)
    assert by_terraform(with_it, "Make it", command="omc infra plan")["do"] == "Apply the environment's Terraform"
    assert by_terraform(without, "Make it", command="omc infra plan") == {"do": "Make it"}
    gone = set(expected(with_it)) - set(expected(without))
    assert {each for each in gone if each.startswith(("/vpc/", "/aws/")) or each.endswith("/exec")} == gone
    assert {service.log_group for service in without.services} <= set(expected(without))
    with pytest.raises(WrongUse, match="neither a state"):
        root_of(FakeGateway({}, without), Path(), Path(), "acme")


def test_a_copy_of_a_recorded_stack_has_no_terraform_to_plan(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    environment = replace(example.environment(), local_state=tmp_path, terraform=root)
    (tmp_path / "stack.json").write_text(json.dumps({"phase": "applied", "recorded": "4f5e"}))
    with pytest.raises(WrongUse, match="made of a recorded one"):
        root_of(FakeGateway({}, environment), tmp_path, tmp_path, "acme")
