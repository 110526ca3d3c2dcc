"""An application that computes all the time beside its work."""

import hashlib
import threading
import time

PERIOD = 0.1
"""Seconds, of which the set share is spent computing."""
THREADS = 6
"""On a busy machine each gets its turn: together they have their share where one alone wouldn't."""
DATA = bytes(256 * 1024)
"""Hashing so much lets go of Python's lock, so that the threads, and what serves, run side by side."""


def burn(cores: float) -> None:
    while True:
        began = time.monotonic()
        until = time.thread_time() + PERIOD * cores
        while time.thread_time() < until:
            hashlib.sha256(DATA)
        time.sleep(max(0.0, began + PERIOD - time.monotonic()))


def begin(cores: float) -> None:
    for _ in range(THREADS):
        threading.Thread(target=burn, args=(cores / THREADS,), daemon=True).start()
