"""The HTTP API on a real socket over a real database: a story for each role, and what is refused."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from omc.access.model import Role
from omc.access.records import create_token, revoke_token
from omc.errors import Refused
from omc.incidents.events import AlertJoined
from omc.incidents.incident import Incident
from omc.responder.records import take
from omc.store import audit
from omc.store.incidents import added, decide, incident_of, incidents_of, open_incident, required
from omc.store.location import StoreLocation
from omc.store.opened import Store, Transaction
from support.alerts_world import key_of, notification, rules
from support.api_server import BASE, CLIENT_TIMEOUT, ApiServer, api_server, stack_in
from support.engine_world import opened_at
from support.identity_provider import claims, ec_key, identity_provider, part, rsa_key, signed
from support.waiting import eventually

if TYPE_CHECKING:
    import httpx


@pytest.fixture
def api(store: Store, tmp_path: Path) -> Iterator[ApiServer]:
    with api_server(store, stack_in(tmp_path)) as server:
        yield server


def problem(answer: httpx.Response, status: int) -> str:
    """The sentence of a problem, which must be one of this status."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail"}
    assert (body["type"], body["status"]) == ("about:blank", status)
    detail: str = body["detail"]
    assert detail[0].isupper() or " " in detail
    return detail


# ── A story for each role ───────────────────────────────────────────────────────────────────────────────────────


def test_a_viewer_reads_everything_and_changes_nothing(api: ApiServer, store: Store) -> None:
    open_incident(store, "production", 1, "Users can't log in", "ann")
    with api.of("viewer") as viewer:
        assert viewer.get("/v1/environments").json() == {"environments": ["staging", "production"]}
        listed = viewer.get(BASE).json()
        assert [(each["number"], each["state"]) for each in listed["incidents"]] == [(1, "open")]
        shown = viewer.get(f"{BASE}/1").json()
        assert [(each["type"], each["by"]) for each in shown["events"]] == [("opened", "ann")]
        refused = problem(viewer.post(BASE, json={"severity": 1, "summary": "x"}), 403)
        assert refused == "token viewer has the role viewer, and this needs responder. Nothing was done."
        for verb in ("notes", "severity", "resolve", "acknowledge", "snooze", "mitigate", "page", "escalate"):
            problem(viewer.post(f"{BASE}/1/{verb}", json={}), 403)
        problem(viewer.get("/v1/tokens"), 403)
    assert len(incident_of(store, "production", 1).events) == 1


def test_a_responder_sees_an_incident_through(api: ApiServer, store: Store) -> None:
    with api.of("responder") as responder:
        opened = responder.post(BASE, json={"severity": 2, "summary": "Prices  are\nlate"})
        assert (opened.status_code, opened.headers["location"]) == (201, f"{BASE}/1")
        assert opened.json()["summary"] == "Prices are late"

        def post(verb: str, **body: object) -> dict[str, Any]:
            answer = responder.post(f"{BASE}/1/{verb}", json=body)
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found

        acknowledged = post("acknowledge")
        assert (acknowledged["state"], acknowledged["acknowledged_by"]) == ("acknowledged", "jo")
        assert post("notes", text="scaled out")["events"][-1]["payload"] == {"text": "scaled out"}
        assert post("severity", severity=1)["severity"] == 1
        assert post("assign", role="lead", person="sam")["roles"] == {"lead": "sam"}
        assert post("page", people=["jo"], why="she knows it")["events"][-1]["type"] == "paged"
        assert post("snooze", minutes=30, why="a fix rolls out")["state"] == "snoozed"
        assert post("mitigate", how="rolled back")["mitigated_by"] == "token responder"
        ended = post("resolve", how="rolled back")
        assert (ended["state"], ended["resolution"]) == ("resolved", "rolled back")
        assert "stays so" in problem(responder.post(f"{BASE}/1/resolve", json={"how": "again"}), 409)
        assert post("reopen", why="it is back")["state"] != "resolved"
        assert post("resolve", how="restarted")["state"] == "resolved"
        assert responder.get(BASE).json()["incidents"] == []
        assert len(responder.get(BASE, params={"state": "all"}).json()["incidents"]) == 1
    with store.reading() as session:
        assert audit.verify(session).problems == []
        pages = session.connection().exec_driver_sql("SELECT recipient FROM outbox").all()
    assert [row[0] for row in pages] == ["jo"]


def test_incidents_are_merged_taken_apart_and_split(api: ApiServer, store: Store) -> None:
    for summary in ("one", "two"):
        open_incident(store, "production", 2, summary, "ann")

    def fire(transaction: Transaction, key: str) -> Incident:
        incident = required(transaction.session, "production", 1)
        return added(transaction, incident, AlertJoined(key, f"alarm {key}", 2, "backend"))

    for key in ("k1", "k2"):
        decide(store, "production", "ann", partial(fire, key=key))
    with api.of("responder") as responder:
        assert responder.post(f"{BASE}/1/merge", json={"into": 2}).json()["number"] == 2
        assert responder.get(f"{BASE}/1").json()["state"] == "merged"
        assert responder.post(f"{BASE}/1/unmerge").json()["merged_into"] is None
        made = responder.post(f"{BASE}/1/split", json={"alerts": ["k2"], "summary": "another thing"}).json()
        assert (made["number"], [each["key"] for each in made["alerts"]]) == (3, ["k2"])
        still = problem(responder.post(f"{BASE}/1/resolve", json={"how": "it ended"}), 409)
        assert "1 of its alerts fire" in still
        assert responder.post(f"{BASE}/1/resolve", json={"how": "x", "override": "known noise"}).status_code == 200


def test_an_approver_may_what_a_responder_may_and_no_more_yet(api: ApiServer) -> None:
    with api.of("approver") as approver:
        assert approver.post(BASE, json={"severity": 3, "summary": "slow"}).status_code == 201
        problem(approver.get("/v1/tokens"), 403)


def test_an_admin_lists_tokens_and_revokes_one_which_is_refused_from_then_on(api: ApiServer) -> None:
    with api.of("admin") as admin, api.of("viewer") as viewer:
        listed = {each["name"]: each for each in admin.get("/v1/tokens").json()["items"]}
        assert {name: each["role"] for name, each in listed.items()} == {role.value: role.value for role in Role}
        assert viewer.get(BASE).status_code == 200
        revoked = admin.delete(f"/v1/tokens/{listed['viewer']['id']}").json()
        assert (revoked["is_valid"], revoked["revoked_by"]) == (False, "token admin")
        assert "was revoked, has expired" in problem(viewer.get(BASE), 401)
        problem(admin.delete(f"/v1/tokens/{listed['viewer']['id']}"), 409)
        problem(admin.delete("/v1/tokens/0000000000000000"), 404)


def test_a_token_ends_when_its_time_is_over(place: StoreLocation, tmp_path: Path) -> None:
    now = [datetime.now(UTC)]
    with opened_at(place, lambda: now[0]) as store, api_server(store, stack_in(tmp_path)) as api:
        _, secret = create_token(store, "short", Role.VIEWER, "ann", now[0] + timedelta(hours=1))
        with api.client(secret) as client:
            assert client.get(BASE).status_code == 200
            now[0] += timedelta(hours=1)
            problem(client.get(BASE), 401)


def test_one_name_is_one_valid_token(store: Store) -> None:
    first, _ = create_token(store, "grafana", Role.VIEWER, "ann")
    with pytest.raises(Refused, match="There is a token grafana already"):
        create_token(store, "grafana", Role.ADMIN, "ann")
    revoke_token(store, "grafana", "ann")
    second, _ = create_token(store, "grafana", Role.VIEWER, "ann")
    assert first.id != second.id
    assert revoke_token(store, "grafana", "ann").id == second.id


# ── Who isn't let in ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Basic dXNlcjpwYXNz",
        "Bearer omc_",
        "Bearer omc_" + "A" * 43,
        "Bearer omc_" + "A" * 42 + "é",
        "Bearer omc_' OR 1=1 --",
        "Bearer " + "x" * 9000,
        "Bearer eyJhbGciOiJub25lIn0.e30.",
    ],
)
def test_whoever_brings_no_token_that_is_known_is_answered_401(api: ApiServer, header: str | None) -> None:
    headers = [] if header is None else [(b"Authorization", header.encode())]
    with api.client() as nobody:
        answer = nobody.get(BASE, headers=headers)
    assert answer.headers["www-authenticate"] == 'Bearer realm="omc"'
    detail = problem(answer, 401)
    assert header is None or len(header) < 20 or header[8:] not in detail


def test_a_token_in_the_address_or_twice_in_the_header_is_none(api: ApiServer) -> None:
    token = api.tokens["admin"]
    with api.client() as nobody:
        problem(nobody.get(BASE, params={"token": token, "access_token": token}), 401)
        problem(nobody.get(BASE, headers=[("Authorization", f"Bearer {token}")] * 2), 401)
    assert not any(token in line for line in api.log)


def once_too_often(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The answer to one request too many. What may be asked grows with time, so that a slow machine takes some more."""

    def refused() -> httpx.Response | None:
        answer = ask()
        return answer if answer.status_code == 429 else None

    return eventually("one request is too many", refused)


def test_guesses_cost_an_address_more_than_requests_do(store: Store, tmp_path: Path) -> None:
    stack = stack_in(tmp_path, "[server.limits]\naddress_requests_per_minute = 40\n")
    with api_server(store, stack) as api, api.client() as guesser:
        numbers = count()

        def guess() -> httpx.Response:
            return guesser.get(BASE, headers={"Authorization": f"Bearer omc_{next(numbers):043}"})

        assert [guess().status_code for _ in range(4)] == [401] * 4
        refused = once_too_often(guess)
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        problem(refused, 429)


def test_one_token_may_ask_so_often_in_a_minute(store: Store, tmp_path: Path) -> None:
    stack = stack_in(tmp_path, "[server.limits]\nrequests_per_minute = 5\n")
    with api_server(store, stack) as api, api.of("viewer") as viewer, api.of("admin") as admin:
        assert [viewer.get("/v1/environments").status_code for _ in range(5)] == [200] * 5
        once_too_often(lambda: viewer.get("/v1/environments"))
        assert admin.get("/v1/environments").status_code == 200


def test_a_person_comes_with_a_token_of_the_identity_provider(store: Store, tmp_path: Path) -> None:
    with identity_provider() as provider:
        oidc = f"""
[server.oidc]
issuer = "{provider.issuer}"
audience = "omc"
name_claim = "email"

[server.oidc.roles]
viewer = ["everyone"]
responder = ["sre"]
"""
        good = claims(provider.issuer, email="jo@example.com", email_verified=True)
        with api_server(store, stack_in(tmp_path, oidc=oidc)) as api:
            with api.client(signed(good, rsa_key())) as jo:
                opened = jo.post(BASE, json={"severity": 2, "summary": "slow"})
                assert opened.json()["opened_by"] == "oidc:jo@example.com"
                assert jo.post(f"{BASE}/1/acknowledge").json()["acknowledged_by"] == "jo"
                problem(jo.get("/v1/tokens"), 403)
            with api.client(signed(good | {"groups": ["everyone"]}, ec_key(), "e1")) as jo:
                problem(jo.post(BASE, json={"severity": 2, "summary": "slow"}), 403)
            forged = [
                signed(good, rsa_key(1)),
                signed(good | {"aud": "other"}, rsa_key()),
                signed(good | {"exp": 1}, rsa_key()),
                f"{part({'alg': 'none'})}.{part(good)}.",
            ]
            for token in forged:
                with api.client(token) as mallory:
                    assert "The bearer token isn't valid: it" in problem(mallory.get(BASE), 401)
                assert not any(token in line or token.split(".")[1] in line for line in api.log)
        provider.status = 503
        with (
            api_server(store, stack_in(tmp_path, oidc=oidc), with_tokens=False) as api,
            api.client(signed(good, rsa_key())) as jo,
        ):
            assert "it answered 503" in problem(jo.get(BASE), 503)


# ── What a request may be ───────────────────────────────────────────────────────────────────────────────────────


def test_what_is_not_there_or_not_right_is_said_in_a_sentence(api: ApiServer) -> None:
    with api.of("admin") as admin:
        assert problem(admin.get("/v1/nothing"), 404) == (
            "There is nothing at this address. /openapi.json lists what there is."
        )
        assert problem(admin.get("/v1/environments/moon/incidents"), 404) == (
            'This server has no environment "moon"; it has staging, production.'
        )
        assert problem(admin.get(f"{BASE}/7"), 404) == (
            "production has no incident 7. See: omc incident list --env production --all"
        )
        assert problem(admin.post(BASE, json={"severity": 9, "summary": "x"}), 400) == (
            "severity: input should be less than or equal to 3."
        )
        assert (
            problem(admin.post(BASE, content=b"{", headers={"Content-Type": "application/json"}), 400)
            == "The body is not JSON."
        )
        assert "extra inputs" in problem(admin.post(BASE, json={"severity": 1, "summary": "x", "by": "root"}), 400)
        assert "put" not in admin.put(BASE).headers["allow"].lower()
        problem(admin.put(BASE), 405)
        assert "no [people.nobody]" in problem(admin.post(f"{BASE}/1/page", json={"people": ["nobody"]}), 404)
        problem(admin.get(BASE, params={"cursor": "b0"}), 400)
        mistyped = problem(admin.get(BASE, params={"sate": "all"}), 400)
        assert mistyped.startswith('There is no such parameter here. Did you mean "state"?')


def test_a_body_that_is_too_large_or_too_slow_is_refused_before_anything_is_done(store: Store, tmp_path: Path) -> None:
    small = stack_in(tmp_path, "[server.limits]\nbody_bytes = 2048\n")
    with api_server(store, small) as api, api.of("responder") as responder:
        problem(responder.post(f"{BASE}/1/notes", json={"text": "x" * 4000}), 413)
        problem(responder.post(BASE, content=iter([b" " * 1500] * 3)), 413)
    brief = stack_in(tmp_path, "[server.limits]\nbody_seconds = 0.2\n")
    with api_server(store, brief, with_tokens=False) as api:
        host, port = api.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=CLIENT_TIMEOUT) as slow:
            head = f"POST {BASE} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode()
            slow.sendall(head + b"{")
            assert b" 408 " in slow.recv(4096)
    assert incidents_of(store, "production") == ()


def test_answers_tell_browsers_to_keep_and_show_nothing(store: Store, tmp_path: Path) -> None:
    with api_server(store, stack_in(tmp_path, 'address = "https://omc.example.com"')) as api, api.client() as nobody:
        for answer in (nobody.get("/healthz"), nobody.get(BASE), nobody.get("/nothing")):
            headers = answer.headers
            assert headers["cache-control"] == "no-store"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
            assert headers["strict-transport-security"] == "max-age=31536000"
            assert "server" not in headers
            assert not any(name.startswith("access-control") for name in headers)
        preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        assert nobody.options(BASE, headers=preflight).status_code == 405


def test_who_says_by_which_proxy_it_came_is_believed_only_where_omc_toml_names_the_proxy(
    store: Store, tmp_path: Path
) -> None:
    forged = {"X-Forwarded-For": "203.0.113.7"}
    for setting, seen in (("", "127.0.0.1"), ('proxies = ["127.0.0.0/8"]', "203.0.113.7")):
        with api_server(store, stack_in(tmp_path, setting), with_tokens=False) as api:
            with api.client() as nobody:
                nobody.get("/nothing", headers=forged)
            assert api.log[-1].startswith(f"{seen} GET /nothing 404")


# ── Alerts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_alerts_are_listed_and_explained(api: ApiServer, store: Store) -> None:
    for name in ("alb-5xx-percent", "rds-connections-high", "backend-unhealthy"):
        take(store, rules(), [notification(name)])
    base = "/v1/environments/staging"
    with api.of("viewer") as viewer:
        pages: list[list[str]] = []
        page: dict[str, Any] = {"next": 0}
        while page["next"] is not None:
            page = viewer.get(f"{base}/alerts", params={"limit": 2, "offset": page["next"]}).json()
            pages.append([each["name"] for each in page["alerts"]])
        assert [len(each) for each in pages] == [2, 1]
        assert sorted(chain(*pages)) == ["alb-5xx-percent", "backend-unhealthy", "rds-connections-high"]
        key = key_of("rds-connections-high")
        shown = viewer.get(f"{base}/alerts/{key}").json()
        assert (shown["alert"], shown["state"]) == (key, "firing")
        explained = viewer.get(f"{base}/alerts/{key}/explanation").json()
        assert explained["events"][0]["trace"]
        assert "has no alert" in problem(viewer.get(f"{base}/alerts/{'0' * 32}"), 404)
        assert viewer.get(f"{base}/silences").json()["silences"] == []
        assert viewer.get("/v1/environments/production/alerts").json()["alerts"] == []


ALERTMANAGER: dict[str, Any] = {
    "version": "4",
    "groupKey": '{}:{alertname="DiskFull"}',
    "status": "firing",
    "receiver": "omc",
    "groupLabels": {"alertname": "DiskFull"},
    "commonLabels": {"alertname": "DiskFull", "severity": "critical", "service": "backend"},
    "commonAnnotations": {},
    "externalURL": "http://alertmanager.example.com",
    "truncatedAlerts": 0,
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "DiskFull", "severity": "critical", "service": "backend"},
            "annotations": {"summary": "The disk of backend is full"},
            "startsAt": "2026-11-30T01:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example.com/graph",
            "fingerprint": "c4d2b1a0e9f87654",
        }
    ],
}


def test_what_alertmanager_posts_becomes_an_incident_once_and_ends_with_its_alert(api: ApiServer, store: Store) -> None:
    address = "/v1/environments/production/notifications"
    with api.of("responder") as sender:
        for _ in range(2):
            assert sender.post(address, json=ALERTMANAGER).json() == {"taken": 1, "ignored": []}
        [incident] = incidents_of(store, "production")
        assert (incident.summary, len(incident.firing)) == ("The disk of backend is full", 1)
        [alert] = ALERTMANAGER["alerts"]
        over = {**alert, "status": "resolved", "endsAt": "2026-11-30T01:05:00Z"}
        assert sender.post(address, json={**ALERTMANAGER, "status": "resolved", "alerts": [over]}).status_code == 200
        assert incident_of(store, "production", 1).firing == ()
        problem(sender.post(address, content=b"no JSON"), 400)
    with api.of("viewer") as viewer:
        problem(viewer.post(address, json=ALERTMANAGER), 403)
    with api.client() as nobody:
        problem(nobody.post(address, json=ALERTMANAGER), 401)
