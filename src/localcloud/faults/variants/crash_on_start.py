"""An application whose newest module needs a package that nobody added to the requirements."""

import os
import runpy
import sys
from importlib import import_module


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
    import_module("exchange_rates")
    start_application()
