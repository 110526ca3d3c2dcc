"""What omc makes of a plan of Terraform: plans that real Terraform made, stored as `terraform show -json` gave them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from omc.config import Environment, load
from omc.facts.differences import SENSITIVE
from omc.facts.infrastructure import KEPT_KINDS, DeletionProtection, SavedPlan
from omc.facts.services import Deployment, EcsService, Services
from omc.facts.terraform_json import Change, ChangeAction, changes, values_of
from omc.infrastructure.planned_change import PlannedChange
from omc.judgement.approved_changes import approved_changes, is_rest_of
from omc.model.plan import Plan, Risk, from_json, to_json
from omc.procedures.infrastructure import apply, destroy
from omc.procedures.infrastructure_drift import drift
from omc.procedures.infrastructure_summary import details, document, summary
from omc.procedures.prices import monthly, sentences, table
from omc.procedures.resource_kinds import lost_with
from omc.store.redaction import REDACTED

ROOT = Path(__file__).parents[4]
FIXTURES = ROOT / "tests/fixtures/terraform"
ENVIRONMENTS = load(ROOT / "omc.toml").environments
STAGING, PRODUCTION = ENVIRONMENTS["staging"], ENVIRONMENTS["production"]
DATABASE = "module.stack.module.database.aws_db_instance.this"
BACKEND = 'module.stack.module.service["backend"]'
HASH = "5" * 64
HERE = "ap-southeast-2"
ASKED = PlannedChange("/checkout", "/checkout/.omc", "ohmycoins", "/checkout/.omc/plans/5.tfplan", HASH)
NOTHING_RUNS = Services((), ("backend", "frontend"), cluster_missing=True)


def stored(name: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text())
    return payload


def saved(record: Mapping[str, Any], **otherwise: Any) -> SavedPlan:
    plan = SavedPlan(
        sha256=HASH,
        root="staging",
        serial=7,
        lineage="67602bcc",
        made=record.get("timestamp", ""),
        changes=changes(record["resource_changes"]),
        drift=changes(record.get("resource_drift")),
        outputs=(),
        managed=167,
        current=values_of(record["prior_state"]["values"]["root_module"], KEPT_KINDS)
        if "prior_state" in record
        else {},
        variables={},
        changed_sources=(),
        state_serial=7,
        state_lineage="67602bcc",
    )
    return replace(plan, **otherwise)


MIXED = saved(stored("mixed"))
"""The database loses its encryption, which replaces it, and gets a larger class; a second NAT gateway comes."""


def resource(kind: str, actions: list[str], before: Any, after: Any, **more: Any) -> dict[str, Any]:
    return {
        "address": f"{kind}.this",
        "mode": "managed",
        "type": kind,
        "change": {"actions": actions, "before": before, "after": after} | more,
    }


def changed(path: str, before: Any, after: Any, kind: str = "aws_cloudwatch_metric_alarm") -> Change:
    [change] = changes([resource(kind, ["update"], {path: before}, {path: after})])
    return change


# -- what changes ----------------------------------------------------------------------------------------------------


def test_what_is_added_changed_replaced_and_destroyed_is_counted() -> None:
    assert summary(MIXED).counted == "2 added, 3 changed, 2 replaced, 0 destroyed"
    assert {change.address: change.does for change in MIXED.changes}[DATABASE] is ChangeAction.REPLACE


def test_the_value_that_forces_a_replacement_is_named() -> None:
    [loss] = summary(MIXED).losses
    assert (loss.address, loss.what, loss.forced_by) == (DATABASE, "the whole database", ("storage_encrypted",))
    lines = list(details(next(change for change in MIXED.changes if change.address == DATABASE)))
    assert "storage_encrypted: true → false  (forces the replacement)" in lines
    assert "instance_class: db.t4g.micro → db.t4g.small" in lines


def test_documents_in_a_text_are_compared_inside() -> None:
    old = json.dumps({"Statement": [{"Action": ["s3:GetObject"], "Effect": "Allow"}]})
    new = json.dumps({"Statement": [{"Action": ["s3:*"], "Effect": "Allow"}]})
    [difference] = changed("policy", old, new).differences
    assert (difference.path, difference.before, difference.after) == (
        "policy.Statement[0].Action[0]",
        "s3:GetObject",
        "s3:*",
    )


def test_values_that_terraform_marks_as_sensitive_are_never_shown() -> None:
    record = resource(
        "aws_secretsmanager_secret_version",
        ["update"],
        {"secret_string": "hunter2", "id": "x"},
        {"secret_string": "correct horse", "id": "x"},
        before_sensitive={"secret_string": True},
        after_sensitive={"secret_string": True},
    )
    [change] = changes([record])
    assert [(one.path, one.before, one.after) for one in change.differences] == [
        ("secret_string", SENSITIVE, f"changed {SENSITIVE}")
    ]
    assert not {"hunter2", "correct horse"} & set(json.dumps([dict(change.before), dict(change.after)]).split('"'))


def test_a_password_is_masked_even_where_terraform_does_not_mark_it() -> None:
    [change] = changes([resource("aws_thing", ["create"], None, {"nested": [{"auth_token": "hunter2"}], "size": 3})])
    assert change.after == {"nested": [{"auth_token": REDACTED}], "size": 3}
    [nested, _] = change.differences
    assert (nested.path, nested.before, nested.after) == ("nested", "nothing", '[{"auth_token": "[redacted]"}]')


def test_the_document_for_programs_holds_no_secret() -> None:
    record = stored("mixed")
    record["resource_changes"][0]["change"]["before"]["password"] = "hunter2"
    text = json.dumps(document(saved(record)))
    assert "hunter2" not in text
    assert json.loads(text)["counts"] == "2 added, 3 changed, 2 replaced, 0 destroyed"


def test_the_fingerprint_is_of_what_changes_and_of_nothing_else() -> None:
    first = summary(MIXED).fingerprint
    assert summary(replace(MIXED, sha256="6" * 64, serial=9, made="later")).fingerprint == first
    assert summary(replace(MIXED, changes=MIXED.changes[:-1])).fingerprint != first
    assert summary(replace(MIXED, root="production")).fingerprint != first


def test_the_fingerprint_and_the_lines_see_the_end_of_what_is_long() -> None:
    long = "x" * 5000
    one, other = (replace(MIXED, changes=(changed("body", long, long + end),)) for end in ("a", "b"))
    assert list(details(one.changes[0])) != list(details(other.changes[0]))
    assert summary(one).fingerprint != summary(other).fingerprint


# -- what is lost ----------------------------------------------------------------------------------------------------


def test_the_replacement_of_the_database_is_refused_until_it_is_named() -> None:
    refused = apply(ASKED, STAGING, MIXED, NOTHING_RUNS)
    assert refused.risk is Risk.DESTRUCTIVE
    [refusal] = refused.refusals
    assert refusal.startswith(
        f"DATA LOSS: {DATABASE} would be replaced, since storage_encrypted can't be changed in place"
    )
    assert f"--allow-replace '{DATABASE}'" in refusal
    allowed = apply(replace(ASKED, allow_replace=[DATABASE]), STAGING, MIXED, NOTHING_RUNS)
    assert allowed.refusals == ()
    assert allowed.risk is Risk.DESTRUCTIVE
    assert any(note.startswith("DATA LOSS") for note in allowed.notes)


def test_a_data_store_that_is_named_in_vain_is_reported() -> None:
    request = replace(ASKED, allow_replace=[DATABASE, "module.x.aws_s3_bucket.y"])
    [refusal] = apply(request, STAGING, MIXED, NOTHING_RUNS).refusals
    assert "names module.x.aws_s3_bucket.y, which this plan neither replaces nor destroys" in refusal


def test_replacing_what_nobody_knows_counts_as_a_loss() -> None:
    assert lost_with("aws_security_group") is None
    assert "omc doesn't know the type aws_dynamodb_table" in str(lost_with("aws_dynamodb_table"))


# -- whether it fits -------------------------------------------------------------------------------------------------


def refusals(environment: Environment = STAGING, request: PlannedChange = ASKED, **otherwise: Any) -> str:
    small = replace(MIXED, changes=(changed("threshold", 80, 90),), **otherwise)
    return " ".join(apply(request, environment, small, NOTHING_RUNS).refusals)


def test_a_plan_that_fits_is_one_step_bound_to_its_file() -> None:
    plan = apply(ASKED, STAGING, replace(MIXED, changes=(changed("threshold", 80, 90),)), NOTHING_RUNS)
    [step] = plan.steps
    assert (step.action, step.arguments["sha256"], step.arguments["serial"]) == ("terraform.apply_plan", HASH, 7)
    assert plan.preconditions["plan"] == HASH
    assert (plan.risk, plan.undo_on_failure) == (Risk.HIGH, False)


def test_a_plan_of_another_environment_is_one_sentence() -> None:
    assert refusals(PRODUCTION) == (
        "The plan file /checkout/.omc/plans/5.tfplan was made for staging, not for production. "
        "Make a new one: omc infra plan --env production"
    )


def test_a_plan_of_another_state_is_refused() -> None:
    assert "was made from another state than that of staging" in refusals(state_lineage="another")


def test_a_plan_made_before_the_state_changed_is_stale() -> None:
    assert "it was number 7, now it is 9), so the plan is stale" in refusals(state_serial=9)


def test_a_plan_made_from_other_code_is_refused() -> None:
    names = ("../../modules/service/main.tf", "main.tf", "variables.tf", "outputs.tf")
    assert "modules/service/main.tf, main.tf, variables.tf and 1 more. Make" in refusals(changed_sources=names)


def test_a_file_that_changed_since_it_was_shown_is_refused() -> None:
    assert "is no longer the one that was shown" in refusals(sha256="6" * 64)


def test_other_changes_than_were_approved_elsewhere_are_refused() -> None:
    assert "is not what was approved" in refusals(request=replace(ASKED, expect="0" * 64))
    approved = summary(replace(MIXED, changes=(changed("threshold", 80, 90),))).fingerprint
    assert refusals(request=replace(ASKED, expect=approved)) == ""


def test_an_apply_that_would_take_a_rollback_back_is_refused() -> None:
    """Somebody removed ``ignore_changes``."""
    taken = changed("task_definition", "ohmycoins-backend:3", "ohmycoins-backend:4", kind="aws_ecs_service")
    [refusal] = apply(ASKED, STAGING, replace(MIXED, changes=(taken,)), NOTHING_RUNS).refusals
    assert "would undo what a deployment, a rollback or the autoscaler set on aws_ecs_service.this" in refusal


def test_an_apply_may_change_what_omc_itself_runs_on() -> None:
    """No deployment of omc's knows the responder's service: its revision comes by Terraform alone."""
    taken = changed("task_definition", "ohmycoins-responder:3", "ohmycoins-responder:4", kind="aws_ecs_service")
    taken = replace(taken, address="module.stack.module.responder[0].aws_ecs_service.this")
    assert apply(ASKED, STAGING, replace(MIXED, changes=(taken,)), NOTHING_RUNS).refusals == ()


def test_what_runs_by_a_deployment_is_said_to_stay() -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    deployment = Deployment("d", "PRIMARY", "COMPLETED", "", 2, 2, 0, 0, "ohmycoins-backend:41", at, at)
    service = EcsService("backend", "ACTIVE", 2, 2, 0, "ohmycoins-backend:41", (deployment,), ())
    notes = apply(ASKED, STAGING, MIXED, Services((service,))).notes
    own = MIXED.current[f"{BACKEND}.aws_ecs_task_definition.this"]["revision"]
    assert (
        f"backend runs ohmycoins-backend:41, Terraform registered ohmycoins-backend:{own}: deployments and rollbacks "
        "decide which one runs, and the apply leaves it."
    ) in notes
    assert any("gets it with the next `omc deploy`" in note for note in notes)


def test_a_plan_comes_back_from_the_record_as_it_was() -> None:
    plan = apply(ASKED, STAGING, MIXED, NOTHING_RUNS)
    again: Plan = from_json(json.loads(json.dumps(to_json(plan))))
    assert again.hash == plan.hash


# -- destroy ---------------------------------------------------------------------------------------------------------


def going(**otherwise: Any) -> SavedPlan:
    plan = saved(stored("destroy"))
    return replace(plan, managed=len(plan.changes), **otherwise)


def test_a_destroy_says_what_goes_and_what_is_left() -> None:
    plan = destroy(ASKED, STAGING, going(), DeletionProtection(()))
    assert (plan.risk, plan.refusals) == (Risk.DESTRUCTIVE, ())
    losses = [note for note in plan.notes if note.startswith("DATA LOSS")]
    assert len(losses) == 5  # the database, two keys, two buckets
    assert any("snapshot" in note for note in plan.notes)


def test_deletion_protection_refuses_a_destroy() -> None:
    protection = DeletionProtection(("the database ohmycoins-production", "the load balancer ohmycoins-production"))
    plan = destroy(ASKED, PRODUCTION, going(root="production"), protection)
    assert len(plan.refusals) == 2
    assert plan.refusals[0].startswith(
        "Deletion protection is on for the database ohmycoins-production. Turn it off in"
    )


def test_an_apply_does_not_take_a_plan_that_destroys_everything() -> None:
    plan = apply(ASKED, STAGING, going(), NOTHING_RUNS)
    assert (
        "This plan destroys all of staging, which an apply doesn't. Use: omc infra destroy --env staging"
        in plan.refusals
    )


def test_a_destroy_does_not_take_another_plan() -> None:
    [refusal] = destroy(ASKED, STAGING, MIXED, DeletionProtection(())).refusals
    assert refusal == "This plan doesn't destroy staging. Use: omc infra apply --env staging"


# -- what is left of an apply that was cut off -----------------------------------------------------------------------


def test_the_rest_of_what_was_approved_goes_on_and_nothing_else() -> None:
    approved = approved_changes(MIXED.changes)
    assert is_rest_of(MIXED.changes[2:4], approved) == []
    other = changed("threshold", 80, 90)
    assert is_rest_of((*MIXED.changes[:1], other), approved) == [other.address]


def test_the_same_resource_with_another_action_was_not_approved() -> None:
    updated = next(change for change in MIXED.changes if change.does is ChangeAction.UPDATE)
    assert is_rest_of([replace(updated, does=ChangeAction.REPLACE)], approved_changes(MIXED.changes)) == [
        updated.address
    ]


def test_what_was_left_half_made_is_made_again() -> None:
    made = next(change for change in MIXED.changes if change.does is ChangeAction.CREATE)
    tainted = replace(made, does=ChangeAction.REPLACE, reason="replace_because_tainted")
    assert is_rest_of([tainted], approved_changes(MIXED.changes)) == []
    assert is_rest_of([tainted], approved_changes([])) == [made.address]


# -- costs -----------------------------------------------------------------------------------------------------------


def test_the_cost_is_the_sum_of_what_is_known() -> None:
    cost = monthly(MIXED.changes, MIXED.current, HERE)
    hours = 730
    nat, address = hours * 0.059, hours * 0.005
    database = hours * (0.051 - 0.025)
    assert cost.usd == pytest.approx(nat + address + database)
    assert cost.unknown == ()
    assert cost.by_use == ("aws_cloudwatch_log_group",)


def test_a_size_that_is_in_no_table_is_not_known_and_not_nothing() -> None:
    cost = monthly((changed("instance_class", "db.x9.huge", "db.x9.mega", kind="aws_db_instance"),), {}, HERE)
    assert cost.unknown == ("aws_db_instance.this",)
    assert list(sentences(cost)) == ["Cost not known of: aws_db_instance.this."]


def test_a_type_that_is_in_no_table_is_not_known() -> None:
    [change] = changes([resource("aws_dynamodb_table", ["create"], None, {"name": "x"})])
    assert monthly((change,), {}, HERE).unknown == ("aws_dynamodb_table.this",)


def test_a_larger_task_costs_as_many_times_as_it_runs() -> None:
    size = {"cpu": "1024", "memory": "2048"}
    record = resource("aws_ecs_task_definition", ["delete", "create"], size, {"cpu": "2048", "memory": "4096"})
    record["address"] = f"{BACKEND}.aws_ecs_task_definition.this"
    services = {f"{BACKEND}.aws_ecs_service.this": {"desired_count": 3}}
    assert monthly(changes([record]), services, HERE).usd == pytest.approx(3 * 730 * (0.04856 + 2 * 0.00532))


def test_every_price_says_where_it_is_from_and_whether_it_was_checked() -> None:
    assert all(price.source and price.as_of.year >= 2024 for price in table(HERE).values())
    assert {price.confirmed for price in table(HERE).values()} == {True, False}


# -- drift -----------------------------------------------------------------------------------------------------------


def test_drift_is_told_apart_by_who_made_it() -> None:
    alarm = {"threshold": 80.0, "insufficient_data_actions": None}
    by_hand = resource("aws_cloudwatch_metric_alarm", ["update"], alarm, alarm | {"threshold": 99.0})
    back = resource("aws_cloudwatch_metric_alarm", ["update"], alarm | {"threshold": 99.0}, alarm)
    scaled = resource("aws_ecs_service", ["update"], {"desired_count": 2}, {"desired_count": 4})
    filled = resource("aws_lb_target_group", ["update"], {"load_balancer_arns": []}, {"load_balancer_arns": ["arn"]})
    coded = resource("aws_cloudwatch_log_group", ["update"], {"retention_in_days": 7}, {"retention_in_days": 14})
    found = drift(saved({"resource_changes": [back, coded], "resource_drift": [by_hand, scaled, filled]}))
    assert [change.kind for change in found.outside] == ["aws_cloudwatch_metric_alarm"]
    assert [change.kind for change in found.not_applied] == ["aws_cloudwatch_log_group"]
    assert [change.kind for change in found.intended] == ["aws_ecs_service"]
    assert [change.kind for change in found.computed] == ["aws_lb_target_group"]
    assert not found.is_none


def test_what_was_deleted_by_hand_is_drift() -> None:
    alarm = {"threshold": 80.0}
    gone = resource("aws_cloudwatch_metric_alarm", ["delete"], alarm, None)
    anew = resource("aws_cloudwatch_metric_alarm", ["create"], None, alarm)
    found = drift(saved({"resource_changes": [anew], "resource_drift": [gone]}))
    assert [change.does for change in found.outside] == [ChangeAction.DESTROY]


def test_what_deployments_and_aws_set_is_no_drift() -> None:
    scaled = resource("aws_ecs_service", ["update"], {"task_definition": "a:1"}, {"task_definition": "a:2"})
    assert drift(saved({"resource_changes": [], "resource_drift": [scaled]})).is_none
