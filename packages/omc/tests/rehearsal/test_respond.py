"""From alarm to all-clear on the applied stack: two responders on one record, each killed in the middle of its work.

The alarm takes its own way: CloudWatch, SNS, SQS. What pages people is a receiver of ntfy's format on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.responding import Team, team_of
from support.stack import CLUSTER, Stack
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]


@pytest.fixture
def team(healthy: Stack, tmp_path: Path) -> Iterator[Team]:
    with team_of(healthy, tmp_path) as made:
        yield made


@contextmanager
def ringing(stack: Stack, *names: str) -> Iterator[None]:
    """Alarms that ring now, and are quiet at the end, if their own evaluation hasn't had them so before."""
    cloudwatch = stack.client("cloudwatch")
    for name in names:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="rehearsed")
    yield
    for name in names:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="rehearsed")


def test_an_alarm_becomes_one_incident_pages_one_person_and_ends_by_itself(team: Team) -> None:
    """The first responder dies once it has paged; the second sees the incident to its end."""
    first = team.start()
    with ringing(team.stack, f"{CLUSTER}-alb-5xx-percent"):
        eventually("jo is paged", lambda: bool(team.pages))
        team.kill(first)
    [page] = team.pages
    assert page.content["title"] == "Incident 1 in local, SEV-2"
    assert "omc incident ack 1 --env local" in page.content["message"]
    acknowledged = team.omc("incident", "ack", "1", "--env", "local")
    assert acknowledged.returncode == 0, acknowledged.stderr
    second = team.start()

    def resolved() -> bool:
        assert second.poll() is None
        return [each["state"] for each in team.incidents()] == ["resolved"]

    eventually("it is over by itself", resolved, within=240, every=3)
    shown = team.omc("incident", "show", "1", "--env", "local", "--output", "json").json
    kinds = [each["kind"] for each in shown["events"]]
    for kind in ("opened", "alert joined", "paged", "acknowledged", "alert ended", "captured", "resolved"):
        assert kind in kinds, kinds
    keys = [each.key for each in team.pages]
    assert len(set(keys)) == len(keys), "nobody died while a page was sent, so none came twice"
    assert len(team.urgent(1)) == 1
    assert team.omc("audit", "verify", "--env", "local").returncode == 0
