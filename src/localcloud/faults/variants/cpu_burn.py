"""An application that computes all the time beside its work."""

import json
import os
import runpy
import sys
import threading
import time
from pathlib import Path

PERIOD = 0.1
"""Seconds, of which the set share is spent computing."""


def burn(cores: float) -> None:
    while True:
        began = time.monotonic()
        until = time.thread_time() + PERIOD * cores
        while time.thread_time() < until:
            pass
        time.sleep(max(0.0, began + PERIOD - time.monotonic()))


def start_application() -> None:
    """``python -m MODULE …`` or ``python FILE …``, in this process."""
    sys.argv = sys.argv[2:]
    if sys.argv[0] == "-m":
        sys.argv = sys.argv[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(sys.argv[0])  # noqa: PTH120 - started in each task: nothing more is imported
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    values = json.loads(Path(__file__).with_suffix(".json").read_text())
    threading.Thread(target=burn, args=(values["cores"],), daemon=True).start()
    start_application()
