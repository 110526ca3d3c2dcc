"""Holding real processes back to a share of the time, as a hypervisor does with an instance without credits.

All processes of a server stop together (SIGSTOP) for a part of each period and go on together, so that none waits for
another that stands still. Nothing is held while the share is 1.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence

from localcloud.core.processes import Process

MIN_SHARE = 0.05
"""The least share: an instance without credits still has its baseline."""


class Brake:
    """Of one server. ``processes`` are asked for anew in each period: servers fork."""

    def __init__(self, processes: Callable[[], Sequence[Process]], period: float = 2.0) -> None:
        self._processes = processes
        self._period = period
        self._share = 1.0
        self._changed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def share(self) -> float:
        return self._share

    def hold(self, share: float) -> None:
        """From the next period on; 1 lets go at once."""
        self._share = min(1.0, max(MIN_SHARE, share))
        self._changed.set()
        if self._share < 1 and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._run, name="brake", daemon=True)
            self._thread.start()

    def release(self) -> None:
        """Let go and wait until it has."""
        self.hold(1.0)
        if self._thread is not None:
            self._thread.join(5.0)

    def _run(self) -> None:
        while self._share < 1:
            self._changed.clear()
            processes = self._processes()
            try:
                for process in processes:
                    process.send_all(signal.SIGSTOP)
                self._changed.wait(self._period * (1 - self._share))
            finally:
                for process in processes:
                    process.send_all(signal.SIGCONT)
            self._changed.wait(self._period * self._share)
