"""omc stack show: where the file is wrong about what AWS has, in which line, and what to write."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from omc.adoption import command_stack
from omc.adoption import draft as drafts
from omc.adoption.differences import Compared, Difference, compare
from omc.adoption.discovery import discover_named
from omc.adoption.grouping import group
from omc.adoption.judgement import Value, judge
from omc.config import Environment, parse
from omc.errors import AccessDenied, NoCredentials
from support.adopted import REGION, Answers, Service, acme, acme_services, answers, found, gateway

FILE = Path("/nowhere/omc.toml")


@pytest.fixture(scope="module")
def text() -> str:
    """The file that is right."""
    here = found(acme())
    [only] = group(here)
    made = drafts.draft("acme", Value("UTC"), [judge(here, only)], {"prod": {"region": Value(REGION)}})
    return drafts.text(made, FILE)


def compared(text: str, what: Answers) -> Compared:
    stack = parse(text, FILE)
    environment = stack.environments["prod"]
    return compare(stack, text, environment, discover_named(gateway(what), environment.clusters))


def test_a_file_that_is_right_differs_in_nothing(text: str) -> None:
    assert compared(text, acme()) == Compared("prod")


@pytest.mark.parametrize(
    ("old", "new", "line_of", "path", "write"),
    [
        ("maximum = 6", "maximum = 9", "maximum = 9", "services.api.maximum", 6),
        ("cpu_target = 60", "cpu_target = 61", "cpu_target = 61", "services.api.cpu_target", 60),
        ("port = 8080", "port = 8081", "port = 8081", "services.api.port", 8080),
        ('family = "acme-prod-api"', 'family = "x"', 'family = "x"', "services.api.family", "acme-prod-api"),
        ('cluster = "acme" ', 'cluster = "acne" ', 'cluster = "acne" ', "environments.prod.cluster", None),
        (
            'log_group = "/ecs/acme-prod-worker"',
            'log_group = "/w"',
            'log_group = "/w"',
            "services.worker.log_group",
            "/ecs/acme-prod-worker",
        ),
        (
            'target_group = ["acme-prod-api-public", "acme-prod-api-internal"]',
            'target_group = "acme-prod-api-public"',
            "target_group =",
            "services.api.target_group",
            ["acme-prod-api-public", "acme-prod-api-internal"],
        ),
        (
            'database_cluster = "acme-prod"',
            'database_cluster = "acme"',
            'database_cluster = "acme"',
            "environments.prod.database_cluster",
            "acme-prod",
        ),
        (
            'ecs_service = "acme-prod-web"',
            'ecs_service = "web"',
            'ecs_service = "web"',
            "services.web.ecs_service",
            "acme-prod-web",
        ),
        ('cache = "" ', "# cache", "[environments.prod]", "environments.prod.cache", ""),
        ("memory_target = 80", "", "[services.web]", "services.web.memory_target", 80),
        (
            "[environments.prod]",
            '[environments.prod]\nalarm_prefix = "x-"',
            "alarm_prefix",
            "environments.prod.alarm_prefix",
            "acme-prod-",
        ),
        (
            "[environments.prod]",
            '[environments.prod]\nload_balancer = ""',
            "load_balancer",
            "environments.prod.load_balancer",
            "acme-prod-alb",
        ),
        ("[services.web]", '[services.web]\ncontainer = "app"', "container =", "services.web.container", "web"),
    ],
)
def test_a_key_that_is_wrong_is_named_with_its_line_and_what_to_write(
    text: str, old: str, new: str, line_of: str, path: str, write: Any
) -> None:
    assert old in text
    wrong = text.replace(old, new, 1)
    differences = compared(wrong, acme()).differences
    assert [each.key for each in differences] == [path]
    [one] = differences
    assert line_of in wrong.splitlines()[one.line - 1]
    assert one.write == write


def test_services_of_the_cluster_that_the_file_does_not_name_are_listed(text: str) -> None:
    services = [*acme_services(), Service("acme-prod-mail", "acme")]
    found_there = compared(
        text, {**acme(), **{k: v for k, v in answers(services, aurora=("acme-prod",)).items() if k[0] == "ecs"}}
    )
    assert [each.name for each in found_there.unnamed] == ["acme-prod-mail"]
    assert found_there.differences == []


def test_limits_that_are_gone_and_limits_that_are_new(text: str) -> None:
    services = acme_services()
    services[0] = replace(services[0], limits=None)
    services[2] = replace(services[2], limits=(1, 3, 50.0, None))
    what = answers(services, aurora=("acme-prod",), alarms={"acme-prod-x": {}})
    differences = {each.key: each for each in compared(text, what).differences}
    assert set(differences) == {
        "services.api.minimum",
        *(f"services.worker.{key}" for key in ("minimum", "maximum", "cpu_target")),
    }
    assert differences["services.api.minimum"].has == "no autoscaling"
    assert differences["services.worker.maximum"] == Difference(
        ("services", "worker", "maximum"), differences["services.worker.maximum"].line, "nothing", "3", 3
    )


@pytest.mark.parametrize(
    "call",
    [
        ("rds", "describe_db_clusters"),
        ("elasticache", "describe_replication_groups"),
        ("elbv2", "describe_load_balancers"),
        ("elbv2", "describe_target_groups"),
        ("application-autoscaling", "describe_scalable_targets"),
        ("cloudwatch", "describe_alarms"),
        ("ecs", "describe_task_definition"),
    ],
)
def test_what_may_not_be_read_is_unknown_and_never_a_difference(text: str, call: tuple[str, str]) -> None:
    answer = compared(text, {**acme(), call: AccessDenied("Not allowed.", "some:Action")})
    assert answer.differences == []
    assert any("Not allowed." in each for each in answer.unknown)


def test_a_serverless_cache_is_not_gone_because_serverless_caches_could_not_be_read(text: str) -> None:
    named = text.replace('cache = "" ', 'cache_serverless = "acme-cache" ', 1)
    denied = {("elasticache", "describe_serverless_caches"): AccessDenied("Not allowed.", "some:Action")}
    assert compared(named, {**acme(), **denied}).differences == []
    assert [each.key for each in compared(named, acme()).differences] == ["environments.prod.cache_serverless"]


# ── The command ──────────────────────────────────────────────────────────────────────────────────────────────────


def show(text: str, what: Answers, folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    (folder / "omc.toml").write_text(text)
    monkeypatch.setattr(command_stack, "Gateway", lambda *_: _for(text, what))
    return CliRunner().invoke(command_stack.stack, ["show", *arguments], obj=folder / "omc.toml", standalone_mode=False)


def _for(text: str, what: Answers) -> Any:
    environment: Environment = parse(text, FILE).environments["prod"]
    made = gateway(what)
    made.environment = environment
    return made


def test_the_command_says_the_line_and_ends_with_1(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = show(text, acme(), tmp_path, monkeypatch)
    assert (result.return_value, result.exception) == (0, None)
    assert "the same: names, limits and targets are those of AWS." in result.output
    wrong = text.replace("maximum = 6", "maximum = 9")
    number = next(at for at, line in enumerate(wrong.splitlines(), 1) if "maximum = 9" in line)
    result = show(wrong, acme(), tmp_path, monkeypatch)
    assert result.return_value == 1
    assert "1 difference: the file is wrong, or AWS is." in result.output
    result = show(wrong, acme(), tmp_path, monkeypatch, "--output", "json")
    [one] = json.loads(result.output)["environments"]["prod"]["aws"]["differences"]
    assert one == {
        "key": "services.api.maximum",
        "line": number,
        "file": "9",
        "aws": "6",
        "write": 6,
        "advice": "",
    }


def test_without_credentials_the_file_is_shown_and_that_it_was_not_compared(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = {**acme(), ("sts", "get_caller_identity"): NoCredentials("No credentials were found.")}
    result = show(text, without, tmp_path, monkeypatch)
    assert result.return_value == 3
    assert "not compared: No credentials were found." in result.output
    assert "acme-prod-api" in result.output
    result = show(text, {}, tmp_path, monkeypatch, "--offline")
    assert result.return_value == 0
    assert "beside AWS" not in result.output
