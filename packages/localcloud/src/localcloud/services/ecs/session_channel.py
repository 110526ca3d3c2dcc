"""Both streams of a data channel: whatever frames are lost, doubled or overtaken, each arrives once and in order.

A frame is kept until it is acknowledged and sent again when that takes too long; what comes in is acknowledged, put
in order and given out. Knows nothing of sockets, terminals or what the payloads mean.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from localcloud.services.ecs.session_messages import (
    ACKNOWLEDGE,
    PAUSE_PUBLICATION,
    START_PUBLICATION,
    SYN,
    Message,
    acknowledgement,
    encode,
)

RESEND_SECONDS: Final = 0.5
"""A frame without acknowledgement is sent again after this long (AWS's agent: 0.2 s at first, at most 1 s)."""
WINDOW: Final = 100
"""Frames that may be under way; whoever has more to say waits (``room``)."""
RESEND_MOST: Final = 10
"""Frames sent again at a time, the oldest first, so that a client that stopped reading isn't flooded."""
KEEP_EARLY: Final = 10_000
"""Frames kept that came before their turn; more are not acknowledged, so that they come again."""


@dataclass(slots=True)
class _Sent:
    frame: bytes
    at: float


class Channel:
    """``transmit`` sends one frame. Callable from any thread; the clock counts seconds."""

    def __init__(
        self,
        transmit: Callable[[bytes], None],
        *,
        sends: str,
        receives: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transmit = transmit
        self._sends = sends
        self._receives = receives
        self._clock = clock
        self._changed = threading.Condition()
        self._next_out = 0
        self._under_way: dict[int, _Sent] = {}
        self._next_in = 0
        self._early: dict[int, Message] = {}
        self._paused = False

    def put(self, payload_type: int, payload: bytes) -> None:
        """Send one message of the stream; while the other side has paused, keep it until it goes on."""
        with self._changed:
            flags = SYN if self._next_out == 0 else 0
            frame = encode(Message(self._sends, payload, payload_type, self._next_out, flags))
            self._under_way[self._next_out] = _Sent(frame, self._clock())
            self._next_out += 1
            if not self._paused:
                self._transmit(frame)

    def tell(self, message: Message) -> None:
        """Send a message outside of the stream, once."""
        with self._changed:
            self._transmit(encode(message))

    def receive(self, message: Message) -> list[Message]:
        """Take a message in; answers the stream messages whose turn has come."""
        with self._changed:
            if message.kind == ACKNOWLEDGE:
                self._under_way.pop(message.json().get("AcknowledgedMessageSequenceNumber", -1), None)
                self._changed.notify_all()
            elif message.kind == PAUSE_PUBLICATION:
                self._paused = True
            elif message.kind == START_PUBLICATION:
                self._paused = False
                self._send_again(list(self._under_way.values()))
            elif message.kind == self._receives:
                return self._in_order(message)
            return []

    def _in_order(self, message: Message) -> list[Message]:
        if message.sequence > self._next_in:
            if len(self._early) >= KEEP_EARLY:
                return []
            self._early[message.sequence] = message
        # One that was seen before is acknowledged again: its acknowledgement was lost.
        self._transmit(encode(acknowledgement(message)))
        if message.sequence != self._next_in:
            return []
        found = [message]
        self._next_in += 1
        while self._next_in in self._early:
            found.append(self._early.pop(self._next_in))
            self._next_in += 1
        return found

    def resend(self) -> None:
        """Send again what has waited too long; to be called every so often."""
        with self._changed:
            moment = self._clock() - RESEND_SECONDS
            if not self._paused:
                due = (sent for sent in self._under_way.values() if sent.at <= moment)
                self._send_again(list(islice(due, RESEND_MOST)))

    def _send_again(self, chosen: Iterable[_Sent]) -> None:
        for sent in chosen:
            sent.at = self._clock()
            self._transmit(sent.frame)

    def room(self, timeout: float) -> bool:
        """Wait until there is room for another message; ``False`` if the time is over first."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._under_way) < WINDOW, timeout)

    def drained(self, timeout: float) -> bool:
        """Wait until everything sent was acknowledged; ``False`` if the time is over first."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way, timeout)
