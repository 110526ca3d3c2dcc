"""With OMC_SERVER set each command of incidents, alerts, on call, pages and tokens asks the server, or says in a
sentence that it can't, as all of maintenance, backups, database and cache do: none answers from the record here. What
is asked is looked at on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from omc.cli.main import COMMANDS, root
from omc.errors import OmcError
from omc.responder.api.app import routes
from support.api_server import PEOPLE
from support.commands import ROOT
from support.http_server import serving

GROUPS = ("incident", "alerts", "oncall", "notify", "token", "maintenance", "backup", "database", "cache")
SENTENCE = "The server says no."
PROBLEM = f'{{"type": "about:blank", "title": "Conflict", "status": 409, "detail": "{SENTENCE}"}}'.encode()
REFUSED = "refused"
"""In place of a request: what only the record itself can do."""
INCIDENTS = "/v1/environments/production/incidents"
ALERTS = "/v1/environments/production"
ON_CALL = "/v1/on-call"
FILE, CALENDAR = "omc.toml", "rota.ics"
"""Files that a command is given."""

HERE: Mapping[str, Sequence[str]] = {
    "maintenance calendar": [],
    "maintenance plan": ["--title", "x", "--step", "restart"],
    "maintenance status": ["1"],
    "maintenance start": ["1"],
    "maintenance sign": ["1", "team", "--evidence", "x"],
    "maintenance note": ["1", "x"],
    "maintenance abort": ["1", "--reason", "x"],
    "maintenance finish": ["1", "--runbook-is-right"],
    "backup list": [],
    "backup create": [],
    "backup verify": [],
    "backup restore": ["--snapshot", "x"],
    "backup prune": [],
    "backup sweep": [],
    "database reboot": [],
    "database class": ["db.t4g.small"],
    "database storage": ["22"],
    "database parameter": ["max_connections=90"],
    "database upgrade": ["18.1"],
    "database cleanup": [],
    "database certificate": ["rds-ca-ecc384-g1"],
    "database rotate": [],
    "database apply": [],
    "cache failover": [],
    "cache scale": ["--replicas", "1"],
    "cache upgrade": ["7.2"],
    "cache valkey": [],
    "cache reboot": ["x-001"],
    "cache apply": [],
}
"""What works on AWS and on the record from here, by its words: with which others it is typed."""
ASKS: Mapping[str, tuple[Sequence[str], str]] = {
    "incident open": (["--severity", "2", "slow"], f"POST {INCIDENTS}"),
    "incident list": ([], f"GET {INCIDENTS}"),
    "incident show": (["1"], f"GET {INCIDENTS}/1"),
    "incident severity": (["1", "2"], f"POST {INCIDENTS}/1/severity"),
    "incident note": (["1", "x"], f"POST {INCIDENTS}/1/notes"),
    "incident ack": (["1"], f"POST {INCIDENTS}/1/acknowledge"),
    "incident assign": (["1", "lead", "jo"], f"POST {INCIDENTS}/1/assign"),
    "incident mitigate": (["1", "x"], f"POST {INCIDENTS}/1/mitigate"),
    "incident resolve": (["1", "x"], f"POST {INCIDENTS}/1/resolve"),
    "incident reopen": (["1", "x"], f"POST {INCIDENTS}/1/reopen"),
    "incident snooze": (["1", "x", "--for", "2h"], f"POST {INCIDENTS}/1/snooze"),
    "incident unsnooze": (["1"], f"POST {INCIDENTS}/1/unsnooze"),
    "incident page": (["1", "jo"], f"POST {INCIDENTS}/1/page"),
    "incident escalate": (["1"], f"POST {INCIDENTS}/1/escalate"),
    "incident update": (["1", "x", "--phase", "identified"], f"POST {INCIDENTS}/1/updates"),
    "incident merge": (["1", "--into", "2"], f"POST {INCIDENTS}/1/merge"),
    "incident unmerge": (["1"], f"POST {INCIDENTS}/1/unmerge"),
    "incident split": (["1", "x", "--alert", "5f2a"], f"POST {INCIDENTS}/1/split"),
    "incident detach": (["1", "5f2a"], f"POST {INCIDENTS}/1/detach"),
    "incident postmortem": (["1"], f"GET {INCIDENTS}/1"),
    "incident action": (["1", "x", "--owner", "jo", "--due", "2026-12-20"], f"POST {INCIDENTS}/1/action-items"),
    "incident stats": ([], f"GET {ALERTS}/statistics"),
    "alerts list": (["service=backend"], f"GET {ALERTS}/alerts"),
    "alerts planned": ([], f"GET {ALERTS}/planned"),
    "alerts show": (["disk"], f"GET {ALERTS}/alerts"),
    "alerts explain": (["disk"], f"GET {ALERTS}/alerts"),
    "alerts replay": (["--with", FILE], f"POST {ALERTS}/replays"),
    "alerts silence": (["name=x", "--for", "2h", "--reason", "x", "--yes"], f"POST {ALERTS}/silences/preview"),
    "alerts unsilence": (["3"], f"POST {ALERTS}/silences/3/end"),
    "alerts silences": ([], f"GET {ALERTS}/silences"),
    "alerts rebuild": ([], REFUSED),
    "oncall now": ([], f"GET {ON_CALL}/now"),
    "oncall schedule": (["primary"], f"GET {ON_CALL}/rotas/primary/schedule"),
    "oncall override": (
        ["primary", "jo", "--from", "18:00", "--to", "+20h"],
        f"POST {ON_CALL}/rotas/primary/overrides",
    ),
    "oncall take": (["primary"], f"POST {ON_CALL}/rotas/primary/take"),
    "oncall cover": (["primary", "jo"], f"POST {ON_CALL}/rotas/primary/cover"),
    "oncall undo": (["primary", "3"], f"POST {ON_CALL}/rotas/primary/undo"),
    "oncall explain": ([], f"GET {ON_CALL}/explanation"),
    "oncall gaps": ([], f"GET {ON_CALL}/gaps"),
    "oncall import": (["calendar", CALENDAR], f"POST {ON_CALL}/imports"),
    "oncall export": (["primary"], f"GET {ON_CALL}/rotas/primary/calendar"),
    "oncall verify": (["jo", "sms:+61400000001"], f"POST {ON_CALL}/people/jo/contacts/code"),
    "oncall test": (["jo"], f"POST {ON_CALL}/people/jo/test"),
    "oncall diff": ([FILE], f"GET {ON_CALL}/record"),
    "oncall subscribe": (["primary"], f"POST {ON_CALL}/calendars"),
    "oncall subscriptions": ([], f"GET {ON_CALL}/calendars"),
    "oncall unsubscribe": (["3f9c2a1b0d4e5f67"], f"POST {ON_CALL}/calendars/3f9c2a1b0d4e5f67/revoke"),
    "notify test": (["--to", "jo"], f"POST {ALERTS}/test-pages"),
    "notify outbox": ([], f"GET {ALERTS}/pages"),
    "notify retry": (["page:production:3:1:jo"], f"POST {ALERTS}/pages/page:production:3:1:jo/retry"),
    "token create": (["--name", "x", "--role", "viewer"], REFUSED),
    "token list": ([], "GET /v1/tokens"),
    "token revoke": (["grafana"], "GET /v1/tokens"),
    **{words: (others, REFUSED) for words, others in HERE.items()},
    "approve": (["0vqk3m7x"], "GET /v1/environments/production/runs/0vqk3m7x"),
}
"""By its words: with which others it is typed, and the first request that it makes."""
FURTHER: Mapping[str, tuple[Sequence[str], str]] = {
    "incident action": (["1", "--done", "2"], f"POST {INCIDENTS}/1/action-items/2/done"),
    "alerts unsilence": (["3", "--for", "2h"], f"POST {ALERTS}/silences/3/extend"),
    "oncall export": (["--person", "jo"], f"GET {ON_CALL}/people/jo/calendar"),
    "oncall verify": (["jo", "sms:+61400000001", "--code", "K7QF-92MX"], f"POST {ON_CALL}/people/jo/contacts/confirm"),
    "token revoke": (["3f9c2a1b0d4e5f67"], "POST /v1/tokens/3f9c2a1b0d4e5f67/revoke"),
}
"""Other ways of the same commands."""


@dataclass
class Wire:
    """A server that refuses everything, and keeps what it was asked."""

    address: str = ""
    asked: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        wire = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                assert self.headers["Authorization"] == "Bearer omc_x"
                wire.asked.append(f"{self.command} {self.path.partition('?')[0]}".replace("%3A", ":"))
                wire.keys.append(self.headers["Idempotency-Key"])
                self.send_response(409)
                self.send_header("Content-Type", "application/problem+json")
                self.send_header("Content-Length", str(len(PROBLEM)))
                self.end_headers()
                self.wfile.write(PROBLEM)

            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        return Handler


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    made = Wire()
    with serving(made.handler()) as address:
        made.address = address
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a stack file, and the files that commands are given."""
    made = tmp_path_factory.mktemp("stack")
    (made / FILE).write_text((ROOT / "omc.toml").read_text() + PEOPLE)
    (made / CALENDAR).write_text("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
    return made


def commands_of(group: click.Command, words: str) -> Iterator[str]:
    if not isinstance(group, click.Group):
        yield words
        return
    for name, command in group.commands.items():
        yield from commands_of(command, f"{words} {name}")


def run(wire: Wire, folder: Path, monkeypatch: pytest.MonkeyPatch, words: str, others: Sequence[str]) -> Result:
    monkeypatch.setenv("OMC_SERVER", wire.address)
    monkeypatch.setenv("OMC_TOKEN", "omc_x")
    monkeypatch.setenv("OMC_STORE_URL", "postgresql://omc@127.0.0.1:9/nowhere")
    monkeypatch.chdir(folder)
    wire.asked.clear()
    wire.keys.clear()
    return CliRunner().invoke(root, [*words.split(), *others, "--env", "production"])


def test_every_command_is_in_the_table() -> None:
    context = click.Context(root)
    found = {words for name in GROUPS for words in commands_of(root.get_command(context, name), name)}  # type: ignore[arg-type]
    assert found | {"approve"} == set(ASKS)
    assert set(GROUPS) <= set(COMMANDS)


@pytest.mark.parametrize(
    ("words", "others", "request_"),
    [(words, *how) for table in (ASKS, FURTHER) for words, how in table.items()],
)
def test_a_command_asks_the_server_or_refuses(
    wire: Wire, folder: Path, monkeypatch: pytest.MonkeyPatch, words: str, others: Sequence[str], request_: str
) -> None:
    ended = run(wire, folder, monkeypatch, words, others)
    assert isinstance(ended.exception, OmcError), ended.exception
    assert ended.output == ""
    if request_ == REFUSED:
        assert wire.asked == []
        assert ended.exception.message.endswith("unset OMC_SERVER for it.")
        return
    assert wire.asked == [request_]
    assert ended.exception.message == SENTENCE
    method, _, path = request_.partition(" ")
    assert (wire.keys[0] is not None) == (method != "GET")
    assert [route.path for known, route in routes() if known == method and route.path_regex.fullmatch(path)] != []
