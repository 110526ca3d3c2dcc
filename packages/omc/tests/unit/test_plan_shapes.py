"""Plans of every shape that Terraform's JSON has: named, counted, applied where they change something, refused or said
to be a part where they are one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from omc.config import load
from omc.facts import differences as engine
from omc.facts.infrastructure import SavedPlan
from omc.facts.services import Services
from omc.facts.terraform_json import ChangeAction, changes, extent, outputs
from omc.infrastructure.planned_change import PlannedChange
from omc.judgement.approved_changes import approved_changes, is_rest_of
from omc.model.plan import Plan, Risk, from_json, to_json
from omc.output import markdown, terminal
from omc.procedures.infrastructure import PARTIAL, apply
from omc.procedures.infrastructure_document import nothing
from omc.procedures.infrastructure_summary import details, headline, summary
from omc.procedures.plan_document import plan_document

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
HASH = "5" * 64
ASKED = PlannedChange("/checkout", "/checkout/.omc", "ohmycoins", "/checkout/.omc/plans/5.tfplan", HASH)
SAME = {"identifier": "x", "name": "n"}
OTHER = SAME | {"name": "m"}
FOUR = "0 added, 0 changed, 0 replaced, 0 destroyed"


def one(
    actions: list[str],
    before: Any = None,
    after: Any = None,
    *,
    kind: str = "aws_route",
    change: Any = None,
    **more: Any,
) -> dict[str, Any]:
    return {
        "address": f"module.a.{kind}.this",
        "mode": "managed",
        "type": kind,
        "change": {"actions": actions, "before": before, "after": after, "after_unknown": {}, **(change or {})},
        **more,
    }


def saved(*listed: dict[str, Any], **document: Any) -> SavedPlan:
    return SavedPlan(
        sha256=HASH,
        root="staging",
        serial=7,
        lineage="l",
        made="",
        changes=changes(listed),
        drift=changes(document.get("resource_drift")),
        outputs=tuple(document.get("output_changes", {})),
        managed=10,
        current={},
        variables={},
        changed_sources=(),
        state_serial=7,
        state_lineage="l",
        output_values=outputs(document.get("output_changes")),
        extent=extent(document),
    )


def planned(*listed: dict[str, Any], **document: Any) -> Plan:
    return apply(ASKED, STAGING, saved(*listed, **document), Services((), (), cluster_missing=True))


MOVED = one(["no-op"], SAME, SAME, previous_address="aws_route.old")
IMPORTED = one(["no-op"], SAME, SAME, change={"importing": {"id": "rtb-1"}})


@pytest.mark.parametrize(
    ("expected", "counted", "words"),
    [
        (MOVED, f"{FOUR}, 1 moved", "= module.a.aws_route.this: has moved from aws_route.old"),
        (IMPORTED, f"{FOUR}, 1 imported", "= module.a.aws_route.this: is imported (rtb-1)"),
        (
            one(["no-op"], SAME, SAME, change={"importing": {"identity": {"arn": "a"}}, "generated_config": "x"}),
            f"{FOUR}, 1 imported",
            '= module.a.aws_route.this: is imported ({"arn": "a"}), by code that Terraform wrote',
        ),
        (
            one(["update"], SAME, OTHER, previous_address="aws_route.old", change={"importing": {"id": "i"}}),
            "0 added, 1 changed, 0 replaced, 0 destroyed, 1 moved, 1 imported",
            "~ module.a.aws_route.this: has moved from aws_route.old; is imported (i)",
        ),
        (
            one(["forget"], SAME, None, kind="aws_db_instance"),
            f"{FOUR}, 1 forgotten",
            "forget module.a.aws_db_instance.this: stays in AWS, and nothing manages or destroys it any more",
        ),
        (
            one(["create", "delete"], SAME, OTHER, change={"replace_paths": [["name"]]}),
            "0 added, 0 changed, 1 replaced, 0 destroyed",
            "+/- module.a.aws_route.this: name forces it to be replaced",
        ),
        (
            one(["delete", "create"], SAME, SAME, action_reason="replace_by_request"),
            "0 added, 0 changed, 1 replaced, 0 destroyed",
            "-/+ module.a.aws_route.this: asked for",
        ),
        (
            one(["delete", "create"], SAME, SAME, action_reason="replace_by_triggers"),
            "0 added, 0 changed, 1 replaced, 0 destroyed",
            "-/+ module.a.aws_route.this: what it follows changes",
        ),
        (
            one(["create", "forget"], SAME, OTHER, change={"replace_paths": [["name"]]}),
            "0 added, 0 changed, 1 replaced, 0 destroyed, 1 forgotten",
            "+/- module.a.aws_route.this: name forces it to be replaced; the old one stays in AWS, and nothing manages "
            "it any more",
        ),
        (
            one(["delete"], SAME, None, deposed="0a1b"),
            "0 added, 0 changed, 0 replaced, 1 destroyed",
            "- module.a.aws_route.this (deposed 0a1b): left by a replacement that was cut off",
        ),
        (
            one(["delete"], SAME, None, action_reason="delete_because_no_move_target"),
            "0 added, 0 changed, 0 replaced, 1 destroyed",
            "- module.a.aws_route.this: moved to an address that is not in the code",
        ),
        (
            one(["delete"], SAME, None, action_reason="delete_because_of_something_new"),
            "0 added, 0 changed, 0 replaced, 1 destroyed",
            "- module.a.aws_route.this: delete because of something new",
        ),
    ],
)  # fmt: skip
def test_every_kind_of_change_is_named_counted_and_a_step(expected: dict[str, Any], counted: str, words: str) -> None:
    plan = planned(expected)
    assert plan.title == f"Apply to the infrastructure of staging: {counted}"
    assert headline(changes([expected])[0]) == words
    assert plan.details[0].headline == words
    assert len(plan.steps) == 1
    assert not summary(saved(expected)).is_empty


@pytest.mark.parametrize(
    "expected",
    [
        one(["no-op"], SAME, SAME),
        one(["no-op"], SAME, SAME, change={"importing": None}),
        one(["read"], None, SAME) | {"mode": "data"},
        one(["open"], None, None) | {"mode": "ephemeral"},
    ],
)
def test_what_stays_as_and_where_it_is_is_no_change(expected: dict[str, Any]) -> None:
    assert summary(saved(expected, applyable=False, complete=True)).is_empty
    assert planned(expected).steps == ()


@pytest.mark.parametrize(
    "expected",
    [
        one(["delete", "forget"], SAME, None),
        one(["upsert"], SAME, SAME),
        one([], SAME, SAME),
        one(["create"]) | {"mode": "list"},
    ],
)  # fmt: skip
def test_what_omc_never_heard_of_is_refused_and_not_left_out(expected: dict[str, Any]) -> None:
    plan = planned(expected)
    assert [change.does for change in changes([expected])] == [ChangeAction.UNKNOWN]
    assert "1 not known to omc" in plan.title
    assert any("omc doesn't know what Terraform would do to module.a.aws_route.this" in why for why in plan.refusals)


def test_a_deposed_database_is_a_loss_of_its_own() -> None:
    gone = one(["delete"], SAME, None, kind="aws_db_instance", deposed="0a1b")
    plan = planned(gone, one(["update"], SAME, OTHER, kind="aws_db_instance"))
    assert plan.risk is Risk.DESTRUCTIVE
    assert "--allow-replace 'module.a.aws_db_instance.this (deposed 0a1b)'" in plan.refusals[0]
    assert is_rest_of(changes([gone]), approved_changes(changes([gone]))) == []


def test_the_old_one_of_a_replacement_that_was_cut_off_is_its_rest() -> None:
    gone = changes([one(["delete"], SAME, None, deposed="0a1b")])
    assert is_rest_of(gone, approved_changes(changes([one(["create", "delete"], SAME, OTHER)]))) == []
    assert is_rest_of(gone, approved_changes(changes([one(["update"], SAME, OTHER)]))) == [gone[0].address]


def test_a_database_that_is_forgotten_is_not_lost_and_reported_as_nobodys() -> None:
    plan = planned(one(["forget"], SAME, None, kind="aws_db_instance"))
    assert plan.refusals == ()
    assert any(
        "Terraform forgets module.a.aws_db_instance.this: it stays in AWS and is paid for" in n for n in plan.notes
    )


def test_the_fingerprint_binds_what_is_done_and_not_what_something_happened_to_be() -> None:
    def of(record: dict[str, Any], **document: Any) -> str:
        return summary(saved(record, **document)).fingerprint

    assert of(one(["delete"], SAME, None)) == of(one(["delete"], OTHER, None))
    later = {"after_unknown": {"revision": True}, "replace_paths": [["name"]]}
    revisions = (one(["delete", "create"], SAME | {"revision": n}, OTHER, change=later) for n in (1, 2))
    assert len({of(entry) for entry in revisions}) == 1
    assert of(MOVED) != of(MOVED | {"previous_address": "aws_route.older"})
    assert of(IMPORTED) != of(one(["no-op"], SAME, SAME, change={"importing": {"id": "rtb-2"}}))
    assert of(one(["create"], None, SAME)) != of(one(["create"], None, OTHER))
    assert of(one(["delete", "create"], SAME, SAME)) != of(one(["create", "delete"], SAME, SAME))
    assert of(MOVED, complete=True) != of(MOVED, complete=False)
    changed = {"x": {"actions": ["update"], "before": 1, "after": 2}}
    assert of(MOVED, output_changes=changed) != of(MOVED)


SECRETS: list[tuple[str, Any, Any, dict[str, Any]]] = [
    ("create", None, {"name": "a", "secret_string": "hunter2"}, {}),
    ("update", {"password": "hunter2"}, {"password": "correct-horse"}, {}),
    ("update", {"x": "hunter2"}, {"x": "correct-horse"}, {"after_sensitive": {"x": True}}),
    ("update", {"x": "hunter2"}, {"x": "correct-horse"}, {"before_sensitive": {"x": True}}),
    ("create", None, {"url": "postgres://u:hunter2@h/db"}, {}),
    ("update", {"policy": '{"token":"hunter2"}'}, {"policy": '{"token":"correct-horse"}'}, {}),
    ("update", {"tags": {}}, {"tags": {"api_key": "correct-horse"}}, {}),
    ("update", {"a": [{"name": "TOKEN", "value": "1x"}]}, {"a": [{"name": "TOKEN", "value": "2x"}]}, {}),
    ("update", {"user_data": "password=hunter2"}, {"user_data": "password=correct-horse"}, {}),
    ("update", {"otp_secret": 1}, {"otp_secret": 2}, {}),
]


@pytest.mark.parametrize(("action", "before", "after", "marks"), SECRETS)
def test_of_a_secret_the_plan_says_that_its_new_value_is_not_in_the_fingerprint(
    action: str, before: Any, after: Any, marks: dict[str, Any]
) -> None:
    saved_plan = saved(one([action], before, after, change=marks))
    made = planned(one([action], before, after, change=marks))
    [note] = [note for note in made.notes if "the fingerprint covers that they change" in note]
    assert note.startswith("1 of the new values is a secret (module.a.aws_route.this: ")
    assert "hunter2" not in note + summary(saved_plan).fingerprint
    other = saved(one([action], before, {**after, "name": "b"}, change=marks))
    assert summary(saved_plan).fingerprint != summary(other).fingerprint


def test_a_plan_without_a_secret_says_nothing_of_them() -> None:
    for listed in (UPDATE, one(["delete"], {"password": "hunter2"}, None)):
        made = planned(listed)
        assert not [note for note in made.notes if "fingerprint" in note]


# -- not the whole change --------------------------------------------------------------------------------------------

UPDATE = one(["update"], SAME, OTHER)
DEFERRED = [{"reason": "instance_count_unknown", "resource_change": {"address": "aws_x.y"}}]


@pytest.mark.parametrize("more", [{"complete": False}, {"complete": False, "deferred_changes": DEFERRED}])
def test_a_part_says_so_before_it_is_approved_and_after(more: dict[str, Any]) -> None:
    plan = planned(UPDATE, applyable=True, **more)
    assert plan.title.endswith("(ONLY A PART of the change)")
    assert PARTIAL in plan.notes
    assert plan.refusals == ()
    assert plan.steps[0].arguments["partial"] is True
    assert ("Left for a later apply: aws_x.y (instance_count_unknown)." in plan.notes) == ("deferred_changes" in more)


def test_a_part_without_a_change_is_not_called_all_the_code_says() -> None:
    assert "ONLY A PART" in nothing("staging", partial=True)
    assert summary(saved(complete=False, applyable=False)).is_partial


def test_a_plan_cut_short_by_an_error_is_refused() -> None:
    [refusal] = planned(UPDATE, applyable=False, complete=False, errored=True).refusals
    assert refusal.startswith("An error ended the plan early")
    assert planned(applyable=False, complete=False, errored=True).refusals == (refusal,)
    assert not summary(saved(errored=True)).is_empty


def test_a_plan_that_terraform_would_not_apply_is_refused() -> None:
    [refusal] = planned(UPDATE, applyable=False, complete=True).refusals
    assert refusal.startswith("Terraform itself calls this plan not applicable")


def test_a_refresh_only_plan_changes_the_state_and_says_what_it_records() -> None:
    drift = [one(["update"], SAME, SAME | {"name": "by hand"})]
    plan = planned(applyable=True, complete=True, resource_drift=drift)
    assert len(plan.steps) == 1
    assert "the state is brought up to date with the world" in plan.title
    assert any("it records in the state what was changed outside of Terraform (1 resource)" in n for n in plan.notes)
    [recorded] = plan.details
    assert recorded.values[0][:3] == ("name", "n", "by hand")


def test_checks_that_fail_and_actions_that_are_invoked_are_reported() -> None:
    checks = [
        {
            "address": {"to_display": "check.health"},
            "status": "fail",
            "instances": [{"problems": [{"message": "503"}]}],
        },
        {"address": {"to_display": "check.later"}, "status": "unknown"},
        {"address": {"to_display": "check.fine"}, "status": "pass"},
    ]
    trigger = {"triggering_resource_address": "aws_x.y", "action_trigger_event": "AfterCreate"}
    invoked = [{"address": "action.aws_lambda_invoke.z", "lifecycle_action_trigger": trigger}]
    plan = planned(UPDATE, checks=checks, action_invocations=invoked)
    assert "A check of the code doesn't hold: check.health fails: 503" in plan.notes
    assert not any("check.later" in note or "check.fine" in note for note in plan.notes)
    assert "The apply also invokes the action action.aws_lambda_invoke.z (AfterCreate aws_x.y)." in plan.notes
    assert plan.title.endswith("1 changed, 0 replaced, 0 destroyed, 1 invoked")
    assert not summary(saved(action_invocations=invoked)).is_empty


def test_outputs_that_change_are_shown_and_secret_ones_only_named() -> None:
    record = {
        "address": {"actions": ["update"], "before": "a", "after": "b", "before_sensitive": False},
        "password": {"actions": ["update"], "before": "a", "after": "b", "before_sensitive": True},
        "key": {"actions": ["create"], "before": None, "after": None, "after_unknown": True},
        "same": {"actions": ["no-op"], "before": "a", "after": "a"},
    }
    found = {one.path: (one.before, one.after) for one in outputs(record)}
    assert found == {
        "address": ("a", "b"),
        "password": ("(sensitive)", "changed (sensitive)"),
        "key": ("nothing", "(known after the apply)"),
    }


# -- what is shown ---------------------------------------------------------------------------------------------------


def lines(
    before: Any, after: Any, *, kind: str = "aws_iam_role_policy", full: bool = False, **change: Any
) -> list[str]:
    actions = ["create"] if before is None else ["delete"] if after is None else ["update"]
    return list(details(changes([one(actions, before, after, kind=kind, change=change)])[0], full=full))


def policy(*statements: dict[str, Any]) -> dict[str, str]:
    return {"policy": json.dumps({"Version": "2012-10-17", "Statement": list(statements)})}


READ = {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"}
WRITE = {"Sid": "Write", "Effect": "Allow", "Action": ["s3:PutObject"], "Resource": "*"}
LONG = "x" * 500


STATEMENT = "policy.Statement"
SECURE = {"Bool": {"aws:SecureTransport": "false"}}
NEW = '{"Action": ["s3:PutObject"], "Effect": "Allow", "Resource": "*", "Sid": "Write"}'
NEARLY = ["n.a: 0.1234567890123456789 → 0.1234567890123456780"]
TWICE = '{"a":1,"a":2}', '{"a":3,"a":2}'
BLOCKS = [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
ANYWHERE = {"from_port": 0, "cidr_ipv4": "0.0.0.0/0"}


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (
            policy(READ),
            policy(WRITE, READ | {"Effect": "Deny"}),
            [f"{STATEMENT}[Read].Effect: Allow → Deny", f"{STATEMENT}[Write]: nothing → {NEW}"],
        ),
        (policy(READ, WRITE), policy(WRITE, READ), [f'{STATEMENT}.order: ["Read", "Write"] → ["Write", "Read"]']),
        (
            policy(READ),
            policy(READ | {"Condition": SECURE}),
            [f"{STATEMENT}[Read].Condition: nothing → {json.dumps(SECURE)}"],
        ),
        (
            policy(READ),
            {"policy": policy(READ)["policy"].replace(": ", ":")},
            ["policy: (this JSON) → (the same JSON, written differently)"],
        ),
        ({"p": TWICE[0]}, {"p": TWICE[1]}, [f"p: {json.dumps(TWICE[0])} → {json.dumps(TWICE[1])}"]),
        ({"n": "1"}, {"n": 1}, ['n: "1" → 1']),
        ({"n": 1}, {"n": True}, ["n: 1 → true"]),
        ({"n": None}, {"n": ""}, ['n: null → ""']),
        ({"n": "null"}, {"n": None}, ['n: "null" → null']),
        ({"n": "a b"}, {"n": "a  b"}, ['n: a b → "a  b"']),
        ({"n": "admin"}, {"n": "\u0430dmin"}, ['n: admin → "\\u0430dmin"']),
        ({"n": "a"}, {"n": "a\u200b"}, ['n: a → "a\\u200b"']),
        ({"n": '{"a": 0.1234567890123456789}'}, {"n": '{"a": 0.1234567890123456780}'}, NEARLY),
        ({"n": 2**53}, {"n": 2**53 + 1}, ["n: 9007199254740992 → 9007199254740993"]),
        ({"l": ["a", "b", "c"]}, {"l": ["a", "c"]}, ["l[1]: b → nothing"]),
        ({"l": ["a", "b"]}, {"l": ["b", "a"]}, ["l[0]: nothing → b", "l[1]: b → nothing"]),
        ({"tags": {"Owner": "a"}}, {"tags": {"Owner": "a", "Env": "b"}}, ["tags.Env: nothing → b"]),
        ({"s": LONG + "a"}, {"s": LONG + "b"}, [f"s: …{'x' * 30}a → …{'x' * 30}b"]),
        ({"s": "one\ntwo\nthree"}, {"s": "one\n2\nthree"}, ["s.lines[1]: two → 2"]),
        (
            {"block": BLOCKS},
            {"block": [BLOCKS[1] | {"b": 5}]},
            ["block[1→0].b: 4 → 5", 'block[0]: {"a": 1, "b": 2} → nothing'],
        ),
        (
            {"from_port": 443, "cidr_ipv4": "10.0.0.0/8"},
            ANYWHERE,
            ["cidr_ipv4: 10.0.0.0/8 → 0.0.0.0/0", "from_port: 443 → 0"],
        ),
    ],
)
def test_what_changes_can_be_seen(before: Any, after: Any, shown: list[str]) -> None:
    assert sorted(lines(before, after)) == sorted(shown)


def test_what_only_the_apply_finds_out_is_shown_where_it_takes_the_place_of_something_known() -> None:
    assert lines(policy(READ), {}, after_unknown={"policy": True}) == [
        f"policy: {json.dumps(policy(READ)['policy'])} → (known after the apply)"
    ]
    found = lines({"b": [{"a": 1}]}, {"b": [{}]}, after_unknown={"b": [{"a": True}]})
    assert found == ["b[0].a: 1 → (known after the apply)"]


@pytest.mark.parametrize("sides", ["before", "after", "before after"])
def test_a_sensitive_value_is_said_to_change_at_any_depth_and_never_shown(sides: str) -> None:
    marks: dict[str, Any] = {f"{side}_sensitive": {"block": [{"value": True}]} for side in sides.split()}
    before, after = ({"block": [{"value": value, "size": 1}]} for value in ("hunter2", "correct horse"))
    assert lines(before, after, **marks) == ["block[0].value: (sensitive) → changed (sensitive)"]
    remarked = {
        "before": ["block[0].value: sensitive (its value stays) → NO LONGER sensitive"],
        "after": ["block[0].value: not sensitive (its value stays) → sensitive"],
    }
    assert lines(before, before, **marks) == remarked.get(sides, []), "Terraform shows it at the next plan, or no more"
    whole: dict[str, Any] = {f"{side}_sensitive": True for side in sides.split()}
    assert lines(before, after, **whole) == ['["(all of it)"]: (sensitive) → changed (sensitive)']
    assert lines(None, after, full=True, **whole) == ['["(all of it)"]: nothing → (sensitive)']


def test_an_output_that_is_sensitive_no_longer_is_shown() -> None:
    sides = {"before": "hunter2", "after": "hunter2", "before_sensitive": True, "after_sensitive": False}
    [found] = outputs({"url": {"actions": ["update"], "after_unknown": False, **sides}})
    assert (found.path, found.before, found.after) == ("url", "sensitive (its value stays)", "NO LONGER sensitive")


def test_a_new_rule_is_shown_without_being_asked_for_and_everything_with_full() -> None:
    rule = {"cidr_ipv4": "0.0.0.0/0", "from_port": 22, "description": None}
    assert lines(None, rule, kind="aws_vpc_security_group_ingress_rule") == [
        "cidr_ipv4: nothing → 0.0.0.0/0",
        "from_port: nothing → 22",
    ]
    assert lines(None, {"name": "q"}, kind="aws_sqs_queue") == []
    assert lines(None, {"name": "q"}, kind="aws_sqs_queue", full=True) == ["name: nothing → q"]
    assert lines({"name": "q"}, None, kind="aws_sqs_queue", full=True) == ["name: q → nothing"]


def test_what_is_kept_of_a_plan_shows_all_of_it_too() -> None:
    """A run's record, for who approves it later and elsewhere."""
    plan = planned(one(["update"], {"s": LONG + "a"}, {"s": LONG + "b"}), one(["create"], None, {"name": "q"}))
    again = from_json(json.loads(json.dumps(to_json(plan))))
    assert again == plan
    short = terminal.render(plan_document(again, (), STAGING))
    whole = terminal.render(plan_document(again, (), STAGING, full=True))
    assert f"…{'x' * 30}a → …{'x' * 30}b" in short
    assert "1 more values of what is new, replaced or destroyed: --full" in short
    assert f"{LONG}a → {LONG}b" in whole
    assert "name: nothing → q" in whole
    assert f"{LONG}a → {LONG}b" in markdown.render(plan_document(again, (), STAGING, full=True))


@pytest.mark.parametrize(("olds", "news"), [(3_000, 3_000), (1, 5_000), (5_000, 1), (2_000, 500)])
def test_long_lists_without_names_are_not_held_against_each_other_item_by_item(
    olds: int, news: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    likeness = engine._likeness

    def counted(one: Any, other: Any) -> float:
        nonlocal calls
        calls += 1
        return likeness(one, other)

    monkeypatch.setattr(engine, "_likeness", counted)
    before = [{"port": number, "size": "a"} for number in range(olds)]
    after = [{"port": number, "size": "b"} for number in range(news)]
    found = list(engine.differences({"rules": before}, {"rules": after}))
    assert calls <= engine.MOST_PAIRS + 2 * max(olds, news)
    assert len(found) >= max(olds, news)
    if olds == news:
        assert {(old, new) for _, old, new in found} == {("a", "b")}
