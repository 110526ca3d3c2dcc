"""The infrastructure as Terraform sees it: every module's own tests, every root, and what the two environments come to.

AWS is mocked by Terraform; what a cloud makes of the same files is the local cloud's tests' business.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from contract.terraform_support import (
    BOOTSTRAP,
    ENVIRONMENTS,
    INFRASTRUCTURE,
    MODULES,
    REPOSITORY,
    Applied,
    Partition,
    Workshop,
)
from omc.infrastructure.roots import locked
from omc.terraform import run

pytestmark = pytest.mark.terraform

RUNBOOK = sorted((REPOSITORY / "docs/runbook").glob("*.md"))
SERVICES = ("backend", "frontend")


@pytest.mark.timeout(900)  # the stack's are fourteen plans of everything: minutes on a busy machine
@pytest.mark.parametrize("folder", [*MODULES, BOOTSTRAP], ids=lambda path: path.name)
def test_a_modules_own_tests_pass(workshop: Workshop, folder: Path) -> None:
    """`terraform test` validates the module before it runs them."""
    message = workshop.run(folder, "test", "-no-color")
    passed = re.search(r"Success! (\d+) passed, 0 failed", message)
    assert passed is not None, message
    assert int(passed[1]) > 0


@pytest.mark.parametrize("folder", ENVIRONMENTS, ids=lambda path: path.name)
def test_a_root_is_valid(workshop: Workshop, folder: Path) -> None:
    assert "The configuration is valid" in workshop.run(folder, "validate", "-no-color")


def test_the_providers_lock_fits_what_is_installed(workshop: Workshop) -> None:
    """As omc begins in each root: a provider of other content, or a lock that would have to change, is an error."""
    arguments = ["init", "-no-color", *locked(workshop.terraform, BOOTSTRAP)]
    message = run(workshop.terraform, workshop.place(BOOTSTRAP), arguments, env={})  # no provider that runs already
    assert "Terraform has been successfully initialized" in message


def test_every_arn_is_of_the_partition_that_is_applied_to(workshop: Workshop) -> None:
    """GovCloud here; bootstrap's own tests are of China."""
    partition = Partition("aws-us-gov", "us-gov-west-1", "amazonaws.com")
    applied = workshop.apply("staging", partition=partition)
    assert "arn:aws:" not in applied.text
    assert set(re.findall(r"arn:(aws[a-z-]*):", applied.text)) == {partition.name}
    assert "ap-southeast-2" not in applied.text
    for values in applied.all("aws_iam_role_policy_attachment"):
        assert values["policy_arn"].startswith(f"arn:{partition.name}:iam::aws:policy/")


def facts(applied: Applied) -> dict[str, Any]:
    """What sets one environment apart from the other."""
    database = applied.one("aws_db_instance")
    cache = applied.one("aws_elasticache_replication_group")
    definitions = {values["family"]: values for values in applied.all("aws_ecs_task_definition")}
    return {
        "cidr": applied.one("aws_vpc")["cidr_block"],
        "zones": len({values["availability_zone"] for values in applied.all("aws_subnet")}),
        "nat": len(applied.all("aws_nat_gateway")),
        "database": (database["instance_class"], database["allocated_storage"], database["multi_az"]),
        "backups": database["backup_retention_period"],
        "cache": (cache["node_type"], cache["num_cache_clusters"], cache["automatic_failover_enabled"]),
        "deletion_protection": (
            database["deletion_protection"],
            applied.one("aws_lb")["enable_deletion_protection"],
            not any(values["force_destroy"] for values in applied.all("aws_s3_bucket")),
        ),
        "tasks": {
            service: (
                int(definitions[f"ohmycoins-{service}"]["cpu"]),
                int(definitions[f"ohmycoins-{service}"]["memory"]),
            )
            for service in SERVICES
        },
        "max_connections": parameter(applied, "max_connections"),
        "https": bool(applied.all("aws_lb_listener")[1:]),
    }


def parameter(applied: Applied, name: str) -> str:
    [value] = [row["value"] for row in applied.one("aws_db_parameter_group")["parameter"] if row["name"] == name]
    return str(value)


def test_what_staging_comes_to(staging: Applied) -> None:
    assert facts(staging) == {
        "cidr": "10.0.0.0/16",
        "zones": 2,
        "nat": 1,
        "database": ("db.t4g.micro", 20, False),
        "backups": 3,
        "cache": ("cache.t4g.micro", 1, False),
        "deletion_protection": (False, False, False),
        "tasks": {"backend": (1024, 2048), "frontend": (256, 512)},
        "max_connections": "80",
        "https": False,
    }


def test_what_production_comes_to(production: Applied) -> None:
    found = facts(production)
    assert found.pop("backups") >= 7
    assert found == {
        "cidr": "10.1.0.0/16",
        "zones": 3,
        "nat": 3,
        "database": ("db.t4g.small", 50, True),
        "cache": ("cache.t4g.small", 2, True),
        "deletion_protection": (True, True, True),
        "tasks": {"backend": (1024, 2048), "frontend": (512, 1024)},
        "max_connections": "180",
        "https": True,
    }


# "03:00 AEST" was once UTC. AEST is UTC+10 all year: Sunday 02:00 there is Saturday 16:00 in UTC.
def test_productions_maintenance_window_is_sunday_two_to_four_aest(production: Applied) -> None:
    assert production.one("aws_db_instance")["maintenance_window"] == "sat:16:00-sat:18:00"
    assert production.one("aws_elasticache_replication_group")["maintenance_window"] == "sat:16:00-sat:18:00"


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_scaling_is_as_the_runbook_says(environment: str, request: pytest.FixtureRequest) -> None:
    applied: Applied = request.getfixturevalue(environment)
    limits = {
        values["resource_id"]: (values["min_capacity"], values["max_capacity"])
        for values in applied.all("aws_appautoscaling_target")
    }
    assert limits == {f"service/ohmycoins-{environment}/{service}": (2, 10) for service in SERVICES}
    targets = set()
    for values in applied.all("aws_appautoscaling_policy"):
        [settings] = values["target_tracking_scaling_policy_configuration"]
        [metric] = settings["predefined_metric_specification"]
        assert (settings["scale_out_cooldown"], settings["scale_in_cooldown"]) == (60, 300)
        targets.add(
            (values["resource_id"].rsplit("/", 1)[1], metric["predefined_metric_type"], settings["target_value"])
        )
    assert targets == {
        ("backend", "ECSServiceAverageCPUUtilization", 70),
        ("backend", "ECSServiceAverageMemoryUtilization", 80),
        ("frontend", "ECSServiceAverageCPUUtilization", 70),
    }


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_health_checks_are_as_the_facts_say(environment: str, request: pytest.FixtureRequest) -> None:
    applied: Applied = request.getfixturevalue(environment)
    for values in applied.all("aws_lb_target_group"):
        [check] = values["health_check"]
        timing = (check["interval"], check["timeout"], check["healthy_threshold"], check["unhealthy_threshold"])
        assert timing == (30, 5, 2, 3)
        assert int(values["deregistration_delay"]) == 30
    for values in applied.all("aws_ecs_task_definition"):
        if not values["family"].startswith("ohmycoins-migrate-"):  # it serves nobody
            [container] = json.loads(values["container_definitions"])
            assert container["healthCheck"]["startPeriod"] == 60
    for values in applied.all("aws_ecs_service"):
        assert values["health_check_grace_period_seconds"] == 60


def test_the_backend_gets_its_settings_and_its_secrets_by_reference(staging: Applied) -> None:
    definition = staging.named("aws_ecs_task_definition", "ohmycoins-backend", "family")
    [container] = json.loads(definition["container_definitions"])
    names = {row["name"] for row in container["environment"]}
    assert {
        "ENVIRONMENT",
        "POSTGRES_SERVER",
        "POSTGRES_PORT",
        "POSTGRES_DB",
        "POSTGRES_USER",
        "REDIS_HOST",
        "REDIS_PORT",
    } <= names
    secrets = {row["name"]: row["valueFrom"] for row in container["secrets"]}
    assert set(secrets) == {"POSTGRES_PASSWORD", "SECRET_KEY"}
    assert secrets["POSTGRES_PASSWORD"].endswith(":password::")
    assert all(reference.startswith("arn:aws:secretsmanager:") for reference in secrets.values())


# RDS rotates its master user's password every seven days: a task that served with it would fail within the hour.
@pytest.mark.parametrize("environment", ["staging", "production"])
def test_only_the_migration_gets_the_master_password(environment: str, request: pytest.FixtureRequest) -> None:
    applied: Applied = request.getfixturevalue(environment)
    [master] = applied.one("aws_db_instance")["master_user_secret"]
    holders = {
        values["family"]
        for values in applied.all("aws_ecs_task_definition")
        if master["secret_arn"] in values["container_definitions"]
    }
    assert holders == {"ohmycoins-migrate-backend"}
    readers = {
        values["name"] for values in applied.all("aws_iam_role_policy") if master["secret_arn"] in values["policy"]
    }
    assert readers == {"start-migration"}


# An image was once pushed under a name that no service pulls.
def test_a_service_may_pull_from_the_repository_that_bootstrap_makes(staging: Applied) -> None:
    made = re.findall(r'"(ohmycoins/\w+)"', (INFRASTRUCTURE / "modules/registry/variables.tf").read_text())
    pulled = {
        name
        for values in staging.all("aws_iam_role_policy")
        for name in re.findall(r"repository/(ohmycoins/\w+)", values["policy"])
    }
    assert pulled == set(made) - {"ohmycoins/responder"}  # nobody's, until a responder runs here


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_no_secret_reaches_the_state(environment: str, request: pytest.FixtureRequest) -> None:
    applied: Applied = request.getfixturevalue(environment)
    assert "x" * 64 not in applied.text  # the SECRET_KEY that the test gave
    for values in applied.all("aws_secretsmanager_secret_version"):
        assert values["secret_string_wo"] is None
        assert not values["secret_string"]
    assert applied.one("aws_db_instance")["password"] is None
    assert applied.one("aws_db_instance")["manage_master_user_password"] is True


def test_a_rehearsals_values_are_ones_that_aws_takes(rehearsal: Applied) -> None:
    """The limits are those of the ELBv2, ECS and CloudWatch API references."""
    for values in rehearsal.all("aws_lb_target_group"):
        [check] = values["health_check"]
        assert 5 <= check["interval"] <= 300
        assert 2 <= check["timeout"] < check["interval"]
        assert 2 <= check["healthy_threshold"] <= 10
        assert 2 <= check["unhealthy_threshold"] <= 10
    for values in rehearsal.all("aws_ecs_task_definition"):
        if values["family"].startswith("ohmycoins-migrate-"):
            continue
        [container] = json.loads(values["container_definitions"])
        health = container["healthCheck"]
        assert 5 <= health["interval"] <= 300
        assert 2 <= health["timeout"] <= 60
        assert 1 <= health["retries"] <= 10
        assert 0 <= health["startPeriod"] <= 300
    for values in rehearsal.all("aws_cloudwatch_metric_alarm"):
        periods = {values["period"]} - {None} | {
            metric["period"] for query in values["metric_query"] for metric in query["metric"]
        }
        assert periods <= {10, 20, 30, *range(60, 86400, 60)}
        assert max(periods) * values["evaluation_periods"] <= 86400


def test_a_rehearsal_differs_from_staging_only_in_how_fast_things_are_noticed(
    staging: Applied, rehearsal: Applied
) -> None:
    assert facts(rehearsal) == facts(staging)
    assert [resource.address for resource in rehearsal.resources] == [
        resource.address for resource in staging.resources
    ]


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


@cache
def names_in_the_runbook() -> frozenset[str]:
    """Every name of a thing of the stack that the runbook writes, its placeholders left in."""
    found: set[str] = set()
    for chapter in RUNBOOK:
        written = re.findall(
            r"(?<![\w$:.@/-])[\w/-]*ohmycoins-(?:\$ENV|<environment>|staging|production)[\w/$-]*", chapter.read_text()
        )
        found |= {re.sub(r"\$ENV|<environment>", "staging", name) for name in written}
    return frozenset(found)


PLACEHOLDERS = {"$SERVICE": SERVICES, "$SEVERITY": ("1", "2", "3"), "$QUEUE": ("alerts", "alerts-dead-letter")}
ON_REQUEST = ("ohmycoins-staging-responder", "/ecs/ohmycoins-staging/responder")  # where run_responder is true
MADE_BY_A_PROCEDURE = ("ohmycoins-staging-before-maintenance-",)  # a snapshot's name, not Terraform's


def filled_in(name: str) -> list[str]:
    """A name with every value of each of its placeholders."""
    used = [placeholder for placeholder in PLACEHOLDERS if placeholder in name]
    names = []
    for values in itertools.product(*(PLACEHOLDERS[placeholder] for placeholder in used)):
        text = name
        for placeholder, value in zip(used, values, strict=True):
            text = text.replace(placeholder, value)
        names.append(text)
    return names


def test_every_name_in_the_runbook_is_made_by_terraform(staging: Applied, production: Applied) -> None:
    made = {
        text
        for applied in (staging, production)
        for resource in applied.resources
        for text in strings(dict(resource.values))
    }
    written = names_in_the_runbook()
    assert len(written) >= 12
    missing = []
    for name in (text for raw in written for text in filled_in(raw) if not raw.startswith(MADE_BY_A_PROCEDURE)):
        is_start = name.endswith(("-", "/"))
        if name not in ON_REQUEST and not (any(text.startswith(name) for text in made) if is_start else name in made):
            missing.append(name)
    assert missing == []


def test_the_names_that_the_original_runbook_used(staging: Applied) -> None:
    assert staging.one("aws_ecs_cluster")["name"] == "ohmycoins-staging"
    assert {values["name"] for values in staging.all("aws_ecs_service")} == set(SERVICES)
    assert {values["family"] for values in staging.all("aws_ecs_task_definition")} == {
        "ohmycoins-backend",
        "ohmycoins-frontend",
        "ohmycoins-migrate-backend",
    }
    assert staging.one("aws_elasticache_replication_group")["replication_group_id"] == "ohmycoins-staging-redis"
    assert {"/ecs/ohmycoins-staging/backend", "/vpc/ohmycoins-staging/flow"} <= {
        values["name"] for values in staging.all("aws_cloudwatch_log_group")
    }
    database = staging.one("aws_db_instance")
    assert (database["username"], database["db_name"]) == ("ohmycoins", "ohmycoins")


def test_the_dashboards_show_what_the_runbook_lists(staging: Applied) -> None:
    bodies = {
        values["dashboard_name"]: json.loads(values["dashboard_body"])
        for values in staging.all("aws_cloudwatch_dashboard")
    }
    assert set(bodies) == {"ohmycoins-staging-infrastructure", "ohmycoins-staging-application"}
    infrastructure = set(strings(bodies["ohmycoins-staging-infrastructure"]))
    assert {
        *("CPUUtilization", "MemoryUtilization", "RunningTaskCount"),
        *("RequestCount", "TargetResponseTime", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"),
        *("DatabaseConnections", "FreeStorageSpace", "CacheHits", "Evictions"),
    } <= infrastructure
    application = bodies["ohmycoins-staging-application"]["widgets"]
    queries = [widget["properties"]["query"] for widget in application if widget["type"] == "log"]
    assert any("like /ERROR/" in query and "/ecs/ohmycoins-staging/backend" in query for query in queries)
    assert any("by method, path" in query for query in queries)
    assert "TargetResponseTime" in set(strings(application))


def test_no_two_widgets_of_a_dashboard_overlap(staging: Applied) -> None:
    for values in staging.all("aws_cloudwatch_dashboard"):
        cells = [
            (widget["x"] + right, widget["y"] + down)
            for widget in json.loads(values["dashboard_body"])["widgets"]
            for right in range(widget["width"])
            for down in range(widget["height"])
        ]
        assert len(cells) == len(set(cells))
        assert max(x for x, _ in cells) < 24


def test_the_saved_queries_read_log_groups_that_exist(staging: Applied) -> None:
    groups = {values["name"] for values in staging.all("aws_cloudwatch_log_group")}
    queries = {values["name"]: values for values in staging.all("aws_cloudwatch_query_definition")}
    assert {
        f"ohmycoins-staging/{name}"
        for name in ("recent-errors", "slow-requests", "requests-by-endpoint", "nat-top-talkers")
    } <= set(queries)
    assert {group for values in queries.values() for group in values["log_group_names"]} <= groups
    talkers = queries["ohmycoins-staging/nat-top-talkers"]["query_string"]
    assert "fields srcAddr, dstAddr, bytes" in talkers  # as the runbook has it
