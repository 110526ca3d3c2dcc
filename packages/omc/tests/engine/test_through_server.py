"""The commands of incidents and rotas through omc's server, by OMC_SERVER and OMC_TOKEN: as in the record itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from omc.access.model import Role
from omc.access.records import create_token
from omc.api_client.http import Server
from omc.api_client.incidents import ServerDesk
from omc.config import load
from omc.engine import journal
from omc.engine.actors import Actor
from omc.errors import BadAnswer, OmcError, Refused, Throttled, Unknown
from omc.incidents.events import TYPES, Noted
from omc.model.events import EventTypes, UnknownEvent
from omc.model.plan import Plan, Risk, Step
from omc.responder.model import Notification
from omc.responder.records import take
from omc.store.eventlog import append
from omc.store.incidents import incident_of, incidents_of, open_incident
from omc.store.opened import Store
from support.alerts_world import notification, rules
from support.api_server import PEOPLE, ApiServer, api_server
from support.commands import CommandResult
from support.engine_world import World
from support.http_server import serving

ROTA = """
[rotas.primary]
editors = []

[[rotas.primary.layers]]
people = ["jo", "sam"]
turn = "weekly"
hand_over = "09:00"
start = 2026-11-02
"""


@pytest.fixture
def api(world: World, store: Store) -> Iterator[ApiServer]:
    file = world.stack.file
    file.write_text(file.read_text() + PEOPLE + '\n[server]\nlisten = "127.0.0.1:0"\n')
    with api_server(store, load(file)) as server:
        yield server


class Shell:
    """A shell in which OMC_SERVER and OMC_TOKEN are set, and the record's own address leads nowhere."""

    def __init__(self, world: World, api: ApiServer, role: str = "responder") -> None:
        self._world = world
        self._env = {"OMC_SERVER": api.address, "OMC_TOKEN": api.tokens[role]}
        self._env["OMC_STORE_URL"] = "postgresql://omc@127.0.0.1:9/nowhere"

    def __call__(self, *words: str, **env: str) -> CommandResult:
        return self._world.omc(*words, "--env", "production", **(self._env | env))


def test_an_incident_is_seen_through_by_commands_that_reach_no_database(
    world: World, api: ApiServer, store: Store
) -> None:
    omc = Shell(world, api)
    assert omc("incident", "list").stdout == "No incident is open in production.\n"
    opened = omc("incident", "open", "--severity", "2", "Prices are late")
    assert opened.stdout == "Incident 1 of production is open: SEV-2, Prices are late\n", opened.stderr
    done = [
        omc("incident", "ack", "1"),
        omc("incident", "note", "1", "scaled the backend to 6"),
        omc("incident", "severity", "1", "1"),
        omc("incident", "assign", "1", "lead", "sam"),
        omc("incident", "page", "1", "jo", "--why", "you know the cache"),
        omc("incident", "snooze", "1", "a fix rolls out", "--for", "2h"),
        omc("incident", "unsnooze", "1"),
        omc("incident", "update", "1", "We are working on it."),
        omc("incident", "mitigate", "1", "rolled back"),
        omc("incident", "resolve", "1", "rolled back"),
        omc("incident", "reopen", "1", "it is back"),
        omc("incident", "resolve", "1", "restarted"),
    ]
    assert [(each.returncode, each.stderr) for each in done] == [(0, "")] * len(done)
    assert "isn't open; nobody was paged" in omc("incident", "escalate", "1").stderr
    found = incident_of(store, "production", 1)
    assert {each.by for each in found.events} == {"token responder"}
    assert (found.severity, found.resolution, found.roles) == (1, "restarted", {"lead": "sam"})
    shown = omc("incident", "show", "1", "--output", "json").json
    assert shown == world.omc("incident", "show", "1", "--env", "production", "--output", "json").json
    assert omc("incident", "show", "1").stdout == world.omc("incident", "show", "1", "--env", "production").stdout
    for _ in range(2):
        omc("incident", "open", "--severity", "3", "slow", "--ack")
    assert omc("incident", "merge", "3", "--into", "2").returncode == 0
    assert omc("incident", "unmerge", "3").returncode == 0
    listed = omc("incident", "list", "--all", "--output", "json").json
    assert [each["number"] for each in listed["incidents"]] == [3, 2, 1]


def test_what_may_not_be_is_said_as_without_a_server(world: World, api: ApiServer) -> None:
    omc = Shell(world, api)
    missing = omc("incident", "show", "9")
    assert (missing.returncode, missing.stderr.startswith("omc: production has no incident 9. See:")) == (2, True)
    omc("incident", "open", "--severity", "2", "slow")
    again = omc("incident", "severity", "1", "2")
    assert (again.returncode, "is a SEV-2 already" in again.stderr) == (1, True)
    viewer = Shell(world, api, "viewer")("incident", "note", "1", "x")
    assert (viewer.returncode, viewer.stderr) == (
        1,
        "omc: token viewer has the role viewer, and this needs responder. Nothing was done.\n",
    )
    unknown = omc("incident", "list", OMC_TOKEN="omc_" + "A" * 43)
    assert (unknown.returncode, "doesn't take the token in OMC_TOKEN" in unknown.stderr) == (3, True)


def test_what_is_read_through_a_server_is_what_is_read_without(world: World, store: Store) -> None:
    """Word for word, as a table, and for programs."""
    file = world.stack.file
    file.write_text(f'{file.read_text()}{PEOPLE}{ROTA}\n[server]\nlisten = "127.0.0.1:0"\n')
    production = replace(rules(), environment="production", prefix="ohmycoins-production-")
    names = ("rds-no-data", "alb-5xx-percent")
    take(store, production, [told_now(store, name, "production") for name in names])
    with api_server(store, load(file)) as api:
        omc, admin = Shell(world, api), Shell(world, api, "admin")
        responder = Shell(world, api)
        done = [
            responder("incident", "resolve", "1", "it ended", "--override", "a rehearsal"),
            responder("incident", "action", "1", "Raise the limit", "--owner", "jo", "--due", "2026-12-20"),
            responder("incident", "postmortem", "1", "--write", "causes", "The pool.", "--state", "review"),
            responder("alerts", "silence", "name=x*", "--for", "2h", "--reason", "a rehearsal", "--yes"),
            responder("oncall", "test", "jo"),
        ]
        assert [(each.returncode, each.stderr) for each in done] == [(0, "")] * len(done)
        assert done[1].stdout == "Action item 1 of incident 1 is jo's.\n"
        assert "Silence 1 of production holds until" in done[3].stdout
        for words in (
            *("alerts list", "alerts list name=rds-*", "alerts show rds-no-data", "alerts explain alb-5xx-percent"),
            *("alerts silences", "alerts planned", "incident postmortem 1", "incident show 1"),
            *("oncall schedule primary --from 2026-12-20", "oncall explain --at 2026-12-25T03:00"),
            *("oncall export primary --days 20", "token list"),
        ):
            here = world.omc(*words.split(), "--env", "production")
            there = (admin if words.startswith("token") else omc)(*words.split())
            assert (there.returncode, stamped(there.stdout)) == (here.returncode, stamped(here.stdout)), words
            assert there.stdout, there.stderr
        listed = omc("alerts", "list", "--all", "--output", "json").json
        assert [each["name"] for each in listed["alerts"]] == sorted(names, reverse=True)
        assert "next" in listed
        stats = omc("incident", "stats", "--output", "json").json
        assert (stats["incidents"], stats["by_severity"]) == (1, {"2": 1})
        replayed = omc("alerts", "replay", "--since", "1d", "--with", str(file))
        assert (replayed.returncode, "The same incidents" in replayed.stdout) == (0, True), replayed.stdout
        [waiting] = omc("notify", "outbox", "--output", "json").json["pages"]
        assert waiting["page"].startswith("notice:test:production:jo:")
        assert omc("notify", "retry", waiting["page"]).returncode == 0
        assert "Silence 1 of production is over" in omc("alerts", "unsilence", "1", "--why", "done").stdout
        viewer = Shell(world, api, "viewer")
        assert viewer("incident", "postmortem", "1").returncode == 0
        assert viewer("incident", "postmortem", "1", "--state", "done").returncode == 1
        assert admin("token", "revoke", "viewer", "--reason", "a rehearsal").stdout == "The token viewer is revoked.\n"
        assert viewer("alerts", "list").returncode == 3


def told_now(store: Store, name: str, environment: str) -> Notification:
    return replace(notification(name, environment=environment), at=store.now() - timedelta(minutes=2))


def stamped(text: str) -> str:
    """Without when a calendar was made, and where the period ends that it is of."""
    return re.sub(r"(DTSTAMP|DTEND):\S+", "", text)


def test_a_plan_is_approved_through_a_server_by_whoever_the_token_is(
    world: World, api: ApiServer, store: Store
) -> None:
    step = Step("one", "fake.set", {"key": "one", "value": 1}, "Set one")
    plan = Plan("fake", "production", {"values": {"one": 1}}, "Set one", Risk("high"), (step,))
    run = journal.create(store, plan, Actor("alice"), api.context.environment("production").approvals)
    api.tokens["of jo"] = create_token(store, "jo-laptop", Role.APPROVER, "ann", person="jo")[1]
    nobody = Shell(world, api, "approver")("approve", run.id)
    assert (nobody.returncode, "must belong to a person" in nobody.stderr) == (1, True)
    other = Shell(world, api, "of jo")("approve", run.id, "--plan", "deadbeef0000")
    assert (other.returncode, "has the hash" in other.stderr) == (1, True)
    done = Shell(world, api, "of jo")("approve", run.id)
    assert done.stdout == f"{run.id} may begin: approved by jo, by token jo-laptop.\n", done.stderr


def test_a_calendars_address_is_shown_once_and_read_by_anybody_who_has_it(world: World, store: Store) -> None:
    file = world.stack.file
    file.write_text(f'{file.read_text()}{PEOPLE}{ROTA}\n[server]\nlisten = "127.0.0.1:0"\n')
    with api_server(store, load(file)) as api:
        omc = Shell(world, api)
        made = omc("oncall", "subscribe", "--person", "jo")
        address = made.stdout.strip()
        assert (address.startswith(f"{api.address}/v1/calendars/omc_cal_"), address[-4:]) == (True, ".ics")
        with api.client() as program:
            assert "BEGIN:VEVENT" in program.get(address).text
            [one] = omc("oncall", "subscriptions", "--output", "json").json["items"]
            assert omc("oncall", "unsubscribe", one["id"]).returncode == 0
            assert program.get(address).status_code == 404
        assert address.rpartition("/")[2][:-4] not in omc("oncall", "subscriptions").stdout
        refused = world.omc("oncall", "subscribe", "primary", "--env", "production")
        assert (refused.returncode, "set [server] address" in refused.stderr) == (2, True)
        assert not any("omc_cal_" in line for line in api.log)


UNUSABLE: list[tuple[dict[str, str], str]] = [
    ({"OMC_SERVER": "http://omc.example.com"}, "anybody on the way could read your token"),
    ({"OMC_SERVER": "omc.example.com"}, "is not the address of a server"),
    ({"OMC_SERVER": "https://jo:secret@omc.example.com"}, "is not the address of a server"),
    ({"OMC_TOKEN": ""}, "OMC_SERVER is set and OMC_TOKEN is not"),
    ({"OMC_TOKEN": "omc_é"}, "holds a character that no token has"),
    ({"OMC_SERVER": "http://127.0.0.1:9"}, "can't be reached"),
]


def test_a_server_that_can_not_be_asked_is_said_in_a_sentence(world: World, api: ApiServer) -> None:
    for env, expected in UNUSABLE:
        ended = Shell(world, api)("incident", "list", **env)
        assert ended.returncode in (2, 3)
        assert expected in ended.stderr
        assert ended.stderr.count("\n") == 1
        assert "secret" not in ended.stderr


def test_an_incident_with_an_event_of_a_newer_omc_comes_through_whole(api: ApiServer, store: Store) -> None:
    opened = open_incident(store, "production", 1, "Users can't log in", "ann")
    newer = EventTypes("incident", {**TYPES.names, "handed over": Noted})
    names = {name: kind for name, kind in newer.names.items() if name != "noted"}
    from omc.incidents.events import stream_of

    with store.transaction("zoe") as transaction:
        append(transaction, EventTypes("incident", names), stream_of("production", 1), Noted("x"), seen=1)
    found = ServerDesk(Server(api.address, api.tokens["viewer"]), "production").incident(opened.number)
    assert found.events[-1].payload == UnknownEvent("handed over", 1, {"text": "x"})
    assert found == incident_of(store, "production", 1)


def test_a_long_list_comes_in_pages(api: ApiServer, store: Store) -> None:
    for number in range(53):
        open_incident(store, "production", 3, f"number {number}", "ann")
    desk = ServerDesk(Server(api.address, api.tokens["viewer"]), "production")
    assert desk.incidents(everything=True) == incidents_of(store, "production")


# ── Servers that don't answer as they should ────────────────────────────────────────────────────────────────────


class Stranger:
    """A server that answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.keys: list[str | None] = []

    def handler(self) -> type[BaseHTTPRequestHandler]:
        stranger = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                stranger.keys.append(self.headers["Idempotency-Key"])
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                status, headers, body = stranger.answers.pop(0) if len(stranger.answers) > 1 else stranger.answers[0]
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        return Handler


PROBLEM = {"Content-Type": "application/problem+json"}
GONE: tuple[int, dict[str, str], bytes] = (0, {}, b"")


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ((200, {}, b"<html>"), BadAnswer, "is not omc's server: it answered 200"),
        ((200, {}, b"[" * 100_000), BadAnswer, "is not omc's server"),
        ((200, {}, b'{"number": 1}'), BadAnswer, "can't read"),
        ((200, {}, b'{"number": "x", "events": [{}]}'), BadAnswer, "can't read"),
        ((302, {"Location": "https://evil.example/"}, b""), BadAnswer, "it answered 302"),
        ((404, {"Content-Type": "text/html"}, b"<html>"), BadAnswer, "it answered 404"),
        ((429, PROBLEM, b'{"detail": "Too many requests."}'), Throttled, "Too many requests"),
        ((409, PROBLEM, b'{"detail": "It is over."}'), Refused, "It is over"),
        ((503, PROBLEM, b'{"detail": "The database is away."}'), Unknown, "The database is away"),
        ((502, {}, b""), BadAnswer, "it answered 502"),
        (GONE, Unknown, "ended the connection"),
    ],
)
def test_whatever_answers_is_told_apart(answer: Any, error: type[OmcError], said: str) -> None:
    stranger = Stranger()
    stranger.answers = [answer]
    with serving(stranger.handler()) as address, pytest.raises(error, match=re.escape(said)):
        ServerDesk(Server(address, "omc_x"), "production").incident(1)


def test_what_got_no_answer_is_asked_again_with_the_same_key() -> None:
    stranger = Stranger()
    refused = (409, PROBLEM, b'{"detail": "It is over."}')
    for first in (GONE, (502, {}, b""), (504, {}, b"")):
        stranger.answers, stranger.keys = [first, refused], []
        with serving(stranger.handler()) as address, pytest.raises(Refused):
            ServerDesk(Server(address, "omc_x"), "production").acknowledge(1)
        assert len(stranger.keys) == 2
        assert len(set(stranger.keys)) == 1
        assert stranger.keys[0]
    stranger.answers = [GONE]
    with serving(stranger.handler()) as address, pytest.raises(Unknown, match="may or may not have been recorded"):
        ServerDesk(Server(address, "omc_x"), "production").acknowledge(1)


# ── Who is on call ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_shift_is_taken_given_back_and_seen_through_a_server(world: World, store: Store) -> None:
    file = world.stack.file
    file.write_text(f'{file.read_text()}{PEOPLE}{ROTA}\n[server]\nlisten = "127.0.0.1:0"\n')
    with api_server(store, load(file)) as api:
        omc = Shell(world, api)
        direct = world.omc("oncall", "now", "--env", "production", "--at", "2026-12-02 10:00", "--output", "json")
        assert omc("oncall", "now", "--at", "2026-12-02 10:00", "--output", "json").json == direct.json
        taken = omc("oncall", "take", "primary", "--from", "2026-12-25 03:00", "--to", "2026-12-25 06:00")
        assert taken.returncode == 0, taken.stderr
        assert "To undo it: omc oncall undo primary 1" in taken.stdout
        mid = ("--at", "2026-12-25 04:00", "--output", "json")
        assert omc("oncall", "now", *mid).json == world.omc("oncall", "now", "--env", "production", *mid).json
        scheduled = omc("oncall", "schedule", "primary", "--from", "2026-12-24", "--days", "3", "--output", "json").json
        assert "token responder" in str(scheduled)
        assert omc("oncall", "undo", "primary", "1", "--reason", "not needed").returncode == 0
        assert omc("oncall", "explain", "--at", "2026-12-25 04:00").returncode in (0, 1)
        assert omc("oncall", "undo", "primary", "1").returncode in (1, 2)
        assert Shell(world, api, "viewer")("oncall", "undo", "primary", "1").returncode in (1, 2)


def test_the_rotas_of_the_api(world: World, store: Store) -> None:
    file = world.stack.file
    file.write_text(f'{file.read_text()}{PEOPLE}{ROTA}\n[server]\nlisten = "127.0.0.1:0"\n')
    begin = datetime(2026, 12, 25, 3, tzinfo=UTC)
    body = {"begin": begin.isoformat(), "end": (begin + timedelta(hours=3)).isoformat(), "people": ["jo"]}
    with api_server(store, load(file)) as api, api.of("responder") as responder:
        assert responder.get("/v1/me").json() == {"name": "token responder", "role": "responder", "person": "jo"}
        assert responder.get("/v1/on-call/rotas/nobody/schedule").status_code == 404
        path = "/v1/on-call/rotas/primary"
        keyed = {"Idempotency-Key": "once"}
        first, again = (responder.post(f"{path}/overrides", json=body, headers=keyed) for _ in range(2))
        assert (first.json()["number"], again.json()["number"]) == (1, 1)
        at = {"at": (begin + timedelta(hours=1)).isoformat()}
        assert '"jo"' in responder.get("/v1/on-call/now", params=at).text
        assert responder.post(f"{path}/undo", json={"number": 1}).json()["number"] == 2
        assert responder.post(f"{path}/overrides", json=body | {"people": ["zoe"]}).status_code == 404
        with api.of("viewer") as viewer:
            assert viewer.post(f"{path}/overrides", json=body).status_code == 403
            assert viewer.get(f"{path}/schedule", params={"days": 7}).status_code == 200
