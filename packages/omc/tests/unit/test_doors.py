"""What the doors of ``omc serve`` keep between two requests, for many of them at once, and what their log has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from omc.aws.gateway import Access
from omc.responder.api import status
from omc.responder.api.context import Boards
from omc.responder.api.guard import Guard
from omc.responder.sns import SnsDoor
from support.notify_world import STAGING


def test_the_tags_of_many_messages_of_sns_are_read_by_one_reader() -> None:
    verifier: Any = None
    asked: list[str] = []

    def access(environment: Any) -> Access:
        asked.append(environment.name)
        return Access()

    door, environment = SnsDoor(verifier, {}, access), STAGING.environments["staging"]
    assert door.tags(environment, print) is door.tags(environment, print)
    assert asked == ["staging"]


def test_whoever_asks_while_a_board_is_made_anew_has_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    last: Any = object()
    new: Any = object()
    context: Any = SimpleNamespace(
        boards=Boards({"staging": (float("-inf"), last)}),
        store=SimpleNamespace(now=lambda: None),
        stack=None,
        is_watched=lambda _: True,
    )
    during: list[object] = []

    def made(*_: object, **__: object) -> object:
        during.append(status._board(context, "staging"))
        return new

    monkeypatch.setattr(status, "incidents_of", lambda *_: ())
    monkeypatch.setattr(status, "of_environment", lambda *_: ())
    monkeypatch.setattr(status, "board_of", made)
    assert status._board(context, "staging") is new
    assert during == [last]
    assert status._board(context, "staging") is new, "made once in some seconds"


@pytest.mark.parametrize("path", ["/ack/staging:3:0.0:jo:79cf0:proof", "/omc/ack/staging:3:0.0:jo:79cf0:proof"])
def test_the_log_has_no_token_of_a_link_wherever_the_server_is_mounted(path: str) -> None:
    said: list[str] = []
    context: Any = SimpleNamespace(
        stack=SimpleNamespace(server=SimpleNamespace(limits=None, address=None)), log=said.append
    )
    app: Any = None
    answer: Any = SimpleNamespace(status=404)
    Guard(app, context)._note({"path": path, "method": "GET"}, answer, 0.0)
    [line] = said
    assert "/ack/… 404" in line
    assert "proof" not in line
