"""omc's API on a free port of loopback, over a store of a test's, and clients of each role."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from omc.access.model import Role
from omc.access.records import create_token
from omc.config import Stack, load
from omc.responder.api.context import ApiContext, make_context
from omc.responder.api.serving import serve
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
    log: list[str] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    """By role."""

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.address, headers=headers, timeout=30, trust_env=False)

    def of(self, role: str) -> httpx.Client:
        return self.client(self.tokens[role])


@contextmanager
def api_server(store: Store, stack: Stack, *, with_tokens: bool = True, **more: Any) -> Iterator[ApiServer]:
    """In a thread of this process, until the block ends."""
    log: list[str] = []
    chosen = [stack.environments["staging"], stack.environments["production"]]
    context = make_context(stack, chosen, store, log=log.append, **more)
    announced: list[str] = []
    ending = threading.Event()
    thread = threading.Thread(target=serve, args=(context, announced.append, ending.is_set))
    thread.start()
    try:
        eventually("the server answers", lambda: announced or not thread.is_alive(), 30)
        yield ApiServer(announced[0], context, log, tokens_of_each_role(store) if with_tokens else {})
    finally:
        ending.set()
        thread.join(30)


def tokens_of_each_role(store: Store) -> dict[str, str]:
    return {
        role.value: create_token(store, role.value, role, "ann", person="jo" if role is Role.RESPONDER else "")[1]
        for role in Role
    }
