"""The backend as a process against a real PostgreSQL and a real Valkey, seen from outside: HTTP, logs, exit codes."""

from __future__ import annotations

import json
import os
import random
import runpy
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from localcloud.backends import certificates, outside_api, postgres, valkey
from localcloud.core.processes import Process, Supervisor
from support.commands import CommandResult, run
from support.waiting import eventually

APP = Path(__file__).parents[2] / "apps" / "backend"
EXCHANGE = APP.parent / "exchange" / "quotes.py"
PASSWORD = "correct horse"  # of a server that lives for this test run


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class Parts:
    """The database server and the cache that all tests of this file share, each test with a database of its own."""

    supervisor: Supervisor
    state: Path
    database: postgres.Server
    database_processes: list[Process]
    cache: valkey.Server
    cache_process: Process
    made: int = 0

    def fresh_database(self) -> str:
        self.made += 1
        name = f"coins{self.made}"
        postgres.make_master(self.database, "ohmycoins", PASSWORD, name)
        return name

    def restart_database(self) -> None:
        self.database_processes = postgres.start(self.supervisor, self.database)

    def restart_cache(self) -> None:
        self.cache_process = valkey.start(self.supervisor, self.cache, {}, None)

    def environment(self, database: str, **more: str) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SSL_CERT_FILE": str(certificates.bundle(self.state)),
            "HOST": self.database.address,  # of this run: on 127.0.0.1 others take ports too
            "ENVIRONMENT": "test",
            "REVISION": "7",
            "POSTGRES_SERVER": self.database.address,
            "POSTGRES_PORT": str(self.database.port),
            "POSTGRES_DB": database,
            "POSTGRES_USER": "ohmycoins",
            "POSTGRES_PASSWORD": PASSWORD,
            "REDIS_HOST": self.cache.address,
            "REDIS_PORT": str(valkey.REPLICATION_PORT),
            "REDIS_TLS": "false",
            "SECRET_KEY": "a key for the tests",
            "PRICE_INTERVAL": "1",
            **more,
        }


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    state = tmp_path_factory.mktemp("parts")
    address = f"127.30.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
    supervisor = Supervisor(state)
    try:
        server = postgres.Server("apps", state / "postgres", address, free_port(address))
        postgres.initialise(supervisor, server)
        certificate = certificates.server(state, "apps", [address])
        postgres.configure(server, {"max_connections": "40", "fsync": "off"}, certificate, force_tls=True)
        cache = valkey.Server("apps", state / "valkey", address)
        yield Parts(
            supervisor,
            state,
            server,
            postgres.start(supervisor, server),
            cache,
            valkey.start(supervisor, cache, {}, None),
        )
    finally:
        supervisor.stop()


@dataclass(slots=True)
class Running:
    """A backend process with what it has written so far."""

    process: subprocess.Popen[str]
    url: str
    lines: list[str] = field(default_factory=list)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", path, **options)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(method, self.url + path, timeout=60, **options)

    def logged(self, **wanted: object) -> list[dict[str, Any]]:
        """The log lines that have these fields; every line must be JSON."""
        parsed = [json.loads(line) for line in list(self.lines)]
        return [line for line in parsed if all(line.get(key) == value for key, value in wanted.items())]

    def logs(self, **wanted: object) -> list[dict[str, Any]]:
        """The same, waited for: a line comes through a pipe, so that an answer may well be here before it."""
        return eventually(f"it logs {wanted}", lambda: self.logged(**wanted))

    def answers(self) -> bool:
        assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.lines}"
        try:
            return self.get("/health/live").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[Running]:
    address = environment["HOST"]
    port = free_port(address)
    process = subprocess.Popen(
        [sys.executable, "-m", "backend"],
        cwd=APP,
        env={**environment, "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running = Running(process, f"http://{address}:{port}")
    assert process.stdout is not None
    output = process.stdout
    reader = threading.Thread(target=lambda: running.lines.extend(output))
    reader.start()
    try:
        eventually("the backend answers", running.answers)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            reader.join(5)
            output.close()


def migrate(environment: dict[str, str]) -> CommandResult:
    return run([sys.executable, "-m", "backend.migrate"], environment, cwd=APP)


def administer(parts: Parts, database: str, statement: str) -> list[tuple[Any, ...]]:
    with postgres.connect(parts.database, database) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def migrated(parts: Parts) -> dict[str, str]:
    """The environment of a backend whose database is migrated and whose cache is empty."""
    environment = parts.environment(parts.fresh_database())
    assert migrate(environment).returncode == 0
    valkey.command(parts.cache, "FLUSHALL")
    return environment


pytestmark = pytest.mark.cloud


def test_migrating_twice_and_at_once_applies_each_migration_once(parts: Parts) -> None:
    environment = parts.environment(parts.fresh_database())
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(migrate, [environment] * 3))
    assert [result.returncode for result in results] == [0, 0, 0]
    assert sum(result.stdout.count("applying migration 0001_coins_and_prices.sql") for result in results) == 1
    again = migrate(environment)
    assert again.returncode == 0
    assert json.loads(again.stdout)["message"] == "the schema is at version 2"
    rows = administer(parts, environment["POSTGRES_DB"], "SELECT version FROM schema_version ORDER BY version")
    assert rows == [(1,), (2,)]


def test_migrating_says_by_its_exit_code_what_was_wrong(parts: Parts) -> None:
    environment = parts.environment(parts.fresh_database())
    administer(parts, environment["POSTGRES_DB"], "SET ROLE ohmycoins; CREATE TABLE coins (other integer)")
    failed = migrate(environment)
    assert failed.returncode == 1
    which, why = (json.loads(line) for line in failed.stdout.splitlines())
    assert which["message"] == "applying migration 0001_coins_and_prices.sql"
    assert why["level"] == "ERROR"
    assert why["message"] == 'the migration failed and was rolled back: relation "coins" already exists'
    assert administer(parts, environment["POSTGRES_DB"], "SELECT * FROM schema_version") == []

    assert migrate({**environment, "POSTGRES_PORT": "many"}).returncode == 2
    unreachable = migrate({**environment, "POSTGRES_PORT": str(free_port(parts.database.address))})
    assert unreachable.returncode == 3
    assert "can't be migrated now" in json.loads(unreachable.stdout)["message"]


def test_it_is_not_ready_until_the_schema_is_what_it_needs(parts: Parts) -> None:
    environment = parts.environment(parts.fresh_database())
    with serving(environment) as backend:
        before = backend.get("/health/ready")
        assert (before.status_code, before.json()["schema"], before.json()["database"]) == (503, None, "available")
        assert backend.get("/health/live").status_code == 200
        [line] = backend.logs(level="ERROR", logger="api")
        assert line["message"] == "not ready: the database has no schema yet, this code needs version 2"
        assert migrate(environment).returncode == 0
        assert backend.get("/health/ready").status_code == 200
        administer(parts, environment["POSTGRES_DB"], "INSERT INTO schema_version VALUES (99, 'of the next release')")
        assert backend.get("/health/ready").status_code == 200, "a newer schema must not stop the release before it"


def with_users(environment: dict[str, str], **passwords: str) -> dict[str, str]:
    """A migration's environment that provides the application's users `a` and `b` with these passwords."""
    users = {
        f"APP_USER_{which.upper()}": json.dumps({"username": login(environment, which), "password": password})
        for which, password in passwords.items()
    }
    return {**environment, **users}


def login(environment: dict[str, str], which: str) -> str:
    """Users belong to the whole server, which the tests share: each database of theirs has its own."""
    return f"app_{which}_{environment['POSTGRES_DB']}"


def as_user(environment: dict[str, str], which: str, password: str) -> dict[str, str]:
    return {**environment, "POSTGRES_USER": login(environment, which), "POSTGRES_PASSWORD": password}


def connected(environment: dict[str, str]) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=environment["POSTGRES_SERVER"],
        port=environment["POSTGRES_PORT"],
        dbname=environment["POSTGRES_DB"],
        user=environment["POSTGRES_USER"],
        password=environment["POSTGRES_PASSWORD"],
        sslmode="require",
        autocommit=True,
    )


def test_a_task_that_starts_leaves_the_schema_to_the_migration(parts: Parts) -> None:
    environment = parts.environment(parts.fresh_database())
    assert migrate(environment).returncode == 0
    administer(parts, environment["POSTGRES_DB"], "DELETE FROM schema_version WHERE version = 2; DROP TABLE holdings")
    with serving(environment) as backend:
        assert backend.get("/health/ready").status_code == 503
        assert backend.logged(logger="migrate") == []
        assert administer(parts, environment["POSTGRES_DB"], "SELECT version FROM schema_version") == [(1,)]


FIRST, SECOND, THIRD = "first-password-of-a-user", "second-password-of-a-user", "third-password-of-a-user"


def test_the_application_serves_as_a_user_that_may_only_read_and_write_rows(parts: Parts) -> None:
    environment = parts.environment(parts.fresh_database())
    served = as_user(environment, "a", FIRST)
    with serving(served) as backend:  # as in a new environment: the tasks are there before their user is
        assert backend.get("/health/ready").status_code == 503
        done = migrate(with_users(environment, a=FIRST, b=SECOND))
        assert done.returncode == 0, done.stdout
        assert FIRST not in done.stdout
        assert SECOND not in done.stdout
        eventually("it is ready without a restart", lambda: backend.get("/health/ready").status_code == 200)
        eventually("it stores prices", lambda: backend.get("/api/v1/prices").json())
        token = backend.ask("POST", "/api/v1/portfolio").json()["token"]
        owner = {"Authorization": f"Bearer {token}"}
        held = backend.ask("PUT", "/api/v1/portfolio/BTC", json={"quantity": "2"}, headers=owner)
        assert held.status_code == 204
    with connected(served) as connection:
        for refused in (
            "CREATE TABLE mine (id integer)",
            "ALTER TABLE coins ADD COLUMN mine integer",
            "DROP TABLE holdings",
            "TRUNCATE prices",
            "CREATE INDEX mine ON prices (price)",
            "UPDATE schema_version SET version = 9",
            "DELETE FROM schema_version",
            "CREATE ROLE mine",
            "CREATE DATABASE mine",
            "ALTER DEFAULT PRIVILEGES FOR ROLE ohmycoins GRANT ALL ON TABLES TO PUBLIC",
            "SET ROLE ohmycoins",
            "COPY coins TO PROGRAM 'true'",
            "SELECT rolpassword FROM pg_authid",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(refused)
        for allowed in (
            "SELECT max(version) FROM schema_version",
            "INSERT INTO coins VALUES ('NEW', 'New', 1)",
            "UPDATE coins SET name = 'Newer' WHERE symbol = 'NEW'",
            "DELETE FROM coins WHERE symbol = 'NEW'",
        ):
            connection.execute(allowed)


def test_tables_of_later_migrations_are_the_applications_too(parts: Parts) -> None:
    environment = parts.environment(parts.fresh_database())
    assert migrate(with_users(environment, a=FIRST)).returncode == 0
    with connected(environment) as owner:  # what a migration of the next release would do
        owner.execute("CREATE TABLE later (id bigint GENERATED BY DEFAULT AS IDENTITY, note text)")
    with connected(as_user(environment, "a", FIRST)) as connection:
        connection.execute("INSERT INTO later (note) VALUES ('x')")
        assert connection.execute("SELECT note FROM later").fetchall() == [("x",)]


def test_a_database_from_before_there_were_such_users_gets_them(parts: Parts, migrated: dict[str, str]) -> None:
    done = migrate(with_users(migrated, a=FIRST, b=SECOND))
    assert done.returncode == 0
    assert "applying migration" not in done.stdout
    with serving(as_user(migrated, "b", SECOND)) as backend:
        assert backend.get("/health/ready").status_code == 200


def test_one_user_gets_a_new_password_while_the_other_serves(parts: Parts) -> None:
    environment = parts.environment(parts.fresh_database())
    assert migrate(with_users(environment, a=FIRST, b=SECOND)).returncode == 0
    with serving(as_user(environment, "a", FIRST)) as old:
        rotated = migrate(with_users(environment, a=FIRST, b=THIRD))
        assert rotated.returncode == 0
        messages = [json.loads(line)["message"] for line in rotated.stdout.splitlines()]
        assert messages[:-1] == [f"the database user {login(environment, 'b')} has a new password"]
        with serving(as_user(environment, "b", THIRD)) as new:
            assert old.get("/health/ready").status_code == new.get("/health/ready").status_code == 200
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connected(as_user(environment, "b", SECOND))
        again = migrate(with_users(environment, a=FIRST, b=THIRD))
        assert [json.loads(line)["message"] for line in again.stdout.splitlines()] == ["the schema is at version 2"]


def test_a_new_password_stands_in_no_log_of_the_server(parts: Parts) -> None:
    environment = parts.environment(parts.fresh_database())
    administer(parts, "postgres", "ALTER SYSTEM SET log_statement = 'all'")
    administer(parts, "postgres", "SELECT pg_reload_conf()")
    try:
        assert migrate(with_users(environment, a="a-password-nobody-may-read")).returncode == 0
        eventually("the server logs the statement", lambda: "ALTER ROLE" in parts.database.log.read_text())
        assert "a-password-nobody-may-read" not in parts.database.log.read_text()
    finally:
        administer(parts, "postgres", "ALTER SYSTEM RESET log_statement")
        administer(parts, "postgres", "SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    "value",
    ["hunter2-and-no-json", '{"username": "app"}', '{"username": "no such", "password": "hunter2-hunter2-hunter2"}'],
)
def test_a_malformed_user_is_one_sentence_without_its_password(parts: Parts, value: str) -> None:
    environment = parts.environment("postgres")
    done = migrate({**environment, "APP_USER_A": value})
    assert done.returncode == 2
    [line] = done.stdout.splitlines()
    assert json.loads(line)["message"].startswith('APP_USER_A is not a JSON object with "username" and "password"')
    assert "hunter2" not in done.stdout + done.stderr


def test_prices_are_stored_by_one_process_and_read_through_the_cache(parts: Parts, migrated: dict[str, str]) -> None:
    with serving(migrated) as one, serving(migrated) as other:
        eventually("all six coins have a price", lambda: len(one.get("/api/v1/prices").json()) == 6)
        eventually("the data is fresh", lambda: 0 < (one.get("/api/v1/status").json()["data_age_seconds"] or 99) < 5)
        eventually(
            "4 ticks", lambda: len(one.logged(message="prices stored") + other.logged(message="prices stored")) >= 4
        )
        gaps = administer(
            parts,
            migrated["POSTGRES_DB"],
            "SELECT as_of - lag(as_of) OVER (ORDER BY as_of) < interval '1 s'"
            " FROM (SELECT DISTINCT as_of FROM prices) ticks",
        )
        assert (True,) not in gaps, "two processes stored prices in the same tick"

        def read_through() -> bool:
            """A backend leaves a cache alone for some seconds that was too slow for it once."""
            valkey.command(parts.cache, "FLUSHALL")
            filled, read = one.get("/api/v1/coins"), other.get("/api/v1/coins")
            if (filled.headers["x-cache"], read.headers["x-cache"]) != ("miss", "hit"):
                return False
            assert filled.json() == read.json()
            return True

        eventually("one fills the cache and the other reads it", read_through)
        history = one.get("/api/v1/prices/BTC/history").json()
        assert len(history) >= 2
        assert [point["as_of"] for point in history] == sorted(point["as_of"] for point in history)
        assert one.get("/api/v1/prices/btc;drop/history").status_code == 422


def test_status_tells_what_runs_and_how_fresh_it_is(migrated: dict[str, str]) -> None:
    with serving(migrated) as backend:

        def fresh() -> dict[str, Any] | None:
            status: dict[str, Any] = backend.get("/api/v1/status").json()
            age, took = status.pop("data_age_seconds"), status.pop("database_seconds")
            assert 0 <= took < 60
            return status if age is not None and age < 5 and status["cache"] == "available" else None

        assert eventually("fresh prices are stored, and no answer of the cache was late", fresh) == {
            "environment": "test",
            "revision": "7",
            "schema": 2,
            "database": "available",
            "cache": "available",
            "exchange": "not configured",
        }


def test_a_portfolio_belongs_to_whoever_holds_its_token(migrated: dict[str, str]) -> None:
    with serving(migrated) as backend:
        eventually("prices are stored", lambda: backend.get("/api/v1/prices").json())
        token = backend.ask("POST", "/api/v1/portfolio").json()["token"]
        own = {"authorization": f"Bearer {token}"}
        put = backend.ask("PUT", "/api/v1/portfolio/ETH", json={"quantity": "2.5"}, headers=own)
        assert put.status_code == 204
        held = backend.get("/api/v1/portfolio", headers=own).json()
        assert [(each["symbol"], float(each["quantity"])) for each in held["holdings"]] == [("ETH", 2.5)]
        assert float(held["value"]) > 1000

        nowhere = backend.ask("PUT", "/api/v1/portfolio/NOPE", json={"quantity": 1}, headers=own)
        assert nowhere.status_code == 404
        assert backend.ask("PUT", "/api/v1/portfolio/ETH", json={"quantity": -1}, headers=own).status_code == 422
        forged = {"authorization": f"Bearer {token[:-1]}{'0' if token[-1] != '0' else '1'}"}
        assert backend.get("/api/v1/portfolio", headers=forged).status_code == 401
        assert backend.get("/api/v1/portfolio").status_code == 401
    with serving({**migrated, "SECRET_KEY": "another key"}) as rotated:
        assert rotated.get("/api/v1/portfolio", headers=own).status_code == 401


def test_without_its_cache_it_warns_once_and_stays_quick(parts: Parts, migrated: dict[str, str]) -> None:
    with serving(migrated) as backend:
        eventually("the cache is used", lambda: backend.get("/api/v1/coins").headers["x-cache"] in ("miss", "hit"))
        earlier = len(backend.logged(level="WARNING", logger="cache"))  # of answers that were late; mostly none
        parts.supervisor.end(parts.cache_process, grace=5)
        try:
            assert backend.get("/api/v1/coins").headers["x-cache"] == "bypass"
            answers = [backend.get("/api/v1/coins") for _ in range(10)]
            usual = sorted(answer.elapsed for answer in answers)[5]
            assert usual < timedelta(seconds=0.5), "no request waits for the cache, whatever else makes one slow"
            assert {(answer.status_code, answer.headers["x-cache"]) for answer in answers} == {(200, "bypass")}
            ready = backend.get("/health/ready")
            assert (ready.status_code, ready.json()["cache"]) == (200, "unavailable")
            eventually("it warns", lambda: len(backend.logged(level="WARNING", logger="cache")) > earlier)
            assert len(backend.logged(level="WARNING", logger="cache")) == earlier + 1
        finally:
            parts.restart_cache()
        eventually("the cache is used again", lambda: backend.get("/health/ready").json()["cache"] == "available")
        backend.logs(level="INFO", logger="cache", message="cache available again")


@contextmanager
def black_hole() -> Iterator[int]:
    """A port that takes connections and never answers: what a blocked path looks like from a client."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield listener.getsockname()[1]


def test_a_silent_cache_costs_one_request_its_time_out_not_all(migrated: dict[str, str]) -> None:
    with black_hole() as port, serving({**migrated, "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port)}) as backend:
        first, *others = [backend.get("/api/v1/coins") for _ in range(5)]
        assert {answer.headers["x-cache"] for answer in (first, *others)} == {"bypass"}
        quickest = min(answer.elapsed for answer in others)
        assert quickest < first.elapsed, "only the first waits until the cache counts as gone"


@contextmanager
def tls_in_front(certificate: certificates.Certificate, address: str, target: tuple[str, int]) -> Iterator[int]:
    """A TLS listener before a plain port, as the cache's is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    listener = socket.create_server((address, 0))

    def copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            sink.close()

    def accept() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                client = context.wrap_socket(plain, server_side=True)
            except OSError:
                plain.close()
                continue
            upstream = socket.create_connection(target)
            for pair in ((client, upstream), (upstream, client)):
                threading.Thread(target=copy, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_the_cache_is_reached_over_tls_and_its_certificate_is_verified(parts: Parts, migrated: dict[str, str]) -> None:
    address = parts.cache.address
    certificate = certificates.server(parts.state, "cache", [address])
    with tls_in_front(certificate, address, (address, valkey.REPLICATION_PORT)) as port:
        tls = {**migrated, "REDIS_TLS": "true", "REDIS_PORT": str(port)}
        with serving(tls) as backend:
            eventually("the cache is reached", lambda: backend.get("/health/ready").json()["cache"] == "available")
        tls.pop("SSL_CERT_FILE")
        with serving(tls) as distrusting:
            assert distrusting.get("/health/ready").json()["cache"] == "unavailable"
            assert "CERTIFICATE_VERIFY_FAILED" in distrusting.logs(logger="cache")[0]["message"]


def test_it_takes_no_more_connections_than_its_pool_has(parts: Parts, migrated: dict[str, str]) -> None:
    bounded = {**migrated, "DATABASE_POOL_SIZE": "3", "REDIS_HOST": ""}
    counting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ohmycoins-backend' AND datname = '{}'"
    with serving(bounded) as backend, ThreadPoolExecutor(16) as pool:
        requests = [pool.submit(backend.get, "/api/v1/prices") for _ in range(120)]
        most, over = 0, False
        while not over:  # once more when all are done: the pool keeps what it opened, however quick it was
            over = all(request.done() for request in requests)
            [(count,)] = administer(parts, "postgres", counting.format(migrated["POSTGRES_DB"]))
            most = max(most, count)
        assert {request.result().status_code for request in requests} == {200}
        assert 2 <= most <= 3


def test_workers_serve_side_by_side_each_with_a_pool(parts: Parts, migrated: dict[str, str]) -> None:
    with serving({**migrated, "WEB_CONCURRENCY": "2"}) as backend:
        eventually("two workers started", lambda: len(backend.logged(message="started")) == 2)
        assert backend.get("/health/ready").status_code == 200
        with httpx.Client(base_url=backend.url, timeout=60) as client:  # one connection, as the load balancer keeps
            eventually(
                "an answer that doesn't wait 40 ms for an acknowledgement",
                lambda: client.get("/api/v1/prices").elapsed < timedelta(seconds=0.03),
            )
    assert backend.process.returncode == 0


def test_a_worker_that_dies_ends_the_task(migrated: dict[str, str]) -> None:
    with serving({**migrated, "WEB_CONCURRENCY": "2"}) as backend:
        eventually("two workers started", lambda: len(backend.logged(message="started")) == 2)
        children = Path(f"/proc/{backend.process.pid}/task/{backend.process.pid}/children").read_text().split()
        assert len(children) == 2
        os.kill(int(children[0]), signal.SIGKILL)
        assert backend.process.wait(60) == 1
        backend.logs(level="ERROR", message="a worker ended with -9; the task ends with it")
        assert not Path(f"/proc/{children[1]}").exists()


def test_without_its_database_it_lives_is_not_ready_and_recovers_by_itself(
    parts: Parts, migrated: dict[str, str]
) -> None:
    with serving({**migrated, "REDIS_HOST": ""}) as backend:
        assert backend.get("/health/ready").status_code == 200
        parts.supervisor.end_all(parts.database_processes, grace=10)
        try:
            assert backend.get("/health/live").status_code == 200

            def in_time() -> bool:
                ready = backend.get("/health/ready")
                assert (ready.status_code, ready.json()["database"]) == (503, "unavailable")
                return ready.elapsed < timedelta(seconds=4.5)

            assert any(in_time() for _ in range(3)), "the load balancer gives up after 5 s"
            refused = backend.get("/api/v1/prices", headers={"X-Request-Id": "during-outage"})
            assert refused.status_code == 503
            [line] = backend.logs(level="ERROR", request_id="during-outage")
            assert line["message"].startswith("database unavailable: connection failed")
            assert "Connection refused" in line["message"], "the cause, not only that the pool timed out"
            assert backend.get("/api/v1/status").json()["database"] == "unavailable"
        finally:
            parts.restart_database()
        eventually("ready again", lambda: backend.get("/health/ready").status_code == 200)


def test_each_request_is_one_log_line_with_the_id_that_the_caller_gave(migrated: dict[str, str]) -> None:
    with serving(migrated) as backend:
        provided = backend.get("/api/v1/coins", headers={"X-Request-Id": "abc-123"})
        assert provided.headers["x-request-id"] == "abc-123"
        [line] = eventually("the request's line", lambda: backend.logged(request_id="abc-123"))
        assert (line["level"], line["logger"], line["method"], line["path"]) == ("INFO", "http", "GET", "/api/v1/coins")
        assert (line["status"], line["message"]) == (200, "GET /api/v1/coins 200")
        assert 0 < line["duration_ms"] < 60_000

        made = backend.get("/api/v1/coins").headers["x-request-id"]
        unfit = backend.get("/api/v1/coins", headers={"X-Request-Id": 'no "quotes", or spaces'}).headers["x-request-id"]
        assert len(made) == len(unfit) == 32
        assert not backend.logged(path="/health/live"), "probes that succeed are not worth a line each"


def test_an_error_that_nobody_handled_is_one_error_line_and_a_500(parts: Parts, migrated: dict[str, str]) -> None:
    with serving({**migrated, "REDIS_HOST": ""}) as backend:
        administer(parts, migrated["POSTGRES_DB"], "ALTER TABLE coins RENAME TO coins_lost")
        answer = backend.get("/api/v1/coins", headers={"X-Request-Id": "broken"})
        assert (answer.status_code, answer.json()) == (500, {"detail": "internal error", "request_id": "broken"})
        [line] = eventually("the request's line", lambda: backend.logged(request_id="broken", status=500))
        assert (line["level"], line["logger"]) == ("INFO", "http")
        [error] = backend.logs(request_id="broken", level="ERROR")
        assert error["message"].startswith("unhandled error: GET /api/v1/coins: UndefinedTable(")
        assert "Traceback" in error["exception"]
        assert error["logger"] != "http", "one request is counted once by the saved queries"
        assert backend.get("/health/live").status_code == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_lets_requests_under_way_finish_and_exits_with_0(
    parts: Parts, migrated: dict[str, str], workers: int
) -> None:
    with (
        serving({**migrated, "REDIS_HOST": "", "WEB_CONCURRENCY": str(workers)}) as backend,
        ThreadPoolExecutor(1) as pool,
        postgres.connect(parts.database, migrated["POSTGRES_DB"]) as blocker,
    ):
        with blocker.transaction():
            blocker.execute("LOCK TABLE coins IN ACCESS EXCLUSIVE MODE")
            request = pool.submit(backend.get, "/api/v1/coins")
            waiting = (
                "SELECT 1 FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock' AND query LIKE 'SELECT symbol, name FROM coins%'"
            )
            eventually("the request waits for the lock", lambda: administer(parts, migrated["POSTGRES_DB"], waiting))
            backend.process.send_signal(signal.SIGTERM)

            def refuses() -> bool:
                with socket.socket() as probe:
                    return probe.connect_ex((parts.database.address, int(backend.url.rsplit(":", 1)[1]))) != 0

            eventually("no new connections are taken", refuses)
            assert backend.process.poll() is None
            assert not request.done()
        assert request.result(60).status_code == 200
        assert backend.process.wait(60) == 0
    backend.logs(message="stopped")


def test_prices_that_cannot_be_stored_are_logged_and_age_while_it_stays_ready(
    parts: Parts, migrated: dict[str, str]
) -> None:
    with serving({**migrated, "REDIS_HOST": ""}) as backend:
        eventually("prices are stored", lambda: backend.get("/api/v1/prices").json())
        administer(parts, migrated["POSTGRES_DB"], "ALTER TABLE prices ADD CHECK (price < 0) NOT VALID")
        [line, *_] = eventually("the failure is logged", lambda: backend.logged(level="ERROR", logger="prices"))
        assert line["message"].startswith("prices not stored: new row for relation")
        assert backend.get("/health/ready").status_code == 200
        age = backend.get("/api/v1/status").json()["data_age_seconds"]
        eventually("the data ages", lambda: backend.get("/api/v1/status").json()["data_age_seconds"] > age + 1)


def test_a_wrong_setting_ends_it_with_one_sentence(parts: Parts) -> None:
    environment = {**parts.environment("any"), "DATABASE_POOL_SIZE": "a lot"}
    ended = run([sys.executable, "-m", "backend"], environment, cwd=APP)
    assert ended.returncode == 2
    assert (
        json.loads(ended.stdout)["message"]
        == "DATABASE_POOL_SIZE is 'a lot': Input should be a valid integer, unable to parse string as an integer"
    )


def test_it_starts_in_time_and_stays_small(migrated: dict[str, str]) -> None:
    def started() -> float:
        began = time.monotonic()
        with serving(migrated) as backend:
            took = time.monotonic() - began
            for _ in range(50):
                backend.get("/api/v1/prices")
            status = Path(f"/proc/{backend.process.pid}/status").read_text()
        resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
        assert resident < 80, f"{resident:.0f} MiB"
        return took

    # 1 s on an idle machine; tests share theirs, so that a slow start counts only where the next ones are slow too.
    assert any(started() < 10 for _ in range(3))


def test_the_database_password_is_never_logged(migrated: dict[str, str]) -> None:
    with serving({**migrated, "POSTGRES_PASSWORD": "hunter2-wrong"}) as backend:
        assert backend.get("/health/ready").status_code == 503
        eventually(
            "the failure is logged",
            lambda: any("password authentication failed" in line["message"] for line in backend.logged(level="ERROR")),
        )
    assert not any("hunter2-wrong" in line for line in backend.lines)


@dataclass(slots=True)
class StandIn:
    """The exchange as localcloud plays it, without a cloud around it."""

    url: str
    behaviour: Path

    def behaves(self, mode: str, seconds: float = 0.0) -> None:
        outside_api.write_behaviour(self.behaviour, outside_api.Behaviour(mode, seconds))


@pytest.fixture
def stand_in(parts: Parts) -> Iterator[StandIn]:
    behaviour, port = parts.state / "behaviour.json", free_port(parts.database.address)
    behaviour.unlink(missing_ok=True)
    certificate = certificates.server(parts.state, "apps", [parts.database.address])
    process = parts.supervisor.spawn(
        "exchange",
        [
            *(sys.executable, outside_api.__file__, parts.database.address, str(port)),
            *(certificate.certificate, certificate.key, behaviour, EXCHANGE),
        ],
        env={},
        cwd=parts.state,
        output=parts.state / "exchange.log",
    )
    yield StandIn(f"https://{parts.database.address}:{port}", behaviour)
    assert parts.supervisor.end(process, grace=10) == 0


def test_the_exchanges_quotes_are_stored_and_shown(parts: Parts, migrated: dict[str, str], stand_in: StandIn) -> None:
    with serving(migrated | {"EXCHANGE_URL": stand_in.url}) as backend:
        backend.logs(message="prices stored")
        stored = {row["symbol"]: float(row["price"]) for row in backend.get("/api/v1/prices").json()}
        assert set(stored) == set(runpy.run_path(str(EXCHANGE))["BASE"])
        assert 90_000 < stored["BTC"] < 110_000
        answer = backend.get("/api/v1/quote/BTC")
        assert (answer.status_code, answer.json()["symbol"]) == (200, "BTC")
        assert float(answer.json()["price"]) == pytest.approx(stored["BTC"], rel=0.05)
        assert backend.get("/api/v1/quote/XYZ").status_code == 404


def test_an_exchange_that_hangs_or_fails_is_named_and_leaves_the_backend_ready(
    parts: Parts, migrated: dict[str, str], stand_in: StandIn
) -> None:
    with serving(migrated | {"EXCHANGE_URL": stand_in.url, "EXCHANGE_TIMEOUT": "2"}) as backend:
        backend.logs(message="prices stored")
        stand_in.behaves("hang")
        assert backend.get("/api/v1/quote/BTC").status_code == 504
        timed_out = f"exchange {stand_in.url} did not answer within 2 s"
        backend.logs(level="ERROR", message=f"no quote: {timed_out}")
        backend.logs(level="ERROR", message=f"prices not stored: {timed_out}")
        eventually("the status shows old data", lambda: backend.get("/api/v1/status").json()["data_age_seconds"] > 2)
        assert backend.get("/health/ready").status_code == 200
        assert backend.get("/api/v1/status").json()["exchange"] == "unavailable"
        stand_in.behaves("errors")
        assert backend.get("/api/v1/quote/BTC").status_code == 502
        backend.logs(level="ERROR", message=f"no quote: exchange {stand_in.url} failed: it answered 503")
        stand_in.behaves("slow", 0.2)
        assert backend.get("/api/v1/quote/BTC").elapsed.total_seconds() >= 0.2
        stand_in.behaves("normal")
        eventually("the data is fresh again", lambda: backend.get("/api/v1/status").json()["data_age_seconds"] < 2)
        assert backend.get("/api/v1/status").json()["exchange"] == "available"
    address = parts.database.address
    with serving(migrated | {"EXCHANGE_URL": f"https://{address}:{free_port(address)}"}) as backend:
        assert backend.get("/api/v1/quote/BTC").status_code == 502
        assert "Connection refused" in backend.logs(logger="api", level="ERROR")[0]["message"]
