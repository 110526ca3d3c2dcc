"""The HTTP API beyond incidents: post-mortems, approvals, silences, alerts, pages, rotas and calendars. One server and
one store for all of these stories, each with its own names and numbers."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from icalendar import Calendar

from omc.access.model import Role
from omc.access.records import create_token
from omc.engine import journal
from omc.engine.actors import Actor
from omc.incidents.events import Resolved
from omc.model.plan import Plan, Risk, Step
from omc.responder.records import take
from omc.store import audit
from omc.store.incidents import add, incident_of, open_incident
from omc.store.models import Run
from omc.store.opened import Store
from omc.store.outbox import OutboxRow
from support.alerts_world import key_of, notification, rules
from support.api_server import ApiServer, api_server, stack_in
from support.canary import dump

LIMITS = "[server.limits]\nrequests_per_minute = 100000\naddress_requests_per_minute = 100000\n"
ROTA = """
[rotas.primary]

[[rotas.primary.layers]]
people = ["jo", "sam"]
turn = "weekly"
hand_over = "09:00"
start = 2026-11-02
"""
PRODUCTION, STAGING = "/v1/environments/production", "/v1/environments/staging"
ON_CALL = "/v1/on-call"


@pytest.fixture(scope="module")
def api(store_of_module: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(store_of_module, stack_in(tmp_path_factory.mktemp("api"), LIMITS, ROTA)) as server:
        yield server


@pytest.fixture(scope="module")
def store(store_of_module: Store) -> Store:
    return store_of_module


@pytest.fixture
def responder(api: ApiServer) -> Iterator[httpx.Client]:
    with api.of("responder") as client:
        yield client


@pytest.fixture
def viewer(api: ApiServer) -> Iterator[httpx.Client]:
    with api.of("viewer") as client:
        yield client


def detail(answer: httpx.Response, status: int) -> str:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    return str(answer.json()["detail"])


def found(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


# ── Post-mortems ────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_write_a_post_mortem_and_the_slower_one_is_told(
    responder: httpx.Client, viewer: httpx.Client, store: Store
) -> None:
    number = open_incident(store, "production", 2, "Prices are late", "ann").number
    address = f"{PRODUCTION}/incidents/{number}/postmortem"
    assert "isn't over" in detail(responder.post(f"{address}/measurement"), 409)
    add(store, "production", number, Resolved("rolled back"), "ann")
    assert found(responder.post(f"{address}/measurement"))["events"][-1]["payload"]["items"] == [
        "3 of 100 requests failed."
    ]
    events = len(found(responder.post(f"{address}/measurement"))["events"])
    read = viewer.get(address)
    assert (read.headers["etag"], found(read)["state"]) == ('"0"', "draft")
    assert "3 of 100 requests failed." in found(read)["sections"]["impact"]
    seen = {"If-Match": read.headers["etag"]}
    written = responder.patch(address, json={"sections": {"causes": "The pool was too small."}}, headers=seen)
    assert (written.headers["etag"], found(written)["written"]) == ('"1"', ["causes"])
    late = responder.patch(address, json={"sections": {"causes": "Nobody knows."}, "state": "done"}, headers=seen)
    assert "has changed since you read it. Read it again; nothing was recorded." in detail(late, 412)
    reviewed = responder.patch(address, json={"state": "review"}, headers={"If-Match": '"1"'})
    assert found(reviewed)["state"] == "review"
    assert len(incident_of(store, "production", number).events) == events + 2
    assert "is in the state" in detail(responder.patch(address, json={"state": "review"}), 409)

    exported = viewer.get(f"{address}/export")
    assert exported.headers["content-type"].startswith("text/markdown")
    assert "The pool was too small." in exported.text
    page = viewer.get(f"{address}/export", params={"format": "html"})
    assert page.headers["content-disposition"] == f'attachment; filename="incident-production-{number}.html"'
    assert "<h" in page.text


def test_an_action_item_is_added_changed_and_done(responder: httpx.Client, viewer: httpx.Client, store: Store) -> None:
    number = open_incident(store, "production", 3, "slow", "ann").number
    items = f"{PRODUCTION}/incidents/{number}/action-items"
    body = {"text": "Raise the pool's limit", "owner": "jo", "due": "2026-12-20T09:00:00+11:00"}
    keyed = {"Idempotency-Key": "item"}
    for _ in range(2):
        found(responder.post(items, json=body, headers=keyed), 201)
    found(responder.post(items, json=body | {"text": "Test it"}), 201)
    assert "no [people.zoe]" in detail(responder.post(items, json=body | {"owner": "zoe"}), 404)
    found(responder.put(f"{items}/1", json=body | {"owner": "sam"}))
    assert detail(responder.put(f"{items}/7", json=body), 404)
    found(responder.post(f"{items}/2/done"))
    assert "done already" in detail(responder.put(f"{items}/2", json=body), 409)
    listed = [
        (each["id"], each["owner"])
        for each in found(viewer.get(f"{PRODUCTION}/action-items"))["action_items"]
        if each["incident"] == number
    ]
    assert listed == [("1", "sam")]
    every = found(viewer.get(f"{PRODUCTION}/action-items", params={"state": "all", "limit": 1}))
    assert (len(every["action_items"]), every["next"]) == (1, 1)


def test_statistics_are_those_of_the_command(viewer: httpx.Client, store: Store) -> None:
    before = found(viewer.get(f"{STAGING}/statistics"))
    open_incident(store, "staging", 3, "slow", "ann")
    answer = found(viewer.get(f"{STAGING}/statistics"))
    assert answer["incidents"] == before["incidents"] + 1
    assert answer["by_severity"] == before["by_severity"] | {"3": before["by_severity"].get("3", 0) + 1}
    assert found(viewer.get(f"{STAGING}/statistics", params={"since": "2099-01-01T00:00:00Z"}))["incidents"] == 0


# ── Approvals ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def planned(store: Store, api: ApiServer) -> Run:
    step = Step("one", "fake.set", {"key": "one", "value": 1}, "Set one")
    plan = Plan("fake", "production", {"values": {"one": 1}}, "Set one", Risk("high"), (step,))
    asked_by = Actor("alice@example.com", of="sam")
    return journal.create(store, plan, asked_by, api.context.environment("production").approvals)


def approver(api: ApiServer, store: Store, person: str) -> httpx.Client:
    name = f"{person or 'machine'}-{len(api.tokens)}"
    api.tokens[name] = create_token(store, name, Role.APPROVER, "ann", person=person)[1]
    return api.of(name)


def test_another_person_approves_exactly_what_was_planned(api: ApiServer, store: Store, planned: Run) -> None:
    address = f"{PRODUCTION}/runs/{planned.id}"
    body = {"plan": planned.plan_hash}
    with approver(api, store, "sam") as own, approver(api, store, "jo") as other:
        assert planned.id in [each["run"] for each in found(other.get(f"{PRODUCTION}/runs"))["runs"]]
        shown = found(other.get(address))
        assert (shown["state"], shown["plan"]["hash"]) == ("awaiting approval", planned.plan_hash)
        refused = detail(own.post(f"{address}/approve", json=body), 409)
        assert "can't approve it too" in refused
        assert "has the hash" in detail(other.post(f"{address}/approve", json={"plan": "deadbeef" * 8}), 409)
        detail(other.post(f"{address}/approve", json={}), 400)
        detail(other.post(f"{address}/approve", json={"plan": planned.plan_hash[:8]}), 400)
        assert detail(other.get(f"{STAGING}/runs/{planned.id}"), 404)
        keyed = {"Idempotency-Key": "yes"}
        for _ in range(2):
            ready = found(other.post(f"{address}/approve", json=body, headers=keyed))
            assert (ready["state"], [each["person"] for each in ready["approvals"]]) == ("ready", ["jo"])
        assert "doesn't wait for an approval" in detail(other.post(f"{address}/approve", json=body), 400)
        assert "doesn't wait" in detail(other.post(f"{address}/refuse", json=body | {"reason": "late"}), 400)
    journal.cancel(store, planned.id, "ann")


def test_a_token_that_is_nobodys_approves_nothing_and_may_refuse(api: ApiServer, store: Store, planned: Run) -> None:
    address = f"{PRODUCTION}/runs/{planned.id}"
    with approver(api, store, "") as machine:
        said = detail(machine.post(f"{address}/approve", json={"plan": planned.plan_hash}), 409)
        assert "An approval must belong to a person" in said
        assert detail(machine.post(f"{address}/refuse", json={"plan": "0" * 12, "reason": "no"}), 409)
        ended = found(machine.post(f"{address}/refuse", json={"plan": planned.plan_hash[:12], "reason": "Too risky."}))
    assert (ended["state"], ended["verdict"]) == ("ended", "cancelled")
    assert ended["sentence"].endswith("refused it: Too risky. Nothing was changed.")
    with store.reading() as session:
        assert audit.verify(session).problems == []


def test_runs_come_in_pages(api: ApiServer, store: Store, planned: Run) -> None:
    step = Step("one", "fake.set", {"key": "one", "value": 2}, "Set one")
    for value in range(3):
        plan = Plan("fake", "production", {"values": {"one": value}}, f"Set one to {value}", Risk("high"), (step,))
        journal.create(store, plan, Actor("alice"), api.context.environment("production").approvals)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    with api.of("approver") as client:
        while True:
            page = found(client.get(f"{PRODUCTION}/runs", params={"limit": 2, "state": "all", **cursor}))
            seen += [each["run"] for each in page["runs"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        every = found(client.get(f"{PRODUCTION}/runs", params={"state": "all"}))["runs"]
    assert seen == [each["run"] for each in every]
    assert planned.id in seen


# ── Silences and alerts ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_silence_is_looked_at_made_moved_and_ended(
    responder: httpx.Client, viewer: httpx.Client, store: Store
) -> None:
    take(store, rules(), [notification("rds-no-data", service="backend")])
    address = f"{STAGING}/silences"
    conditions = ["name=rds-*"]
    preview = found(responder.post(f"{address}/preview", json={"conditions": conditions}))
    assert [each["name"] for each in preview["matches"]] == ["rds-no-data"]
    assert found(viewer.get(address))["silences"] == []
    body = {"conditions": conditions, "minutes": 120, "reason": "the instance is resized"}
    keyed = {"Idempotency-Key": "silence"}
    first, again = (responder.post(address, json=body, headers=keyed) for _ in range(2))
    assert found(first, 201)["silences"] == found(again, 201)["silences"]
    [made] = found(first, 201)["silences"]
    assert (made["owner"], made["matchers"], made["state"]) == ("token responder", conditions, "active")
    assert detail(responder.post(address, json=body | {"until": "2026-12-24T00:00:00Z"}), 400)
    assert "30 days at most" in detail(
        responder.post(address, json={**body, "minutes": None, "until": "2099-01-01T00:00:00Z"}), 400
    )
    one = f"{address}/{made['silence']}"
    seen = {"If-Match": viewer.get(one).headers["etag"]}
    moved = found(responder.post(f"{one}/extend", json={"minutes": 30}, headers=seen))["silences"][0]
    assert moved["until"] < made["until"]
    assert "has changed since you read it" in detail(responder.post(f"{one}/end", json={}, headers=seen), 412)
    ended = found(responder.post(f"{one}/end", json={"why": "it is back"}))["silences"][0]
    assert (ended["state"], ended["ended_why"]) == ("over", "token responder ended it: it is back.")
    assert "is over" in detail(responder.post(f"{one}/extend", json={"minutes": 5}), 409)
    assert detail(responder.post(f"{address}/99/end", json={}), 404)
    found(responder.post(address, json=body), 201)
    page = found(viewer.get(address, params={"state": "all", "limit": 1}))
    rest = found(viewer.get(address, params={"state": "all", "limit": 1, "cursor": page["next"]}))
    assert [each["silence"] for each in (*page["silences"], *rest["silences"])] == [2, 1]
    found(responder.post(f"{address}/2/end", json={}))


def test_alerts_are_listed_by_conditions_and_replayed_by_other_rules(responder: httpx.Client, store: Store) -> None:
    at = (store.now() - datetime(2026, 11, 23, 9, tzinfo=UTC)).total_seconds() / 60 - 5
    took = [notification(name, at, service=service) for name, service in (("odd-a", "backend"), ("odd-b", "frontend"))]
    take(store, rules(), took)
    address = f"{STAGING}/alerts"

    def names(*conditions: str, **more: str) -> list[str]:
        asked = httpx.QueryParams([*(("match", each) for each in conditions), *more.items()])
        return [each["name"] for each in found(responder.get(address, params=asked))["alerts"]]

    assert names("name=odd-*") == ["odd-a", "odd-b"]
    assert names("name=odd-*", "service!=backend") == ["odd-b"]
    assert names("service=nobody") == []
    assert names(alert="odd-a") == ["odd-a"]
    assert names(alert=key_of("odd-b")[:8]) == ["odd-b"]
    assert names(alert=key_of("odd-b")[:3]) == []
    assert detail(responder.get(address, params={"match": "rds"}), 400)
    since = {"since": (store.now() - timedelta(hours=1)).isoformat()}
    same = found(responder.post(f"{STAGING}/replays", json=since))
    worse = {"routes": [{"match": ["name=odd-a"], "severity": 1}]}
    other = found(responder.post(f"{STAGING}/replays", json={**since, "alerts": worse, "name": "other.toml"}))
    assert (len(same["new"]), other["file"], [each["severity"] for each in other["new"]]) == (0, "other.toml", [1])
    wrong = {"routes": [{"match": ["name=x"], "severity": 9}]}
    said = detail(responder.post(f"{STAGING}/replays", json={**since, "alerts": wrong}), 400)
    assert said.startswith("alerts: routes[1].severity is 9")
    assert found(responder.get(f"{STAGING}/planned"))["planned"] == []


# ── Pages ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_test_page_is_asked_for_once_and_goes_to_people_of_omc_toml_only(
    responder: httpx.Client, viewer: httpx.Client, store: Store
) -> None:
    address = f"{PRODUCTION}/test-pages"
    keyed = {"Idempotency-Key": "page"}
    first, again = (found(responder.post(address, json={"to": "jo"}, headers=keyed), 201) for _ in range(2))
    [page] = first["pages"]
    assert (page["state"], page["page"]) == ("waiting", again["pages"][0]["page"])
    assert found(viewer.get(address, params={"page": page["page"]}))["pages"][0]["recipient"] == "jo"
    assert detail(responder.post(address, json={"to": "sms:+61400000009"}), 400)
    assert "has no contacts" in detail(responder.post(address, json={"to": "sam"}), 400)
    assert page["page"] in [each["page"] for each in found(viewer.get(f"{PRODUCTION}/pages"))["pages"]]
    assert page["page"] not in viewer.get(f"{STAGING}/pages").text
    assert found(responder.post(f"{PRODUCTION}/pages/{page['page']}/retry"))["pages"][0]["state"] == "waiting"
    assert detail(responder.post(f"{STAGING}/pages/{page['page']}/retry"), 404)


def test_a_code_reaches_its_contact_and_nobody_else(
    api: ApiServer, responder: httpx.Client, viewer: httpx.Client, store: Store
) -> None:
    contacts = f"{ON_CALL}/people/jo/contacts"
    contact = {"contact": "sms:+61400000001"}
    sent = found(responder.post(f"{contacts}/code", json={**contact, "environment": "production"}))
    assert sent["sentence"].startswith("A code is on its way to sms:+61400000001.")
    with store.reading() as session:
        row = session.get(OutboxRow, "notice:verify:jo:1")
    assert row is not None
    code = re.findall(r"enter (\S+) within", row.page["message"]["short"])[0]
    listed = viewer.get(f"{PRODUCTION}/pages").text
    assert "notice:verify:jo:1" in listed
    assert code not in listed
    wrong = {"Idempotency-Key": "wrong"}
    for _ in range(2):
        body = {**contact, "code": "AAAA-AAAA"}
        assert "isn't the code" in detail(responder.post(f"{contacts}/confirm", json=body, headers=wrong), 409)
    keyed = {"Idempotency-Key": "right"}
    for _ in range(2):
        done = responder.post(f"{contacts}/confirm", json={**contact, "code": code}, headers=keyed)
        assert found(done)["sentence"] == "sms:+61400000001 of Jo is confirmed."
    found(responder.post(f"{contacts}/withdraw", json={**contact, "reason": "another number"}))
    assert detail(responder.post(f"{contacts}/code", json={"contact": "sms:+1", "environment": "production"}), 400)
    assert detail(responder.post(f"{ON_CALL}/people/zoe/test", json={"environment": "production"}), 404)
    assert (
        "on its way" in found(responder.post(f"{ON_CALL}/people/jo/test", json={"environment": "staging"}))["sentence"]
    )
    assert not any(code in line for line in api.log)


# ── Rotas and calendars ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_shift_is_taken_by_whoever_the_token_is_and_covered_for_another(
    responder: httpx.Client, viewer: httpx.Client
) -> None:
    rota = f"{ON_CALL}/rotas/primary"
    span = {"begin": "2027-03-01T03:00:00Z", "end": "2027-03-01T06:00:00Z"}
    keyed = {"Idempotency-Key": "take"}
    numbers = [found(responder.post(f"{rota}/take", json=span, headers=keyed))["number"] for _ in range(2)]
    assert numbers[0] == numbers[1]
    at = {"at": "2027-03-01T04:00:00Z"}
    assert found(viewer.get(f"{ON_CALL}/now", params=at))["rotas"]["primary"]["people"] == ["jo"]
    covered = found(responder.post(f"{rota}/cover", json={"person": "sam", **at}))
    assert found(viewer.get(f"{ON_CALL}/now", params=at))["rotas"]["primary"]["people"] == ["sam"]
    for number in (covered["number"], numbers[0]):
        found(responder.post(f"{rota}/undo", json={"number": number}))
    assert "belong together" in detail(responder.post(f"{rota}/take", json={"begin": span["begin"]}), 400)
    assert "no [people.zoe]" in detail(responder.post(f"{rota}/cover", json={"person": "zoe"}), 404)
    assert found(viewer.get(f"{ON_CALL}/explanation", params={"severity": 1}))["severity"] == 1
    assert "problems" in found(viewer.get(f"{ON_CALL}/gaps", params={"weeks": 2}))


def test_an_export_is_looked_at_and_then_recorded_once(responder: httpx.Client, viewer: httpx.Client) -> None:
    calendar = viewer.get(f"{ON_CALL}/rotas/primary/calendar", params={"days": 30})
    assert calendar.headers["content-type"].startswith("text/calendar")
    content = base64.b64encode(calendar.content).decode()
    body = {"source": "calendar", "files": [{"name": "rota.ics", "content": content}], "rota": "second"}
    looked = found(responder.post(f"{ON_CALL}/imports", json=body))
    assert (looked["outcome"], looked["rotas"][0]["name"]) == ("Nothing was recorded. To record it: --yes", "second")
    assert detail(viewer.get(f"{ON_CALL}/rotas/second/schedule"), 404)
    keyed = {"Idempotency-Key": "import"}
    for _ in range(2):
        done = found(responder.post(f"{ON_CALL}/imports", json=body | {"record": True}, headers=keyed))
        assert done["outcome"] == "Recorded: second (number 1)."
    found(viewer.get(f"{ON_CALL}/rotas/second/schedule"))
    assert "stands in omc.toml" in detail(
        responder.post(f"{ON_CALL}/imports", json=body | {"record": True, "rota": "primary"}), 409
    )
    broken = body | {"files": [{"name": "x.ics", "content": "abc"}]}
    assert detail(responder.post(f"{ON_CALL}/imports", json=broken), 400) == "The content of x.ics is not base64."


def test_a_persons_shifts_are_a_calendar_at_a_secret_address_until_it_is_revoked(
    api: ApiServer, responder: httpx.Client, viewer: httpx.Client, store: Store
) -> None:
    addresses = f"{ON_CALL}/calendars"
    made = found(responder.post(addresses, json={"person": "jo"}), 201)
    secret = made["path"].removeprefix("/v1/calendars/").removesuffix(".ics")
    with api.client() as program:
        read = program.get(made["path"])
        assert read.headers["content-type"].startswith("text/calendar")
        assert read.headers["cache-control"] == "no-store"
        events = Calendar.from_ical(read.text).walk("VEVENT")
        assert {str(each["summary"]) for each in events} >= {"On call: primary"}
        rota = found(responder.post(addresses, json={"rota": "primary"}), 201)
        assert "On call: primary" in program.get(rota["path"]).text
        assert "[people.zoe]" in detail(responder.post(addresses, json={"person": "zoe"}), 404)
        windows = found(responder.post(addresses, json={"maintenance": "production"}), 201)
        assert "Maintenance of production" in program.get(windows["path"]).text
        assert detail(responder.post(addresses, json={"maintenance": "nowhere"}), 400)
        assert detail(responder.post(addresses, json={"person": "jo", "rota": "primary"}), 400)
        nowhere = made["path"].replace(secret[-4:], "AAAA")
        gone = "There is no calendar at this address, or none any more."
        assert detail(program.get(nowhere), 404) == gone
        bearer = {"Authorization": f"Bearer {secret}"}
        assert detail(program.get(f"{ON_CALL}/now", headers=bearer), 401)
        listed = responder.get(addresses)
        assert [each["person"] for each in found(listed)["items"]] == ["jo", None, None]
        detail(viewer.get(addresses), 403)
        found(responder.post(f"{addresses}/{made['id']}/revoke", json={"reason": "seen by a stranger"}))
        assert detail(program.get(made["path"]), 404) == gone
        assert "revoked already" in detail(responder.post(f"{addresses}/{made['id']}/revoke", json={}), 409)
        assert program.get(rota["path"]).status_code == 200
    with psycopg.connect(store.place.url or "") as connection:
        kept = dump(connection)
    for text in (kept, listed.text, "\n".join(api.log)):
        assert secret not in text
    assert any(f"calendar {made['id']}" in line for line in api.log)


def test_what_a_command_is_answered_is_the_whole_document(api: ApiServer, viewer: httpx.Client) -> None:
    kind = "application/vnd.omc.document+json"
    whole = viewer.get(f"{ON_CALL}/now", headers={"Accept": kind})
    assert whole.headers["content-type"] == kind
    assert (whole.json()["title"][:7], whole.json()["data"]["rotas"]["primary"]["people"] != []) == ("On call", True)
    assert api.log[-1].endswith("token viewer")
