"""From alarm to all-clear on the applied stack: two responders on one record, each killed in the middle of its work.

The alarm takes its own way: CloudWatch, SNS, SQS. What pages people is a receiver of ntfy's format on this machine.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from support.commands import ROOT, CommandResult, clean_env
from support.http_server import serving
from support.stack import CLUSTER, Stack
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]

PEOPLE = """
[people.jo]
name = "Developer C (Infrastructure/DevOps)"
aws = ["jo"]
contacts = ["ntfy:jo-pages"]

[notify.ntfy]
server = "{address}"
"""


@dataclass
class Team:
    """A team's omc.toml, the pages that reach it, and its responders."""

    stack: Stack
    file: Path
    pages: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    responders: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def omc(self, *arguments: str) -> CommandResult:
        return self.stack.omc("--stack", str(self.file), *arguments)

    def incidents(self) -> list[dict[str, Any]]:
        found = self.omc("incident", "list", "--env", "local", "--all", "--output", "json").json["incidents"]
        return [dict(each) for each in found]

    def start(self) -> subprocess.Popen[bytes]:
        """Another responder, once it watches."""
        log = self.file.parent / f"serve-{len(self.responders)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "omc", "--stack", str(self.file), "serve", "--env", "local"],
                cwd=ROOT,
                env=clean_env(OMC_LOCAL_STATE=str(self.stack.state)),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self.responders.append(process)
        eventually("a responder watches", lambda: "Watching the alarms" in log.read_text(), within=60)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)


@pytest.fixture
def team(healthy: Stack, tmp_path: Path) -> Iterator[Team]:
    made = Team(healthy, tmp_path / "omc.toml")
    sqs = healthy.client("sqs")  # nobody read what earlier stories rang
    sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=f"{CLUSTER}-alerts")["QueueUrl"])

    class Ntfy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.pages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            made.keys.append(self.headers["Idempotency-Key"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"id":"x"}')

        def log_message(self, *_: object) -> None:
            pass

    with serving(Ntfy) as address:
        text = (ROOT / "omc.toml").read_text().replace("[on_call]\n", "[on_call]\nquiet_minutes = 1\n")
        made.file.write_text(text + PEOPLE.format(address=address))
        try:
            yield made
        finally:
            for process in made.responders:
                if process.poll() is None:
                    process.terminate()
                    process.wait(60)


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
        eventually("jo is paged", lambda: bool(team.pages), within=60)
        team.kill(first)
        second = team.start()
    [page] = team.pages
    assert page["title"] == "Incident 1 in local, SEV-2"
    assert "omc incident ack 1 --env local" in page["message"]
    acknowledged = team.omc("incident", "ack", "1", "--env", "local")
    assert acknowledged.returncode == 0, acknowledged.stderr

    def resolved() -> bool:
        assert second.poll() is None
        return [each["state"] for each in team.incidents()] == ["resolved"]

    eventually("it is over by itself", resolved, within=240, every=3)
    shown = team.omc("incident", "show", "1", "--env", "local", "--output", "json").json
    kinds = [each["kind"] for each in shown["events"]]
    for kind in ("opened", "alert joined", "paged", "acknowledged", "alert ended", "captured", "resolved"):
        assert kind in kinds, kinds
    assert len(set(team.keys)) == len(team.keys), "nobody died while a page was sent, so none came twice"
    urgent = [each for each in team.pages if each["priority"] == 5]
    assert len(urgent) == 1
    assert team.omc("audit", "verify", "--env", "local").returncode == 0
