"""How long a local cloud takes: the first `omc local up` (with apply) and later ones, as whole processes.

`make bench-local-up`. The last line is one JSON object: first_s, later_s (medians of the runs), and the machine.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST_RUNS = 2
LATER_RUNS = 5


def omc(state: Path, *arguments: str) -> float:
    """Run one omc command on this state folder and return its wall time in seconds."""
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "omc", "local", *arguments, "--state", str(state)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - began


def main() -> None:
    first: list[float] = []
    later: list[float] = []
    with tempfile.TemporaryDirectory(prefix="omc-bench-") as folder:
        for number in range(FIRST_RUNS):
            state = Path(folder) / f"cloud-{number}"
            try:
                first.append(omc(state, "up"))
                if number == FIRST_RUNS - 1:
                    for _ in range(LATER_RUNS):
                        omc(state, "down")
                        later.append(omc(state, "up"))
            finally:
                omc(state, "reset", "--force", "--yes")
    print(f"{'':<12}{'median':>9}{'min':>9}{'max':>9}   runs")
    for name, runs in (("first up", first), ("later up", later)):
        print(f"{name:<12}{statistics.median(runs):>8.1f}s{min(runs):>8.1f}s{max(runs):>8.1f}s   {len(runs)}")
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    figures = {"first_s": round(statistics.median(first), 1), "later_s": round(statistics.median(later), 2)}
    print(json.dumps(figures | {"machine": machine}))


if __name__ == "__main__":
    main()
