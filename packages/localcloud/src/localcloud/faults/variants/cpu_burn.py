"""An application that computes all the time beside its work."""

import threading
import time

PERIOD = 0.1
"""Seconds, of which the set share is spent computing."""


def burn(cores: float) -> None:
    while True:
        began = time.monotonic()
        until = time.thread_time() + PERIOD * cores
        while time.thread_time() < until:
            pass
        time.sleep(max(0.0, began + PERIOD - time.monotonic()))


def begin(cores: float) -> None:
    threading.Thread(target=burn, args=(cores,), daemon=True).start()
