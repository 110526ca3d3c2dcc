"""Start an application after something in its process was made faulty: ``python start.py VARIANT python -m MODULE …``.

Copied into the faulty image beside the variant, a module whose ``begin`` takes the values in ``VARIANT.json``.
"""

import json
import os
import runpy
import sys
from importlib import import_module
from pathlib import Path


def application(command: list[str]) -> None:
    """``python -m MODULE …`` or ``python FILE …``, in this process."""
    sys.argv = command[1:]
    if sys.argv[0] == "-m":
        sys.argv = sys.argv[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(sys.argv[0])  # noqa: PTH120 - started in each task: nothing more is imported
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    variant, *rest = sys.argv[1:]
    import_module(variant).begin(**json.loads(Path(__file__).with_name(f"{variant}.json").read_text()))
    application(rest)
