"""Slack's Socket Mode: a connection that we open, by which buttons, commands and messages come in.

An envelope is acknowledged once its handler has committed, and not before: what isn't acknowledged in three seconds
Slack shows to the person as failed, who then tries again. When Slack wants the connection refreshed, the next one is
open before the last is left, so nothing falls between them.
"""

from __future__ import annotations

import json
import queue
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import ClientConnection, connect

from omc.errors import OmcError
from omc.notify.http import Answer, post
from omc.notify.interactions import ChannelMessage, Ignored, Interaction, interaction_of
from omc.notify.model import Refused
from omc.notify.secrets import scrubbed
from omc.notify.slack_api import SlackApi, SlackFailure
from omc.output.text import line
from omc.store import inbox
from omc.store.opened import Store, Transaction

ACKNOWLEDGE_WITHIN: Final = 3.0
"""Seconds that Slack waits (docs.slack.dev, "Using Socket Mode")."""
SILENCE = 60.0
"""Seconds without a word, not even an answered ping, after which a connection counts as dead."""
PING_INTERVAL = 15.0
BACK_OFF: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between attempts to connect; the last is repeated. Each is shortened by up to a half, by chance."""
TOO_MANY_DELAY = 60.0
OLD_STAYS = 30.0
"""Seconds that a connection which Slack wants refreshed is still listened to."""
REMEMBERED = 4_096
"""Interactions whose ids are kept: those of more than the ten minutes in which Slack delivers again."""
HANDLERS = 4
MAX_BYTES: Final = 1 << 20

Handle = Callable[[Interaction], str | None]
"""Commits what it does before it returns. The text, if any, is shown to the person alone."""


class SocketModeOff(OmcError):
    """Slack won't have us: the token isn't valid, or Socket Mode is switched off. Trying again is of no use."""

    exit_code = 3


@dataclass(slots=True, eq=False)
class Connection:
    """One connection and the thread that reads it."""

    socket: ClientConnection
    events: queue.Queue[tuple[Connection, str]]
    """Why it ended, or that it is to be replaced: Slack's own words, ``warning``, ``link_disabled``, and ``closed``."""


@dataclass(slots=True)
class Listener:
    """Listens until ``stopping`` is set."""

    api: SlackApi
    """As the bearer of the app's token."""
    handle: Handle
    team: str | None = None
    """The only workspace that is heard."""
    report: Callable[[str], None] = lambda _: None
    stopping: threading.Event = field(default_factory=threading.Event)
    connected: threading.Event = field(default_factory=threading.Event)
    """Set while there is a connection on which Slack has said hello."""
    back_off: tuple[float, ...] = BACK_OFF
    _events: queue.Queue[tuple[Connection, str]] = field(default_factory=queue.Queue)
    _done: OrderedDict[str, str | None] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(HANDLERS, thread_name_prefix="slack handler")
    )

    def run_forever(self) -> None:
        """Raises ``SocketModeOff``; all else is reported and waited out."""
        open_ones: set[Connection] = set()
        try:
            current = self._connected()
            while current is not None:
                open_ones.add(current)
                current = self._watched(current, open_ones)
        finally:
            self.connected.clear()
            for each in open_ones:
                each.socket.close()
            self._pool.shutdown(wait=True)

    def _watched(self, current: Connection, open_ones: set[Connection]) -> Connection | None:
        """The connection that follows this one; None where there is nothing left to do."""
        while not self.stopping.is_set():
            try:
                connection, event = self._events.get(timeout=0.2)
            except queue.Empty:
                continue
            if event == "closed":
                open_ones.discard(connection)
            if connection is not current:
                continue
            if event == "link_disabled":
                raise SocketModeOff(
                    "Socket Mode is switched off for this app of Slack's. Switch it on in its settings."
                )
            if event == "too_many_websockets":
                self.report("Slack has too many connections of this app; the next attempt is in a minute.")
                self.stopping.wait(TOO_MANY_DELAY)
            if event == "closed":
                self.connected.clear()
            following = self._connected()
            if event != "closed":
                leave = threading.Timer(OLD_STAYS, current.socket.close)
                leave.daemon = True
                leave.start()
            return following
        return None

    def _connected(self) -> Connection | None:
        """A new connection, after as many attempts as it takes; None where this is to end."""
        attempt = 0
        while not self.stopping.is_set():
            try:
                address = str(self.api.call("apps.connections.open")["url"])
                _require_slack(address, self.api.address)
                opening = connect(
                    address,
                    open_timeout=5,
                    close_timeout=1,
                    ping_interval=PING_INTERVAL,
                    ping_timeout=SILENCE - PING_INTERVAL,
                    max_size=MAX_BYTES,
                )
                # Entered, since websockets wants it, and never left: two of them overlap at a refresh.
                socket = opening.__enter__()
            except SlackFailure as failed:
                if isinstance(failed.outcome, Refused):
                    raise SocketModeOff(f"{scrubbed(str(failed))}. Check OMC_SLACK_APP_TOKEN.") from failed
                problem, delay = str(failed), failed.outcome.after or 0.0
            except (OSError, InvalidHandshake, InvalidURI, TimeoutError, KeyError) as error:
                problem, delay = type(error).__name__, 0.0  # its text has the address, whose ticket is a secret
            else:
                connection = Connection(socket, self._events)
                threading.Thread(target=self._read, args=[connection], name="slack socket", daemon=True).start()
                return connection
            wait = self.back_off[min(attempt, len(self.back_off) - 1)]
            wait = max(delay, wait * random.uniform(0.5, 1.0))  # noqa: S311 - not to guess, only to spread
            self.report(f"No connection to Slack: {line(scrubbed(problem))}. The next attempt is in {wait:.0f} s.")
            attempt += 1
            self.stopping.wait(wait)
        return None

    def _read(self, connection: Connection) -> None:
        """Every message of one connection, until it ends."""
        try:
            for text in connection.socket:
                self._take(connection, text)
        except (ConnectionClosed, OSError):
            pass
        except Exception as error:  # noqa: BLE001 - the connection is replaced, and it is said why
            self.report(f"A connection to Slack was given up: {type(error).__name__}.")
        finally:
            self._events.put((connection, "closed"))

    def _take(self, connection: Connection, text: str | bytes) -> None:
        try:
            envelope = json.loads(text)
            kind = str(envelope["type"])
        except (ValueError, TypeError, KeyError, RecursionError):
            self.report("Slack sent something that is no message of Socket Mode. It was passed over.")
            return
        if kind == "hello":
            self.connected.set()
        elif kind == "disconnect":
            self._events.put((connection, str(envelope.get("reason", "refresh_requested"))))
        elif isinstance(envelope.get("envelope_id"), str):
            self._pool.submit(self._answer, connection, envelope)

    def _answer(self, connection: Connection, envelope: dict[str, Any]) -> None:
        """Handle it, then acknowledge it. What failed isn't acknowledged."""
        began = time.monotonic()
        interaction = interaction_of(envelope, self.team)
        reply: str | None = None
        if isinstance(interaction, Ignored):
            self.report(f"A message of Slack's was passed over: {line(interaction.reason)}.")
        else:
            try:
                reply = self._handled(interaction)
            except Exception as error:  # noqa: BLE001 - whatever it was, the person must see that it failed
                words = error.message if isinstance(error, OmcError) else f"{type(error).__name__}: {error}"
                self.report(f"What {line(interaction.user)} did in Slack had no effect: {line(scrubbed(words))}")
                return
        acknowledgement: dict[str, Any] = {"envelope_id": envelope["envelope_id"]}
        in_it = bool(reply) and envelope.get("accepts_response_payload") is True
        if in_it:
            acknowledgement["payload"] = {"response_type": "ephemeral", "text": reply}
        try:
            connection.socket.send(json.dumps(acknowledgement))
        except (ConnectionClosed, OSError):
            self.report(
                "A connection to Slack ended before something done in it was acknowledged. It has taken effect."
            )
        if time.monotonic() - began > ACKNOWLEDGE_WITHIN:
            self.report(f"An answer to Slack took {time.monotonic() - began:.1f} s; the person was shown an error.")
        if reply and not in_it and not isinstance(interaction, Ignored | ChannelMessage):
            self._respond(interaction.response_url, reply)

    def _handled(self, interaction: Interaction) -> str | None:
        """What the handler says, once: what is delivered again gets the same answer."""
        with self._lock:
            if interaction.id in self._done:
                return self._done[interaction.id]
        reply = self.handle(interaction)
        with self._lock:
            self._done[interaction.id] = reply
            while len(self._done) > REMEMBERED:
                self._done.popitem(last=False)
        return reply

    def _respond(self, response_url: str, text: str) -> None:
        """Show the person a text; it is only said to be so where that fails, since what was done is done."""
        if not response_url or not _is_of(response_url, self.api.address):
            return
        body = json.dumps({"response_type": "ephemeral", "replace_original": False, "text": text}).encode()
        answer = post(self.api.http, response_url, body, {})
        if not isinstance(answer, Answer) or answer.status != 200:
            self.report("Slack did not take an answer to what somebody did there.")


def once(
    store: Store, actor: str, decide: Callable[[Transaction, Interaction], str | None]
) -> Callable[[Interaction], str | None]:
    """A handler that lets each interaction take effect once, in whichever process it is delivered: ``decide`` writes in
    the transaction in which its id is taken."""

    def handle(interaction: Interaction) -> str | None:
        with store.transaction(actor) as transaction:
            if not inbox.take(transaction, "slack", interaction.id):
                return None
            return decide(transaction, interaction)

    return handle


def _require_slack(address: str, api: str) -> None:
    """The socket is Slack's own, by TLS; on this machine that of whoever stands for it."""
    parts = urlsplit(address)
    if not _is_of(address, api) or parts.scheme != ("wss" if api.startswith("https:") else "ws"):
        raise KeyError("url")


def _is_of(address: str, api: str) -> bool:
    """Whether it is on a host of the domain that the API is on: ``wss-primary.slack.com`` of ``slack.com``."""
    domain, host = urlsplit(api).hostname or "", urlsplit(address).hostname or ""
    return host == domain or host.endswith(f".{domain}")
