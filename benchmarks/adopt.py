"""How long it takes from an installed omc to the first true morning check of a stack that it has never seen.

`make bench-adopt` applies the sample stack in a local cloud of its own (not counted). In an empty folder `omc init`
looks at it and `omc check morning` asks it, until the check is true: exit code 0, nothing unknown. `--state DIR` takes
a cloud that runs. The last line is one JSON object: init_s, check_s, total_s, commands (what a person types), machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.commands import clean_env

MAX_TOTAL = 60.0
"""Seconds of the machine that it may take."""
HEALTHY_WITHIN = 600.0
"""Seconds for a stack that has just come up to have nothing wrong; waiting for it isn't counted."""


def omc(folder: Path, *arguments: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    """One command, and its wall time in seconds."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "omc", *arguments],
        cwd=folder,
        env=clean_env(),
        capture_output=True,
        text=True,
        check=False,
    )
    return time.monotonic() - began, done


def require(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, done.args))} ended with {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout


def measure(state: Path, folder: Path) -> dict[str, float | int]:
    """The figures of one adoption, in an empty folder."""
    init_s, made = omc(folder, "init", "--local-state", str(state), "--yes")
    require(made)
    found = re.search(r"^Next: omc (check morning --env \S+)$", made.stdout, re.MULTILINE)
    if found is None:
        sys.exit(f"omc init doesn't say what is next: {made.stdout}")
    deadline = time.monotonic() + HEALTHY_WITHIN
    check_s, checked = omc(folder, *found[1].split())
    while checked.returncode != 0 and time.monotonic() < deadline:
        time.sleep(2)
        check_s, checked = omc(folder, *found[1].split())
    print(require(checked).rstrip())
    figures = {"init_s": round(init_s, 2), "check_s": round(check_s, 2), "total_s": round(init_s + check_s, 2)}
    return {**figures, "commands": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, help="the state folder of a local cloud that runs")
    state: Path | None = parser.parse_args().state
    with tempfile.TemporaryDirectory(prefix="omc adopt ") as name:
        sample, empty = Path(name) / "theirs", Path(name) / "ours"
        empty.mkdir()
        try:
            if state is None:
                require(omc(Path(name), "local", "sample", str(sample))[1])
                require(omc(sample, "local", "up")[1])
            figures = measure((state or sample / ".localcloud").absolute(), empty)
        finally:
            if state is None and sample.is_dir():
                omc(sample, "local", "reset", "--force", "--yes")
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    print(json.dumps(figures | {"machine": machine}))
    sys.exit(0 if figures["total_s"] <= MAX_TOTAL else 1)


if __name__ == "__main__":
    main()
