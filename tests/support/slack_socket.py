"""Slack's end of Socket Mode: says hello, delivers envelopes, knows what was acknowledged and when, wants refreshes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from support.receivers import Slack
from support.waiting import eventually

TEAM = "T0123456"


@dataclass
class SocketServer:
    slack: Slack
    connections: list[ServerConnection] = field(default_factory=list)
    """Those that are open, the newest last."""
    acknowledged: dict[str, Any] = field(default_factory=dict)
    """An envelope's id to the payload that came with its acknowledgement, and None where there was none."""
    by: dict[str, int] = field(default_factory=dict)
    """An envelope's id to the connection on which it was acknowledged, counted from 0."""
    opened: int = 0

    def connection(self) -> ServerConnection:
        """The newest one, once there is one."""
        return eventually("a connection", lambda: self.connections[-1] if self.connections else None)

    def deliver(self, envelope: dict[str, Any], *, to: ServerConnection | None = None) -> str:
        (to or self.connection()).send(json.dumps(envelope))
        return str(envelope["envelope_id"])

    def disconnect(self, reason: str) -> None:
        self.connection().send(json.dumps({"type": "disconnect", "reason": reason, "debug_info": {}}))

    def is_acknowledged(self, envelope: str) -> bool:
        return envelope in self.acknowledged


@contextmanager
def socket_server(slack: Slack) -> Iterator[SocketServer]:
    server = SocketServer(slack)

    def handler(connection: ServerConnection) -> None:
        number, server.opened = server.opened, server.opened + 1
        server.connections.append(connection)
        connection.send(json.dumps({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A1"}}))
        with suppress(ConnectionClosed):
            for text in connection:
                said = json.loads(text)
                server.acknowledged[said["envelope_id"]] = said.get("payload")
                server.by[said["envelope_id"]] = number
        server.connections.remove(connection)

    with serve(handler, "127.0.0.1", 0) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        slack.socket_url = f"ws://127.0.0.1:{made.socket.getsockname()[1]}/link/?ticket=c4n4ry-ticket"
        try:
            yield server
        finally:
            made.shutdown()
            thread.join()


def button(envelope: str, value: str = "acknowledge:staging:3", **changed: Any) -> dict[str, Any]:
    """As Slack sends a button that was pressed in a message (its reference of ``block_actions``)."""
    payload = {
        "type": "block_actions",
        "user": {"id": "U024BE7LH", "username": "jo", "name": "jo", "team_id": TEAM},
        "api_app_id": "A1",
        "token": "verification-token",
        "container": {"type": "message", "message_ts": "1700000000.000001", "channel_id": "D024BE7LH"},
        "trigger_id": "12321423423.333649436676.d8c1bb837935619ccad0f624c448ffb3",
        "team": {"id": TEAM, "domain": "example"},
        "channel": {"id": "D024BE7LH", "name": "directmessage"},
        "message": {"type": "message", "ts": "1700000000.000001"},
        "response_url": "https://hooks.slack.com/actions/T0123456/1/c4n4ry",
        "actions": [
            {"type": "button", "action_id": "acknowledge", "block_id": "x", "value": value, "action_ts": "1.2"}
        ],
    }
    return {
        "envelope_id": envelope,
        "type": "interactive",
        "payload": payload | changed,
        "accepts_response_payload": False,
    }


def command(envelope: str, text: str = "ack 3", **changed: Any) -> dict[str, Any]:
    payload = {
        "token": "verification-token",
        "team_id": TEAM,
        "team_domain": "example",
        "channel_id": "C0000001",
        "channel_name": "incidents",
        "user_id": "U024BE7LH",
        "user_name": "jo",
        "command": "/omc",
        "text": text,
        "api_app_id": "A1",
        "response_url": "https://hooks.slack.com/commands/T0123456/1/c4n4ry",
        "trigger_id": "1.2.x",
    }
    return {
        "envelope_id": envelope,
        "type": "slash_commands",
        "payload": payload | changed,
        "accepts_response_payload": True,
    }


def message(envelope: str, event_id: str = "Ev1", **event: Any) -> dict[str, Any]:
    inner = {
        "type": "message",
        "user": "U024BE7LH",
        "text": "I restart the backend",
        "ts": "1700000000.000002",
        "channel": "C0000001",
        "channel_type": "channel",
        "team": TEAM,
    }
    payload = {"type": "event_callback", "team_id": TEAM, "event_id": event_id, "event_time": 1, "event": inner | event}
    return {
        "envelope_id": envelope,
        "type": "events_api",
        "payload": payload,
        "accepts_response_payload": False,
        "retry_attempt": 0,
        "retry_reason": "",
    }
