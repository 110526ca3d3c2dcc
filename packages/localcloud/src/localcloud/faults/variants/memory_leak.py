"""An application that keeps what it should have let go."""

import threading
import time

KEPT: list[bytes] = []


def leak(mebibytes_per_second: float) -> None:
    """Grow until something stops it. Filled with ones: pages of zeros would take no memory."""
    while True:
        KEPT.append(b"\x01" * int(mebibytes_per_second * 2**20 / 4))
        time.sleep(0.25)


def begin(rate: float) -> None:
    threading.Thread(target=leak, args=(rate,), daemon=True).start()
