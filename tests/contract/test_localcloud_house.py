"""localcloud's own house: no word of Oh My Coins, the same files in each service, and how an operation is begun."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import CommandResult, run

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "packages/localcloud"
SERVICES = PACKAGE / "src/localcloud/services"
WORDS = re.compile(r"omc|oh.?my.?coins", re.IGNORECASE)
SPEAK_OF_OMC: dict[str, str] = {
    "tests/cloud/test_stack_faults.py": "omc's client of the faults' page is held against the page",
    "tests/cloud/test_logs_insights.py": "omc's query for errors is run by Insights",
    "tests/cloud/test_terraform.py": "the repository's own Terraform is applied",
    "tests/cloud/test_terraform_responder.py": "one of the repository's modules is applied",
}
"""Tests that hold both packages against each other, with what they hold."""
ALWAYS = re.compile(r"__init__|api(_\w+)?|model|component|decide(_\w+)?|rules(_\w+)?|billing|resources")
MORE: dict[str, str] = {
    "athena": "tables worker",
    "cloudwatch": "alarms expressions messages metric_math mutes notices queries search statistics store",
    "costs": "anomalies expressions forecast ledger metering periods prices seeding sums",
    "ecr": "images",
    "ecs": "deploying factory health launch lookup networking notices output records running scheduling "
    "session_channel session_keys session_messages session_ports session_terminal sessions shapes sizes steps targets "
    "usage",
    "elasticache": "measure parameters",
    "elbv2": "access_logs configuration paths probes targets traffic",
    "logs": "definitions flow_delivery live_sessions metric_filters pattern_parser patterns queries reader shared "
    "store work worker",
    "pi": "catalogue queries sampler statements store",
    "rds": "clusters instance_records measure notices parameters secret snapshot_records",
    "vpc": "clients facts firewall flows nat reachability",
}
"""What a service is made of beside the usual files: each a mechanism of its own, too large for one of them."""
NO_SERVICES = {"moto_fixes", "rules"}
"""Patches and rules of what moto answers, a module for each service."""
ELSEWHERE = {("ecs", "sessions")}
"""Second components of a service."""


def test_localcloud_has_no_word_of_oh_my_coins() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "packages/localcloud"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    found = []
    for name in filter(None, tracked):
        path, local = ROOT / name, name.removeprefix("packages/localcloud/")
        if path.is_file() and local not in SPEAK_OF_OMC:
            found += [
                f"{name}:{n}: {line}" for n, line in enumerate(path.read_text().splitlines(), 1) if WORDS.search(line)
            ]
    assert found == []


def _registered(path: Path, names: set[str]) -> bool:
    """Whether something in the file is decorated with one of these."""
    tree = ast.parse(path.read_text())
    return any(
        isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id in names
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        for decorator in node.decorator_list
    )


PACKAGES = sorted(
    path for path in SERVICES.iterdir() if path.is_dir() and path.name not in {*NO_SERVICES, "__pycache__"}
)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_service_has_the_usual_files(package: Path) -> None:
    more = set(MORE.get(package.name, "").split())
    there = {path.stem for path in package.glob("*.py")}
    assert {name for name in there if not ALWAYS.fullmatch(name)} == more
    for path in package.glob("*.py"):
        if _registered(path, {"operation", "patch_response"}):
            assert re.fullmatch(r"api(_\w+)?", path.stem), f"operations belong in api*.py, not in {path.name}"
        if _registered(path, {"component"}) and (package.name, path.stem) not in ELSEWHERE:
            assert path.stem == "component", f"a component belongs in component.py, not in {path.name}"


def _copy(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SERVICES, tmp_path / "packages/localcloud/src/localcloud/services", ignore=ignored)
    (tmp_path / "packages/localcloud/tests/cloud").mkdir(parents=True)
    (tmp_path / "scripts").mkdir()
    shutil.copy(PACKAGE / "pyproject.toml", tmp_path / "packages/localcloud")
    shutil.copy(ROOT / "scripts/new_operation.py", tmp_path / "scripts")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _new(root: Path, *arguments: str) -> CommandResult:
    return run([sys.executable, str(root / "scripts/new_operation.py"), *arguments])


def test_a_new_operation_begins_with_its_handler_and_a_test_that_fails(tmp_path: Path) -> None:
    root = _copy(tmp_path)
    made = _new(root, "ecs", "ListAttributes", "api_tags")
    assert made.returncode == 0, made.stderr
    file = root / "packages/localcloud/src/localcloud/services/ecs/api_tags.py"
    text = file.read_text()
    assert '@operation("ecs", "ListAttributes")\ndef list_attributes(cloud: Cloud, call: Call) -> Answer:' in text
    assert "targetType (string, required)" in text
    assert "nextToken (string)" in text
    test = root / "packages/localcloud/tests/cloud/test_ecs_list_attributes.py"
    assert 'shared_aws("ecs").list_attributes(targetType="x")' in test.read_text()
    ruff = [sys.executable, "-m", "ruff", "check", "--select", "F,E", str(file), str(test)]
    assert run(ruff, cwd=root).returncode == 0
    assert "test_ecs_list_attributes.py" in made.stdout
    again = _new(root, "ecs", "ListAttributes", "api_tags")
    assert "ecs ListAttributes is there already, in packages/localcloud/src/localcloud/services/ecs/api_tags.py" in (
        again.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ecs", "ListAtributes"), "Near it: ListAttributes"),
        (("elasticcache", "ListAttributes"), "botocore knows no service 'elasticcache'. Near it: elasticache"),
        (("ecs", "ListServices", "api_services"), "is there already"),
        (("ecs", "ListAttributes"), "MODULE= one of api_clusters, api_definitions"),
        (("ecs", "ListAttributes", "steps"), "MODULE= one of"),
        (("ssm", "GetOpsItem"), "moto alone answers it"),
        (("elbv2",), "usage: make new-operation"),
    ],
)
def test_a_new_operation_is_refused_with_the_way_on(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    root = _copy(tmp_path)
    refused = _new(root, *arguments)
    assert refused.returncode == 1
    assert words in refused.stderr
    assert list((root / "packages/localcloud/tests/cloud").iterdir()) == []
