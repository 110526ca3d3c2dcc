"""Infrastructure as Terraform plans it: what a plan file would do, and whether the world is still the one it is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omc import terraform as tf
from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.config.stores import database_name
from omc.errors import WrongUse
from omc.facts.beside_terraform import NOT_KNOWN, Managed, managed_in
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.databases import database_records
from omc.facts.terraform_json import WHOLE, Change, Difference, Extent, changes, extent, outputs, values_of
from omc.infrastructure.planned_change import PlannedChange
from omc.infrastructure.plans import PlanFile, changed_sources, look_into
from omc.infrastructure.roots import Root, root_of
from omc.redaction import without_secrets

_SHOWN: dict[str, dict[str, Any]] = {}
"""The last plan file that was read, by its hash."""
KEPT_KINDS = frozenset({"aws_ecs_service", "aws_ecs_task_definition", "aws_db_instance"})
"""Types whose current values a judgement needs even where they don't change."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan file, and the state that it would be applied to."""

    sha256: str
    root: str
    """The environment that it was made for, as its own sources say; empty where they don't."""
    serial: int
    lineage: str
    made: str
    """When, as Terraform wrote it."""
    changes: tuple[Change, ...]
    drift: tuple[Change, ...]
    """What is not as Terraform last recorded it; most of it is values that AWS fills in."""
    outputs: tuple[str, ...]
    """Outputs that change."""
    managed: int
    """Resources that the state holds now."""
    current: Mapping[str, Mapping[str, Any]]
    """Values of the kept kinds, by address."""
    variables: Mapping[str, Any]
    """What it was planned with, without sensitive ones and what holds a secret by its name or shape, since a run keeps
    them: to plan the rest of it again where an apply is cut off and its file is gone."""
    changed_sources: tuple[str, ...]
    """Terraform files that are not what they were when the plan was made."""
    state_serial: int
    """Of the state now."""
    state_lineage: str
    reading: Reading = NO_READING
    output_values: tuple[Difference, ...] = ()
    """How the outputs change, secrets left out."""
    extent: Extent = WHOLE
    """How much of the whole change the plan is."""
    region: str = ""
    """Where; empty where it isn't known."""
    known: Managed = NOT_KNOWN
    """What the state holds of the kinds beside which AWS may have things that Terraform doesn't see."""


@dataclass(frozen=True, slots=True)
class DeletionProtection:
    """What of the environment AWS refuses to delete."""

    protected: tuple[str, ...]
    """``the database ohmycoins-production``."""
    reading: Reading = NO_READING


@reads
def read_saved_plan(aws: Gateway, request: PlannedChange) -> SavedPlan:
    """The plan file, by `terraform show`, and the state's serial by `terraform state pull`."""
    root = root_of(aws, Path(request.project), Path(request.work), request.stack)
    return saved_plan(root, Path(request.plan))


def saved_plan(root: Root, path: Path) -> SavedPlan:
    """The plan file as it is now, whoever made it. ``WrongUse`` where it isn't one."""
    plan = look_into(path)
    root.ensure()

    document, state = parallel_map(lambda ask: ask(), [lambda: _document_of(root, plan), root.state])
    prior = document.get("prior_state", {}).get("values", {}).get("root_module", {})
    return SavedPlan(
        sha256=plan.sha256,
        root=_environment_of(document),
        serial=plan.serial,
        lineage=plan.lineage,
        made=str(document.get("timestamp", "")),
        changes=changes(document.get("resource_changes")),
        drift=changes(document.get("resource_drift")),
        outputs=tuple(
            sorted(
                name
                for name, payload in (document.get("output_changes") or {}).items()
                if payload["actions"] != ["no-op"]
            )
        ),
        managed=sum(
            len(resource["instances"]) for resource in state.get("resources", ()) if resource["mode"] == "managed"
        ),
        current=values_of(prior, KEPT_KINDS),
        variables=_variables(document),
        changed_sources=tuple(changed_sources(plan, root.folder)),
        state_serial=int(state.get("serial", 0)),
        state_lineage=str(state.get("lineage", "")),
        output_values=outputs(document.get("output_changes")),
        extent=extent(document),
        region=str(_variables(document).get("region") or root.env.get("AWS_REGION", "")),
        known=managed_in(document),
    )


@reads
def read_deletion_protection(aws: Gateway, environment: Environment) -> DeletionProtection:
    """The database's and the load balancer's own protection."""
    database = database_records(aws)
    of_database = database.instances if database.cluster is None else (database.cluster,)
    found = [f"the database {database_name(environment)}" for one in of_database if one["DeletionProtection"]]
    elb = aws.client("elbv2")
    for page in elb.get_paginator("describe_load_balancers").paginate():
        for balancer in page["LoadBalancers"]:
            name = balancer["LoadBalancerName"]
            if name == (environment.load_balancer or environment.prefix) or name.startswith(f"{environment.prefix}-"):
                records = elb.describe_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"])[
                    "Attributes"
                ]
                values = {one["Key"]: one["Value"] for one in records}
                if values.get("deletion_protection.enabled") == "true":
                    found.append(f"the load balancer {name}")
    return DeletionProtection(tuple(found))


def _document_of(root: Root, plan: PlanFile) -> dict[str, Any]:
    """The file as JSON. Terraform takes seconds for it, and a command reads one file several times."""
    if plan.sha256 not in _SHOWN:
        try:
            shown = tf.show(root.terraform, root.folder, plan.path, env=root.environment)
        except tf.TerraformError as error:
            raise WrongUse(f"Terraform can't read the plan file {plan.path}: {error.message}") from error
        _SHOWN.clear()
        _SHOWN[plan.sha256] = shown
    return _SHOWN[plan.sha256]


def given_to(document: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that a plan, as JSON, was made with, secrets and all. They are nobody's to print or keep."""
    listed = (document.get("variables") or {}).items()
    return {name: payload["value"] for name, payload in listed if payload.get("value") is not None}


def _variables(document: Mapping[str, Any]) -> dict[str, Any]:
    declared = document.get("configuration", {}).get("root_module", {}).get("variables", {})
    return {
        name: value
        for name, value in given_to(document).items()
        if not declared.get(name, {}).get("sensitive") and without_secrets({name: value}) == {name: value}
    }


def _environment_of(document: Mapping[str, Any]) -> str:
    """What the plan's own sources call the environment: ``module "stack" { environment = "staging" }``."""
    calls = document.get("configuration", {}).get("root_module", {}).get("module_calls", {})
    payload = calls.get("stack", {}).get("expressions", {}).get("environment", {})
    return str(payload.get("constant_value", ""))
