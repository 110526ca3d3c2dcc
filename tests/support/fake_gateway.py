"""A gateway whose answers a test writes down as Python values: for readers, actions and checks, without HTTP.

An answer is a dictionary, a function of the call's parameters, or an exception to raise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from omc.actions.action import Context
from omc.aws.gateway import Access, Gateway
from omc.config import Environment
from support import release_facts as example


@dataclass
class _Client:
    gateway: FakeGateway
    service: str

    def __getattr__(self, name: str) -> Any:
        return lambda **params: self.gateway.answer(self.service, name, params)

    def get_paginator(self, name: str) -> Any:
        client = self

        class Pages:
            def paginate(self, **params: Any) -> Any:
                params.pop("PaginationConfig", None)
                while True:
                    page = client.gateway.answer(client.service, name, params)
                    yield page
                    if not page.get("nextToken"):
                        return
                    params = {**params, "nextToken": page["nextToken"]}

        return Pages()


class FakeGateway(Gateway):
    """A gateway whose clients answer what the test says."""

    def __init__(self, answers: dict[tuple[str, str], Any], environment: Environment | None = None) -> None:
        super().__init__(environment or example.environment(), Access())
        self.answers = answers
        self.requests: list[tuple[str, Mapping[str, Any]]] = []

    @property
    def endpoint(self) -> str | None:
        """AWS's own, whatever the shell says."""
        return None

    def log_in(self) -> None:
        """There are no credentials to find."""

    def client(self, service: str) -> Any:
        return _Client(self, service)

    def answer(self, service: str, operation: str, params: Mapping[str, Any]) -> Any:
        self.requests.append((operation, params))
        answer = self.answers[service, operation]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(params) if callable(answer) else answer

    def calls(self, operation: str) -> list[Mapping[str, Any]]:
        """The parameters of each call of it."""
        return [params for name, params in self.requests if name == operation]


def context(gateway: FakeGateway, **more: Any) -> Context:
    """What an action gets, with an empty state that it may write."""
    state: dict[str, Any] = more.pop("state", {})
    known: dict[str, Any] = {
        "gateway": gateway,
        "environment": gateway.environment,
        "run": "r1",
        "step": "s1",
        "token": "0" * 32,
        "now": lambda: datetime.now(UTC),
        "checkpoint": state.update,
        "state": state,
        "report": lambda _: None,
        "cancelled": lambda: False,
        "store": None,
    }
    return Context(**(known | more))
