"""The stack as somebody outside reaches it: AWS's API, PostgreSQL's and Redis's own protocols, signals to processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg

from localcloud.backends import valkey
from omc import terraform as tf
from omc.config import load
from omc.local import cloud, lifecycle
from omc.progress import Progress
from support.commands import ROOT
from support.stack import CLUSTER, Stack, processes_below, wait_until_healthy
from support.waiting import eventually

DATABASE, CACHE = CLUSTER, f"{CLUSTER}-redis"


@dataclass(slots=True)
class World:
    """A running stack, and the ways in which it is broken."""

    stack: Stack
    _clients: dict[str, Any] = field(default_factory=dict)

    def aws(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self.stack.client(service)
        return self._clients[service]

    def output(self, name: str) -> Any:
        return self.stack.output(name)

    def check(self) -> Any:
        """What ``omc check morning`` says, as JSON."""
        done = self.stack.check("--output", "json", "--since", "1h")
        if not done.stdout.strip():
            raise AssertionError(f"the check ended with {done.returncode} and said nothing: {done.stderr[-2000:]}")
        return done.json

    def diagnose(self) -> tuple[Any, float]:
        """What ``omc diagnose`` says, as JSON, and the seconds that it took."""
        began = time.monotonic()
        done = self.stack.omc("diagnose", "--env", "local", "--output", "json")
        seconds = time.monotonic() - began
        if not done.stdout.strip():
            raise AssertionError(f"the diagnosis ended with {done.returncode} and said nothing: {done.stderr[-2000:]}")
        return done.json, seconds

    # -- services ---------------------------------------------------------------------------------------------------

    def service(self, name: str) -> dict[str, Any]:
        return dict(self.aws("ecs").describe_services(cluster=CLUSTER, services=[name])["services"][0])

    def definition(self, name: str) -> dict[str, Any]:
        """The task definition that a service wants, as it can be registered again."""
        ecs = self.aws("ecs")
        payload = ecs.describe_task_definition(taskDefinition=self.service(name)["taskDefinition"])["taskDefinition"]
        accepted = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
        return {key: value for key, value in payload.items() if key in accepted}

    def register(self, name: str, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> str:
        """A revision in which ``change`` (definition, its container) has changed something; its ARN."""
        definition = self.definition(name)
        change(definition, definition["containerDefinitions"][0])
        made = self.aws("ecs").register_task_definition(**definition)["taskDefinition"]
        return str(made["taskDefinitionArn"])

    @contextmanager
    def released(self, name: str, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Iterator[str]:
        """A service on a changed revision, by UpdateService; afterwards on what it had, whoever put that back."""
        ecs, before = self.aws("ecs"), self.service(name)["taskDefinition"]
        made = self.register(name, change)
        ecs.update_service(cluster=CLUSTER, service=name, taskDefinition=made)
        try:
            yield made
        finally:
            if self.service(name)["taskDefinition"] != before:
                ecs.update_service(cluster=CLUSTER, service=name, taskDefinition=before)
            ecs.deregister_task_definition(taskDefinition=made)
            wait_until_healthy(self.stack, 300)

    def rolled_back(self, name: str, revision: str, within: float = 240) -> None:
        """Wait until ECS has given the revision up by itself."""

        def over() -> bool:
            return all(each["taskDefinition"] != revision for each in self.service(name)["deployments"])

        eventually(f"ECS has rolled {revision} back", over, within)

    def stop_one_task(self, name: str) -> str:
        """StopTask on one of the service's tasks; its ARN."""
        ecs = self.aws("ecs")
        task = str(ecs.list_tasks(cluster=CLUSTER, serviceName=name)["taskArns"][0])
        ecs.stop_task(cluster=CLUSTER, task=task, reason="a story")
        return task

    # -- database and cache -----------------------------------------------------------------------------------------

    def sql(self, application: str = "psql") -> psycopg.Connection[Any]:
        """A connection to the database as its master user."""
        payload = self.output("database")
        held = self.aws("secretsmanager").get_secret_value(SecretId=payload["master_secret_arn"])["SecretString"]
        return psycopg.connect(
            host=payload["address"],
            port=payload["port"],
            dbname=payload["name"],
            user=payload["username"],
            password=json.loads(held)["password"],
            sslmode="require",
            application_name=application,
            connect_timeout=10,
            autocommit=True,
        )

    def end_sessions(self) -> None:
        """End the application's sessions, so that its pools make new connections."""
        with self.sql() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename LIKE 'ohmycoins_app%' AND pid <> pg_backend_pid()"
            )

    def redis(self, *commands: Iterable[str]) -> list[valkey.Reply]:
        """Commands to the cache's primary endpoint, over TLS."""
        payload, context = self.output("cache"), ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection((payload["address"], payload["port"]), 10) as plain,
            context.wrap_socket(plain) as connection,
            connection.makefile("rb") as answers,
        ):
            replies = []
            for words in commands:
                connection.sendall(valkey.encode(list(words)))
                replies.append(valkey.read_reply(answers))
            return replies

    # -- processes --------------------------------------------------------------------------------------------------

    def processes(self, folder: str) -> list[int]:
        """Those that work in a folder of the cloud: ``elbv2`` (load balancer), ``rds`` and ``elasticache``."""
        place = (self.stack.state / folder).resolve()
        found = []
        for pid in processes_below(self.stack.state):
            with suppress(OSError):
                if Path(f"/proc/{pid}/cwd").readlink().is_relative_to(place):
                    found.append(pid)
        return found

    def task_processes(self, service: str, count: int = 99) -> list[int]:
        """All processes of so many of a service's tasks."""
        found: list[int] = []
        for first in self.stack.task_pids(service)[:count]:
            found += [first, *_descendants(first)]
        return found

    @contextmanager
    def frozen(self, pids: Callable[[], list[int]]) -> Iterator[None]:
        """Processes that hang (SIGSTOP): they hold their connections and answer nobody."""
        chosen = pids()
        assert chosen, "there is no such process"
        _send(chosen, signal.SIGSTOP)
        try:
            yield
        finally:
            _send(chosen, signal.SIGCONT)

    @contextmanager
    def dying(self, pids: Callable[[], list[int]], every: float = 1.0) -> Iterator[None]:
        """Processes that are killed whenever they are there again."""
        over = threading.Event()

        def kill() -> None:
            while not over.is_set():
                _send(pids(), signal.SIGKILL)
                over.wait(every)

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        try:
            yield
        finally:
            over.set()
            killer.join(60)

    # -- Terraform --------------------------------------------------------------------------------------------------

    def apply(self) -> None:
        """Put back what was deleted, as `omc infra apply` would: by Terraform. `omc local up --apply` would also push
        the images and apply bootstrap, which takes most of its time."""
        site = lifecycle.site_of(load(ROOT / "omc.toml"), self.stack.state)
        record, reach = site.read(), cloud.local_endpoint(site.state)
        terraform = tf.find_terraform({"mirror": record.mirror} if record.mirror else None)
        outputs = lifecycle.apply_root(site, terraform, reach, record.images, Progress())
        site.write(replace(record, outputs=outputs))

    def forget(self) -> None:
        """Another cloud stands in this one's place."""
        self._clients.clear()


def environment(container: dict[str, Any], name: str, value: str) -> None:
    """Set a variable of a container's definition."""
    kept = [each for each in container["environment"] if each["name"] != name]
    container["environment"] = [*kept, {"name": name, "value": value}]


def value_of(container: Mapping[str, Any], name: str) -> str:
    return str(next(each["value"] for each in container["environment"] if each["name"] == name))


def _send(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _descendants(first: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{first}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found += [int(child), *_descendants(int(child))]
    return found
