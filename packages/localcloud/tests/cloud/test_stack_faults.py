"""Faults of the stack: started, kept up, stopped, saved with the cloud; what each does is tested where it is."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

from localcloud import assemble
from localcloud.core import addresses
from localcloud.core.cloud import Cloud
from localcloud.core.registry import AwsError, Call
from localcloud.faults.catalogue import Fault, Memory, Setting, all_faults
from localcloud.faults.component import StackFaults
from localcloud.front.faults import Faults
from localcloud.front.faults import fault as rule
from localcloud.front.identity import Identity
from support.requests import private
from support.stack import Stack
from support.waiting import eventually

pytestmark = pytest.mark.cloud


@dataclass(slots=True)
class Pump:
    """Something outside of the cloud that a fault can break: here a pump that runs dry."""

    dry: bool = False
    stuck: bool = False
    """Nobody can turn it on again."""
    kept: int = 0
    settings: list[Mapping[str, str]] = field(default_factory=list)

    def stop_water(self, _: Cloud, settings: Mapping[str, str]) -> Memory:
        if self.dry:
            raise AwsError("InvalidState", "The pump is dry already.")
        if settings["level"] == "odd":
            raise RuntimeError("the valve broke off")
        self.dry = True
        self.settings.append(settings)
        return {"level": settings["level"], "times": 0}

    def keep(self, _: Cloud, memory: Memory) -> None:
        self.dry = True
        memory["times"] += 1
        self.kept = memory["times"]

    def give_water(self, _: Cloud, memory: Memory) -> None:
        if self.stuck:
            memory["tried"] = True
            raise AwsError("InvalidState", "The valve is stuck.")
        self.dry = False

    def fault(self, name: str) -> Fault:
        return Fault(
            *(name, "The pump is stopped.", "No water.", self.stop_water, self.give_water),
            settings={"level": Setting("low", "how dry")},
            keep=self.keep,
        )


@pytest.fixture
def pumps() -> tuple[Pump, Pump]:
    return Pump(), Pump()


@pytest.fixture
def start_cloud(tmp_path: Path, pumps: tuple[Pump, Pump]) -> Iterator[Callable[[], Cloud]]:
    """Starts a cloud whose catalogue has two pumps; the one before it is stopped first."""
    state = tmp_path / "state"
    state.mkdir()
    home = addresses.create(state)
    running: list[tuple[Cloud, Any]] = []

    def stop() -> None:
        while running:
            cloud, server = running.pop()
            assemble.stop(cloud, server)
            assemble.forget(cloud)

    def start() -> Cloud:
        stop()
        cloud = assemble.assemble(home.settings, home.access_key_id, home.secret_access_key)
        cloud.attach(StackFaults({name: pump.fault(name) for name, pump in zip(("left", "right"), pumps, strict=True)}))
        running.append((cloud, assemble.start(cloud)))
        return cloud

    yield start
    stop()
    addresses.release(state)


def page(cloud: Cloud, body: Any = None) -> Any:
    return private(cloud, "stack-faults", body)


def refused(cloud: Cloud, body: Any) -> dict[str, str]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        page(cloud, body)
    record: dict[str, str] = json.load(caught.value)
    return record


def in_force(cloud: Cloud) -> dict[str, Any]:
    return {it["name"]: it["in_force"] for it in page(cloud)["faults"] if it["in_force"]}


def test_two_faults_are_started_kept_up_and_stopped_each_for_itself(
    start_cloud: Callable[[], Cloud], pumps: tuple[Pump, Pump]
) -> None:
    cloud, (left, right) = start_cloud(), pumps
    assert page(cloud, {"start": "left", "settings": {"level": "lower"}})["settings"] == {"level": "lower"}
    page(cloud, {"start": "right"})
    assert set(in_force(cloud)) == {"left", "right"}
    assert (left.dry, right.dry) == (True, True)
    left.dry = False  # somebody mends it by other means
    eventually("the fault is kept up", lambda: left.dry and right.kept > 1, within=60)
    assert page(cloud, {"stop": "left"}) == {"stopped": "left", "was_in_force": True}
    assert (left.dry, right.dry) == (False, True)
    assert list(in_force(cloud)) == ["right"]
    assert page(cloud, {"stop": "left"})["was_in_force"] is False


def test_a_fault_is_in_force_only_once(start_cloud: Callable[[], Cloud], pumps: tuple[Pump, Pump]) -> None:
    cloud = start_cloud()
    page(cloud, {"start": "left"})
    assert refused(cloud, {"start": "left"})["__type"] == "FaultInForce"
    assert len(pumps[0].settings) == 1


def test_the_cloud_restarts_and_the_fault_is_still_in_force(
    start_cloud: Callable[[], Cloud], pumps: tuple[Pump, Pump]
) -> None:
    cloud, left = start_cloud(), pumps[0]
    since = page(cloud, {"start": "left", "settings": {"level": "lowest"}})["since"]
    cloud = start_cloud()
    left.dry = False
    assert in_force(cloud)["left"] == {"since": since, "settings": {"level": "lowest"}, "problem": ""}
    eventually("the fault is kept up after the restart", lambda: left.dry, within=60)
    page(cloud, {"stop": "left"})
    assert not left.dry
    assert in_force(start_cloud()) == {}


def test_a_start_that_fails_leaves_nothing_in_force(start_cloud: Callable[[], Cloud], pumps: tuple[Pump, Pump]) -> None:
    cloud = start_cloud()
    pumps[0].dry = True
    assert refused(cloud, {"start": "left"})["message"] == "The pump is dry already."
    assert "the valve broke off" in refused(cloud, {"start": "right", "settings": {"level": "odd"}})["message"]
    assert in_force(cloud) == {}


def test_a_stop_that_fails_says_so_and_can_be_tried_again(
    start_cloud: Callable[[], Cloud], pumps: tuple[Pump, Pump]
) -> None:
    cloud, left = start_cloud(), pumps[0]
    page(cloud, {"start": "left"})
    left.stuck = True
    assert (
        refused(cloud, {"stop": "left"})["message"] == "left is still in force, it was not stopped: The valve is stuck."
    )
    assert "left" in in_force(cloud)
    left.stuck = False
    assert page(cloud, {"stop": "left"})["was_in_force"] is True
    assert not left.dry


def test_two_who_start_the_same_fault_at_once_start_it_once(
    start_cloud: Callable[[], Cloud], pumps: tuple[Pump, Pump]
) -> None:
    cloud, outcomes = start_cloud(), list[str]()

    def one() -> None:
        try:
            cloud.part(StackFaults).begin("left", {})
            outcomes.append("started")
        except AwsError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["FaultInForce"] * 3 + ["started"]
    assert len(pumps[0].settings) == 1


def test_omc_starts_lists_and_stops_them_and_says_what_failed(
    start_cloud: Callable[[], Cloud], pumps: tuple[Pump, Pump]
) -> None:
    cloud = start_cloud()
    state, identity = cloud.settings.state, cloud.part(Identity)
    record = {"endpoint": cloud.settings.endpoint, "region": cloud.settings.region, "account": cloud.settings.account}
    keys = {"access_key_id": identity.access_key_id, "secret_access_key": identity.secret_access_key}
    (state / "cloud.json").write_text(json.dumps({**record, **keys, "port_shift": 0, "token": identity.token}))
    stack = Stack(state)
    started = stack.omc("local", "fault", "start", "left", "--set", "level=high")
    assert (started.returncode, started.stdout.splitlines()[0]) == (0, "left is in force with level=high.")
    assert stack.omc("local", "fault", "start", "right").returncode == 0
    listed = stack.omc("local", "fault", "list").stdout
    assert re.search(r"in force +left\n +injected: The pump is stopped\.", listed)
    assert re.search(r"in force: since \w+ .*UTC\) with level=high", listed)
    markdown = stack.omc("local", "fault", "list", "--output", "markdown").stdout.splitlines()
    assert [line.split("|")[2].strip() for line in markdown[2:4]] == ["left", "right"]
    pumps[1].stuck = True
    failed = stack.omc("local", "fault", "stop", "--all")
    assert (failed.returncode, failed.stdout) == (1, "left is over.\n")
    assert failed.stderr == "omc: right is still in force, it was not stopped: The valve is stuck.\n"
    assert "problem: not stopped: The valve is stuck" in stack.omc("local", "fault", "list").stdout
    assert stack.omc("local", "fault", "start", "right").returncode == 1
    assert stack.omc("local", "fault", "stop").returncode == 2
    assert stack.omc("local", "fault", "start", "left", "--set", "level").returncode == 2


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        ({"start": "lefd"}, "There is no fault 'lefd'. Did you mean 'left'?"),
        ({"stop": "lefd"}, "Did you mean 'left'?"),
        ({"start": "left", "settings": {"levl": "1"}}, "left has no setting 'levl'. Did you mean 'level'?"),
        ({"start": "left", "settings": {"level": 1}}, "is a string"),
        ({"begin": "left"}, '{"start": name'),
        ([], '{"start": name'),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    start_cloud: Callable[[], Cloud], requested: Any, words: str
) -> None:
    assert words in refused(start_cloud(), requested)["message"]


def test_the_rules_of_a_named_fault_and_of_a_test_leave_each_other_alone() -> None:
    faults = Faults()
    faults.add([rule({"service": "ecs", "kind": "throttle"})], "aws-throttling")
    faults.replace([rule({"service": "kms", "kind": "500", "count": 1})])
    faults.add([rule({"service": "iam", "kind": "slow"})], "aws-throttling")
    assert [(it["service"], it.get("owner")) for it in faults.listed()] == [("kms", None), ("iam", "aws-throttling")]

    def hit(service: str, operation: str) -> bool:
        someone = ("123456789012", "ap-southeast-2", "arn:aws:iam::123456789012:root", "key", "127.0.0.1", "test", "id")
        return faults.take(Call(service, operation, {}, *someone, datetime.now(UTC))) is not None

    assert hit("kms", "ListKeys")
    assert not hit("kms", "ListKeys")
    assert not hit("ecs", "ListClusters")
    assert [it.service for it in faults.owned("aws-throttling")] == ["iam"]
    faults.remove("aws-throttling")
    assert faults.listed() == []


def test_every_fault_of_the_catalogue_says_what_it_is() -> None:
    for name, fault in all_faults().items():
        assert name == name.lower()
        assert fault.injected.endswith(".")
        assert fault.symptom.endswith(".")
        assert all(it.help for it in fault.settings.values())


def test_the_documentation_has_every_fault_as_it_is() -> None:
    root = Path(__file__).parents[4]
    written = run_path(str(root / "scripts" / "fault_table.py"))
    text = (root / "docs" / "localcloud.md").read_text()
    assert text == written["page"](text), "run: python scripts/fault_table.py"
