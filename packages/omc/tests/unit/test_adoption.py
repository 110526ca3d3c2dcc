"""omc init: what of an account is taken for one stack, and the omc.toml that says so."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from omc.adoption import command
from omc.adoption import draft as drafts
from omc.adoption.discovery import discover
from omc.adoption.grouping import group, identifier, unique_names
from omc.adoption.judgement import Value, common_prefix, judge, unscaled
from omc.adoption.origin import Origin
from omc.config import Stack, parse
from omc.errors import AccessDenied, AwsRefused, NoCredentials, OmcError
from support.adopted import ACCOUNT, REGION, Answers, Service, acme, acme_services, answers, found, gateway

FILE = Path("/nowhere/omc.toml")


def drafted(what: Answers, **chosen: Any) -> tuple[drafts.Draft, Stack, str]:
    here = found(what)
    groups = group(here, **chosen)
    own = [each for each in groups if each.stack == groups[0].stack]
    judged = [judge(here, each, [one for one in groups if one is not each]) for each in own]
    beside = {"region": Value(here.region), "account": Value(here.account)}
    made = drafts.draft(own[0].stack, Value("UTC"), judged, {each.environment: beside for each in own})
    text = drafts.text(made, FILE)
    return made, parse(text, FILE), text


def run(what: Answers, folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """``omc init`` in this folder, with an account that answers so."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("OMC_STACK", raising=False)
    monkeypatch.setenv("TZ", "Europe/Zurich")

    def place(*_: object, **__: object) -> Origin:
        return Origin(gateway(what), is_local=False, beside={"region": Value(REGION)})

    monkeypatch.setattr(command, "origin_of", place)
    return CliRunner().invoke(command.init, [*arguments], obj=None, standalone_mode=False)


# ── The file ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stack_with_aurora_no_cache_and_a_worker_without_a_port_becomes_a_file_that_says_just_that() -> None:
    _, stack, text = drafted(acme())
    prod = stack.environments["prod"]
    assert (stack.name, prod.region, prod.account, prod.cluster) == ("acme", REGION, ACCOUNT, "acme")
    assert (prod.database, prod.database_cluster, prod.cache, prod.cache_serverless) == ("", "acme-prod", "", None)
    assert prod.alarm_prefix == "acme-prod-"
    assert prod.terraform_state == "s3://acme-tfstate/prod/terraform.tfstate"
    api, web, worker = prod.services
    assert (api.name, api.ecs_service, api.cluster, api.family) == ("api", "acme-prod-api", "acme", "acme-prod-api")
    assert (api.port, api.target_groups) == (8080, ("acme-prod-api-public", "acme-prod-api-internal"))
    assert (api.minimum, api.maximum, api.cpu_target, api.memory_target) == (2, 6, 60, None)
    assert api.connections == ("DB_POOL_SIZE", "DB_MAX_OVERFLOW")
    assert (web.log_group, web.target_groups, web.memory_target) == ("/ecs/acme-prod", ("acme-prod-web",), 80)
    assert (worker.port, worker.target_groups, worker.minimum) == (None, (), None)
    assert "DATABASE_HOST of api names it" in text
    assert "# web too" in text
    assert "# FARGATE_SPOT" in text


def test_what_follows_from_defaults_is_left_out() -> None:
    usual = Service(
        "backend",
        "acme-staging",
        family="acme-backend",
        container="backend",
        port=8000,
        groups=("acme-staging-backend",),
        balancer="acme-staging",
        log_group="/ecs/acme-staging/backend",
    )
    what = answers([usual], databases=("acme-staging",), caches=("acme-staging-redis",))
    _, _, text = drafted(what)
    assert tomllib.loads(text)["services"] == {"backend": {"port": 8000}}
    written = set(tomllib.loads(text)["environments"]["staging"])
    assert not written & {"prefix", "cluster", "database", "cache", "load_balancer", "alarm_prefix"}


def test_two_environments_share_what_is_the_same_by_a_placeholder_and_say_once_what_differs() -> None:
    staging = acme_services("staging")
    staging[0] = replace(staging[0], limits=(1, 2, 60.0, None))
    what = answers([*acme_services(), *staging[:2]], aurora=("acme-prod", "acme-staging"))
    _, stack, text = drafted(what)
    data = tomllib.loads(text)
    assert data["services"]["api"]["ecs_service"] == "{prefix}-api"
    assert data["services"]["api"]["target_group"] == ["{prefix}-api-public", "{prefix}-api-internal"]
    assert data["environments"]["staging"]["services"] == {
        "api": {"minimum": 1, "maximum": 2},
        "worker": {"absent": True},
    }
    assert stack.environments["staging"].database_cluster == "acme-staging"
    assert [each.ecs_service for each in stack.environments["staging"].services] == [
        "acme-staging-api",
        "acme-staging-web",
    ]


def test_a_database_is_taken_by_what_points_at_it_and_never_another_environments_or_stacks() -> None:
    one = Service("acme-prod-api", "acme-prod", log_group="/x", secrets=("DATABASE_URL",))
    for databases, expected in [
        (("acme-prod",), "acme-prod"),
        (("acme-staging",), ""),
        (("main",), "main"),  # the only one, and a secret wants one
        (("main", "other"), ""),
    ]:
        made, stack, _ = drafted(answers([one], databases=databases))
        assert stack.environments["prod"].database == expected, databases
        assert bool(expected) == ("Which database it uses" not in " ".join(made.untold))
    pointed = replace(one, variables={"PGHOST": f"main.c1.{REGION}.rds.amazonaws.com"})
    _, stack, text = drafted(answers([pointed], databases=("acme-prod", "main")))
    assert stack.environments["prod"].database == "main"
    assert "PGHOST of api names it" in text


@pytest.mark.parametrize(
    ("names", "tags", "expected"),
    [
        (["acme-prod-api", "acme-staging-api"], {}, [("acme", "prod"), ("acme", "staging")]),
        (["api", "web"], {"Environment": "Production"}, [("shop", "production")]),
        (["api"], {"Project": "billing"}, [("billing", "production")]),
        (["api"], {}, [("shop", "production")]),
        (["dev-api"], {}, [("shop", "dev")]),
        (["acme_qa_api"], {}, [("acme", "qa")]),
        (["products-api"], {}, [("shop", "production")]),  # "prod" is a word here, not a beginning
    ],
)
def test_environments_are_known_by_tag_by_name_or_else_by_cluster(
    names: Sequence[str], tags: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    here = found(answers([Service(name, "shop", tags=tags, log_group="/x") for name in names]))
    assert [(each.stack, each.environment) for each in group(here)] == expected


def test_a_person_names_what_nothing_names() -> None:
    here = found(answers([Service("api", "default", log_group="/x")]))
    [only] = group(here, "shop", "live")
    assert (only.stack, only.environment, list(only.services)) == ("shop", "live", ["api"])


def test_short_names_are_different_and_fit_whatever_ecs_calls_them() -> None:
    assert unique_names(["acme-prod-api", "acme-prod-api-v2"], "acme", "prod") == ["api", "api-v2"]
    assert unique_names(["acme-prod-Api", "acme-prod-api"], "acme", "prod") == ["acme-prod-api", "api-2"]
    names = unique_names([f"MyStack-Service{number}-{'x' * 60}" for number in range(3)], "app", "")
    assert len(set(names)) == 3
    assert all(identifier(name) == name for name in names)


def test_alarms_with_a_prefix_of_their_own_and_with_none() -> None:
    about = {"ServiceName": "acme-prod-web"}
    _, stack, _ = drafted(acme(alarms={"Acme/web-cpu": about, "Acme/web-memory": about}))
    assert stack.environments["prod"].alarm_prefix == "Acme/web-"
    made, _, _ = drafted(acme(alarms={"web slow": about, "cpu of web": about}))
    assert any("no prefix of their own" in each for each in made.untold)
    assert common_prefix(["a-b-c", "a-b-d", "a-x"]) == "a-"


def test_what_omc_toml_has_no_keys_for_is_said() -> None:
    services = acme_services()
    services[1] = replace(services[1], limits=(1, 3, None, 75.0))  # type: ignore[arg-type]
    here = found(answers(services))

    [sentence] = unscaled(here, group(here)[0])
    assert "web is kept within 1 to 3 tasks" in sentence


def test_scheduled_tasks_are_jobs() -> None:
    _, stack, text = drafted(acme(rules={"acme-prod-nightly": ("acme", "acme-prod-nightly")}))
    [job] = stack.environments["prod"].jobs
    assert (job.name, job.schedule, job.cluster, job.family) == (
        "nightly",
        "acme-prod-nightly",
        "acme",
        "acme-prod-nightly",
    )
    assert job.log_group == "/jobs/acme-prod-nightly"
    assert "# rate(1 day)" in text


# ── What can't be read ───────────────────────────────────────────────────────────────────────────────────────────

READ = {
    "databases": [("rds", "describe_db_instances")],
    "caches": [("elasticache", "describe_replication_groups")],
    "serverless caches": [("elasticache", "describe_serverless_caches")],
    "alarms": [("cloudwatch", "describe_alarms")],
    "autoscaling": [("application-autoscaling", "describe_scalable_targets")],
    "load balancers": [("elbv2", "describe_load_balancers")],
    "target groups": [("elbv2", "describe_target_groups")],
    "Terraform states": [("s3", "list_buckets")],
    "rules of EventBridge": [("events", "list_rule_names_by_target")],
    "schedules of EventBridge Scheduler": [("scheduler", "list_schedules")],
    "dashboards": [("cloudwatch", "list_dashboards")],
    "log groups": [("logs", "describe_log_groups")],
}


@pytest.mark.parametrize("what", READ)
@pytest.mark.parametrize(
    "error", [AccessDenied("Not allowed.", "some:Action"), AwsRefused("Not here.", "InvalidAction")]
)
def test_what_may_not_be_read_is_said_and_all_else_is_written(
    what: str, error: OmcError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run({**acme(), **dict.fromkeys(READ[what], error)}, tmp_path, monkeypatch)
    assert result.return_value == 0
    stack = parse((tmp_path / "omc.toml").read_text(), tmp_path / "omc.toml")
    assert [each.name for each in stack.environments["prod"].services] == ["api", "web", "worker"]
    sentence = "the credentials lack some:Action." if isinstance(error, AccessDenied) else "Not here."
    assert f"- {what[0].upper()}{what[1:]}: {sentence}" in result.output


@pytest.mark.parametrize("error", [NoCredentials("None found."), AccessDenied("Not allowed.", "ecs:ListClusters")])
def test_without_the_services_there_is_no_file(
    error: OmcError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised = run({**acme(), ("ecs", "list_clusters"): error}, tmp_path, monkeypatch)
    assert isinstance(raised.exception, type(error))
    assert list(tmp_path.iterdir()) == []


def test_only_reads_are_sent_and_ten_services_go_in_a_call() -> None:
    services = [Service(f"acme-prod-s{number}", "acme", family="acme-one", log_group="/x") for number in range(25)]
    aws = gateway(answers(services))

    discover(aws)
    assert len(aws.calls("describe_services")) == 3
    assert len(aws.calls("describe_task_definition")) == 1
    assert len(aws.requests) < 30


# ── The command ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_file_is_written_once_and_the_next_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(acme(), tmp_path, monkeypatch)
    assert result.return_value == 0, result.output
    assert "Next: omc check morning --env prod" in result.output
    written = (tmp_path / "omc.toml").read_text()
    assert 'time_zone = "Europe/Zurich"' in written
    again = run(acme(), tmp_path, monkeypatch)
    assert again.return_value == 0, again.output
    assert "omc.toml says what AWS has." in again.output
    assert (tmp_path / "omc.toml").read_text() == written
    assert [each.name for each in tmp_path.iterdir()] == ["omc.toml"]


def test_run_again_it_proposes_a_difference_that_patch_takes_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    run(acme(), tmp_path, monkeypatch)
    file = tmp_path / "omc.toml"
    mine = (
        file.read_text().replace("maximum = 6", "maximum = 9   # mine")
        + "\n# what I think\n[channels]\nalerts = '#a'\n"
    )
    file.write_text(mine)
    services = acme_services()
    services[1] = replace(services[1], port=3001, log_group="/ecs/new")
    services.append(Service("acme-prod-mail", "acme", family="acme-mail", container="mail", log_group="/ecs/mail"))
    states = {"acme-tfstate": ["prod/terraform.tfstate"]}
    alarms = {"acme-prod-x": {"ServiceName": "acme-prod-web"}}
    result = run(answers(services, aurora=("acme-prod",), states=states, alarms=alarms), tmp_path, monkeypatch)
    assert result.return_value == 1, result.output
    assert file.read_text() == mine
    patched = subprocess.run(
        ["patch", "-o", "-", "omc.toml"], input=result.stdout, cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    api, web, _, mail = parse(patched, file).environments["prod"].services
    assert (api.maximum, web.port, web.log_group) == (6, 3001, "/ecs/new")
    assert (mail.name, mail.ecs_service, mail.log_group) == ("mail", "acme-prod-mail", "/ecs/mail")
    assert "maximum = 6   # mine" in patched
    assert "# what I think" in patched


def test_it_never_writes_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.toml").write_text("mine")
    for arguments in (("--write", "other.toml"), ("--empty", "--write", "other.toml")):
        result = run(acme(), tmp_path, monkeypatch, *arguments)
        assert isinstance(result.exception, OmcError)
        assert "is there already" in str(result.exception)
    assert (tmp_path / "other.toml").read_text() == "mine"


def test_of_several_stacks_the_likeliest_is_taken_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = [*acme_services(), Service("billing-prod-api", "billing", log_group="/b")]
    result = run(answers(services), tmp_path, monkeypatch, "--yes")
    assert "Took acme for the stack, not billing. Otherwise: --name NAME" in result.output
    assert "omc init --name billing --write billing.toml" in result.output
    result = run(answers(services), tmp_path, monkeypatch, "--name", "billing", "--write", "billing.toml")
    assert parse((tmp_path / "omc.toml").read_text(), FILE).name == "acme"


def test_an_empty_one_loads_and_asks_aws_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run({}, tmp_path, monkeypatch, "--empty", "--name", "acme", "--environment", "staging")
    assert result.return_value == 0, result.output
    stack = parse((tmp_path / "omc.toml").read_text(), tmp_path / "omc.toml")
    assert (stack.name, list(stack.environments)) == ("acme", ["staging"])
    result = run({}, tmp_path, monkeypatch, "--empty", "--name", "Not A Name", "--write", "x.toml")
    assert isinstance(result.exception, OmcError)
    assert not (tmp_path / "x.toml").exists()


def test_an_account_without_services_says_what_to_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(answers([]), tmp_path, monkeypatch)
    assert "omc init --region REGION" in str(result.exception)
