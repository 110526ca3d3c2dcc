"""Applying a plan file when things go wrong in the middle, with a small program in Terraform's place.

The same with real Terraform, once, is in tests/rehearsal/test_small_root.py.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from omc import terraform as tf
from omc.actions.action import Context, Interrupted, Outcome, Verdict, action_named
from omc.aws.gateway import Access, Gateway
from omc.config import load
from omc.errors import Refused, Unknown
from omc.facts.infrastructure import saved_plan
from omc.facts.terraform_json import changes
from omc.infrastructure import plans
from omc.infrastructure.roots import Root, root_of
from omc.judgement.approved_changes import approved_changes
from omc.model.arguments.terraform import ApplyPlan
from support import small_terraform

ROOT = Path(__file__).parents[4]
HERE = f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"
APPLY = action_named("terraform.apply_plan")


@dataclass
class Rig:
    """A local environment whose Terraform is the small one, and one step of one run."""

    work: Path
    project: Path
    gateway: Gateway
    memory: dict[str, Any] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Of this test alone: by it a step's processes are looked for on the whole machine."""
    cancelled: Callable[[], bool] = lambda: False

    @property
    def root(self) -> Root:
        return root_of(self.gateway, self.project, self.work, "ohmycoins")

    @property
    def world(self) -> dict[str, Any]:
        return small_terraform.read()

    def change(self, **values: Any) -> None:
        small_terraform.write(self.world | values)

    def planned(self, **provided: str) -> ApplyPlan:
        """The step's arguments, for a plan made now."""
        file = plans.make(self.root, provided, lambda _: None)
        document = tf.show(self.root.terraform, self.root.folder, file, env=self.root.environment)
        looked = plans.look_into(file)
        return ApplyPlan(
            project=str(self.project),
            work=str(self.work),
            stack="ohmycoins",
            plan=str(file),
            sha256=looked.sha256,
            serial=looked.serial,
            lineage=looked.lineage,
            destroy=False,
            variables=saved_plan(self.root, file).variables,
            approved=approved_changes(changes(document["resource_changes"])),
        )

    def context(self) -> Context:
        def remember(more: Mapping[str, Any]) -> None:
            self.memory.update(json.loads(json.dumps(more)))

        return Context(
            gateway=self.gateway,
            environment=self.gateway.environment,
            run="r",
            step="apply",
            token=self.token,
            now=lambda: datetime.now(UTC),
            checkpoint=remember,
            state=self.memory,
            report=self.messages.append,
            cancelled=self.cancelled,
            store=None,  # type: ignore[arg-type]  # nothing of it is in the record
        )

    def go(self, arguments: ApplyPlan) -> Outcome | None:
        """As the engine does: look, perform if it isn't there, watch."""
        if not APPLY.is_applied(self.context(), arguments):
            self.memory.update(APPLY.apply(self.context(), arguments))
        return APPLY.poll(self.context(), arguments)


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    project, work = tmp_path / "project", tmp_path / "cloud"
    root = project / "infrastructure/terraform/environments/staging"
    root.mkdir(parents=True)
    (root / "main.tf").write_text("")
    (root / "local.tfvars").write_text("")
    work.mkdir()
    reach = {"endpoint": "http://127.0.0.1:9", "region": "ap-southeast-2", "account": "100000000000"}
    reach |= {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "example"}
    (work / "cloud.json").write_text(json.dumps(reach | {"port_shift": 0}))
    program = tmp_path / "terraform"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {small_terraform.__file__} "$@"\n')
    program.chmod(0o755)
    mirror = tmp_path / "mirror"
    (mirror / tf.HOSTS["terraform"] / tf.PROVIDER / tf.PROVIDER_VERSION / tf._platform()).mkdir(parents=True)
    world = tmp_path / "world.json"
    monkeypatch.setenv("OMC_TERRAFORM", str(program))
    monkeypatch.setenv("OMC_TERRAFORM_MIRROR", str(mirror))
    monkeypatch.setenv("SMALL_WORLD", str(world))
    monkeypatch.setattr(small_terraform, "WORLD", world)
    monkeypatch.setattr("omc.actions.terraform.LOCK_WAIT", 0.2)
    monkeypatch.setattr(tf, "POLL_INTERVAL", 0.01)
    monkeypatch.setattr(tf, "ASK", 0.1)
    small_terraform.write(
        {
            "wanted": dict.fromkeys("abcde", 2),
            "there": dict.fromkeys("abcde", 1),
            "applied": [],
            "serial": 7,
            "lock": None,
            "locks": 0,
            "who": HERE,
            "dies_after": None,
            "fails_after": None,
            "holds_in": None,
            "saves": True,
        }
    )
    environment = replace(load(ROOT / "omc.toml").environments["local"], local_state=work)
    return Rig(work, project, Gateway(environment, Access("http://127.0.0.1:9", "AKIAEXAMPLE", "example"), writes=True))


def test_the_file_is_applied_and_gone(rig: Rig) -> None:
    arguments = rig.planned()
    outcome = rig.go(arguments)
    assert outcome is not None
    assert (outcome.verdict, outcome.sentence) == (
        Verdict.SUCCEEDED,
        "Terraform applied the plan: 0 added, 5 changed, 0 destroyed.",
    )
    assert rig.world["there"] == rig.world["wanted"]
    assert not Path(arguments.plan).exists()


@pytest.mark.parametrize("saves", [True, False], ids=["its state was written", "its state was lost"])
@pytest.mark.parametrize("dies_after", [0, 2])
def test_a_killed_apply_is_finished_and_its_lock_released(rig: Rig, dies_after: int, saves: bool) -> None:
    arguments = rig.planned()
    rig.change(dies_after=dies_after, saves=saves)
    APPLY.is_applied(rig.context(), arguments)
    with pytest.raises(Unknown, match=r"terraform apply was killed in staging \(SIGKILL\)"):
        APPLY.apply(rig.context(), arguments)
    assert rig.world["lock"] is not None
    outcome = rig.go(arguments)
    assert outcome is not None
    assert outcome.verdict is Verdict.SUCCEEDED
    assert rig.world["there"] == rig.world["wanted"]
    assert rig.world["lock"] is None
    if saves:
        assert sorted(rig.world["applied"]) == list("abcde")  # nothing twice


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("note", "none", True),
        ("exchange_url", "https://api.example.com", True),
        ("exchange_url", "https://user:c4n4ry@api.example.com", False),
        ("api_token", "c4n4ry", False),
        ("secret_key", "c4n4ry", False),
        ("note", "password=c4n4ry", False),
        ("note", "Authorization: Bearer c4n4ryc4n4ry", False),
        ("settings", '{"db_password": "c4n4ry"}', False),
        ("database_url", "postgresql://app:c4n4ry@db/app", False),
        ("hook", "https://hooks.slack.com/services/T0/B0/c4n4ryc4n4ryc4n4ryc4n4ry", False),
        ("note", "a: b, c", True),
    ],
)
def test_what_is_left_is_planned_with_the_same_variables_of_which_the_run_keeps_no_secret(
    rig: Rig, name: str, value: str, kept: bool
) -> None:
    main = rig.project / "infrastructure/terraform/environments/staging/main.tf"
    main.write_text(f'variable "{name}" {{\n  type = string\n}}\n')
    arguments = rig.planned(**{name: value})
    assert arguments.variables == ({name: value} if kept else {})
    rig.change(dies_after=2, given=None)
    APPLY.is_applied(rig.context(), arguments)
    with pytest.raises(Unknown, match="terraform apply was killed"):
        APPLY.apply(rig.context(), arguments)
    outcome = rig.go(arguments)
    assert outcome is not None
    assert outcome.verdict is Verdict.SUCCEEDED
    assert rig.world["given"] == {name: value}
    assert value not in " ".join(rig.world["said"]), "a list of processes shows a program's arguments"
    assert list(rig.root.plans.glob("*.tfvars.json")) == []


def test_an_apply_that_was_finished_before_omc_died_is_seen_to_be(rig: Rig) -> None:
    arguments = rig.planned()
    APPLY.is_applied(rig.context(), arguments)
    APPLY.apply(rig.context(), arguments)
    del rig.memory["applied"]
    outcome = rig.go(arguments)
    assert outcome is not None
    assert outcome.sentence == "All of the plan is done: an apply that was cut off did it."
    assert sorted(rig.world["applied"]) == list("abcde")


def test_what_is_left_goes_on_only_if_it_was_approved(rig: Rig) -> None:
    """Between the kill and the resume somebody changed the code."""
    arguments = rig.planned()
    rig.change(dies_after=2)
    APPLY.is_applied(rig.context(), arguments)
    with pytest.raises(Unknown, match="terraform apply was killed"):
        APPLY.apply(rig.context(), arguments)
    rig.change(wanted=rig.world["wanted"] | {"surprise": 1})
    outcome = rig.go(arguments)
    assert outcome is not None
    assert outcome.verdict is Verdict.FAILED
    assert "what is left of it is more than was approved: aws_route.surprise" in outcome.sentence
    assert "surprise" not in rig.world["there"]


def test_a_state_that_somebody_else_changed_is_refused_before_anything_happens(rig: Rig) -> None:
    arguments = rig.planned()
    rig.change(serial=8)
    with pytest.raises(Refused, match="The state is number 8 now, and the plan was made from number 7"):
        rig.go(arguments)
    assert rig.world["applied"] == []


def test_a_file_that_was_exchanged_is_refused(rig: Rig) -> None:
    arguments = rig.planned()
    Path(arguments.plan).write_bytes(b"another")
    with pytest.raises(Refused, match="is not the one that was approved; nothing was applied"):
        rig.go(arguments)


def test_a_file_that_is_on_another_machine_is_said_to_be_there(rig: Rig) -> None:
    arguments = rig.planned()
    Path(arguments.plan).unlink()
    with pytest.raises(Refused, match="is not on this machine"):
        rig.go(arguments)


@pytest.mark.parametrize("who", ["alice@laptop", HERE])
def test_a_lock_that_is_not_this_runs_own_is_left_alone(rig: Rig, who: str) -> None:
    """Also one of this very user and host: it was there before this run began."""
    arguments = rig.planned()
    lock = {"ID": "theirs", "Path": "p", "Operation": "OperationTypeApply", "Who": who, "Version": "1"}
    rig.change(lock=lock | {"Created": "2026-01-01 00:00:00 +0000 UTC"})
    with pytest.raises(tf.StateLocked, match=f"locked by {who} since 2026-01-01"):
        rig.go(arguments)
    assert rig.world["lock"]["ID"] == "theirs"
    assert rig.world["applied"] == []


def test_a_terraform_that_outlived_its_runner_is_let_finish(rig: Rig) -> None:
    arguments = rig.planned()
    program = rig.work / "terraform"
    program.symlink_to(str(shutil.which("sleep")))
    env = os.environ | {"OMC_STEP": rig.context().token}
    lives = subprocess.Popen([program, "60"], env=env)
    provider = subprocess.Popen(["sleep", "60"], env=env)
    try:
        with pytest.raises(Unknown, match=f"is still finishing what it began .process {lives.pid} on"):
            APPLY.is_applied(rig.context(), arguments)
        assert provider.poll() is None
        lives.kill()
        lives.wait()
        assert APPLY.is_applied(rig.context(), arguments) is False
        assert provider.wait(60) == -signal.SIGKILL  # it would have stayed for ever
    finally:
        for process in (lives, provider):
            process.kill()
            process.wait()


@pytest.mark.parametrize("change", [1, 3])
def test_a_cancel_stops_a_terraform_that_says_nothing(rig: Rig, change: int) -> None:
    arguments = rig.planned()
    rig.change(holds_in=change)
    rig.cancelled = (rig.work.parent / "holds").exists
    with pytest.raises(Interrupted) as stopped:
        rig.go(arguments)
    assert stopped.value.verdict is Verdict.CANCELLED
    assert stopped.value.message == (
        f"cancelled while Terraform applied. {change} of 5 resources were changed, and the state knows them. "
        "See what is left: omc infra plan --env local"
    )
    assert rig.world["applied"] == list("abcde")[:change]  # what was under way was finished, and nothing begun after it
    assert (rig.world["serial"], rig.world["lock"]) == (8, None)
    assert small_terraform.interrupts() == ["SIGINT"]
    assert any("cancelled: Terraform was asked to stop" in line for line in rig.messages)


def test_a_cancel_that_comes_when_all_is_under_way_changes_nothing(rig: Rig) -> None:
    arguments = rig.planned()
    rig.change(holds_in=5)
    rig.cancelled = (rig.work.parent / "holds").exists
    outcome = rig.go(arguments)
    assert outcome is not None
    assert outcome.sentence == "Terraform applied the plan: 0 added, 5 changed, 0 destroyed."
    assert small_terraform.interrupts() == ["SIGINT"]


def test_a_cancel_is_seen_while_somebody_elses_lock_is_waited_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omc.actions.terraform.LOCK_WAIT", 60.0)
    arguments = rig.planned()
    lock = {"ID": "theirs", "Path": "p", "Operation": "OperationTypeApply", "Who": "alice@laptop", "Version": "1"}
    rig.change(lock=lock | {"Created": "2026-01-01 00:00:00 +0000 UTC"})
    rig.cancelled = lambda: any("Waiting for the state's lock" in line for line in rig.messages)
    with pytest.raises(Interrupted, match="cancelled before Terraform changed anything") as stopped:
        rig.go(arguments)
    assert (stopped.value.verdict, stopped.value.has_begun) == (Verdict.CANCELLED, False)
    assert rig.world["applied"] == []
    assert rig.world["lock"]["ID"] == "theirs"


@pytest.mark.parametrize("saves", [True, False], ids=["its state was written", "its state was lost"])
def test_a_cancelled_apply_that_was_cut_off_is_not_begun_again(rig: Rig, saves: bool) -> None:
    """Killed in the middle, with its runner or by itself; when another goes on, the run is cancelled."""
    arguments = rig.planned()
    rig.change(dies_after=2, saves=saves)
    with pytest.raises(Unknown, match="terraform apply was killed"):
        rig.go(arguments)
    rig.cancelled = lambda: True
    with pytest.raises(Interrupted, match="of 5 resources 3 are still to be changed") as stopped:
        APPLY.is_applied(rig.context(), arguments)
    assert (stopped.value.verdict, stopped.value.has_begun) == (Verdict.CANCELLED, True)
    assert rig.world["applied"] == list("ab")
    assert rig.world["lock"] is None  # the dead Terraform's lock is released all the same


def test_a_cancelled_apply_that_had_done_all_of_it_has_succeeded(rig: Rig) -> None:
    arguments = rig.planned()
    rig.go(arguments)
    del rig.memory["applied"]
    rig.cancelled = lambda: True
    outcome = rig.go(arguments)
    assert outcome is not None
    assert outcome.verdict is Verdict.SUCCEEDED


def test_an_apply_that_failed_midway_says_what_it_did(rig: Rig) -> None:
    arguments = rig.planned()
    rig.change(fails_after=2)
    with pytest.raises(Interrupted, match=r"no quota\. Before that 2 of 5 resources were changed") as stopped:
        rig.go(arguments)
    assert stopped.value.verdict is Verdict.FAILED
    assert stopped.value.evidence["changed"] == ["aws_route.a", "aws_route.b"]
