"""Sessions in tasks (ECS Exec, Session Manager's port forwarding): the websocket endpoint that clients connect to, and
what happens on it.

``api_exec`` grants a session; here its token is taken in once, the handshake made, the command run in the task's
context, and its terminal tied to the channel until either ends; or ports are connected to. No session outlives its
task, or the cloud.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import logging
import secrets
import shutil
import string
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from localcloud.backends import tools
from localcloud.core.connections import VpcNetwork
from localcloud.core.interfaces import LogSink
from localcloud.core.network import ADDRESS_VARIABLE
from localcloud.core.processes import Supervisor
from localcloud.core.registry import component
from localcloud.services.ecs import session_messages as messages
from localcloud.services.ecs.session_channel import Channel
from localcloud.services.ecs.session_keys import Keys, WrongKey, unwrap
from localcloud.services.ecs.session_messages import BadFrame, Message, PayloadType
from localcloud.services.ecs.session_ports import BadStream, Port, Ports
from localcloud.services.ecs.session_terminal import Terminal

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

AGENT_VERSION: Final = "3.3.40.0"
"""A version of AWS's agent: clients decide by it what they may ask for."""
TOKEN_SECONDS: Final = 60.0
"""How long a token opens its session. AWS says only that it is valid just long enough to connect."""
OPEN_SECONDS: Final = 10.0
"""How long a new connection may take to show its token."""
HANDSHAKE_SECONDS: Final = 15.0
"""As AWS's agent."""
DRAIN_SECONDS: Final = 2.0
"""How long is waited at the end until the client has taken all output, as AWS's agent does."""
TICK_SECONDS: Final = 0.1
IDLE_SECONDS: Final = 20 * 60.0
"""How long nothing may move in a session; in AWS the value can't be changed."""
IDLE: Final = "Your session timed out due to inactivity and has been terminated."
CHUNK: Final = 1024
RECORD_BYTES: Final = 1 << 20
"""The most that is recorded of one session."""
EVENT_CHARACTERS: Final = 50_000
"""Of a recording in one log event, which may have 256 KiB."""
_REFUSED: Final = 1008  # the websocket's close code for a broken policy


@dataclass(frozen=True, slots=True)
class SessionTarget:
    """The container that a command runs in. ``lives`` says whether its own process still runs."""

    target: str
    """``ecs:cluster_task_runtime``, as Session Manager names it."""
    environment: dict[str, str]
    folder: Path
    lives: Callable[[], bool]
    log_group: str = ""
    """Where the cluster wants sessions recorded; empty for nowhere."""
    key: str = ""
    """The KMS key with which the cluster wants sessions encrypted; empty for none."""


@dataclass(frozen=True, slots=True)
class Session:
    """A granted session, not begun yet."""

    id: str
    token: str
    until: float
    """Monotonic seconds."""
    command: tuple[str, ...]
    place: SessionTarget
    port: Port | None = None
    """Of a port session, which runs no command."""


class Secure:
    """What is said over a channel, encrypted once both sides have keys."""

    def __init__(self, channel: Channel) -> None:
        self.keys: Keys | None = None
        self._channel = channel

    def put(self, payload_type: int, payload: bytes) -> None:
        is_output = payload_type == PayloadType.OUTPUT and self.keys is not None
        self._channel.put(payload_type, self.keys.encrypt(payload) if is_output and self.keys else payload)

    def open(self, payload: bytes) -> bytes:
        """What the client's output says. Raises ``WrongKey``."""
        return self.keys.decrypt(payload) if self.keys else payload


@component()
class Sessions:
    """Grants sessions and serves them."""

    name = "ecs-sessions"

    def __init__(self) -> None:
        self.token_seconds = TOKEN_SECONDS
        self.idle_seconds = IDLE_SECONDS
        self._lock = threading.Lock()
        self._granted: dict[str, Session] = {}
        self._cloud: Cloud | None = None
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    # -- component ------------------------------------------------------------------------------------------------

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        # Any free port: a session's URL says which, and no client knows it otherwise.
        self._server = serve(
            self._connected, cloud.settings.address, 0, compression=None, open_timeout=OPEN_SECONDS, close_timeout=1
        )
        self._thread = threading.Thread(target=self._server.serve_forever, name="ecs-sessions", daemon=True)
        self._thread.start()

    def dump(self) -> object:
        """A session doesn't outlive the cloud."""
        return None

    def load(self, state: Any) -> None:
        """Nothing to take back."""

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
        if self._thread is not None:
            self._thread.join(5)

    # -- granting -------------------------------------------------------------------------------------------------

    def grant(self, command: tuple[str, ...], place: SessionTarget, port: Port | None = None) -> dict[str, str]:
        """A new session as ECS answers it. Its token is good once and for ``token_seconds``."""
        if self._server is None:
            raise RuntimeError("a session was asked for before the cloud was started")
        letters = string.ascii_lowercase + string.digits
        kind = "ecs-execute-command-" if port is None else "session-"
        identity = kind + "".join(secrets.choice(letters) for _ in range(25))
        now = time.monotonic()
        session = Session(identity, secrets.token_urlsafe(96), now + self.token_seconds, command, place, port)
        with self._lock:
            self._granted = {key: held for key, held in self._granted.items() if held.until > now}
            self._granted[identity] = session
        address, port = self._server.socket.getsockname()
        url = f"ws://{address}:{port}/v1/data-channel/{identity}?role=publish_subscribe"
        return {"sessionId": identity, "streamUrl": url, "tokenValue": session.token}

    def _redeem(self, path: str, opening: str | bytes) -> Session | None:
        """The session that this opening message may begin; it can't be begun again."""
        identity = urlsplit(path).path.removeprefix("/v1/data-channel/")
        try:
            provided = json.loads(opening)
            token = str(provided["TokenValue"])
        except (ValueError, KeyError, TypeError):
            return None
        with self._lock:
            session = self._granted.get(identity)
            if session is None or not hmac.compare_digest(session.token.encode(), token.encode()):
                return None
            del self._granted[identity]
        return session if time.monotonic() < session.until else None

    # -- serving --------------------------------------------------------------------------------------------------

    def _connected(self, connection: ServerConnection) -> None:
        """The life of one connection, in its own thread."""
        try:
            opening = connection.recv(timeout=OPEN_SECONDS)
            session = self._redeem(connection.request.path if connection.request else "", opening)
            if session is None:
                connection.close(_REFUSED, "The token is not valid: it is wrong, was used before, or has expired.")
                return
            self._serve(connection, session)
        except TimeoutError:
            connection.close(_REFUSED, "No token came.")
        except ConnectionClosed:
            log.debug("a session's client went away")
        except Exception:
            log.exception("a session failed")

    def _serve(self, connection: ServerConnection, session: Session) -> None:
        channel = Channel(connection.send, sends=messages.OUTPUT, receives=messages.INPUT)
        channel.tell(Message(messages.START_PUBLICATION))
        secure = Secure(channel)
        why = self._handshake(connection, channel, session, secure)
        if not why:
            with self._address(session.place) as source:
                serve_it = self._run if session.port is None else self._forward
                why = serve_it(connection, channel, session, source, secure)
        _drain(connection, channel)
        channel.tell(messages.channel_closed(session.id, session.place.target, why))
        connection.close()

    @contextmanager
    def _address(self, place: SessionTarget) -> Iterator[str]:
        """The task's real address, known to the VPC while the session lasts; empty where there is none."""
        address = place.environment.get(ADDRESS_VARIABLE, "")
        if self._cloud is None or not address or not self._cloud.has(VpcNetwork):
            yield ""
            return
        with self._cloud.part(VpcNetwork).bound(address) as source:
            yield source

    def _run(
        self, connection: ServerConnection, channel: Channel, session: Session, source: str, secure: Secure
    ) -> str:
        """Run the command until it or its client ends. Why it ended."""
        try:
            terminal = self._start(session, source)
        except OSError as problem:
            return f"Unable to start command: {problem.strerror or problem}"
        log.info("session %s runs %s", session.id, session.command[0])
        seen = bytearray()
        try:
            return _tie(connection, channel, terminal, session.place, seen, secure, self)
        finally:
            terminal.close()
            self._record(session, seen)

    def _forward(
        self, connection: ServerConnection, channel: Channel, session: Session, source: str, secure: Secure
    ) -> str:
        """Connect what the client opens until it or the task ends. Why it ended."""
        assert session.port is not None  # noqa: S101 - of a port session

        def send(data: bytes) -> None:
            for begin in range(0, len(data), CHUNK):
                while not channel.room(TICK_SECONDS):
                    if not session.place.lives():
                        return
                secure.put(PayloadType.OUTPUT, data[begin : begin + CHUNK])

        def failed() -> None:
            secure.put(PayloadType.FLAG, messages.CONNECT_TO_PORT_ERROR.to_bytes(4, "big"))

        own = session.place.environment.get(ADDRESS_VARIABLE, "")
        if own and self._cloud is not None:
            own = self._cloud.settings.real_address(own)
        ports = Ports(session.port, own, source if session.port.host else "", send, failed)
        log.info("session %s forwards to %s:%s", session.id, session.port.host or "the task", session.port.number)
        try:
            while session.place.lives():
                if time.monotonic() - ports.moved > self.idle_seconds:
                    return IDLE
                for message in _incoming(connection, channel):
                    if message.payload_type == PayloadType.OUTPUT:
                        ports.take(secure.open(message.payload))
                    elif message.payload_type == PayloadType.FLAG and _flag(message) == messages.TERMINATE_SESSION:
                        return ""
            return "The container has stopped."
        except (BadStream, WrongKey) as problem:
            return f"The session's stream can't be read: {problem}"
        finally:
            ports.close()

    def _start(self, session: Session, source: str) -> Terminal:
        if self._cloud is None or not session.place.lives():
            raise OSError("the container has stopped")
        folder = tools.client_folder(self._cloud.settings.state)
        environment = session.place.environment | {"TERM": "xterm-256color"}
        environment["PATH"] = f"{folder}:{environment['PATH']}"
        # A container's home goes with it; here it would be the machine's.
        environment |= {"HISTFILE": "", "PSQL_HISTORY": "/dev/null", "REDISCLI_HISTFILE": "/dev/null"}
        environment[tools.SOURCE_VARIABLE] = source
        program = session.command[0]
        if shutil.which(program, path=environment["PATH"]) is None and "/" not in program:
            raise OSError(f'Failed to start pty: exec: "{program}": executable file not found in $PATH')
        if "/" in program and not (session.place.folder / program).is_file():
            raise OSError(f"Failed to start pty: fork/exec {program}: no such file or directory")
        supervisor = self._cloud.part(Supervisor)
        return Terminal(supervisor, session.id, session.command, environment, session.place.folder)

    def _record(self, session: Session, seen: bytearray) -> None:
        """Keep what the session showed, what was typed among it, in a log stream named as the session."""
        if session.place.log_group and self._cloud is not None and self._cloud.has(LogSink):
            text = seen.decode(errors="replace")
            at = int(self._cloud.now().timestamp() * 1000)
            parts = [text[n : n + EVENT_CHARACTERS] for n in range(0, len(text), EVENT_CHARACTERS)]
            self._cloud.part(LogSink).put(session.place.log_group, session.id, [(at, part) for part in parts])

    def _handshake(self, connection: ServerConnection, channel: Channel, session: Session, secure: Secure) -> str:
        """Agree on what the session is, and on its keys. Answers why it failed, nothing if it didn't."""
        began = time.monotonic()
        request = {"AgentVersion": AGENT_VERSION, "RequestedClientActions": _actions(session)}
        channel.put(PayloadType.HANDSHAKE_REQUEST, json.dumps(request).encode())
        challenge = secrets.token_bytes(64)
        while time.monotonic() < began + HANDSHAKE_SECONDS:
            for message in _incoming(connection, channel):
                if message.payload_type == PayloadType.HANDSHAKE_RESPONSE:
                    done = message.json().get("ProcessedClientActions") or []
                    failed = [each for each in done if each.get("ActionStatus") != 1]
                    if failed or not done:
                        reason = failed[0].get("Error") if failed else "no answer"
                        return f"The client didn't accept the session: {reason}"
                    if session.place.key:
                        try:
                            secure.keys = self._keys(session, done)
                        except WrongKey as problem:
                            return str(problem)
                        sealed = base64.b64encode(secure.keys.encrypt(challenge)).decode()
                        channel.put(PayloadType.CHALLENGE_REQUEST, json.dumps({"Challenge": sealed}).encode())
                        continue
                elif message.payload_type == PayloadType.CHALLENGE_RESPONSE and secure.keys is not None:
                    if not _is_met(message, challenge, secure.keys):
                        return "The client doesn't have the session's key."
                else:
                    continue  # AWS's agent too ignores what comes before the handshake's end
                took = int((time.monotonic() - began) * 1e9)
                complete = {"HandshakeTimeToComplete": took, "CustomerMessage": ""}
                channel.put(PayloadType.HANDSHAKE_COMPLETE, json.dumps(complete).encode())
                return ""
        return "Handshake timed out. Please ensure that you have the latest version of the session manager plugin."

    def _keys(self, session: Session, done: list[Any]) -> Keys:
        wrapped = [(each.get("ActionResult") or {}).get("KMSCipherTextKey", "") for each in done]
        found = next((each for each in wrapped if each), "")
        if self._cloud is None or not found:
            raise WrongKey("The client gave no key.")
        return unwrap(self._cloud, found, session.id, session.place.target)


def _actions(session: Session) -> list[dict[str, Any]]:
    """What the client is asked for."""
    found: list[dict[str, Any]] = []
    if session.place.key:
        found.append({"ActionType": "KMSEncryption", "ActionParameters": {"KMSKeyId": session.place.key}})
    kind: dict[str, Any] = {"SessionType": "InteractiveCommands"}
    if session.port is not None:
        properties = {"portNumber": str(session.port.number), "type": "LocalPortForwarding"}
        if session.port.host:
            properties["host"] = session.port.host
        kind = {"SessionType": "Port", "Properties": properties}
    return [*found, {"ActionType": "SessionType", "ActionParameters": kind}]


def _is_met(message: Message, challenge: bytes, keys: Keys) -> bool:
    try:
        return keys.decrypt(base64.b64decode(message.json().get("Challenge", ""))) == challenge
    except (WrongKey, ValueError, TypeError):
        return False


def _incoming(connection: ServerConnection, channel: Channel) -> list[Message]:
    """What came within a moment, in order; also sends again what is due."""
    channel.resend()
    try:
        frame = connection.recv(timeout=TICK_SECONDS)
    except TimeoutError:
        return []
    try:
        return channel.receive(messages.decode(frame if isinstance(frame, bytes) else frame.encode()))
    except BadFrame as problem:
        log.info("a session's client sent what can't be read: %s", problem)
        return []


def _tie(
    connection: ServerConnection,
    channel: Channel,
    terminal: Terminal,
    place: SessionTarget,
    seen: bytearray,
    secure: Secure,
    sessions: Sessions,
) -> str:
    """Pass output and input on until the command, the container or the client ends. Answers why, if it must be told.

    ``seen`` gets the output.
    """
    over = threading.Event()
    typed = time.monotonic()
    shown = [typed]
    pump = threading.Thread(
        target=_pump, args=(channel, terminal, over, seen, secure, shown), name="ecs-session-output", daemon=True
    )
    pump.start()
    try:
        while not over.is_set():
            if not place.lives():
                return "The container has stopped."
            if time.monotonic() - max(typed, shown[0]) > sessions.idle_seconds:
                return IDLE
            for message in _incoming(connection, channel):
                if message.payload_type == PayloadType.OUTPUT:
                    typed = time.monotonic()
                    terminal.type(secure.open(message.payload))
                elif message.payload_type == PayloadType.SIZE:
                    with contextlib.suppress(BadFrame, KeyError, TypeError, ValueError):
                        size = message.json()
                        terminal.resize(int(size["cols"]) & 0xFFFF, int(size["rows"]) & 0xFFFF)
                elif message.payload_type == PayloadType.FLAG and _flag(message) == messages.TERMINATE_SESSION:
                    return ""
        return ""
    except WrongKey as problem:
        return str(problem)
    finally:
        over.set()
        pump.join()


def _flag(message: Message) -> int:
    return int.from_bytes(message.payload, "big")


def _pump(
    channel: Channel,
    terminal: Terminal,
    over: threading.Event,
    seen: bytearray,
    secure: Secure,
    shown: list[float],
) -> None:
    """Output and typed input, in a thread of its own, until the command ends or ``over`` is set."""
    try:
        while not over.is_set():
            if not channel.room(TICK_SECONDS):
                continue
            data = terminal.read()
            if data is None:
                return
            if data:
                seen += data[: max(0, RECORD_BYTES - len(seen))]
                shown[0] = time.monotonic()
                secure.put(PayloadType.OUTPUT, data)
    except ConnectionClosed:
        log.debug("a session's client went away while output was sent")
    except OSError:
        log.exception("a session's terminal failed")
    finally:
        over.set()


def _drain(connection: ServerConnection, channel: Channel) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while not channel.drained(0.0) and time.monotonic() < deadline:
        _incoming(connection, channel)
