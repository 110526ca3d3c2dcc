"""A team of a stack: its omc.toml, its responders, and a receiver of ntfy's format that takes its pages."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from support.commands import ROOT, CommandResult, clean_env
from support.http_server import serving
from support.stack import CLUSTER, Stack
from support.waiting import eventually

PRIMARY, SECONDARY = "jo", "bob"
PEOPLE = """
[people.jo]
name = "Developer C (Infrastructure/DevOps)"
aws = ["jo"]
contacts = ["ntfy:jo-pages"]

[people.bob]
name = "Developer B (Backend/Application)"
aws = ["bob"]
contacts = ["ntfy:bob-pages"]

[alerts]
without_end_minutes = 1

[notify.ntfy]
server = "{address}"
"""
SHORTER = {
    "[on_call]\n": '[on_call]\nquiet_minutes = 1\nreopen_minutes = 0\npublic_holidays = ""\n',
    'business_hours = ["09:00", "17:00"]': 'business_hours = ["00:00", "23:59"]',
    "after_minutes = 15": "after_minutes = 1",
}
"""What omc.toml has, and what takes its place: minutes instead of quarters of an hour, and days that are all business
hours, Monday to Friday."""


@dataclass(frozen=True, slots=True)
class PageSeen:
    """One page that reached somebody."""

    at: float
    """Seconds since the epoch."""
    person: str
    incident: int | None
    is_urgent: bool
    key: str
    content: dict[str, Any]


@dataclass
class Team:
    """A team's omc.toml, the pages that reach it, and its responders."""

    stack: Stack
    file: Path
    pages: list[PageSeen] = field(default_factory=list)
    responders: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def omc(self, *arguments: str) -> CommandResult:
        return self.stack.omc("--stack", str(self.file), *arguments)

    def incidents(self) -> list[dict[str, Any]]:
        found = self.omc("incident", "list", "--env", "local", "--all", "--output", "json").json["incidents"]
        return [dict(each) for each in found]

    def shown(self, number: int) -> dict[str, Any]:
        return dict(self.omc("incident", "show", str(number), "--env", "local", "--output", "json").json)

    def log(self) -> str:
        """What the responders wrote; for a failure."""
        return "\n".join(each.read_text()[-3_000:] for each in sorted(self.file.parent.glob("serve-*.log")))

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

    def urgent(self, incident: int) -> list[PageSeen]:
        """The pages of an incident that ask for somebody, in the order in which they came."""
        return [each for each in self.pages if each.is_urgent and each.incident == incident]


@contextmanager
def team_of(stack: Stack, folder: Path) -> Iterator[Team]:
    """A team whose responders are ended. Nobody reads what earlier stories rang."""
    made = Team(stack, folder / "omc.toml")
    sqs = stack.client("sqs")
    sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=f"{CLUSTER}-alerts")["QueueUrl"])

    class Ntfy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            number = re.search(r"ncident (\d+)", f"{content.get('title', '')} {content.get('message', '')}")
            made.pages.append(
                PageSeen(
                    time.time(),
                    content["topic"].removesuffix("-pages"),
                    int(number[1]) if number else None,
                    content["priority"] == 5,
                    self.headers["Idempotency-Key"],
                    content,
                )
            )
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"id":"x"}')

        def log_message(self, *_: object) -> None:
            pass

    with serving(Ntfy) as address:
        text = (ROOT / "omc.toml").read_text()
        for before, after in SHORTER.items():
            assert before in text, before
            text = text.replace(before, after)
        made.file.write_text(text + PEOPLE.format(address=address))
        try:
            yield made
        finally:
            for process in made.responders:
                if process.poll() is None:
                    process.terminate()
                    process.wait(60)


def is_business_day() -> bool:
    """Whether a SEV-3 pages now, in omc.toml's time zone and with the team's hours."""
    return datetime.now(UTC).astimezone(ZoneInfo("Australia/Sydney")).weekday() < 5
