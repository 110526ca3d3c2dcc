"""Both streams of a data channel as the client has them: whatever is lost, doubled or overtaken on the way, each
message arrives once and in order.

What is sent is kept until it is acknowledged, and sent again when that takes longer than a round trip should; what
comes in is acknowledged, put in order and given out. Knows nothing of sockets, or of what payloads mean.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from omc.sessions.frames import (
    ACKNOWLEDGE,
    INPUT,
    OUTPUT,
    PAUSE_PUBLICATION,
    START_PUBLICATION,
    BadFrame,
    Frame,
    encode,
)
from omc.sessions.frames import acknowledgement as acknowledging

# As the plugin has them (src/config/config.go), in seconds.
FIRST_TIMEOUT: Final = 0.2
FIRST_ROUND_TRIP: Final = 0.1
MOST_TIMEOUT: Final = 1.0
LEAST_VARIATION: Final = 0.01
ROUND_TRIP_SHARE: Final = 1 / 8
VARIATION_SHARE: Final = 1 / 4
KEEP_EARLY: Final = 10_000
"""Messages kept that came before their turn; more aren't acknowledged, so that they come again."""

WINDOW: Final = 100
"""Messages under way; whoever has more to say waits. The plugin knows no bound and drops the oldest of 10,000."""
RESEND_MOST: Final = 10
"""Messages sent again at a time, the oldest first."""
GIVE_UP: Final = 60.0
"""After so many seconds without a word while something waits for its acknowledgement, the other side is gone. The
plugin's is 300."""


@dataclass(slots=True)
class _Sent:
    data: bytes
    first: float
    last: float
    is_repeated: bool = False


class Channel:
    """``transmit`` sends one message's bytes. Callable from any thread; ``clock`` counts seconds."""

    def __init__(self, transmit: Callable[[bytes], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.timeout = FIRST_TIMEOUT
        """After so many seconds a message without acknowledgement is sent again."""
        self._transmit = transmit
        self._clock = clock
        self._changed = threading.Condition(threading.RLock())
        self._round_trip, self._variation = FIRST_ROUND_TRIP, 0.0
        self._next_out = self._next_in = 0
        self._under_way: dict[int, _Sent] = {}
        self._early: dict[int, Frame] = {}
        self._is_paused = False
        self._is_closed = False
        self._heard = clock()

    def send(self, payload_type: int, payload: bytes, timeout: float | None = None) -> bool:
        """Send one message, once there is room for it; False where there is none in time or the channel was closed."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_closed or len(self._under_way) < WINDOW, timeout):
                return False
            if self._is_closed:
                return False
            data = encode(Frame(INPUT, payload, payload_type, self._next_out))
            now = self._clock()
            if not self._under_way:
                self._heard = now  # the time in which nobody had to say anything doesn't count
            self._under_way[self._next_out] = _Sent(data, now, now)
            self._next_out += 1
            if not self._is_paused:
                self._transmit(data)
            return True

    def receive(self, frame: Frame) -> list[Frame]:
        """Take a message in; gives those of the stream whose turn has come."""
        with self._changed:
            self._heard = self._clock()
            if frame.kind == ACKNOWLEDGE:
                self._acknowledged(frame)
            elif frame.kind == PAUSE_PUBLICATION:
                self._is_paused = True
            elif frame.kind == START_PUBLICATION:
                self._is_paused = False
            elif frame.kind == OUTPUT:
                return self._in_order(frame)
            return []

    def _acknowledged(self, frame: Frame) -> None:
        number = frame.json().get("AcknowledgedMessageSequenceNumber")
        if not isinstance(number, int):
            raise BadFrame("an acknowledgement without a number")
        sent = self._under_way.pop(number, None)
        if sent is not None and not sent.is_repeated:  # which of two copies is meant is not told
            took = self._clock() - sent.first
            self._variation += VARIATION_SHARE * (abs(self._round_trip - took) - self._variation)
            self._round_trip += ROUND_TRIP_SHARE * (took - self._round_trip)
            self.timeout = min(MOST_TIMEOUT, self._round_trip + max(LEAST_VARIATION, 4 * self._variation))
        self._changed.notify_all()

    def _in_order(self, frame: Frame) -> list[Frame]:
        if frame.sequence > self._next_in:
            if len(self._early) >= KEEP_EARLY:
                return []
            self._early[frame.sequence] = frame
        # One that was seen before is acknowledged again: its acknowledgement was lost.
        self._transmit(encode(acknowledging(frame)))
        if frame.sequence != self._next_in:
            return []
        found = [frame]
        self._next_in += 1
        while self._next_in in self._early:
            found.append(self._early.pop(self._next_in))
            self._next_in += 1
        return found

    def resend(self) -> bool:
        """Send again what has waited too long; to be called every so often. False once the other side is gone."""
        with self._changed:
            now = self._clock()
            if self._is_paused or not self._under_way:
                self._heard = max(self._heard, now) if not self._under_way else self._heard
                return True
            due = [sent for sent in self._under_way.values() if now - sent.last > self.timeout][:RESEND_MOST]
            for sent in due:
                sent.last, sent.is_repeated = now, True
                self._transmit(sent.data)
            return now - self._heard <= GIVE_UP

    def drained(self, timeout: float) -> bool:
        """Wait until all that was sent is acknowledged; False where that isn't so in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_closed or not self._under_way, timeout)

    def close(self) -> None:
        """Nothing is sent any more; whoever waits goes on."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
