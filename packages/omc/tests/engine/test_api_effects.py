"""What a request to the HTTP API leaves behind: once, whole, in order, and without a secret."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omc.access.model import Role
from omc.access.records import create_token
from omc.config import load
from omc.errors import WrongUse
from omc.incidents.events import Resolved
from omc.model.pages import Message, Page
from omc.model.people import Channel, ContactMethod
from omc.notify.channels.registry import ChannelContext
from omc.notify.delivery import Sender
from omc.notify.links import token_for
from omc.notify.model import Failure, Refused
from omc.responder.api.beside import answering
from omc.responder.api.context import Sample
from omc.responder.api.metrics import HELP, exposition
from omc.responder.service import Responder
from omc.store import audit
from omc.store.deadlines import set_deadline
from omc.store.incidents import add, incidents_of, open_incident
from omc.store.location import StoreLocation
from omc.store.opened import Store
from omc.store.outbox import enqueue
from support.api_server import BASE, ApiServer, api_server, stack_in
from support.canary import CANARY, FORMS, dump
from support.commands import ROOT, clean_env
from support.engine_world import opened_at
from support.waiting import eventually


@pytest.fixture
def api(store: Store, tmp_path: Path) -> Iterator[ApiServer]:
    limits = "[server.limits]\nrequests_per_minute = 100000\naddress_requests_per_minute = 100000\n"
    with api_server(store, stack_in(tmp_path, limits)) as server:
        yield server


# ── Pages of a list ─────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 7), everything=st.booleans(), meanwhile=st.lists(st.sampled_from("ors"), max_size=6))
def test_whoever_turns_pages_sees_each_incident_once_whatever_happens_meanwhile(
    api: ApiServer, store: Store, limit: int, everything: bool, meanwhile: list[str]
) -> None:
    """What was there at the beginning and stays in the list is in it once, in order; what is opened meanwhile isn't."""
    if not incidents_of(store, "production"):
        for number in range(9):
            open_incident(store, "production", 3, f"number {number}", "ann")
    before = [each.number for each in incidents_of(store, "production") if everything or each.is_open]
    resolved: set[int] = set()
    seen: list[int] = []
    cursor = None
    steps = list(meanwhile)
    with api.of("viewer") as viewer:
        while True:
            asked = {"limit": limit, "state": "all" if everything else "open"} | ({"cursor": cursor} if cursor else {})
            page = viewer.get(BASE, params=asked).json()
            assert len(page["incidents"]) <= limit
            seen += [each["number"] for each in page["incidents"]]
            cursor = page["next"]
            if cursor is None:
                break
            what = steps.pop() if steps else ""
            still_open = [each.number for each in incidents_of(store, "production") if each.is_open]
            if what == "o":
                open_incident(store, "production", 3, "meanwhile", "ann")
            elif what == "r" and len(still_open) > 5:
                add(store, "production", still_open[-1], Resolved("it ended"), "ann")
                resolved.add(still_open[-1])
    assert seen == sorted(set(seen), reverse=True)
    assert set(seen) <= set(before)
    assert set(before) - set(seen) <= (set() if everything else resolved)


# ── Once ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_request_that_comes_again_with_its_key_takes_effect_once(api: ApiServer, store: Store) -> None:
    body = {"severity": 1, "summary": "Users can't log in"}
    with api.of("responder") as responder, api.of("admin") as admin:
        keyed = {"Idempotency-Key": "k-1"}
        first, again = (responder.post(BASE, json=body, headers=keyed) for _ in range(2))
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.headers["location"] == again.headers["location"] == f"{BASE}/1"
        assert first.json() == again.json()
        for _ in range(3):
            noted = responder.post(f"{BASE}/1/notes", json={"text": "restarted"}, headers=keyed)
        assert [each["type"] for each in noted.json()["events"]] == ["opened", "noted"]
        # Another body, another person, no key: each is a request of its own.
        assert responder.post(BASE, json=body | {"severity": 2}, headers=keyed).json()["number"] == 2
        assert admin.post(BASE, json=body, headers=keyed).json()["number"] == 3
        assert responder.post(BASE, json=body).json()["number"] == 4
        # One that was refused may come again when it is right.
        late = {"Idempotency-Key": "k-2"}
        assert responder.post(f"{BASE}/9/notes", json={"text": "early"}, headers=late).status_code == 404
        for number in range(5, 10):
            open_incident(store, "production", 3, str(number), "ann")
        assert responder.post(f"{BASE}/9/notes", json={"text": "early"}, headers=late).status_code == 200
    with store.reading() as session:
        assert audit.verify(session).problems == []


def test_the_same_request_at_the_same_time_takes_effect_once(api: ApiServer, store: Store) -> None:
    def ask(_: int) -> int:
        with api.of("responder") as responder:
            answer = responder.post(BASE, json={"severity": 3, "summary": "x"}, headers={"Idempotency-Key": "same"})
            return int(answer.json()["number"])

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(ask, range(6))) == {1}
    assert len(incidents_of(store, "production")) == 1


# ── A process that dies ─────────────────────────────────────────────────────────────────────────────────────────


HERE = "(SELECT oid FROM pg_database WHERE datname = current_database())"
WAITING = f"FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = {HERE}"
IDLE = f"FROM pg_stat_activity WHERE datid = {HERE} AND pid <> pg_backend_pid() AND state <> 'idle'"


def count(connection: psycopg.Connection, what: str) -> int:
    found = connection.execute(f"SELECT count(*) {what}".encode()).fetchone()
    return int(found[0]) if found else 0


@contextmanager
def server_process(place: StoreLocation, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The API in a process of its own, and its address."""
    stack = stack_in(folder)
    env = clean_env(OMC_STORE_URL=place.url or "", OMC_STACK=str(stack.file), PYTHONPATH=str(ROOT / "tests"))
    command = [sys.executable, "-m", "support.api_server"]
    process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        yield process, address
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
        process.stdout.close()


def test_a_server_killed_in_the_middle_of_a_request_leaves_nothing_half_written(
    place: StoreLocation, store: Store, tmp_path: Path
) -> None:
    _, token = create_token(store, "jo-laptop", Role.RESPONDER, "ann")
    asked = {"json": {"severity": 1, "summary": "Users can't log in"}, "timeout": 60}
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "opened-by-jo"}
    with (
        psycopg.connect(place.url or "", autocommit=True) as holder,
        server_process(place, tmp_path) as (process, address),
        ThreadPoolExecutor(1) as pool,
    ):
        holder.execute("SELECT pg_advisory_lock(%s)", [audit.CHAIN_LOCK])  # its transaction can't come to its end
        request = pool.submit(httpx.post, f"{address}{BASE}", headers=headers, trust_env=False, **asked)  # type: ignore[arg-type]
        eventually("the request waits for the record", lambda: count(holder, WAITING) == 1, 30)
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            request.result(60)
        holder.execute("SELECT pg_advisory_unlock(%s)", [audit.CHAIN_LOCK])
        eventually("the database has ended its transaction", lambda: count(holder, IDLE) == 0, 30)
        left = {table: count(holder, f"FROM {table}") for table in ("outbox", "inbox", "deadlines")}
    assert set(left.values()) == {0}, left
    assert incidents_of(store, "production") == ()
    with store.reading() as session:
        assert audit.verify(session).problems == []
    # Whoever asked asks again, and it is opened; and again, and it is opened still.
    with server_process(place, tmp_path) as (_, address):
        for _ in range(2):
            answer = httpx.post(f"{address}{BASE}", headers=headers, trust_env=False, **asked)  # type: ignore[arg-type]
            assert (answer.status_code, answer.json()["number"]) == (201, 1)
    assert len(incidents_of(store, "production")) == 1


def test_a_server_that_is_told_to_end_answers_what_it_has_begun_and_ends_well(
    place: StoreLocation, store: Store, tmp_path: Path
) -> None:
    _, token = create_token(store, "jo-laptop", Role.RESPONDER, "ann")
    headers = {"Authorization": f"Bearer {token}"}
    with (
        psycopg.connect(place.url or "", autocommit=True) as holder,
        server_process(place, tmp_path) as (process, address),
        ThreadPoolExecutor(1) as pool,
    ):
        holder.execute("SELECT pg_advisory_lock(%s)", [audit.CHAIN_LOCK])
        body = {"severity": 3, "summary": "slow"}
        request = pool.submit(httpx.post, f"{address}{BASE}", headers=headers, json=body, timeout=60, trust_env=False)
        eventually("the request waits for the record", lambda: count(holder, WAITING) == 1, 30)
        process.send_signal(signal.SIGTERM)
        holder.execute("SELECT pg_advisory_unlock(%s)", [audit.CHAIN_LOCK])
        assert request.result(60).status_code == 201
        assert process.wait(30) == 0


def test_a_request_that_takes_too_long_is_answered_and_its_effect_is_there_once(
    place: StoreLocation, store: Store, tmp_path: Path
) -> None:
    body, keyed = {"severity": 3, "summary": "slow"}, {"Idempotency-Key": "once"}
    with (
        psycopg.connect(place.url or "", autocommit=True) as holder,
        api_server(store, stack_in(tmp_path, "[server.limits]\nanswer_seconds = 1.0\n")) as api,
        api.of("responder") as responder,
    ):
        holder.execute("SELECT pg_advisory_lock(%s)", [audit.CHAIN_LOCK])
        late = responder.post(BASE, json=body, headers=keyed)
        assert (late.status_code, "may or may not have been done" in late.text) == (503, True)
        holder.execute("SELECT pg_advisory_unlock(%s)", [audit.CHAIN_LOCK])

        def again() -> int | None:  # on a busy machine this one may be late as well
            number: int | None = responder.post(BASE, json=body, headers=keyed).json().get("number")
            return number

        assert eventually("the same request is answered", again) == 1
    assert len(incidents_of(store, "production")) == 1


# ── Secrets ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_secret_that_is_written_into_a_request_comes_out_anywhere(api: ApiServer, store: Store) -> None:
    with api.of("responder") as responder, api.of("viewer") as viewer:
        answers = []
        for form in FORMS:
            answers.append(responder.post(BASE, json={"severity": 3, "summary": form}))
            answers.append(responder.post(f"{BASE}/1/notes", json={"text": form}))
            answers.append(responder.post(f"{BASE}/1/notes", json={form: form}))
            answers.append(responder.get(BASE, params={"token": form, "cursor": form}))
            answers.append(responder.get(f"/v1/environments/{quote(form, safe='')}/incidents"))
            answers.append(responder.get(f"{BASE}/1", headers={"X-Api-Key": CANARY, "Cookie": f"session={CANARY}"}))
        answers.append(viewer.get(BASE, params={"events": "true"}))
        answers.append(viewer.get("/metrics"))
        answers.append(responder.post(BASE, json={"severity": 3, "summary": api.tokens["admin"]}))
    for answer in answers:
        assert CANARY not in answer.text
        assert api.tokens["admin"] not in answer.text
    with psycopg.connect(store.place.url or "") as connection:
        kept = dump(connection)
    logged = "\n".join(api.log)
    assert len(api.log) >= len(answers)
    for place in (kept, logged):
        assert CANARY not in place
        assert not any(token in place for token in api.tokens.values())


def test_a_token_is_kept_as_its_hash_alone(api: ApiServer, store: Store) -> None:
    with psycopg.connect(store.place.url or "") as connection:
        kept = dump(connection)
    assert not any(token in kept or token[4:] in kept for token in api.tokens.values())
    with store.reading() as session:
        assert audit.verify(session).problems == []


def test_a_mistake_of_ours_is_answered_without_what_it_says_and_the_server_goes_on(
    store: Store, tmp_path: Path
) -> None:
    def broken() -> tuple[Sample, ...]:
        raise ZeroDivisionError(f"password={CANARY}")

    with api_server(store, stack_in(tmp_path), samples=broken) as api, api.of("viewer") as viewer:
        answer = viewer.get("/metrics")
        assert (answer.status_code, answer.json()["detail"]) == (500, "This is a bug in omc. Its log says more.")
        assert viewer.get(BASE).status_code == 200
    assert any("ZeroDivisionError" in line for line in api.log)
    assert CANARY not in "\n".join(api.log)


# ── Health and figures ──────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_ready_only_with_a_database_of_its_own_schema(api: ApiServer, store: Store) -> None:
    with api.client() as nobody:
        assert nobody.get("/healthz").json() == {"status": "ok"}
        assert nobody.get("/readyz").status_code == 200
        with store.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
        answer = nobody.get("/readyz")
        assert (answer.status_code, "has the schema 0001" in answer.text) == (503, True)
        assert nobody.get("/healthz").status_code == 200
    assert not any("/healthz" in line for line in api.log)


def test_without_its_database_it_lives_and_says_that_it_can_not_answer(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMC_LINK_SECRET", "x" * 32)
    link = f"/ack/{token_for('page:production:1:0.0:jo', 'x' * 32, store.now())}"
    with api_server(store, stack_in(tmp_path)) as api, api.of("viewer") as viewer:
        store.engine.dispose()
        with psycopg.connect(store.place.url or "", dbname="postgres", autocommit=True) as elsewhere:
            name = re.search(r"/([a-z0-9]+)\?", store.place.url or "")
            assert name
            elsewhere.execute(f"ALTER DATABASE {name[1]} RENAME TO gone_{name[1]}".encode())
            answers = [viewer.get("/readyz"), viewer.get(BASE), viewer.post(BASE, json={})]
            assert [each.status_code for each in answers] == [503, 503, 503]
            assert all(each.headers["retry-after"] for each in answers)
            assert viewer.get("/healthz").status_code == 200
            for method in ("GET", "POST"):
                page = viewer.request(method, link)
                assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
                assert page.headers["retry-after"]
                assert "<h1>Not now</h1>" in page.text
            elsewhere.execute(f"ALTER DATABASE gone_{name[1]} RENAME TO {name[1]}".encode())
        assert viewer.get(BASE).status_code == 200


def test_the_figures_tell_what_waits(place: StoreLocation, tmp_path: Path) -> None:
    now = [datetime(2026, 11, 30, 12, tzinfo=UTC)]
    labels = (("environment", "production"),)
    queue = [Sample("omc_queue_oldest_seconds", 7.5, labels), Sample("omc_queue_unread_seconds", 0.5, labels)]
    queue.append(Sample("omc_task_is_stale", 0, (("task", "deadlines"),)))
    with (
        opened_at(place, lambda: now[0]) as store,
        api_server(store, stack_in(tmp_path), samples=lambda: queue) as api,
        api.of("viewer") as viewer,
    ):
        open_incident(store, "production", 1, "Users can't log in", "ann")
        open_incident(store, "production", 3, "slow", "ann")
        page = Page("page:production:1:0:jo", "production", "jo", (), Message("It is down."), 1, 1)
        with store.transaction("ann") as transaction:
            enqueue(transaction, page)
            enqueue(transaction, replace(page, key="refused", methods=(ContactMethod(Channel.NTFY, "jo"),)))
            set_deadline(transaction, "escalation", "production", "9", now[0] - timedelta(minutes=5))
        channels = {Channel.NTFY: lambda *_: Refused("the token isn't valid", Failure.RIGHTS)}
        context = ChannelContext(stack_in(tmp_path), store.now)
        assert Sender(store, ("production",), channels, context, "test").run_once("refused")
        now[0] += timedelta(seconds=90)
        text = viewer.get("/metrics").text
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert figures['omc_incidents_open{environment="production",severity="1"}'] == "1"
    assert figures['omc_incidents_open{environment="production",severity="2"}'] == "0"
    assert figures['omc_pages{environment="production",state="waiting"}'] == "1"
    failures = 'omc_page_failures{environment="production",channel="ntfy",reason='
    assert {name: number for name, number in figures.items() if failures in name and number != "0"} == {
        f'{failures}"rights"}}': "1"
    }
    assert f'{failures}"rate"}}' in figures, "a rate begins at 0"
    assert figures['omc_page_oldest_unsent_seconds{environment="production"}'] == "90"
    assert figures['omc_page_oldest_unsent_seconds{environment="staging"}'] == "0"
    assert figures['omc_deadlines_overdue{environment="production",kind="escalation"}'] == "3"
    assert figures['omc_deadline_oldest_overdue_seconds{environment="production"}'] == "390"
    assert figures['omc_queue_oldest_seconds{environment="production"}'] == "7.5"
    assert {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")} == set(HELP)


def test_beside_a_responder_it_knows_what_that_one_knows_and_wakes_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = stack_in(tmp_path)
    _, token = create_token(store, "jo-laptop", Role.RESPONDER, "ann")
    log: list[str] = []
    responder = Responder(stack, (stack.environments["production"],), store, log.append)
    with answering(responder) as address:
        client = httpx.Client(base_url=address or "", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
        with client:
            assert client.post(BASE, json={"severity": 3, "summary": "slow"}).status_code == 201
            assert "omc_incidents_open" in client.get("/metrics").text
        assert responder._woken.is_set()
    assert any("POST" in line for line in log)
    silent = Responder(load(ROOT / "omc.toml"), (stack.environments["production"],), store, log.append)
    with answering(silent) as nowhere:
        assert nowhere is None
    monkeypatch.setenv("OMC_LISTEN", "127.0.0.1:0")
    with answering(silent) as address:
        assert httpx.get(f"{address}/healthz", trust_env=False).status_code == 200
    for wrong in ("8080", "127.0.0.1:x", "127.0.0.1:99999", "203.0.113.1:0"):
        monkeypatch.setenv("OMC_LISTEN", wrong)
        with pytest.raises(WrongUse, match="listen"), answering(silent):
            pass


def test_each_alert_rule_asks_for_a_figure_that_there_is() -> None:
    rules = (ROOT / "docs/alert-rules.yml").read_text()
    asked = set(re.findall(r"\bomc_[a-z_]+\b", re.sub(r"(?m)^\s*#.*$", "", rules)))
    assert asked <= set(HELP)
    assert asked >= {"omc_page_oldest_unsent_seconds", "omc_deadlines_overdue", "omc_queue_unread_seconds"}


def test_a_label_holds_whatever_it_is_given() -> None:
    text = exposition([Sample("omc_x", 1, (("name", 'a"b\\c\nd'),), "It is\nx.")])
    assert text == '# HELP omc_x It is\\nx.\n# TYPE omc_x gauge\nomc_x{name="a\\"b\\\\c\\nd"} 1\n'
