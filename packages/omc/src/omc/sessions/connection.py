"""One session on its data channel, from the token that AWS grants to the end: opening, handshake, streams, closing.

The agent asks in the handshake what the session is (a command, a port) and whether it is encrypted; it is answered as
Session Manager's plugin does. What the bytes then mean is for whoever opened the session.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from omc.distribution import install_line
from omc.errors import OmcError, Unknown, WrongUse
from omc.sessions import frames
from omc.sessions.channel import Channel
from omc.sessions.encryption import Encryption, MakeKey, NotEncrypted, new_encryption
from omc.sessions.frames import BadFrame, Flag, Frame, PayloadType

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

PLUGIN_VERSION: Final = "1.2.650.0"
"""The plugin whose protocol this is: the agent is told so and decides by it what it may ask for."""
HANDSHAKE_SECONDS: Final = 30.0
OPEN_SECONDS: Final = 15.0
CHUNK: Final = 1024
"""Bytes of a message, as the plugin sends them."""
TICK: Final = 0.05
"""Seconds between looks at what has to be sent again."""
PING_INTERVAL: Final = 60.0
KINDS: Final = frozenset({"Standard_Stream", "InteractiveCommands", "NonInteractiveCommands", "Port"})
SUCCESS, FAILED, UNSUPPORTED = 1, 2, 3


class DoorClosed(Unknown):
    """A session that wasn't opened, or that was lost."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What AWS gives for a session."""

    session: str
    url: str
    token: str = field(repr=False)
    target: str
    """``ecs:CLUSTER_TASK_RUNTIME``: the container's runtime id."""

    @classmethod
    def of(cls, answer: Mapping[str, Any], target: str) -> Grant:
        """From ExecuteCommand's ``session`` or StartSession's answer, which write the names differently."""
        lower = {name[:1].lower() + name[1:]: value for name, value in answer.items()}
        return cls(str(lower["sessionId"]), str(lower["streamUrl"]), str(lower["tokenValue"]), target)


def ensure_installed() -> None:
    """``WrongUse`` where the packages for sessions aren't there."""
    missing = [name for name in ("websockets", "cryptography") if find_spec(name) is None]
    if missing:
        raise WrongUse(f"Sessions need packages that aren't installed ({', '.join(missing)}): {install_line('doors')}")


class Session:
    """An open session. ``on_data`` gets what comes, in order, in a thread of the session's; it may block, and holds up
    the session while it does."""

    def __init__(
        self, grant: Grant, on_data: Callable[[bytes], None], make_key: MakeKey, *, is_direct: bool = False
    ) -> None:
        """Connect, and wait for the handshake. Raises ``DoorClosed``.

        ``make_key`` is asked where the agent wants the session encrypted. ``is_direct``: the machine's
        proxy isn't request.
        """
        self.grant = grant
        self.agent_version = ""
        self.kind = ""
        self.properties: dict[str, Any] = {}
        self.ended = threading.Event()
        self.reason = ""
        """Why it ended, in the agent's words; empty where it simply ended."""
        self.is_lost = False
        """Whether the connection ended before anybody said that the session had."""
        self.refused_connection = threading.Event()
        """Set when the agent couldn't reach the port."""
        self.moved = time.monotonic()
        """When bytes last went either way."""
        self._on_data = on_data
        self._make_key = make_key
        self._is_direct = is_direct
        self._ready = threading.Event()
        self._failure: OmcError | None = None
        self._encryption: Encryption | None = None
        self._socket = self._connect()
        self._channel = Channel(self._transmit)
        self._thread = threading.Thread(target=self._listen, name="session", daemon=True)
        self._thread.start()
        self._await_handshake()

    # -- beginning and end ----------------------------------------------------------------------------------------

    def _connect(self) -> ClientConnection:
        from websockets.exceptions import InvalidHandshake, InvalidURI
        from websockets.sync.client import connect

        opening = {
            "MessageSchemaVersion": "1.0",
            "RequestId": str(uuid.uuid4()),
            "TokenValue": self.grant.token,
            "ClientId": str(uuid.uuid4()),
            "ClientVersion": PLUGIN_VERSION,
        }
        try:
            socket = connect(
                self.grant.url,
                compression=None,
                max_size=None,
                open_timeout=OPEN_SECONDS,
                close_timeout=1,
                ping_interval=PING_INTERVAL,
                ping_timeout=None,
                proxy=None if self._is_direct else True,
            )
            socket.send(json.dumps(opening))
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            host = self.grant.url.partition("://")[2].partition("/")[0]
            raise DoorClosed(
                f"The session was granted, but its data channel at {host} can't be opened from here: {error}. "
                "It is a websocket over HTTPS: a proxy or a firewall may let API calls pass and not this."
            ) from error
        return socket

    def _await_handshake(self) -> None:
        until = time.monotonic() + HANDSHAKE_SECONDS
        while not self._ready.wait(TICK) and not self.ended.is_set() and time.monotonic() < until:
            pass
        if self._ready.is_set():
            return
        self.close()
        if self._failure is not None:
            raise self._failure
        raise DoorClosed(
            f"The session began and ended at once: {self.reason}"
            if self.reason
            else f"The agent in the container didn't answer within {HANDSHAKE_SECONDS:.0f} s: the session was given up."
        )

    def close(self) -> None:
        """End the session, where it hasn't ended."""
        if not self.ended.is_set():
            self.flag(Flag.TERMINATE_SESSION)
            self._channel.drained(1.0)
        self._channel.close()
        self._socket.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(5)
        self.ended.set()

    # -- sending --------------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> bool:
        """Bytes of any number, once there is room for them; False where the session has ended."""
        for begin in range(0, len(data), CHUNK):
            part = data[begin : begin + CHUNK]
            if self._encryption is not None:
                part = self._encryption.encrypt(part)
            self.moved = time.monotonic()
            if not self._send(PayloadType.OUTPUT, part):
                return False
        return True

    def resize(self, columns: int, rows: int) -> None:
        self._send(PayloadType.SIZE, json.dumps({"cols": columns, "rows": rows}).encode())

    def flag(self, flag: Flag) -> None:
        self._send(PayloadType.FLAG, flag.to_bytes(4, "big"), 2.0)

    def _send(self, payload_type: PayloadType, payload: bytes, timeout: float | None = None) -> bool:
        return not self.ended.is_set() and self._channel.send(payload_type, payload, timeout)

    def _transmit(self, data: bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        with suppress(ConnectionClosed, OSError):  # whoever listens notices, and tells
            self._socket.send(data)

    # -- receiving ------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            while not self.ended.is_set():
                try:
                    data = self._socket.recv(timeout=TICK)
                except TimeoutError:
                    data = b""
                if data:
                    self._take(data if isinstance(data, bytes) else data.encode())
                if not self._channel.resend():
                    self._lose("nothing has come for a minute, though something waits for an answer")
        except ConnectionClosed as closed:
            message = closed.rcvd.reason if closed.rcvd else ""
            self._lose(message or "the connection was cut")
        except OmcError as error:
            self._failure = error
        except (BadFrame, NotEncrypted) as error:
            self._lose(f"what came can't be read: {error}")
        finally:
            self.ended.set()
            self._channel.close()

    def _lose(self, reason: str) -> None:
        if not self.ended.is_set():
            self.reason, self.is_lost = reason, True
            self.ended.set()

    def _take(self, data: bytes) -> None:
        try:
            frame = frames.decode(data)
        except BadFrame:
            return  # it isn't acknowledged, and comes again
        if frame.kind == frames.CHANNEL_CLOSED:
            self.reason = str(frame.json().get("Output") or "")
            self.ended.set()
            return
        for each in self._channel.receive(frame):
            self._process(each)

    def _process(self, frame: Frame) -> None:
        payload = frame.payload
        if self._encryption is not None and frame.payload_type in frames.ENCRYPTED:
            payload = self._encryption.decrypt(payload)
        match frame.payload_type:
            case PayloadType.HANDSHAKE_REQUEST:
                self._answer(frame.json())
            case PayloadType.CHALLENGE_REQUEST:
                self._meet_challenge(frame.json())
            case PayloadType.HANDSHAKE_COMPLETE:
                self._ready.set()
            case PayloadType.OUTPUT | PayloadType.STDERR:
                self.moved = time.monotonic()
                self._on_data(payload)
            case PayloadType.FLAG if payload == Flag.CONNECT_TO_PORT_ERROR.to_bytes(4, "big"):
                self.refused_connection.set()

    def _answer(self, request: Mapping[str, Any]) -> None:
        self.agent_version = str(request.get("AgentVersion", ""))
        done = [self._act(each) for each in request.get("RequestedClientActions") or []]
        errors = [each["Error"] for each in done if each["Error"]]
        response = {"ClientVersion": PLUGIN_VERSION, "ProcessedClientActions": done, "Errors": errors or None}
        self._channel.send(PayloadType.HANDSHAKE_RESPONSE, json.dumps(response).encode(), OPEN_SECONDS)

    def _act(self, action: Mapping[str, Any]) -> dict[str, Any]:
        """One thing that the agent asks of the client, and how that went."""
        kind, parameters = action.get("ActionType"), action.get("ActionParameters") or {}
        result, error, status = None, "", SUCCESS
        if kind == "SessionType":
            self.kind = str(parameters.get("SessionType", ""))
            self.properties = parameters.get("Properties") or {}
            if self.kind not in KINDS:
                error, status = f"Unknown session type {self.kind}", FAILED
        elif kind == "KMSEncryption":
            try:
                key = str(parameters.get("KMSKeyId", ""))
                self._encryption = new_encryption(self._make_key, key, self.grant.session, self.grant.target)
                result = {"KMSCipherTextKey": frames.base64_of(self._encryption.wrapped)}
            except OmcError as problem:
                self._failure = problem
                error, status = f"Failed to process action KMSEncryption: {problem.message}", FAILED
        else:
            error, status = f"Unsupported action {kind}", UNSUPPORTED
        return {"ActionType": kind, "ActionStatus": status, "ActionResult": result, "Error": error}

    def _meet_challenge(self, request: Mapping[str, Any]) -> None:
        """Show that both sides have the same keys."""
        if self._encryption is None:
            raise BadFrame("a challenge came before any key was made")
        plain = self._encryption.decrypt(frames.from_base64(str(request.get("Challenge", ""))))
        answer = {"Challenge": frames.base64_of(self._encryption.encrypt(plain))}
        self._channel.send(PayloadType.CHALLENGE_RESPONSE, json.dumps(answer).encode(), OPEN_SECONDS)
