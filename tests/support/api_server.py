"""omc's API on a free port of loopback, over a store of a test's, and clients of each role."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from msgspec import structs

from omc.access.model import Role
from omc.access.records import create_token
from omc.config import Stack, load
from omc.config.server_tables import ServerLimits
from omc.incidents.events import Captured
from omc.responder.api.context import ApiContext, make_context
from omc.responder.api.guard import QUIET
from omc.responder.api.serving import bound, serve
from omc.responder.context import context_from
from omc.responder.life import OnCallContext
from omc.responder.postmortem import IMPACT
from omc.store.database import open_store
from omc.store.location import StoreLocation
from omc.store.opened import Store
from support.commands import ROOT
from support.waiting import eventually

PEOPLE = """
[people.jo]
aws = ["jo@example.com"]
name = "Jo"
contacts = ["sms:+61400000001"]

[people.sam]
github = ["sam-gh"]
name = "Sam"
"""
BASE = "/v1/environments/production/incidents"
CLIENT_TIMEOUT = 90.0
"""Seconds without a byte from the server before a client gives up. It only counts where something is broken."""
REQUEST_LINE = re.compile(r"\S+ [A-Z]+ /")
"""Whose it was, its method and its path. What follows may be redacted with the path."""


def stack_in(folder: Path, server: str = "", oidc: str = "") -> Stack:
    """The project's own omc.toml with two people and a server on any free port."""
    file = folder / "omc.toml"
    text = (ROOT / "omc.toml").read_text()
    file.write_text(f'{text}\n{PEOPLE}\n[server]\nlisten = "127.0.0.1:0"\n{server}\n{oidc}')
    return load(file)


@dataclass
class ApiServer:
    """A server that answers."""

    address: str
    context: ApiContext
    lines: list[str] = field(default_factory=list)
    """What it has logged so far, perhaps without its latest answers: see ``log``."""
    tokens: dict[str, str] = field(default_factory=dict)
    """By role."""
    answers: list[str] = field(default_factory=list)
    """What was asked by a client of ``client`` and answered, where the log has a line of it."""

    @property
    def log(self) -> list[str]:
        """Its log, with the lines of all that it has answered: it writes each when the answer is out already."""

        def is_whole() -> bool:
            return sum(bool(REQUEST_LINE.match(each)) for each in self.lines) >= len(self.answers)

        eventually(lambda: f"a line for each of {self.answers} in {self.lines}", is_whole)
        return self.lines

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        hooks = {"response": [self._note]}
        return httpx.Client(
            base_url=self.address, headers=headers, timeout=CLIENT_TIMEOUT, trust_env=False, event_hooks=hooks
        )

    def _note(self, answer: httpx.Response) -> None:
        if answer.status_code != 200 or answer.url.path not in QUIET:
            self.answers.append(f"{answer.request.method} {answer.url.path}")

    def of(self, role: str) -> httpx.Client:
        return self.client(self.tokens[role])


@contextmanager
def api_server(store: Store, stack: Stack, *, with_tokens: bool = True, **more: Any) -> Iterator[ApiServer]:
    """In a thread of this process, until the block ends."""
    log: list[str] = []
    stack = patient(stack)
    chosen = [stack.environments["staging"], stack.environments["production"]]
    context = make_context(
        stack, chosen, store, on_call=on_call_of(stack, store), log=log.append, measure=measured, **more
    )
    announced: list[str] = []
    ending = threading.Event()
    listening = bound(stack.server.listen or "")
    thread = threading.Thread(target=serve, args=(context, listening, announced.append, ending.is_set))
    thread.start()
    try:
        eventually("the server answers", lambda: announced or not thread.is_alive())
        yield ApiServer(announced[0], context, log, tokens_of_each_role(store) if with_tokens else {})
    finally:
        ending.set()
        thread.join(30)


def patient(stack: Stack) -> Stack:
    """The same, whose server answers in its own time where the test has chosen none."""
    limits = stack.server.limits
    if limits.answer_seconds != ServerLimits().answer_seconds:
        return stack
    limits = structs.replace(limits, answer_seconds=CLIENT_TIMEOUT)
    return replace(stack, server=structs.replace(stack.server, limits=limits))


def on_call_of(stack: Stack, store: Store) -> Callable[[str], OnCallContext]:
    """Who is on call by omc.toml; and all is well."""
    return lambda name: replace(context_from(stack, name, store), health=lambda: ())


def measured(*_: object) -> Captured:
    """What failed while an incident lasted, in a world without AWS."""
    return Captured(IMPACT, ("3 of 100 requests failed.",))


def tokens_of_each_role(store: Store) -> dict[str, str]:
    return {
        role.value: create_token(store, role.value, role, "ann", person="jo" if role is Role.RESPONDER else "")[1]
        for role in Role
    }


def main() -> None:
    """In a process of its own, for the store and the stack file that its environment names, until SIGTERM."""
    stack = load(Path(os.environ["OMC_STACK"]))
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    with open_store(StoreLocation(url=os.environ["OMC_STORE_URL"])) as store:
        chosen = [stack.environments["staging"], stack.environments["production"]]
        context = make_context(stack, chosen, store, on_call=on_call_of(stack, store), log=lambda _: None)
        listening = bound(stack.server.listen or "")
        thread = threading.Thread(
            target=serve, args=(context, listening, lambda address: print(address, flush=True), ending.is_set)
        )
        thread.start()
        ending.wait()
        thread.join()


if __name__ == "__main__":
    main()
