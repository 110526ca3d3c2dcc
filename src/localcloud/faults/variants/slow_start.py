"""An application that does something long before it begins to serve."""

import json
import os
import runpy
import sys
import time
from pathlib import Path


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
    seconds = json.loads(Path(__file__).with_suffix(".json").read_text())["seconds"]
    print(f"warming the price history up, about {seconds:g} s", flush=True)
    time.sleep(seconds)
    start_application()
