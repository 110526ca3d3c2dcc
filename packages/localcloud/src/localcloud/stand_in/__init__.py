"""The stand-in: an image that takes the place of an application whose code isn't here.

It serves on its ports, logs lines, holds connections to the database and the cache, and fails as it is told to:
``image/main.py`` says how. Each release of it is an image of its own, so that deployments and rollbacks have something
to go to and fro between.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Final

IMAGE: Final = Path(__file__).with_name("image")
FAILURES: Final = ("", "5xx", "slow", "crash", "unhealthy")
"""What a stand-in can be told to do; ``slow`` and ``crash`` take seconds behind a colon."""


def check(fail: str) -> None:
    """Raises ``ValueError`` with a sentence for what no stand-in does."""
    if not re.fullmatch(r"(5xx|unhealthy|slow(:\d+(\.\d+)?)?|crash(:\d+(\.\d+)?)?)?", fail):
        raise ValueError(f"A stand-in can't be told {fail!r}. It knows 5xx, unhealthy, slow:SECONDS and crash:SECONDS.")


def copy_image(folder: Path, release: str, fail: str = "") -> Path:
    """The folder of one release's image, made below ``folder``. ``ValueError`` for a failure that isn't known."""
    check(fail)
    made = folder / "stand-in"
    shutil.copytree(IMAGE, made, ignore=shutil.ignore_patterns("__pycache__"))
    (made / "release.json").write_text(json.dumps({"release": release, "fail": fail}))
    return made
