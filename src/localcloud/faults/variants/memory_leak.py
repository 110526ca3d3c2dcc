"""An application that keeps what it should have let go."""

import json
import os
import runpy
import sys
import threading
import time
from pathlib import Path

KEPT: list[bytes] = []


def leak(mebibytes_per_second: float) -> None:
    """Grow until something stops it. Filled with ones: pages of zeros would take no memory."""
    while True:
        KEPT.append(b"\x01" * int(mebibytes_per_second * 2**20 / 4))
        time.sleep(0.25)


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
    threading.Thread(target=leak, args=(values["rate"],), daemon=True).start()
    start_application()
